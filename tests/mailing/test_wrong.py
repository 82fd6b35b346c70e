"""What does not keep its word is found out: a store that loses mail, and machines that forget what they promise.

In files, which are gone before every store that a test served is held to what must be so of each.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import pytest
from attrs import evolve

from meerkat_actors.machines.lap import Lap
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import BeginGeneration, Effect, EndInput, OwnerUnit, SendMail, Unit
from meerkat_actors.records.inputs import Lane, OpenInput
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.runtime_effects import MoveInput
from meerkat_actors.store import memory_lives
from tests.actors.faulty import FaultyStore
from tests.histories.outside import ViolationError
from tests.histories.processes import Opener
from tests.histories.running import Bench, memory, sqlite
from tests.mailing.choosing import choose_history
from tests.mailing.running import run_history, run_round


class Losing(FaultyStore):
    """Throws messages away."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        return super().commit([
            Unit(unit.fence, tuple(effect for effect in unit.effects if not _is_message(effect))) for unit in units
        ])  # fmt: skip


class Merciful(FaultyStore):
    """Lets what a reset ends go on."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        return super().commit([
            Unit(unit.fence, tuple(effect for effect in unit.effects if not isinstance(effect, MoveInput | EndInput)))
            if any(isinstance(effect, BeginGeneration) for effect in unit.effects) else unit
            for unit in units
        ])  # fmt: skip


class Silent(FaultyStore):
    """Returns requests, and answers none of them."""

    def post(self, unit: OwnerUnit) -> CommitOutcome:
        effect = unit.effect
        if isinstance(effect, tuple):
            return super().post(OwnerUnit(unit.fence, tuple(evolve(each, answer=None) for each in effect)))
        return super().post(unit)


def _nothing(*_: object) -> None:
    return None


def _is_message(effect: Effect) -> bool:
    return isinstance(effect, SendMail) and effect.kind is InputKind.PEER_MESSAGE


def violation_of(seed: str, steps: int, bench: Bench = sqlite) -> str | None:
    """Of what kind the violation is that a history shows; None for none."""
    try:
        run_history(choose_history(seed, steps), bench)
    except ViolationError as error:
        return error.kind
    return None


@pytest.mark.parametrize(
    ("wrong", "seed", "kind"),
    [
        (Losing, "wrong-4", "mail lost"),
        (Merciful, "wrong-20", "something outlived a generation"),
        (Silent, "wrong-1", "a returned request was not answered"),
    ],
)
def test_a_store_that_does_not_keep_its_word_is_found_out(wrong: type[FaultyStore], seed: str, kind: str) -> None:
    def bench(*, is_shared: bool) -> Generator[Opener, None, None]:
        with contextmanager(sqlite)(is_shared=is_shared) as opener:
            yield lambda: wrong(opener())

    assert violation_of(seed, 20, bench) == kind


def test_a_request_that_ends_unanswered_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lap, "fail_request", _nothing)
    assert violation_of("wrong-4", 20) == "a request without its one answer"


def test_mail_that_outlives_a_stop_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_lives, "_raise_mail_floor", _nothing)
    assert violation_of("wrong-4", 60, memory) == "mail from below the floor was taken"


def test_mail_that_is_taken_out_of_its_order_is_found_out_and_told_in_few_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a failed batch gives back goes behind what came after it."""

    def come_back(lap: Lap, items: tuple[OpenInput, ...]) -> None:
        for item in items:
            if item.lane is Lane.STEER:
                lap.state.steer = lap.state.steer.append(item)
            else:
                lap.state.lane = lap.state.lane.append(item)

    monkeypatch.setattr("meerkat_actors.machines.settling.come_back", come_back)
    with pytest.raises(ViolationError) as caught:
        run_round("wrong-4", 60, sqlite, tries_max=6)
    assert caught.value.kind == "mail was worked on out of order"
    assert 0 < len(caught.value.steps) < 60
    assert str(caught.value.steps[-1]) in str(caught.value)
