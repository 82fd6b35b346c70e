"""Deciding: checkpoints bind what was steered, in order, and what became of what they bound."""

from __future__ import annotations

import pytest
from attrs import evolve

from meerkat_actors.errors import UsageError
from meerkat_actors.machines.lap import Decision
from meerkat_actors.machines.state import IdentityState, journal_of
from meerkat_actors.records.codec import decode_log
from meerkat_actors.records.commands import Checkpoint, Interrupt
from meerkat_actors.records.effects import AppendTurn, EndInput, InsertInput, RecordStep, Stage
from meerkat_actors.records.headers import Header, Mode
from meerkat_actors.records.ids import AdmissionSequence, RunId
from meerkat_actors.records.inputs import InputKind, InputState, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed
from meerkat_actors.records.runs import CHECKPOINT, TurnCompleted, TurnFailed, TurnNeverBegan
from meerkat_actors.records.runtime_effects import MoveInput
from meerkat_actors.records.status import Desired
from tests.machines.laws import admissions_of, decided, outcomes_of
from tests.machines.states import (
    NEW_RUN,
    NOW,
    OLD_RUN,
    all_of,
    an_input,
    busy,
    deeds_of,
    end,
    idle,
    input_id,
    line,
    run_of,
    steer,
    steered,
    step,
    the,
)

RAISED = TurnFailed("ValueError: no")
BOUND = run_of(8, steered(9, position=1), steered(10, position=2))


def returned(checkpoints: int) -> TurnCompleted:
    return TurnCompleted("done", (), None, (), checkpoints)


def checkpoint(nth: int = 1, run_id: RunId = OLD_RUN) -> Checkpoint:
    return Checkpoint(run_id, nth)


def answered(decision: Decision) -> list[AdmissionSequence]:
    reply = decision.replies[0]
    assert isinstance(reply, tuple)
    return admissions_of(each for each in reply if isinstance(each, OpenInput))


def entry(nth: int, first: int = 8) -> RecordStep:
    return RecordStep(AdmissionSequence(first), OLD_RUN, CHECKPOINT, nth, b"", b"[]")


# -- binding ------------------------------------------------------------------------------


def test_a_checkpoint_binds_what_is_steered_and_records_itself_in_one_unit() -> None:
    decision = decided(busy(run_of(8), lane=(11,), steer=line(steered(9), steered(10))), checkpoint(3))
    assert deeds_of(decision) == (
        Stage(AdmissionSequence(9), OLD_RUN, 3),
        Stage(AdmissionSequence(10), OLD_RUN, 3),
        entry(3),
    )
    assert decision.replies == [(steered(9, position=3), steered(10, position=3))]
    assert decision.state.run is not None
    assert decision.state.run.members == (an_input(8, InputKind.PROMPT), *decision.replies[0])  # type: ignore[misc]
    assert (CHECKPOINT, 3) in journal_of(decision.state)


def test_what_is_steered_in_the_lap_of_a_checkpoint_is_bound_by_it() -> None:
    decision = decided(busy(run_of(8)), steer(11), checkpoint(1))
    assert the(InsertInput, decision).run_id is None
    assert the(Stage, decision) == Stage(AdmissionSequence(11), OLD_RUN, 1)


def test_an_empty_checkpoint_writes_nothing_and_is_recorded_with_the_next_entry() -> None:
    first = decided(busy(run_of(8)), checkpoint(1))
    assert (first.unit, first.replies) == (None, [()])
    second = decided(first.state, checkpoint(2))
    assert second.unit is None
    third = decided(second.state, step())
    assert [(each.name, each.nth) for each in all_of(RecordStep, third)] == [
        (CHECKPOINT, 1), (CHECKPOINT, 2), ("fetch", 1),
    ]  # fmt: skip
    fourth = decided(third.state, step("write"))
    assert [each.name for each in all_of(RecordStep, fourth)] == ["write"]


def test_an_empty_checkpoint_is_recorded_with_the_next_one_that_binds() -> None:
    first = decided(busy(run_of(8)), checkpoint(1))
    second = decided(first.state, steer(11), checkpoint(2))
    assert all_of(RecordStep, second) == [entry(1), entry(2)]


def test_a_checkpoint_is_progress() -> None:
    decision = decided(busy(run_of(8, interruptions=2), steer=line(steered(9))), checkpoint(1))
    assert decision.state.run is not None
    assert decision.state.run.interruptions == 0


SILENT = an_input(9, InputKind.PEER_REQUEST, Header(mode=Mode.STEER, intent="ping"))


@pytest.mark.parametrize(
    "stop",
    [evolve(steered(9), attempts=1), evolve(steered(9), interruptions=3), evolve(SILENT, policy=7)],
    ids=["failed before", "interrupted before", "for the start of a run only"],
)
def test_a_checkpoint_takes_a_prefix_and_stops_at_what_is_not_for_it(stop: OpenInput) -> None:
    state = busy(run_of(7), steer=line(steered(8), stop, steered(10)))
    decision = decided(state, checkpoint(1))
    assert answered(decision) == [8]
    assert answered(decided(decision.state, checkpoint(2))) == []


def test_a_checkpoint_binds_as_many_as_a_turn_may_have() -> None:
    state = busy(run_of(1), steer=line(*(steered(number) for number in range(2, 8))))
    assert answered(decided(state, checkpoint(1), limits=Limits(run_inputs_max=4))) == [2, 3, 4, 5]


def test_a_run_that_waits_in_the_steer_lane_is_not_overtaken() -> None:
    parked = run_of(steered(8), run_id=NEW_RUN, attempts=1, not_before_ms=NOW + 500)
    assert answered(decided(busy(run_of(7), steer=line(steered(9)), parked=parked), checkpoint(1))) == []


@pytest.mark.parametrize("state", [idle(), busy(run_of(8)), idle(run=run_of(8, attempts=1, not_before_ms=NOW + 500))])
def test_a_checkpoint_of_a_run_that_is_over_is_refused(state: IdentityState) -> None:
    decision = decided(state, checkpoint(1, NEW_RUN if state.is_executing else OLD_RUN))
    assert isinstance(decision.replies[0], UsageError)
    assert decision.unit is None


# -- the end of a run that bound something ------------------------------------------------


def test_what_was_bound_is_consumed_with_its_run_and_its_entries_are_the_turns() -> None:
    decision = decided(busy(BOUND), end(returned(2)))
    outcomes = outcomes_of(decision)
    assert list(outcomes) == [input_id(8), input_id(9), input_id(10)]
    outcome = outcomes[input_id(10)]
    assert isinstance(outcome, Consumed)
    assert outcome.receipt.contributors == (input_id(8), input_id(9), input_id(10))
    assert [each.get("input") for each in decode_log(the(AppendTurn, decision).body)] == [input_id(8)]


@pytest.mark.parametrize(("passed", "consumed", "back"), [(1, [8, 9], [10]), (0, [8], [9, 10])])
def test_what_the_last_attempt_never_saw_goes_back(passed: int, consumed: list[int], back: list[int]) -> None:
    decision = decided(busy(BOUND, steer=line(steered(11))), end(returned(passed)))
    assert [each.admission for each in all_of(EndInput, decision)] == consumed
    assert [(each.admission, each.state) for each in all_of(MoveInput, decision)] == [
        (number, InputState.QUEUED) for number in back
    ]
    assert admissions_of(decision.state.steer) == [*back, 11]
    assert decided(decision.state).starts is not None


@pytest.mark.parametrize("ending", [RAISED, TurnNeverBegan()])
def test_a_dead_letter_gives_back_what_was_bound_uncharged(ending: TurnFailed | TurnNeverBegan) -> None:
    state = busy(evolve(BOUND, attempts=2, interruptions=1))
    decision = decided(state, end(ending))
    assert list(outcomes_of(decision)) == [input_id(8)]
    assert [(each.attempts, each.interruptions) for each in all_of(MoveInput, decision)] == [(0, 0), (0, 0)]
    assert decision.state.run is None
    assert decided(decision.state).starts is not None


def test_what_was_bound_stays_bound_across_attempts() -> None:
    decision = decided(busy(BOUND, steer=line(steered(11))), end(RAISED))
    assert all_of(MoveInput, decision) == []
    assert decision.starts is not None
    assert admissions_of(decision.starts.members) == [11]
    assert decision.state.parked is not None
    assert decision.state.parked.members == BOUND.members


def test_an_interrupt_ends_what_was_bound() -> None:
    decision = decided(busy(BOUND), Interrupt(), end(returned(2)))
    outcomes = outcomes_of(decision)
    assert list(outcomes) == [input_id(8), input_id(9), input_id(10)]
    assert {each.reason for each in outcomes.values() if isinstance(each, Abandoned)} == {AbandonReason.CANCELLED}


def test_of_a_stopped_identity_nothing_goes_back_to_wait_for_ever() -> None:
    decision = decided(busy(BOUND, desired=Desired.STOPPED), end(returned(1)))
    outcome = outcomes_of(decision)[input_id(10)]
    assert isinstance(outcome, Abandoned)
    assert outcome.reason is AbandonReason.STOPPED
    assert not decision.state.has_open_input


@pytest.mark.parametrize("is_fresh", [True, False])
def test_a_turn_that_ends_without_hearing_its_checkpoint_gives_back_what_that_would_have_bound(
    *, is_fresh: bool
) -> None:
    # It gave up waiting: both are in the mailbox. Moves run before stagings, so nothing is bound at all.
    state = busy(run_of(8, attempts=2), steer=line() if is_fresh else line(steered(9)))
    before = (steer(11),) if is_fresh else ()
    decision = decided(state, *before, checkpoint(1), end(RAISED))
    assert (all_of(Stage, decision), all_of(MoveInput, decision), all_of(RecordStep, decision)) == ([], [], [])
    assert admissions_of(decision.state.steer) == [11 if is_fresh else 9]
    assert decided(decision.state).starts is not None


def test_a_turn_that_returns_in_the_lap_of_its_checkpoint_consumes_what_it_passed() -> None:
    decision = decided(busy(run_of(8), steer=line(steered(9))), checkpoint(1), end(returned(1)))
    assert list(outcomes_of(decision)) == [input_id(8), input_id(9)]
    assert all_of(RecordStep, decision) == []


@pytest.mark.parametrize(("first", "second"), [(3, 5), (5, 3)])
def test_what_two_runs_gave_back_waits_in_the_order_of_admission(first: int, second: int) -> None:
    # What the other run held, 4 and perhaps 3, came back while this one was at work.
    run = run_of(1, steered(first, position=1), steered(second, position=2))
    decision = decided(busy(run, steer=line(steered(4), steered(6))), end(returned(0)))
    assert admissions_of(decision.state.steer) == [3, 4, 5, 6]
