"""Deciding: interrupts and cancellations, of what executes, waits and is queued, before and after an end."""

from __future__ import annotations

import pytest
from attrs import evolve

from meerkat_actors.errors import UsageError
from meerkat_actors.machines.lap import Decision, Later
from meerkat_actors.machines.turn_end import CANCELLED, INTERRUPTED
from meerkat_actors.records.codec import content_digest, decode_log
from meerkat_actors.records.commands import CancelInput, Checkpoint, Interrupt, Look, Yield
from meerkat_actors.records.effects import AppendTurn, DropJournal, EndInput, RecordStep, SendMail
from meerkat_actors.records.ids import AdmissionSequence
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.outcomes import Abandoned, Consumed
from meerkat_actors.records.runs import (
    JournalEntry,
    Sending,
    TurnCancelled,
    TurnCompleted,
    TurnEnding,
    TurnFailed,
    TurnNeverBegan,
)
from meerkat_actors.records.runtime_effects import MoveInput
from tests.machines.laws import admissions_of, decided, outcomes_of
from tests.machines.states import (
    IDENTITY,
    NEW_RUN,
    NOW,
    OLD_RUN,
    all_of,
    an_input,
    busy,
    end,
    idle,
    input_id,
    line,
    run_of,
    steered,
    step,
    the,
)

SAID = b'{"content":"so far","role":"assistant"}'
STOPPED_EARLY = TurnCancelled((SAID,))
RETURNED = TurnCompleted("done", (SAID,), b"2", (Sending(IDENTITY, input_id(101), b"1"),))
RAISED = TurnFailed("ValueError: no")
ONCE = {("pay", 1): JournalEntry(content_digest(b"[]"), b"1", is_once=True)}
BATCH = (an_input(7), an_input(8), an_input(9))
INTERRUPT = Interrupt()
SOFTLY = Interrupt(at_checkpoint=True)
ENDINGS: list[TurnEnding] = [STOPPED_EARLY, RETURNED, RAISED, TurnNeverBegan()]


def cancel(number: int) -> CancelInput:
    return CancelInput(input_id(number), AdmissionSequence(number))


def is_interrupted(decision: Decision) -> bool | None:
    """What the interrupters are told; None while they wait."""
    told = dict(decision.told).get(OLD_RUN)
    assert told is None or isinstance(told, bool)
    return told


# -- interrupts ---------------------------------------------------------------------------


def test_an_interrupt_cancels_the_turn_and_waits_for_its_end() -> None:
    decision = decided(busy(run_of(9)), INTERRUPT)
    assert (decision.unit, decision.halts) == (None, True)
    assert decision.replies == [Later(OLD_RUN, is_input=False)]
    assert is_interrupted(decision) is None


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_interrupted_turn_keeps_its_messages_and_nothing_else(ending: TurnEnding) -> None:
    state = decided(busy(run_of(*BATCH), lane=(10,)), INTERRUPT).state
    decision = decided(state, end(ending))
    assert outcomes_of(decision) == dict.fromkeys((input_id(7), input_id(8), input_id(9)), INTERRUPTED)
    assert all_of(SendMail, decision) == []
    boundary = the(AppendTurn, decision)
    assert not boundary.sets_state
    said = 1 if isinstance(ending, TurnCancelled | TurnCompleted) else 0
    assert len(decode_log(boundary.body)) == 3 + said
    assert is_interrupted(decision) is True
    assert decision.failed is None
    assert decision.starts is not None
    assert admissions_of(decision.starts.members) == [10]


def test_an_interrupt_after_the_end_in_one_fold_finds_no_turn() -> None:
    after = decided(busy(run_of(9)), end(RETURNED), INTERRUPT)
    assert after.replies == [None, False]
    assert isinstance(outcomes_of(after)[input_id(9)], Consumed)
    before = decided(busy(run_of(9)), INTERRUPT, end(RETURNED))
    assert outcomes_of(before) == {input_id(9): INTERRUPTED}
    assert is_interrupted(before) is True


def test_an_interrupt_of_a_run_between_attempts_ends_it_with_all_that_is_bound_to_it() -> None:
    run = run_of(8, steered(9, position=1), attempts=1, not_before_ms=NOW + 500, journal=ONCE)
    decision = decided(idle(lane=(10,), run=run), INTERRUPT)
    assert decision.replies == [True]
    assert outcomes_of(decision) == dict.fromkeys((input_id(8), input_id(9)), INTERRUPTED)
    assert the(DropJournal, decision).run_id == OLD_RUN
    assert decision.starts is not None


def test_with_no_run_there_is_nothing_to_interrupt() -> None:
    decision = decided(idle(), INTERRUPT, SOFTLY)
    assert (decision.unit, decision.replies) == (None, [False, False])


def test_a_soft_interrupt_lets_the_turn_go_on_until_its_checkpoint() -> None:
    asked = decided(busy(run_of(8), steer=line(steered(9))), SOFTLY)
    assert (asked.unit, asked.halts) == (None, False)
    reached = decided(asked.state, Checkpoint(OLD_RUN, 1))
    assert (reached.unit, reached.halts) == (None, True)
    assert isinstance(reached.replies[0], UsageError)
    ended = decided(reached.state, end(STOPPED_EARLY))
    assert outcomes_of(ended) == {input_id(8): INTERRUPTED}
    assert is_interrupted(ended) is True
    assert ended.starts is not None


def test_a_turn_that_returns_before_its_checkpoint_has_its_result() -> None:
    asked = decided(busy(run_of(9)), SOFTLY)
    decision = decided(asked.state, end(RETURNED))
    assert isinstance(outcomes_of(decision)[input_id(9)], Consumed)
    assert is_interrupted(decision) is False


@pytest.mark.parametrize("ending", [RAISED, STOPPED_EARLY])
def test_a_turn_that_fails_before_its_checkpoint_is_not_tried_again(ending: TurnEnding) -> None:
    asked = decided(busy(run_of(9)), SOFTLY)
    decision = decided(asked.state, end(ending))
    assert outcomes_of(decision) == {input_id(9): INTERRUPTED}
    assert is_interrupted(decision) is True


def test_an_interrupt_hardens_a_soft_one_and_a_soft_one_softens_nothing() -> None:
    for asked in ((SOFTLY, INTERRUPT), (INTERRUPT, SOFTLY)):
        decision = decided(busy(run_of(9)), *asked)
        assert decision.halts
        assert decision.state.halting is not None
        assert not decision.state.halting.at_checkpoint


def test_who_yields_ends_no_turn() -> None:
    decision = decided(busy(run_of(9)), Yield())
    assert (decision.stirs, decision.halts, decision.unit) == (True, False, None)
    assert not decided(idle(), Yield()).stirs


# -- cancelling one input -----------------------------------------------------------------


def test_a_queued_input_is_cancelled_at_once() -> None:
    for state in (busy(run_of(8), lane=(9, 10)), busy(run_of(8), lane=(10,), steer=line(steered(9)))):
        decision = decided(state, cancel(9))
        assert decision.replies == [CANCELLED]
        assert the(MoveInput, decision).state is InputState.ABANDONED
        assert outcomes_of(decision) == {input_id(9): CANCELLED}
        assert (admissions_of(decision.state.steer), admissions_of(decision.state.lane)[-1]) == ([], 10)


def test_what_is_not_open_is_not_cancelled() -> None:
    decision = decided(busy(run_of(8)), cancel(5), cancel(11))
    assert (decision.unit, decision.replies) == (None, [None, None])


def test_the_input_of_a_turn_in_progress_is_cancelled_by_interrupting_it() -> None:
    asked = decided(busy(run_of(9)), cancel(9))
    assert (asked.halts, asked.replies) == (True, [Later(input_id(9))])
    decision = decided(asked.state, end(STOPPED_EARLY))
    assert list(outcomes_of(decision)) == [input_id(9)]
    assert len(all_of(AppendTurn, decision)) == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_member_of_a_batch_ends_alone_and_the_others_wait_again_uncharged(ending: TurnEnding) -> None:
    asked = decided(busy(run_of(*BATCH, attempts=1), lane=(an_input(10),)), cancel(8))
    decision = decided(asked.state, end(ending))
    assert outcomes_of(decision) == {input_id(8): CANCELLED}
    assert all_of(AppendTurn, decision) == []
    assert [(item.admission, item.attempts) for item in decision.state.lane] == [(7, 0), (9, 0), (10, 0)]
    following = decided(decision.state, Look())
    assert following.starts is not None
    assert admissions_of(following.starts.members) == [7, 9, 10]


def test_two_members_may_be_cancelled_and_a_member_twice() -> None:
    asked = decided(busy(run_of(*BATCH)), cancel(7), cancel(9), cancel(7))
    decision = decided(asked.state, end(STOPPED_EARLY))
    assert outcomes_of(decision) == {input_id(7): CANCELLED, input_id(9): CANCELLED}
    assert admissions_of(decision.state.lane) == [8]


def test_a_cancel_after_the_end_in_one_fold_finds_the_outcome() -> None:
    decision = decided(busy(run_of(9)), end(RETURNED), cancel(9))
    assert decision.replies == [None, None]
    assert isinstance(outcomes_of(decision)[input_id(9)], Consumed)


@pytest.mark.parametrize("first", [INTERRUPT, SOFTLY])
def test_who_interrupts_and_who_cancels_a_member_both_get_what_they_asked_for(first: Interrupt) -> None:
    for asked in ((first, cancel(8)), (cancel(8), first)):
        state = decided(busy(run_of(*BATCH)), *asked).state
        decision = decided(state, end(STOPPED_EARLY))
        assert set(outcomes_of(decision)) == {input_id(7), input_id(8), input_id(9)}
        assert is_interrupted(decision) is True


def test_a_run_between_attempts_ends_with_its_input() -> None:
    run = run_of(9, attempts=1, not_before_ms=NOW + 500)
    decision = decided(idle(run=run), cancel(9))
    assert (decision.replies, outcomes_of(decision)) == ([CANCELLED], {input_id(9): CANCELLED})
    assert decision.state.run is None


def test_a_batch_that_waits_is_taken_apart_also_beside_a_turn_in_progress() -> None:
    batch = run_of(*BATCH, run_id=NEW_RUN, is_unclean=True)
    for state in (idle(run=batch, desired=idle().desired.PAUSED), busy(run_of(steered(5)), parked=batch)):
        decision = decided(state, cancel(8))
        assert decision.replies == [CANCELLED]
        assert [each.admission for each in all_of(EndInput, decision)] == [8]
        assert admissions_of(decision.state.lane) == [7, 9]
        assert batch not in (decision.state.run, decision.state.parked)
        assert decision.state.is_executing is state.is_executing


@pytest.mark.parametrize("is_executing", [True, False])
def test_a_batch_with_a_step_that_runs_once_is_not_taken_apart(*, is_executing: bool) -> None:
    run = run_of(*BATCH, journal=ONCE, attempts=1, not_before_ms=NOW + 500)
    decision = decided(idle(run=run, is_executing=is_executing), cancel(8))
    assert isinstance(decision.replies[0], UsageError)
    assert decision.unit is None
    assert decision.state.halting is None


def test_what_a_checkpoint_bound_is_not_cancelled_singly() -> None:
    decision = decided(busy(run_of(8, steered(9, position=1))), cancel(9))
    assert isinstance(decision.replies[0], UsageError)
    assert (decision.unit, decision.halts) == (None, False)


def test_no_step_that_runs_once_begins_in_a_turn_that_is_to_end() -> None:
    intent = evolve(step("pay"), result=b"", is_once=True)
    asked = decided(busy(run_of(*BATCH)), cancel(8), intent, step("fetch"))
    assert isinstance(asked.replies[1], UsageError)
    assert [each.name for each in all_of(RecordStep, asked)] == ["fetch"]
    assert all(isinstance(each, Abandoned) for each in outcomes_of(decided(asked.state, end(RAISED))).values())


def test_an_interrupt_ends_both_runs_that_wait() -> None:
    steering = evolve(run_of(3, not_before_ms=NOW + 1_000), run_id=NEW_RUN, members=(steered(3),))
    state = idle(run=run_of(1, not_before_ms=NOW + 1_000), parked=steering)
    decision = decided(state, Interrupt())
    assert decision.replies == [True]
    assert (decision.state.run, decision.state.parked) == (None, None)
    assert sorted(ended.admission for ended in all_of(EndInput, decision)) == [1, 3]
