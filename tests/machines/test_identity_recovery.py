"""Deciding: the beginning of an owner, interruptions, crash loops, and waits that a clock may not stretch."""

from __future__ import annotations

from typing import Final

import pytest
from attrs import evolve

from meerkat_actors.machines.attempts import backoff_ms_max
from meerkat_actors.machines.state import IdentityState, begin, journal_of
from meerkat_actors.records.activation import Activation, Head
from meerkat_actors.records.codec import DIGEST_ZERO, content_digest
from meerkat_actors.records.commands import BackoffOver, Create, GetStatus, Look
from meerkat_actors.records.effects import ChargeRun, Claim, DropJournal, EndInput, InsertInput, Stage
from meerkat_actors.records.headers import Durability, Header
from meerkat_actors.records.ids import AdmissionSequence, CheckpointVersion, FencingToken, Generation, InputId
from meerkat_actors.records.inputs import InputKind, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.runs import JournalEntry, Run, TurnCancelled
from meerkat_actors.records.status import Desired
from tests.machines.laws import decided, outcomes_of
from tests.machines.states import (
    IDENTITY,
    KEY,
    LIMITS,
    NEW_RUN,
    NOW,
    OLD_RUN,
    SESSION,
    all_of,
    an_input,
    busy,
    deeds_of,
    end,
    idle,
    input_id,
    run_of,
    send,
    snapshot,
    stamp,
    steered,
    step,
    the,
    waiting_input,
)

LONGEST: Final = backoff_ms_max(LIMITS)
WATCHED: Final = stamp(may_suspect=True)
YEAR_MS: Final = 31_536_000_000
STEPS: Final = {("fetch", 1): JournalEntry(content_digest(b"[]"), b"1")}
HEAD: Final = Head(
    kind="reviewer",
    token=FencingToken(4),
    generation=Generation(2),
    version=CheckpointVersion(7),
    session_id=SESSION,
    digest=bytes(range(32)),
    message_count=20,
    sends=4,
)


def activation(*, head: Head | None = HEAD, run: Run | None = None, lane: tuple[int, ...] = ()) -> Activation:
    return Activation(
        identity=IDENTITY,
        key=KEY,
        head=head,
        state=None if head is None else b'{"count":1}',
        config=None,
        run=run,
        queued=tuple(waiting_input(number) for number in lane),
        admissions=0 if head is None else 10,
        has_mail=False,
    )


# -- the beginning of an owner ------------------------------------------------------------


def test_an_owner_begins_with_what_is_durable_and_a_token_above_it() -> None:
    state = begin(activation(), charges_interruption=False)
    assert snapshot(state) == snapshot(idle(previous_token=FencingToken(4)))
    assert (state.token, state.previous_token) == (5, 4)


def test_an_owner_of_a_name_that_was_never_created_has_the_first_token_and_nothing_to_claim() -> None:
    state = begin(activation(head=None), charges_interruption=True)
    assert not state.is_created
    assert (state.token, state.previous_token, state.digest) == (1, None, DIGEST_ZERO)
    assert (state.version, state.generation, state.admissions, state.sends) == (0, 0, 0, 0)
    assert (state.run, state.is_awake) == (None, False)


def test_an_owner_begins_with_its_lane_in_admission_order_behind_its_run() -> None:
    state = begin(activation(run=run_of(8), lane=(9, 10)), charges_interruption=False)
    assert [each.admission for each in state.lane] == [9, 10]
    assert state.run == run_of(8)
    assert not state.is_executing
    assert state.has_open_input


@pytest.mark.parametrize("charges", [False, True])
def test_only_a_run_can_be_charged_with_an_unclean_end(*, charges: bool) -> None:
    run = begin(activation(run=run_of(10)), charges_interruption=charges).run
    assert run == run_of(10, is_unclean=charges)
    assert begin(activation(lane=(10,)), charges_interruption=charges).run is None


def test_a_staged_run_is_begun_again_before_any_selection() -> None:
    state = begin(activation(run=run_of(9, journal=STEPS), lane=(10,)), charges_interruption=False)
    decision = decided(state, Look())
    assert decision.unit is None
    assert decision.starts == run_of(9, journal=STEPS)
    assert journal_of(decision.state) == STEPS


def test_the_claim_of_a_new_owner_waits_for_its_first_unit() -> None:
    state = begin(activation(run=run_of(9)), charges_interruption=False)
    started = decided(state, Look())
    assert started.state.previous_token == 4
    assert the(Claim, decided(started.state, send(11))).previous == 4


def read_with(*queued: OpenInput, desired: Desired = Desired.OPEN) -> IdentityState:
    """An owner that begins with those inputs in their lanes."""
    found = evolve(activation(head=evolve(HEAD, desired=desired)), queued=queued)
    return begin(found, charges_interruption=False)


def test_an_owner_begins_with_both_lanes() -> None:
    state = read_with(steered(7), an_input(8), steered(9), an_input(10))
    assert ([each.admission for each in state.steer], [each.admission for each in state.lane]) == ([7, 9], [8, 10])


def test_an_owner_begins_with_two_runs_that_wait_in_two_lanes() -> None:
    first = run_of(8, attempts=1, not_before_ms=NOW + 900)
    second = run_of(steered(9), run_id=NEW_RUN, attempts=1, not_before_ms=NOW + 500)
    state = begin(evolve(activation(run=first), parked=second), charges_interruption=False)
    decision = decided(state, Look())
    assert (decision.starts, decision.wake_at_ms) == (None, NOW + 500)
    assert decided(state, Look(), at=stamp(now_ms=NOW + 500)).starts == second


def test_what_sleeps_goes_on_sleeping_and_what_was_tried_goes_on() -> None:
    quiet = an_input(9, InputKind.EXTERNAL_EVENT, Header(wakes=False))
    assert decided(read_with(quiet), Look()).starts is None
    assert decided(read_with(evolve(quiet, attempts=1)), Look()).starts is not None
    assert decided(read_with(quiet, an_input(10)), Look()).starts is not None


def test_a_retired_identity_works_off_what_sleeps_too() -> None:
    quiet = an_input(9, InputKind.EXTERNAL_EVENT, Header(wakes=False))
    assert decided(read_with(quiet, desired=Desired.RETIRED), Look()).starts is not None


@pytest.mark.parametrize(("attempts", "ended"), [(0, [input_id(9)]), (1, [])])
def test_after_a_recovery_a_newer_input_displaces_what_was_never_tried(attempts: int, ended: list[InputId]) -> None:
    keyed = Header(supersession_key="price", wakes=False)
    state = read_with(an_input(9, InputKind.EXTERNAL_EVENT, keyed, attempts=attempts), desired=Desired.PAUSED)
    assert list(outcomes_of(decided(state, send(11, kind=InputKind.EXTERNAL_EVENT, header=keyed)))) == ended


def test_ephemeral_inputs_are_lost_to_the_next_owner_unless_it_is_told_to_keep_them() -> None:
    found = evolve(activation(), queued=(an_input(9, header=Header(durability=Durability.EPHEMERAL)), an_input(10)))
    lost = begin(found, charges_interruption=False)
    assert ([each.admission for each in lost.lost], [each.admission for each in lost.lane]) == ([9], [10])
    kept = begin(found, charges_interruption=False, keeps_ephemeral=True)
    assert (kept.lost, [each.admission for each in kept.lane]) == ((), [9, 10])


@pytest.mark.parametrize("is_claimed", [True, False])
def test_a_token_that_was_claimed_before_is_not_claimed_again(*, is_claimed: bool) -> None:
    state = begin(activation(), charges_interruption=False, is_claimed=is_claimed)
    assert (state.token, state.previous_token) == ((4, None) if is_claimed else (5, 4))


def test_a_lane_without_a_run_is_gone_on_with() -> None:
    decision = decided(begin(activation(lane=(9, 10)), charges_interruption=True), Look())
    assert deeds_of(decision) == (Claim(FencingToken(4)), Stage(AdmissionSequence(9), NEW_RUN))
    assert decision.starts is not None


# -- interruptions ------------------------------------------------------------------------


def test_starting_again_after_an_unclean_end_charges_one_interruption_and_no_attempt() -> None:
    state = idle(lane=(10,), run=run_of(8, 9, attempts=1, interruptions=2, is_unclean=True))
    decision = decided(state, Look())
    assert deeds_of(decision) == (
        ChargeRun(AdmissionSequence(8), OLD_RUN, 1, 3, 0),
        ChargeRun(AdmissionSequence(9), OLD_RUN, 1, 3, 0),
    )
    assert decision.starts == run_of(8, 9, attempts=1, interruptions=3)
    assert not decision.state.suspect


def test_an_interruption_is_charged_once_per_unclean_end() -> None:
    charged = decided(idle(run=run_of(10, is_unclean=True)), Look())
    cancelled = decided(charged.state, end(TurnCancelled()))
    assert cancelled.unit is None
    assert cancelled.starts == run_of(10, interruptions=1)


def test_an_orderly_end_charges_nothing() -> None:
    state = begin(activation(run=run_of(10, interruptions=5)), charges_interruption=False)
    decision = decided(state, Look())
    assert decision.unit is None
    assert decision.starts == run_of(10, interruptions=5)


def test_a_run_survives_as_many_unclean_ends_as_the_limit_allows() -> None:
    decision = decided(idle(run=run_of(10, interruptions=19, is_unclean=True)), Look(), at=WATCHED)
    assert decision.starts == run_of(10, interruptions=20)
    assert decision.told == ()


def test_one_more_unclean_end_is_a_crash_loop() -> None:
    once = {("pay", 1): JournalEntry(content_digest(b"[]"), b"1", is_once=True)}
    state = idle(run=run_of(8, 9, interruptions=20, journal=once, is_unclean=True))
    decision = decided(state, Look())
    ending = Abandoned(AbandonReason.CRASH_LOOP, "the process ended uncleanly under it 21 times")
    assert deeds_of(decision) == (
        EndInput(AdmissionSequence(8), OLD_RUN, ending),
        EndInput(AdmissionSequence(9), OLD_RUN, ending),
        DropJournal(OLD_RUN),
    )
    assert decision.told == ((input_id(8), ending), (input_id(9), ending))
    assert decision.failed is None
    assert decision.starts is None
    after = decision.state
    assert (after.run, after.is_executing, after.suspect) == (None, False, False)


def test_a_crash_loop_does_not_hold_up_what_is_behind_it() -> None:
    one = Limits(interruptions_max=1)
    decision = decided(idle(lane=(10,), run=run_of(9, interruptions=1, is_unclean=True)), Look(), limits=one)
    assert [type(effect) for effect in deeds_of(decision)] == [EndInput, Stage]
    assert decision.starts == Run(NEW_RUN, (waiting_input(10),), 0, 0, 0, {})


def test_what_is_sent_in_the_lap_of_a_crash_loop_is_staged_in_it() -> None:
    one = Limits(interruptions_max=1)
    decision = decided(idle(run=run_of(10, interruptions=1, is_unclean=True)), send(11), limits=one)
    assert the(InsertInput, decision).run_id == NEW_RUN
    assert decision.starts is not None
    assert decision.starts.run_id == NEW_RUN


def test_the_limit_counts_ends_since_the_last_durable_progress() -> None:
    state = decided(idle(run=run_of(10, interruptions=19, is_unclean=True)), Look(), at=WATCHED).state
    progressed = decided(state, step())
    assert the(ChargeRun, progressed).interruptions == 0
    assert progressed.state.run is not None
    restarted = evolve(
        progressed.state, is_executing=False, recorded=None, run=evolve(progressed.state.run, is_unclean=True)
    )
    assert the(ChargeRun, decided(restarted, Look())).interruptions == 1


def test_an_interruption_while_the_runtime_closes_is_charged_when_it_starts_again() -> None:
    state = idle(run=run_of(10, is_unclean=True))
    decision = decided(state, Look(), at=stamp(starts_nothing=True))
    assert decision.unit is None
    assert decision.state.run is not None
    assert decision.state.run.is_unclean


# -- waits --------------------------------------------------------------------------------


@pytest.mark.parametrize("remaining", [1, 1_000, LONGEST])
def test_a_run_waits_for_its_time_and_says_when(remaining: int) -> None:
    state = idle(lane=(10,), run=run_of(9, attempts=1, not_before_ms=NOW + remaining))
    for decision in (decided(state, Look()), decided(state, BackoffOver(OLD_RUN)), decided(state, GetStatus())):
        assert (decision.unit, decision.starts) == (None, None)
        assert decision.wake_at_ms == NOW + remaining
        assert snapshot(decision.state) == snapshot(state)


@pytest.mark.parametrize("passed", [0, 1, YEAR_MS])
def test_a_run_whose_time_has_come_starts(passed: int) -> None:
    run = run_of(9, attempts=1, not_before_ms=NOW - passed)
    decision = decided(idle(run=run), BackoffOver(OLD_RUN))
    assert (decision.unit, decision.starts) == (None, run)


@pytest.mark.parametrize("remaining", [LONGEST + 1, YEAR_MS, 2**62])
def test_a_run_whose_time_is_further_than_any_backoff_starts_at_once(remaining: int) -> None:
    # The wall clock was set back since the failure.
    run = run_of(9, attempts=1, not_before_ms=NOW + remaining)
    decision = decided(idle(run=run), Look())
    assert (decision.unit, decision.starts, decision.wake_at_ms) == (None, run, 0)


def test_a_run_between_attempts_holds_its_lane() -> None:
    state = idle(lane=(10,), run=run_of(9, attempts=1, not_before_ms=NOW + 500))
    decision = decided(state, send(11), Create("reviewer"))
    assert [type(effect) for effect in deeds_of(decision)] == [InsertInput]
    assert the(InsertInput, decision).run_id is None
    assert decision.wake_at_ms == NOW + 500
    assert all_of(Stage, decision) == []


def test_an_unclean_run_that_waits_is_charged_when_it_starts() -> None:
    run = run_of(9, attempts=1, not_before_ms=NOW + 500, is_unclean=True)
    waiting = decided(idle(run=run), Look())
    assert (waiting.unit, waiting.wake_at_ms) == (None, NOW + 500)
    due = decided(waiting.state, BackoffOver(OLD_RUN), at=stamp(now_ms=NOW + 500))
    assert the(ChargeRun, due) == ChargeRun(AdmissionSequence(9), OLD_RUN, 1, 1, NOW + 500)
    assert due.starts is not None


def test_journaled_steps_are_kept_over_the_charge_of_an_interruption() -> None:
    decision = decided(idle(run=run_of(10, journal=STEPS, is_unclean=True)), Look())
    assert journal_of(decision.state) == STEPS


def test_the_end_of_a_backoff_of_another_run_does_no_harm() -> None:
    state = busy(run_of(10))
    decision = decided(state, BackoffOver(NEW_RUN))
    assert decision.unit is None
    assert snapshot(decision.state) == snapshot(state)
