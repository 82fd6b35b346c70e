"""Deciding: what a unit did is told by one row of it, and by no other."""

from __future__ import annotations

import pytest

from meerkat_actors.records.agenda_effects import DropTimers, RecordEvents
from meerkat_actors.records.commands import (
    Checkpoint,
    Create,
    Govern,
    Look,
    SetSchedule,
)
from meerkat_actors.records.effects import AppendTurn, SetDesired
from meerkat_actors.records.facts import Created, DesiredChanged, Emitted
from meerkat_actors.records.headers import Header, Mode
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.runs import (
    JournalEntry,
    TurnCompleted,
    TurnExtras,
)
from meerkat_actors.records.status import Desired, Verb
from tests.machines.agenda_laws import facts_of
from tests.machines.answering import (
    COMPLETED,
    RAISED,
    owing,
    request,
    responding,
    told,
)
from tests.machines.laws import decided
from tests.machines.states import (
    NOW,
    all_of,
    busy,
    end,
    idle,
    input_id,
    line,
    run_of,
    send,
    the,
    unborn,
)

K, V = InputKind, Verb


def test_a_boundary_tells_what_its_unit_did_and_no_other_row_does() -> None:
    ending = TurnCompleted("done", (), None, (), 0, TurnExtras(emitted=(Emitted("seen", b'{"n":1}'),)))
    decision = decided(busy(run_of(9)), end(ending), Govern(V.PAUSE))
    assert facts_of(decision) == (Emitted("seen", b'{"n":1}'), DesiredChanged(Desired.PAUSED))
    assert all_of(RecordEvents, decision) == []


def test_a_boundary_with_nothing_to_tell_has_no_list() -> None:
    assert b"events" not in the(AppendTurn, decided(busy(run_of(9)), end(responding()))).body


def test_what_a_failed_turn_told_is_dropped_with_it() -> None:
    decision = decided(busy(run_of(9)), end(RAISED))
    assert [type(fact).__name__ for fact in facts_of(decision)] == ["RunFailed"]


def test_an_admission_tells_of_itself() -> None:
    assert all_of(RecordEvents, decided(idle(), send(11))) == []


def test_a_claim_that_rides_on_an_answer_is_no_fact() -> None:
    decision = decided(unborn(), Create("reviewer"))
    assert facts_of(decision) == (Created("reviewer", decision.state.generation),)


@pytest.mark.parametrize("desired", [Desired.STOPPED, Desired.RETIRED])
def test_words_for_nobody_cost_no_unit(desired: Desired) -> None:
    assert decided(idle(desired=desired), Look()).unit is None


def test_a_checkpoint_that_is_undone_in_its_lap_takes_no_other_effect_with_it() -> None:
    # What it bound goes back: the stagings are left out, and the boundary is not.
    steer = line(request(9, Header(mode=Mode.STEER)))
    state = busy(run_of(request(8)), steer=steer, owed=owing(7))
    decision = decided(state, Checkpoint(run_of(8).run_id, 1), end(responding(7)))
    assert told(decision) == [(input_id(7), COMPLETED, "said"), (input_id(8), COMPLETED, "done")]
    assert len(all_of(AppendTurn, decision)) == 1


def test_a_schedule_under_a_reset_ends_with_the_generation() -> None:
    decision = decided(idle(), SetSchedule("daily", NOW, b"{}"), Govern(V.RESET))
    assert len(all_of(DropTimers, decision)) == 1
    assert all_of(SetDesired, decision) == []


def test_what_was_failed_is_not_failed_again() -> None:
    for verb in (V.STOP, V.RETIRE):
        assert decided(decided(idle(owed=owing(7)), Govern(verb)).state).unit is None
    journal = {("fetch", 1): JournalEntry(bytes(32), b"1")}
    given_up = decided(busy(run_of(request(9), journal=journal, attempts=2)), end(RAISED))
    assert decided(given_up.state).unit is None
