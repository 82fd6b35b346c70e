"""The loop's own hands: a store without a thread, at once or in the time of its clock."""

from __future__ import annotations

from pathlib import Path

import outcome
import pytest
import trio

from meerkat_actors.actors.hands import InlineHands
from meerkat_actors.actors.observer import Observers
from meerkat_actors.actors.turn import AgentKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import serve
from meerkat_actors.simulation import SlowHands
from meerkat_actors.store import MemoryStore, open_sqlite
from tests.actors.world import VirtualEnv, echo


def fails() -> int:
    raise LookupError


async def test_inline_hands_do_it_before_they_return() -> None:
    heard: list[outcome.Outcome[int]] = []
    hands = InlineHands()
    hands.submit(lambda: 1, heard.append)
    hands.submit_alone(fails, heard.append)
    assert heard[0] == outcome.Value(1)
    assert isinstance(heard[1], outcome.Error)
    assert await hands.call(lambda: 2) == 2
    with pytest.raises(LookupError):
        await hands.call(fails)


async def test_slow_hands_take_their_time_before_and_after(autojump_clock: trio.testing.MockClock) -> None:
    told: list[tuple[float, str]] = []

    def note(what: str) -> None:
        told.append((trio.current_time() - begun, what))

    async with trio.open_nursery() as nursery:
        begun = trio.current_time()
        hands = SlowHands(lambda: (2.0, 3.0), nursery)
        hands.submit(lambda: note("made"), lambda _: note("heard"))
        note("submitted")
        await trio.sleep(10)
        with trio.move_on_after(1) as scope:
            await hands.call(lambda: note("called"))
        note("answered")
    assert told == [(0, "submitted"), (2, "made"), (5, "heard"), (12, "called"), (15, "answered")]
    assert not scope.cancelled_caught


@pytest.mark.parametrize("is_file", [True, False])
async def test_a_runtime_in_slow_hands_answers_when_its_commit_has_ended(
    tmp_path: Path, is_file: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        source = (lambda: open_sqlite(tmp_path / "team.db")) if is_file else MemoryStore()
        async with serve(
            source,
            agents={"echo": AgentKind(echo)},
            limits=Limits(),
            env=VirtualEnv(),
            observers=Observers(()),
            hands=SlowHands(lambda: (0.5, 0.5), nursery),
        ) as runtime:
            agent = await runtime.agent("echo-1", kind="echo")
            begun = trio.current_time()
            assert (await agent.ask("hello")).text == "hello"
            # One commit admits and begins, another one ends.
            assert trio.current_time() - begun == pytest.approx(2)
