"""Ctrl-C and SIGTERM at random instants: the job says so, ends soon, and keeps at least what kill -9 keeps."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

import outcome
import pytest
import trio

import meerkat_actors as meerkat
from meerkat_actors.actors.writer import Writer
from meerkat_actors.examples.review.progress import Phase
from tests.crashes.campaign import SIGNAL_SHARES, Budget, Campaign
from tests.crashes.sources import write_sources

SEED: Final = os.environ.get("MEERKAT_SEED", "signals-1")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize(("number", "blows", "per_phase"), [(signal.SIGINT, 20, 3), (signal.SIGTERM, 8, 1)])
def test_a_signal_at_any_instant_ends_the_job_in_good_order(
    tmp_path: Path, number: signal.Signals, blows: int, per_phase: int
) -> None:
    """Each ends with 128 plus its number within 10 s, or 0 if the job was done, and no traceback.

    Everything acknowledged is kept, the next run writes the report of an undisturbed one, and no
    input is charged for the interruption: the block was left in good order.
    """
    budget = Budget(signal=number, blows=blows, blows_per_phase_min=per_phase, shares=SIGNAL_SHARES, per_job_max=4)
    tally = Campaign(budget=budget, seed=SEED, folder=tmp_path).run(write_sources(tmp_path / "src", budget.files))
    told = f"seed={SEED}\n{tally}"
    print(told)
    assert tally.violations == [], told
    assert tally.blows_in_all >= blows, told
    assert min(map(tally.of_phase, Phase)) >= per_phase, told
    assert tally.interruptions == 0, told
    assert tally.exit_seconds_max < 10, told


@pytest.mark.parametrize("nth", range(1, 6))
def test_ctrl_c_between_a_call_to_the_store_and_its_wait_is_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """Found by two signals in a row: the runtime's own task left the wait, and was woken twice by the next one."""
    submit = Writer.submit
    left = iter(range(nth - 1, -1, -1))

    def interrupted(self: Writer, fn: Callable[[], object], done: Callable[[outcome.Outcome[object]], object]) -> None:
        submit(self, fn, done)
        if next(left, None) == 0:
            signal.raise_signal(signal.SIGINT)

    async def main() -> None:
        async with meerkat.open_runtime(tmp_path / "a.db") as runtime:
            assert [row async for row in runtime.identities()] == []

    monkeypatch.setattr(Writer, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
    monkeypatch.undo()
    # Nothing is left behind: the store opens again in the same process.
    trio.run(main)
