"""Deciding: batches that fail are taken apart, and who is suspected of ending the process is watched alone."""

from __future__ import annotations

import pytest
from attrs import evolve

from meerkat_actors.machines.attempts import backoff_ms
from meerkat_actors.machines.state import begin, journal_of
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commands import BackoffOver, Look, ProbationOver, ResolveIntent
from meerkat_actors.records.effects import ChargeRun, DropJournal, EndInput, RecordStep, Stage
from meerkat_actors.records.ids import AdmissionSequence
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.runs import JournalEntry, TurnCancelled, TurnCompleted, TurnFailed
from meerkat_actors.records.runtime_effects import MoveInput
from meerkat_actors.records.status import Desired
from tests.machines.laws import admissions_of, decided, outcomes_of
from tests.machines.rows import rows_of
from tests.machines.states import (
    LIMITS,
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
    stamp,
    steer,
    steered,
    step,
    the,
)

RETURNED = TurnCompleted("done", (), None, ())
RAISED = TurnFailed("ValueError: no")
STEPS = {("fetch", 1): JournalEntry(content_digest(b"[]"), b"1")}
ONCE = {("pay", 1): JournalEntry(content_digest(b"[]"), b"1", is_once=True)}
INTENT = {("pay", 1): JournalEntry(content_digest(b"[]"), b"", is_once=True)}
DUE = NOW + backoff_ms(1, limits=LIMITS, jitter=0.5)
WATCHED = stamp(may_suspect=True)
BATCH = (an_input(7), an_input(8), an_input(9))
AT_LEISURE = stamp(run_id=OLD_RUN)


# -- failures -----------------------------------------------------------------------------


def test_a_failed_batch_is_tried_apart_first_the_first() -> None:
    decision = decided(busy(run_of(*BATCH, journal=STEPS), lane=(10,)), end(RAISED))
    assert all_of(MoveInput, decision) == [
        MoveInput(AdmissionSequence(7), InputState.STAGED, OLD_RUN, InputState.STAGED, NEW_RUN, 1, 0, DUE, None),
        MoveInput(AdmissionSequence(8), InputState.STAGED, OLD_RUN, InputState.QUEUED, None, 1, 0, 0, None),
        MoveInput(AdmissionSequence(9), InputState.STAGED, OLD_RUN, InputState.QUEUED, None, 1, 0, 0, None),
    ]
    assert the(DropJournal, decision).run_id == OLD_RUN
    assert (decision.failed, decision.wake_at_ms, decision.starts) == ("ValueError: no", DUE, None)
    after = decision.state
    assert after.run is not None
    assert (after.run.run_id, after.run.attempts, after.run.journal) == (NEW_RUN, 1, {})
    assert admissions_of(after.run.members) == [7]
    assert [(item.admission, item.attempts) for item in after.lane] == [(8, 1), (9, 1), (10, 0)]


def test_the_others_follow_one_by_one_with_their_attempt_charged() -> None:
    state = decided(busy(run_of(*BATCH), lane=(an_input(10), an_input(11))), end(RAISED)).state
    state = decided(state, BackoffOver(NEW_RUN), at=stamp(now_ms=DUE)).state
    seen: list[tuple[list[AdmissionSequence], int]] = []
    for _ in range(4):
        assert state.run is not None
        seen.append((admissions_of(state.run.members), state.run.attempts))
        ended = state.run.run_id
        state = decided(state, end(RETURNED, ended), at=stamp(run_id=OLD_RUN if ended == NEW_RUN else NEW_RUN)).state
    assert seen == [([7], 1), ([8], 1), ([9], 1), ([10, 11], 0)]


def test_a_batch_at_its_last_attempt_ends_as_one() -> None:
    decision = decided(busy(run_of(*BATCH)), end(RAISED), limits=Limits(attempts_max=1))
    assert {ended: type(outcome) for ended, outcome in outcomes_of(decision).items()} == {
        input_id(7): Abandoned, input_id(8): Abandoned, input_id(9): Abandoned,
    }  # fmt: skip


@pytest.mark.parametrize("journal", [ONCE, INTENT])
def test_a_batch_with_a_step_that_runs_once_is_tried_again_whole(journal: dict[tuple[str, int], JournalEntry]) -> None:
    decision = decided(busy(run_of(*BATCH, journal=journal)), end(RAISED))
    assert all_of(MoveInput, decision) == []
    assert [each.attempts for each in all_of(ChargeRun, decision)] == [1, 1, 1]
    assert decision.state.run == run_of(*BATCH, attempts=1, not_before_ms=DUE, journal=journal)


def test_a_step_that_runs_once_counts_also_when_it_was_recorded_just_now() -> None:
    intent = evolve(step("pay"), result=b"", is_once=True)
    state = decided(busy(run_of(*BATCH)), intent).state
    assert all_of(MoveInput, decided(state, end(RAISED))) == []
    withdrawn = decided(state, ResolveIntent(OLD_RUN, "pay", 1, None)).state
    assert journal_of(withdrawn) == {}
    assert len(all_of(MoveInput, decided(withdrawn, end(RAISED)))) == 3


def test_steps_of_a_batch_that_is_taken_apart_are_dropped_and_those_of_the_lap_never_written() -> None:
    recorded = decided(busy(run_of(*BATCH)), step()).state
    decision = decided(recorded, step("write"), end(RAISED))
    assert the(DropJournal, decision).run_id == OLD_RUN
    assert all_of(RecordStep, decision) == []


def test_what_a_checkpoint_bound_does_not_make_a_batch_of_a_run() -> None:
    run = run_of(an_input(7), steered(8, position=1))
    decision = decided(busy(run), end(RAISED))
    assert all_of(MoveInput, decision) == []
    assert decision.state.run == evolve(run, attempts=1, not_before_ms=DUE)


def test_a_batch_of_the_steer_lane_comes_back_in_order_with_what_its_checkpoints_bound() -> None:
    run = run_of(steered(5), steered(6), steered(8, position=1))
    decision = decided(busy(run, steer=line(steered(9))), end(RAISED))
    assert [(item.admission, item.attempts) for item in decision.state.steer] == [(6, 1), (8, 0), (9, 0)]


# -- two lanes ----------------------------------------------------------------------------


def test_a_run_that_waits_holds_its_own_lane_only() -> None:
    waiting = run_of(9, attempts=1, not_before_ms=NOW + 500)
    decision = decided(idle(lane=(10,), run=waiting), steer(11))
    assert decision.starts is not None
    assert admissions_of(decision.starts.members) == [11]
    assert decision.state.parked == waiting
    after = decided(decision.state, end(RETURNED, NEW_RUN), at=AT_LEISURE)
    assert (after.state.run, after.starts, after.wake_at_ms) == (waiting, None, NOW + 500)


def test_of_two_runs_that_wait_the_earlier_one_wakes_the_owner_and_the_steered_one_goes_first() -> None:
    queued = run_of(9, attempts=1, not_before_ms=NOW + 500)
    state = busy(run_of(steered(8), run_id=NEW_RUN), lane=(10,), parked=queued)
    decision = decided(state, end(RAISED, NEW_RUN), at=stamp(run_id=OLD_RUN))
    assert decision.wake_at_ms == NOW + 500
    assert decision.state.run == run_of(steered(8), run_id=NEW_RUN, attempts=1, not_before_ms=DUE)
    both_due = decided(decision.state, Look(), at=stamp(now_ms=DUE))
    assert both_due.starts == decision.state.run
    assert both_due.state.parked == queued
    one_due = decided(decision.state, Look(), at=stamp(now_ms=NOW + 600))
    assert (one_due.starts, one_due.state.parked) == (queued, decision.state.run)


def test_an_id_is_one_runs() -> None:
    # The batch that is taken apart takes the id of the lap; what was steered begins in the next.
    failed = decided(busy(run_of(*BATCH), steer=line(steered(10))), end(RAISED))
    assert failed.starts is None
    assert all_of(Stage, failed) == []
    following = decided(failed.state, Look(), at=stamp(run_id=OLD_RUN))
    assert following.starts is not None
    assert admissions_of(following.starts.members) == [10]


# -- suspicion ----------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 1, 2])
def test_three_unclean_ends_are_charged_and_change_nothing_else(before: int) -> None:
    decision = decided(idle(run=run_of(*BATCH, interruptions=before, is_unclean=True)), Look())
    assert decision.starts == run_of(*BATCH, interruptions=before + 1)
    assert not decision.state.suspect
    assert [each.interruptions for each in all_of(ChargeRun, decision)] == [before + 1] * 3


def test_from_then_on_a_run_begins_only_while_it_is_watched() -> None:
    state = idle(run=run_of(9, interruptions=3, is_unclean=True))
    asking = decided(state, Look())
    assert (asking.unit, asking.starts, asking.asks_to_suspect) == (None, None, True)
    watched = decided(asking.state, Look(), at=WATCHED)
    assert watched.starts == run_of(9, interruptions=4)
    assert watched.state.suspect
    assert the(ChargeRun, watched).interruptions == 4


def test_a_suspect_that_waits_to_be_watched_holds_up_its_lane_only() -> None:
    state = idle(lane=(10,), run=run_of(9, interruptions=3, is_unclean=True), steer=line(steered(11)))
    decision = decided(state, Look())
    assert decision.starts is not None
    assert admissions_of(decision.starts.members) == [11]


def test_a_suspect_that_outlives_its_probation_is_not_charged_for_its_start() -> None:
    watched = decided(idle(run=run_of(9, interruptions=3, is_unclean=True)), Look(), at=WATCHED)
    cleared = decided(watched.state, ProbationOver(OLD_RUN))
    assert the(ChargeRun, cleared).interruptions == 3
    assert not cleared.state.suspect
    assert decided(cleared.state, ProbationOver(OLD_RUN)).unit is None
    assert decided(watched.state, ProbationOver(NEW_RUN)).unit is None


def test_durable_progress_clears_a_suspect_and_its_count() -> None:
    watched = decided(idle(run=run_of(9, interruptions=3, is_unclean=True)), Look(), at=WATCHED)
    progressed = decided(watched.state, step())
    assert the(ChargeRun, progressed).interruptions == 0
    assert not progressed.state.suspect


def test_a_suspected_batch_is_taken_apart_and_each_is_watched_alone() -> None:
    state = idle(lane=(10,), run=run_of(*BATCH, interruptions=3, is_unclean=True, journal=STEPS))
    apart = decided(state, Look(), at=WATCHED)
    assert (apart.starts, apart.state.run) == (None, None)
    assert the(DropJournal, apart).run_id == OLD_RUN
    assert [(item.admission, item.interruptions) for item in apart.state.lane] == [(7, 3), (8, 3), (9, 3), (10, 0)]
    staged = decided(apart.state, Look(), at=WATCHED)
    assert the(Stage, staged).admission == 7
    assert staged.starts is None
    begun = decided(staged.state, Look(), at=WATCHED)
    assert begun.starts is not None
    assert (admissions_of(begun.starts.members), begun.starts.interruptions) == ([7], 4)
    assert begun.state.suspect


def test_a_suspected_batch_with_a_step_that_runs_once_is_watched_whole() -> None:
    state = idle(run=run_of(*BATCH, interruptions=3, is_unclean=True, journal=ONCE))
    assert decided(state, Look(), at=WATCHED).starts == run_of(*BATCH, interruptions=4, journal=ONCE)


def test_a_crash_loop_gives_back_what_was_bound_uncharged() -> None:
    run = run_of(9, steered(10, position=1), interruptions=20, is_unclean=True)
    decision = decided(idle(run=run), Look())
    assert [each.admission for each in all_of(EndInput, decision)] == [9]
    [outcome] = outcomes_of(decision).values()
    assert isinstance(outcome, Abandoned)
    assert outcome.reason is AbandonReason.CRASH_LOOP
    assert [(item.admission, item.interruptions) for item in decision.state.steer] == [(10, 0)]
    following = decided(decision.state, Look())
    assert following.starts is not None


def test_where_every_run_is_suspected_a_batch_is_taken_apart_once_and_not_for_ever() -> None:
    state = idle(lane=(an_input(1), an_input(2)))
    limits = Limits(suspect_from=0)
    laps = 0
    while not state.is_executing:
        state = decided(state, Look(), at=WATCHED, limits=limits).state
        laps += 1
        assert laps < 6
    assert state.run is not None
    assert admissions_of(state.run.members) == [1]


def test_the_next_owner_counts_what_this_one_began() -> None:
    watched = decided(idle(run=run_of(9, interruptions=3, is_unclean=True)), Look(), at=WATCHED)
    reborn = begin(rows_of(watched.state).activation(), charges_interruption=True)
    assert reborn.run is not None
    assert (reborn.run.interruptions, reborn.run.is_unclean) == (4, True)


def test_a_stopped_identity_takes_nothing_apart() -> None:
    state = idle(run=run_of(*BATCH, interruptions=3, is_unclean=True), desired=Desired.STOPPED)
    decision = decided(state, Look(), at=WATCHED)
    reasons = {outcome.reason for outcome in outcomes_of(decision).values() if isinstance(outcome, Abandoned)}
    assert reasons == {AbandonReason.STOPPED}
    assert not decision.state.has_open_input


def test_a_turn_that_was_put_off_keeps_its_count_and_its_steps() -> None:
    state = decided(busy(run_of(*BATCH, interruptions=2)), step()).state
    decision = decided(state, end(TurnCancelled()), at=stamp(starts_nothing=True))
    assert decision.unit is None
    assert decision.state.run is not None
    assert decision.state.run.journal == journal_of(state)
