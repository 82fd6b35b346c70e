"""Random histories of two agents, their callers and their operator, with processes that end in every way.

A few rounds here; ``scripts/campaign histories`` lives through as many as you like.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import pytest
from attrs import evolve

from meerkat_actors.records.activation import Activation, Broken
from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.effects import InsertInput, SendMail, Unit
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.runs import Run
from meerkat_actors.store import MemoryStore
from tests.histories.outside import ViolationError
from tests.histories.processes import Opener
from tests.histories.running import BENCHES, Tally, run_round

STEPS = 120
ROUNDS = {"memory": 12, "sqlite": 6}


@pytest.mark.parametrize(
    ("flavour", "seed"),
    [(flavour, f"{flavour}-{number}") for flavour, count in ROUNDS.items() for number in range(count)],
)
def test_whatever_happens_every_input_is_in_one_place_and_ends_once(flavour: str, seed: str) -> None:
    tally = run_round(seed, STEPS, BENCHES[flavour])
    assert tally.steps == STEPS
    assert tally.inputs > 0


def test_a_seed_is_a_history() -> None:
    assert str(run_round("again", STEPS)) == str(run_round("again", STEPS))


class Forgetful(MemoryStore):
    """Acknowledges admissions, and forgets one in ten."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = 0

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        return [self._one(unit) for unit in units]

    def _one(self, unit: Unit) -> CommitOutcome:
        if len(unit.effects) == 1 and isinstance(unit.effects[0], InsertInput):
            self._seen += 1
            if self._seen % 10 == 0:
                return Committed(unit.fence.version)
        [outcome] = super().commit([unit])
        return outcome


class Repeating(MemoryStore):
    """Loses the journals of runs."""

    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        found = super().activate(identity)
        if isinstance(found, Broken):
            return found
        return evolve(found, run=_without_journal(found.run), parked=_without_journal(found.parked))


class Losing(MemoryStore):
    """Takes mail, and throws it away."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        return super().commit([
            Unit(unit.fence, tuple(effect for effect in unit.effects if not isinstance(effect, SendMail)))
            for unit in units
        ])  # fmt: skip


def _without_journal(run: Run | None) -> Run | None:
    return None if run is None else evolve(run, journal={})


@pytest.mark.parametrize(
    ("wrong", "kinds"),
    [
        (Forgetful, {"admitted, and not there", "an admission number was left out", "a status that is not so"}),
        (Repeating, {"a recorded step ran again", "an agent's OwnerCrashed"}),
        (Losing, {"mail lost"}),
    ],
)
def test_a_store_that_does_not_keep_its_word_is_found_out(wrong: type[MemoryStore], kinds: set[str]) -> None:
    def bench() -> Generator[Opener, None, None]:
        store = wrong()
        yield lambda: store

    def search() -> None:
        for number in range(20):
            run_round(f"wrong-{number}", 40, bench, tries_max=60)

    with pytest.raises(ViolationError) as caught:
        search()
    assert caught.value.kind in kinds, caught.value
    assert 0 < len(caught.value.steps) <= 30
    assert str(caught.value.steps[-1].move) in str(caught.value)


def test_a_tally_tells_what_was_done() -> None:
    tally = Tally()
    tally.add(run_round("tally-1", 40))
    tally.add(run_round("tally-2", 40))
    assert str(tally).startswith("80 steps in 2 rounds")
