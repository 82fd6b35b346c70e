"""Deciding: what an operator asks, whatever was wanted before and whatever the identity is doing."""

from __future__ import annotations

from itertools import product

import pytest

from meerkat_actors.errors import DestroyedError, MeerkatError, NotReadyError, UsageError
from meerkat_actors.machines.governing import GOVERNING, TURN_FATES, TurnFate, VerbRefusal, begins_runs
from meerkat_actors.machines.lap import Decision, Later
from meerkat_actors.machines.reset import RESET_KEY
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.agenda_effects import DropTimers
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.commands import Create, GetStatus, Govern, Interrupt, Look, TakePending
from meerkat_actors.records.effects import AppendTurn, BeginGeneration, Bury, EndInput, Recreate, SetConfig, SetDesired
from meerkat_actors.records.headers import Header
from meerkat_actors.records.ids import FencingToken
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed
from meerkat_actors.records.runs import TurnCancelled, TurnCompleted, TurnFailed
from meerkat_actors.records.status import Desired, IdentityStatus, Phase, Verb
from tests.machines.laws import admissions_of, decided, outcomes_of
from tests.machines.states import (
    NEW_RUN,
    NEW_SESSION,
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
    mail,
    run_of,
    send,
    stamp,
    steered,
    the,
    unborn,
)

D, V = Desired, Verb
RETURNED = TurnCompleted("done", (), None, ())
SHAPES = ("at rest", "queued", "waiting", "executing")


def shaped(shape: str, desired: Desired = D.OPEN) -> IdentityState:
    """An identity of which that is wanted, which does that."""
    match shape:
        case "at rest":
            return idle(desired=desired)
        case "queued":
            return idle(lane=(9, 10), steer=line(steered(8)), desired=desired)
        case "waiting":
            return idle(lane=(10,), run=run_of(9, attempts=1, not_before_ms=NOW + 500), desired=desired)
        case _:
            return busy(run_of(8), lane=(10,), steer=line(steered(9)), desired=desired)


def reasons(decision: Decision) -> set[AbandonReason]:
    """Why inputs ended with the decision."""
    return {outcome.reason for outcome in outcomes_of(decision).values() if isinstance(outcome, Abandoned)}


# -- every verb, in every state -----------------------------------------------------------


@pytest.mark.parametrize(("desired", "verb", "shape"), [*product([d for d in D if d is not D.DESTROYED], V, SHAPES)])
def test_a_verb_does_what_the_table_says_whatever_the_identity_is_doing(
    desired: Desired, verb: Verb, shape: str
) -> None:
    # Closing: what follows does not blur what the verb did. A stopped or retired identity may still hold work.
    state = shaped(shape, desired)
    decision = decided(state, Govern(verb), at=stamp(starts_nothing=True))
    [reply] = decision.replies
    after, wanted = decision.state, GOVERNING[desired, verb]
    if isinstance(wanted, VerbRefusal) or (state.is_executing and TURN_FATES[verb] is TurnFate.VERB_REFUSED):
        assert isinstance(reply, MeerkatError)
        assert decision.unit is None
        assert (after.desired, decision.recycles) == (desired, False)
        return
    if verb is V.RESET:
        assert reply == Later(RESET_KEY, is_input=False)
        assert (after.is_resetting, decision.halts, after.desired) == (True, state.is_executing, desired)
        return
    assert reply is None
    assert after.desired is wanted
    assert decision.recycles is (verb is V.RECYCLE)
    is_buried = verb is V.DESTROY and not state.is_executing
    assert after.is_buried is is_buried
    assert len(all_of(SetDesired, decision)) == (wanted is not desired and not is_buried)
    assert not decision.halts
    if verb in {V.STOP, V.DESTROY}:
        ended = reasons(decision)
        assert ended <= {AbandonReason.STOPPED if verb is V.STOP else AbandonReason.DESTROYED}
        assert after.backlog == (1 if state.is_executing else 0)
    else:
        assert outcomes_of(decision) == {}
        assert after.backlog == state.backlog


@pytest.mark.parametrize(("desired", "shape"), [*product(D, ("at rest", "queued", "executing"))])
def test_what_is_wanted_decides_what_is_admitted_and_what_begins(desired: Desired, shape: str) -> None:
    state = shaped(shape, desired) if desired is not D.STOPPED else idle(desired=desired)
    if desired is D.DESTROYED:
        state = idle(desired=desired, is_buried=True)
    decision = decided(state, send(11), TakePending((mail(12),)))
    is_admitted = desired in {D.OPEN, D.PAUSED}
    assert decision.state.admissions == state.admissions + (2 if is_admitted else 0)
    if not is_admitted:
        assert isinstance(decision.replies[0], DestroyedError if desired is D.DESTROYED else NotReadyError)
    if not begins_runs(desired):
        assert decision.starts is None
    elif state.has_open_input and not state.is_executing:
        assert decision.starts is not None


@pytest.mark.parametrize("verb", [V.STOP, V.RESET, V.DESTROY])
def test_what_is_given_up_is_displaced_by_nothing_that_comes_later(verb: Verb) -> None:
    keyed = an_input(9, InputKind.EXTERNAL_EVENT, Header(supersession_key="price"))
    decision = decided(idle(lane=(keyed,)), Govern(verb))
    assert list(outcomes_of(decision)) == [input_id(9)]
    assert len(decision.state.keyed) == 0


def test_verbs_that_follow_each_other_in_a_lap_want_the_last() -> None:
    paused = decided(idle(lane=(10,)), Govern(V.PAUSE), Govern(V.RESUME), Govern(V.PAUSE))
    assert deeds_of(paused) == (SetDesired(D.PAUSED),)
    neither = decided(idle(), Govern(V.PAUSE), Govern(V.RESUME))
    assert neither.unit is None
    stopped = decided(idle(lane=(10,)), Govern(V.STOP), Govern(V.RESUME), send(11))
    assert reasons(stopped) == {AbandonReason.STOPPED}
    assert stopped.starts is not None


def test_a_paused_identity_goes_on_where_it_was() -> None:
    paused = decided(busy(run_of(8), lane=(9,)), Govern(V.PAUSE), end(RETURNED))
    assert (paused.starts, admissions_of(paused.state.lane)) == (None, [9])
    resumed = decided(paused.state, Govern(V.RESUME))
    assert resumed.starts is not None


def test_a_retired_identity_works_off_what_it_has() -> None:
    retired = decided(busy(run_of(8), lane=(9, 10)), Govern(V.RETIRE))
    first = decided(retired.state, end(RETURNED))
    second = decided(first.state, end(RETURNED, NEW_RUN), at=stamp(run_id=OLD_RUN))
    third = decided(second.state, end(RETURNED, OLD_RUN))
    assert third.state.version == retired.state.version + 3
    assert not third.state.has_open_input


# -- stopping -----------------------------------------------------------------------------


def test_a_stopped_identity_lets_its_turn_finish() -> None:
    stopped = decided(shaped("executing"), Govern(V.STOP))
    assert set(outcomes_of(stopped)) == {input_id(9), input_id(10)}
    finished = decided(stopped.state, end(RETURNED))
    assert isinstance(outcomes_of(finished)[input_id(8)], Consumed)


def test_a_failing_turn_of_a_stopped_identity_is_not_tried_again() -> None:
    stopped = decided(busy(run_of(an_input(7), an_input(8))), Govern(V.STOP))
    failed = decided(stopped.state, end(TurnFailed("ValueError: no")))
    assert reasons(failed) == {AbandonReason.STOPPED}
    assert not failed.state.has_open_input


def test_the_turn_that_a_stopped_identity_was_in_begins_again_after_a_crash() -> None:
    run = run_of(8, is_unclean=True)
    decision = decided(idle(run=run, desired=D.STOPPED), Look())
    assert decision.starts == run_of(8, interruptions=1)


# -- reset --------------------------------------------------------------------------------


def test_a_reset_at_rest_is_one_unit() -> None:
    state = idle(lane=(9,), config=AgentConfig(3, b"1"), desired=D.PAUSED)
    decision = decided(state, Govern(V.RESET))
    assert the(BeginGeneration, decision).session_id == NEW_SESSION
    assert all_of(SetDesired, decision) == []
    assert reasons(decision) == {AbandonReason.RESET}
    assert dict(decision.told)[RESET_KEY] is None
    after = decision.state
    assert (after.generation, after.version, after.session_id, after.desired) == (3, 0, NEW_SESSION, D.OPEN)
    assert (after.digest, after.message_count, after.state) == (DIGEST_ZERO, 0, None)
    assert (after.config, after.sends, after.admissions) == (AgentConfig(3, b"1"), 4, 9)


def test_a_reset_under_a_turn_is_two_units_first_what_the_turn_said() -> None:
    asked = decided(shaped("executing"), Govern(V.RESET))
    assert (asked.unit, asked.halts, asked.state.is_resetting) == (None, True, True)
    ended = decided(asked.state, end(TurnCancelled((b'{"content":"so far","role":"assistant"}',))))
    assert len(all_of(AppendTurn, ended)) == 1
    assert (all_of(BeginGeneration, ended), ended.starts) == ([], None)
    begun = decided(ended.state, Look())
    assert len(all_of(BeginGeneration, begun)) == 1
    assert set(outcomes_of(begun)) == {input_id(9), input_id(10)}
    assert begun.state.generation == asked.state.generation + 1


def test_while_it_resets_nothing_is_admitted_or_wanted_but_its_end() -> None:
    state = decided(shaped("executing"), Govern(V.RESET)).state
    decision = decided(state, send(11), TakePending((mail(12),)), Govern(V.PAUSE), Govern(V.RESET), GetStatus())
    refused, _, also_refused, later, status = decision.replies
    assert isinstance(refused, NotReadyError)
    assert isinstance(also_refused, NotReadyError)
    assert later == Later(RESET_KEY, is_input=False)
    assert isinstance(status, IdentityStatus)
    assert status.phase is Phase.RESETTING
    assert decision.unit is None


def test_who_interrupted_before_the_reset_is_told_too() -> None:
    state = decided(shaped("executing"), Interrupt(at_checkpoint=True), Govern(V.RESET)).state
    assert dict(decided(state, end(TurnCancelled())).told)[OLD_RUN] is True


def test_a_late_end_of_the_former_generation_changes_nothing() -> None:
    begun = decided(idle(), Govern(V.RESET)).state
    assert decided(begun, end(RETURNED)).unit is None


# -- destroying, and beginning anew -------------------------------------------------------


def test_an_identity_at_rest_is_destroyed_in_one_unit() -> None:
    decision = decided(shaped("waiting"), Govern(V.DESTROY))
    assert len(all_of(Bury, decision)) == 1
    assert all_of(SetDesired, decision) == []
    assert reasons(decision) == {AbandonReason.DESTROYED}


def test_destroying_under_a_turn_is_wanted_at_once_and_done_when_it_ends() -> None:
    asked = decided(shaped("executing"), Govern(V.DESTROY))
    assert (the(SetDesired, asked).desired, asked.halts) == (D.DESTROYED, False)
    ended = decided(asked.state, end(RETURNED))
    assert isinstance(outcomes_of(ended)[input_id(8)], Consumed)
    assert [type(each) for each in deeds_of(ended)] == [EndInput, DropTimers, Bury, AppendTurn]
    assert decided(ended.state, Look()).unit is None


def test_a_turn_that_fails_under_it_is_not_tried_again() -> None:
    asked = decided(shaped("executing"), Govern(V.DESTROY))
    failed = decided(asked.state, end(TurnFailed("ValueError: no")))
    assert [type(each) for each in deeds_of(failed)] == [EndInput, DropTimers, Bury]


def test_to_be_destroyed_is_for_ever_also_where_a_reset_was_asked_for_before() -> None:
    state = decided(shaped("executing"), Govern(V.RESET), Govern(V.DESTROY)).state
    buried = decided(state, end(TurnCancelled()))
    assert len(all_of(Bury, buried)) == 1
    assert all_of(BeginGeneration, buried) == []
    assert isinstance(dict(buried.told)[RESET_KEY], DestroyedError)
    assert (buried.state.is_buried, buried.state.desired) == (True, D.DESTROYED)


@pytest.mark.parametrize(
    "command", [send(11), Create("reviewer"), *(Govern(verb) for verb in V if verb is not V.DESTROY)]
)
def test_who_is_destroyed_answers_nothing_else(command: Govern) -> None:
    decision = decided(idle(desired=D.DESTROYED, is_buried=True), command)
    assert isinstance(decision.replies[0], DestroyedError)
    assert decision.unit is None


def test_to_destroy_again_is_no_error() -> None:
    decision = decided(idle(desired=D.DESTROYED, is_buried=True), Govern(V.DESTROY))
    assert (decision.replies, decision.unit) == ([None], None)


@pytest.mark.parametrize("previous", [FencingToken(4), None], ids=["a new owner", "the owner that destroyed it"])
def test_what_was_destroyed_begins_anew_as_its_next_generation(previous: FencingToken | None) -> None:
    state = idle(desired=D.DESTROYED, is_buried=True, previous_token=previous, config=AgentConfig(2, b"1"))
    decision = decided(state, Create("writer", b"2", recreates=True))
    assert decision.replies == [None]
    assert the(Recreate, decision) == Recreate(FencingToken(previous or 5), "writer", NEW_SESSION)
    assert the(SetConfig, decision) == SetConfig(3, b"2")
    after = decision.state
    assert (after.generation, after.version, after.kind, after.desired) == (3, 0, "writer", D.OPEN)
    assert (after.is_buried, after.state, after.message_count) == (False, None, 0)
    assert after.token == (previous or 5) + 1
    assert decided(after, send(11)).starts is not None


def test_recreating_what_lives_is_opening_it() -> None:
    assert decided(idle(), Create("reviewer", recreates=True)).unit is None
    assert isinstance(decided(idle(), Create("writer", recreates=True)).replies[0], UsageError)


def test_a_verb_on_what_was_never_created_is_refused() -> None:
    for verb in V:
        decision = decided(unborn(), Govern(verb))
        assert isinstance(decision.replies[0], MeerkatError)
        assert decision.unit is None
