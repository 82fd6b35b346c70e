"""Deciding: the steps of a run, which are written at once and end with it."""

from __future__ import annotations

import pytest
from attrs import evolve

from meerkat_actors.errors import UsageError
from meerkat_actors.machines.state import IdentityState, journal_of
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commands import Interrupt, ResolveIntent
from meerkat_actors.records.effects import ChargeRun, DropJournal, EndInput, RecordStep, ResolveStep
from meerkat_actors.records.ids import AdmissionSequence
from meerkat_actors.records.runs import JournalEntry, TurnCancelled, TurnCompleted, TurnFailed
from tests.machines.laws import decided
from tests.machines.states import (
    IDENTITY,
    NEW_RUN,
    NOW,
    OLD_RUN,
    all_of,
    busy,
    effects_of,
    end,
    idle,
    run_of,
    step,
    the,
)

RETURNED = TurnCompleted("done", (), None, ())
RAISED = TurnFailed("ValueError: no")
STEPS = {("fetch", 1): JournalEntry(content_digest(b"[]"), b"1")}


def test_a_step_is_recorded_under_the_first_member_of_its_run() -> None:
    decision = decided(busy(run_of(8, 9), lane=(10,)), step("fetch", 2))
    assert effects_of(decision) == (
        RecordStep(AdmissionSequence(8), OLD_RUN, "fetch", 2, content_digest(b"[]"), b'{"result":1}'),
    )
    assert decision.replies == [None]
    assert decision.state.is_executing


def test_recorded_steps_are_replayed_with_those_that_were_read() -> None:
    first = decided(busy(run_of(10, journal=STEPS)), step("fetch", 2), step("write"))
    second = decided(first.state, step("read"))
    entry = JournalEntry(content_digest(b"[]"), b'{"result":1}')
    assert journal_of(second.state) == {
        **STEPS,
        ("fetch", 2): entry,
        ("write", 1): entry,
        ("read", 1): entry,
    }
    assert journal_of(first.state).keys() == {("fetch", 1), ("fetch", 2), ("write", 1)}


def test_durable_progress_resets_the_interruptions_of_every_member() -> None:
    decision = decided(busy(run_of(8, 9, attempts=1, interruptions=7, not_before_ms=3)), step())
    assert all_of(ChargeRun, decision) == [
        ChargeRun(AdmissionSequence(8), OLD_RUN, 1, 0, 3),
        ChargeRun(AdmissionSequence(9), OLD_RUN, 1, 0, 3),
    ]
    assert decision.state.run == run_of(8, 9, attempts=1, interruptions=0, not_before_ms=3)
    assert all_of(ChargeRun, decided(decision.state, step("write"))) == []


@pytest.mark.parametrize(
    "state",
    [idle(), busy(run_of(10)), idle(run=run_of(10, attempts=1, not_before_ms=NOW + 500))],
    ids=["no run", "another run", "a run that waits"],
)
def test_a_step_of_a_run_that_is_over_is_refused(state: IdentityState) -> None:
    run_id = NEW_RUN if state.is_executing else OLD_RUN
    decision = decided(state, step("fetch", 1, run_id))
    [reply] = decision.replies
    assert isinstance(reply, UsageError)
    assert str(reply) == f"{IDENTITY}: step 'fetch' of a run that is over"
    assert decision.unit is None


def test_a_step_behind_the_end_of_its_turn_is_refused() -> None:
    decision = decided(busy(run_of(10)), end(RETURNED), step())
    assert isinstance(decision.replies[1], UsageError)
    assert all_of(RecordStep, decision) == []


def test_a_journal_is_dropped_with_its_run_if_there_is_one() -> None:
    for ending, attempts in ((RETURNED, 0), (RAISED, 2)):
        read = busy(run_of(10, attempts=attempts, journal=STEPS))
        recorded = decided(busy(run_of(10, attempts=attempts)), step()).state
        neither = busy(run_of(10, attempts=attempts))
        assert the(DropJournal, decided(read, end(ending))).run_id == OLD_RUN
        assert the(DropJournal, decided(recorded, end(ending))).run_id == OLD_RUN
        assert all_of(DropJournal, decided(neither, end(ending))) == []


@pytest.mark.parametrize(("ending", "attempts"), [(RETURNED, 0), (RAISED, 2)])
def test_a_step_in_the_lap_that_ends_its_run_is_answered_and_not_written(ending: TurnCompleted, attempts: int) -> None:
    # A turn that gave up waiting for its step: both wait in the mailbox. The input ends before the step is recorded.
    decision = decided(busy(run_of(10, attempts=attempts, interruptions=3)), step(), step("write"), end(ending))
    assert decision.replies == [None, None, None]
    assert [effect for effect in effects_of(decision) if isinstance(effect, RecordStep | ChargeRun | DropJournal)] == []
    assert len(all_of(EndInput, decision)) == 1


def test_a_step_in_the_lap_that_ends_its_run_leaves_the_older_ones_to_drop() -> None:
    decision = decided(busy(run_of(10, journal=STEPS)), step("write"), end(RETURNED))
    assert the(DropJournal, decision).run_id == OLD_RUN
    assert all_of(RecordStep, decision) == []


def test_a_step_and_the_failure_behind_it_charge_the_run_once() -> None:
    decision = decided(busy(run_of(10, interruptions=3)), step(), end(RAISED))
    assert len(all_of(RecordStep, decision)) == 1
    charge = the(ChargeRun, decision)
    assert (charge.attempts, charge.interruptions, charge.not_before_ms) == (1, 0, NOW + 1000)


# -- steps that are never run twice -------------------------------------------------------

INTENT = evolve(step("pay"), result=b"", is_once=True)


def test_an_intent_is_recorded_before_its_step_and_resolved_after_it() -> None:
    intended = decided(busy(run_of(10)), INTENT)
    assert the(RecordStep, intended) == RecordStep(
        AdmissionSequence(10), OLD_RUN, "pay", 1, content_digest(b"[]"), b"", is_once=True
    )
    resolved = decided(intended.state, ResolveIntent(OLD_RUN, "pay", 1, b"7"))
    assert effects_of(resolved) == (ResolveStep(OLD_RUN, "pay", 1, b"7"),)
    assert journal_of(resolved.state) == {("pay", 1): JournalEntry(content_digest(b"[]"), b"7", is_once=True)}


def test_an_intent_that_came_to_nothing_is_withdrawn_and_may_be_recorded_again() -> None:
    state = busy(run_of(10, journal={("pay", 1): JournalEntry(content_digest(b"[]"), b"", is_once=True)}))
    withdrawn = decided(state, ResolveIntent(OLD_RUN, "pay", 1, None))
    assert effects_of(withdrawn) == (ResolveStep(OLD_RUN, "pay", 1, None),)
    assert journal_of(withdrawn.state) == {}
    assert len(all_of(RecordStep, decided(withdrawn.state, INTENT))) == 1


def test_an_intent_and_its_result_may_meet_in_one_lap() -> None:
    decision = decided(busy(run_of(10)), INTENT, ResolveIntent(OLD_RUN, "pay", 1, b"7"))
    assert [type(effect) for effect in effects_of(decision)] == [RecordStep, ResolveStep]
    assert journal_of(decision.state)["pay", 1].result == b"7"


@pytest.mark.parametrize("result", [b"7", None])
def test_what_was_not_begun_or_is_over_is_not_resolved(result: bytes | None) -> None:
    over = busy(run_of(10, journal=STEPS))
    for state, name in ((over, "pay"), (over, "fetch"), (idle(), "pay")):
        decision = decided(state, ResolveIntent(OLD_RUN, name, 1, result))
        assert isinstance(decision.replies[0], UsageError)
        assert decision.unit is None
    twice = decided(busy(run_of(10)), INTENT, *[ResolveIntent(OLD_RUN, "pay", 1, result)] * 2)
    assert isinstance(twice.replies[2], UsageError)


def test_an_intent_in_the_lap_that_ends_its_run_is_not_written() -> None:
    decision = decided(busy(run_of(10)), INTENT, ResolveIntent(OLD_RUN, "pay", 1, b"7"), end(RETURNED))
    assert not all_of(RecordStep, decision)
    assert not all_of(ResolveStep, decision)


def test_steps_of_a_turn_that_is_put_off_and_interrupted_in_its_lap_are_not_written() -> None:
    decision = decided(busy(run_of(10)), step(), end(TurnCancelled()), Interrupt())
    assert all_of(RecordStep, decision) == []
    assert len(all_of(EndInput, decision)) == 1
