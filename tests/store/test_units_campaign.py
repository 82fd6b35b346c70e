"""A small budget of ``scripts/campaign units``, and that it finds what is wrong and makes it small."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from attrs import evolve

from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.documents import Document
from meerkat_actors.records.effects import AppendTurn, TakeMail, Unit
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.store import MemoryStore
from tests.store.unit_campaign import DifferenceError, open_pair, replay, run_round
from tests.store.unit_campaign_sides import Batch, Restarted, Side
from tests.store.unit_campaign_tally import Tally


@pytest.mark.slow
def test_thousands_of_random_units_leave_both_stores_equal() -> None:
    """Every refusal and every effect is among them."""
    seed = os.environ.get("MEERKAT_SEED", "units-2")
    tally = Tally()
    for number in range(12):
        tally.add(run_round(f"{seed}/{number}", 1_000))
    told = f"seed={seed}\n{tally}"
    print(told)
    assert tally.units == 12_000, told
    assert tally.lacking() == [], told
    # Some batches went through as one group, and some could not.
    assert 0 < tally.grouped < tally.batches, told
    assert tally.restarts > 0, told
    assert tally.returned > 0, told
    assert tally.at_the_end > 0, told
    assert min(tally.rows.values()) > 0, told


def test_a_seed_is_a_history() -> None:
    histories: list[str] = []
    for _ in range(2):
        chance = Random("units-2")
        with open_pair() as pair:
            while pair.tally.units < 200:
                pair.choose(chance, 200)
            histories.append(repr(pair.history))
    assert histories[0] == histories[1]
    with open_pair() as pair:
        pair.choose(Random("units-2"), 200)
        assert repr(pair.history) not in histories[0]


class Forgetful(MemoryStore):
    """Commits a boundary that takes mail, and leaves the mail where it is."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes: list[CommitOutcome] = []
        for unit in units:
            appends = any(isinstance(effect, AppendTurn) for effect in unit.effects)
            left = tuple(effect for effect in unit.effects if not (appends and isinstance(effect, TakeMail)))
            outcomes += super().commit([Unit(unit.fence, left)])
        return outcomes


class Careless(MemoryStore):
    """Says that a stale writer's unit was committed, and does nothing."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        return [
            Committed(unit.fence.version)
            if isinstance(outcome, Refused) and outcome.reason is RefusalReason.STALE_CHECKPOINT_VERSION
            else outcome
            for unit, outcome in zip(units, super().commit(units), strict=True)
        ]


class Floorless(MemoryStore):
    """Lets mail be taken that was sent before a stop, a reset or a burial."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes = super().commit(units)
        heads = self._tables.heads
        heads.update({key: evolve(head, mail_floor=0) for key, head in heads.items()})
        return outcomes


class Blind(MemoryStore):
    """Can't be asked for documents."""

    def find_document(self, identity: AgentIdentity, kind: str, key: str) -> Document | None:
        raise LookupError(key)


@pytest.mark.parametrize(
    ("wrong", "units_max"),
    # Mail takes two creations, a sending and a taking, and at most two more that tell.
    # What is below a floor takes as many, and a word of the operator's.
    # Who is stale presents another's key at worst, and so takes the other's boundary.
    [(Forgetful, 6), (Careless, 3), (Blind, 2), (Floorless, 4)],
    ids=["a-difference-in-rows", "a-difference-in-outcomes", "a-failure", "a-rule-of-mail"],
)
def test_a_store_that_is_wrong_is_found_out_by_a_history_of_few_units(wrong: type[MemoryStore], units_max: int) -> None:
    def opener(_: Path) -> Side:
        return Side(wrong())

    with pytest.raises(DifferenceError) as caught:
        run_round("units-2", 2_000, opener)
    history = caught.value.history
    units = [unit for moment in history if isinstance(moment, Batch) for unit in moment.units]
    assert 0 < len(units) <= units_max, caught.value
    assert not any(isinstance(moment, Restarted) for moment in history), caught.value
    # What is printed shows it again, and only there.
    assert str(units[-1]) in str(caught.value)
    again = replay(history, opener)
    assert again is not None
    assert again.kind == caught.value.kind
    assert replay(history) is None
