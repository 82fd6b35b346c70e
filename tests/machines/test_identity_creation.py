"""Deciding: creation, opening, status, and whether an input is open."""

from __future__ import annotations

import pytest

from meerkat_actors.errors import UnknownIdentityError, UsageError
from meerkat_actors.machines.lap import Later
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.commands import Create, GetStatus, Look, Wait
from meerkat_actors.records.effects import CreateIdentity, InsertInput, SetConfig
from meerkat_actors.records.ids import AdmissionSequence, FencingToken
from meerkat_actors.records.outcomes import Admission
from meerkat_actors.records.runs import TurnCompleted
from meerkat_actors.records.status import IdentityStatus, Phase
from tests.machines.laws import decided
from tests.machines.states import (
    IDENTITY,
    NEW_RUN,
    NEW_SESSION,
    NOW,
    OLD_RUN,
    busy,
    deeds_of,
    end,
    idle,
    input_id,
    run_of,
    send,
    snapshot,
    stamp,
    unborn,
)

RETURNED = TurnCompleted("done", (b'{"content":"done","role":"assistant"}',), None, ())


def wait(number: int) -> Wait:
    return Wait(input_id(number), AdmissionSequence(number))


# -- creation -----------------------------------------------------------------------------


def test_creating_makes_the_authority_row_with_the_session_of_the_stamp() -> None:
    decision = decided(unborn(), Create("reviewer"))
    assert deeds_of(decision) == (CreateIdentity("reviewer", NEW_SESSION),)
    assert decision.replies == [None]
    after = decision.state
    assert (after.kind, after.session_id, after.generation, after.version) == ("reviewer", NEW_SESSION, 0, 0)
    assert (after.digest, after.message_count, after.state) == (DIGEST_ZERO, 0, None)
    assert after.is_created
    assert decision.starts is None


def test_creating_again_is_opening() -> None:
    state = idle()
    decision = decided(state, Create("reviewer"))
    assert decision.unit is None
    assert decision.replies == [None]
    assert snapshot(decision.state) == snapshot(state)


def test_opening_an_existing_identity_needs_no_kind() -> None:
    assert decided(idle(), Create(None)).replies == [None]


def test_another_kind_than_the_stored_one_is_the_callers_mistake() -> None:
    decision = decided(idle(), Create("writer"))
    [reply] = decision.replies
    assert isinstance(reply, UsageError)
    assert str(reply) == f"{IDENTITY}: is of kind 'reviewer', not 'writer'; open it with its own kind"
    assert decision.unit is None
    assert decision.state.kind == "reviewer"


def test_opening_what_was_never_created_says_so_and_creates_nothing() -> None:
    decision = decided(unborn(), Create(None))
    [reply] = decision.replies
    assert isinstance(reply, UnknownIdentityError)
    assert reply.identity == IDENTITY
    assert decision.unit is None
    assert not decision.state.is_created


def test_the_first_of_two_creations_in_a_lap_wins() -> None:
    decision = decided(unborn(), Create(None), Create("a"), Create("b"), Create("a"), Create(None))
    first, second, third, fourth, fifth = decision.replies
    assert isinstance(first, UnknownIdentityError)
    assert isinstance(third, UsageError)
    assert (second, fourth, fifth) == (None, None, None)
    assert deeds_of(decision) == (CreateIdentity("a", NEW_SESSION),)


def test_what_is_created_in_a_lap_can_be_sent_to_in_the_same_lap() -> None:
    decision = decided(unborn(), Create("reviewer"), send(1))
    assert [type(effect) for effect in deeds_of(decision)] == [CreateIdentity, InsertInput]
    assert decision.replies[1] == Admission(input_id(1), AdmissionSequence(1), duplicate=False, durable=True)
    assert decision.starts is not None
    assert decision.starts.run_id == NEW_RUN


def test_sending_before_the_creation_in_the_same_lap_is_refused() -> None:
    decision = decided(unborn(), send(1), Create("reviewer"))
    assert isinstance(decision.replies[0], UnknownIdentityError)
    assert deeds_of(decision) == (CreateIdentity("reviewer", NEW_SESSION),)
    assert decision.state.admissions == 0


def test_a_creation_while_the_runtime_closes_is_durable_all_the_same() -> None:
    decision = decided(unborn(), Create("reviewer"), at=stamp(starts_nothing=True))
    assert deeds_of(decision) == (CreateIdentity("reviewer", NEW_SESSION),)


def test_looking_at_what_was_never_created_does_nothing() -> None:
    state = unborn()
    decision = decided(state, Look())
    assert snapshot(decision.state) == snapshot(state)
    assert (decision.unit, decision.starts) == (None, None)


# -- status -------------------------------------------------------------------------------


def status_of(state: IdentityState) -> IdentityStatus:
    # Closing: nothing starts under the eyes of the asker.
    [reply] = decided(state, GetStatus(), at=stamp(starts_nothing=True)).replies
    assert isinstance(reply, IdentityStatus)
    return reply


def test_the_status_of_an_idle_identity_is_its_authority() -> None:
    status = status_of(idle())
    assert status == IdentityStatus(
        identity=IDENTITY,
        kind="reviewer",
        phase=Phase.IDLE,
        generation=idle().generation,
        checkpoint_version=idle().version,
        fencing_token=FencingToken(5),
        session_id=idle().session_id,
        message_count=20,
        backlog=0,
        run_id=None,
        attempts=0,
        interruptions=0,
    )


def test_a_status_tells_the_run_and_what_waits_behind_it() -> None:
    status = status_of(busy(run_of(1, attempts=1, interruptions=2), lane=(2, 3)))
    assert (status.phase, status.run_id, status.backlog) == (Phase.RUNNING, OLD_RUN, 2)
    assert (status.attempts, status.interruptions) == (1, 2)


def test_a_run_between_two_attempts_is_waiting() -> None:
    status = status_of(idle(run=run_of(1, attempts=1, not_before_ms=NOW + 500)))
    assert status.phase is Phase.WAITING


def test_a_status_is_asked_in_the_order_of_the_fold() -> None:
    decision = decided(busy(run_of(1)), GetStatus(), end(RETURNED), GetStatus(), send(11), GetStatus())
    told = [reply for reply in decision.replies if isinstance(reply, IdentityStatus)]
    assert [(each.phase, each.checkpoint_version, each.backlog) for each in told] == [
        (Phase.RUNNING, 7, 0),
        (Phase.IDLE, 8, 0),
        (Phase.IDLE, 8, 1),
    ]


def test_the_status_of_what_was_never_created_is_an_error() -> None:
    [reply] = decided(unborn(), GetStatus()).replies
    assert isinstance(reply, UnknownIdentityError)


# -- waiting ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "is_open"), [(1, False), (2, False), (3, True), (4, True), (5, True), (6, True), (7, False)]
)
def test_an_input_is_open_in_the_run_or_in_the_lane_and_nowhere_else(
    number: int,
    is_open: bool,
) -> None:
    told = Later(input_id(number)) if is_open else None
    assert decided(busy(run_of(3), lane=(4, 5, 6)), wait(number)).replies == [told]


def test_in_an_idle_identity_nothing_is_open() -> None:
    assert decided(idle(), wait(10), wait(11), wait(1)).replies == [None, None, None]


def test_every_member_of_a_run_is_open() -> None:
    assert decided(busy(run_of(3, 4)), wait(3), wait(4), wait(5)).replies == [
        Later(input_id(3)),
        Later(input_id(4)),
        None,
    ]


def test_a_wait_sees_what_came_before_it_in_the_lap() -> None:
    decision = decided(busy(run_of(10)), wait(10), wait(11), send(11), wait(11), end(RETURNED), wait(10), wait(11))
    told = [decision.replies[place] for place in (0, 1, 3, 5, 6)]
    assert told == [Later(input_id(10)), None, Later(input_id(11)), None, Later(input_id(11))]


# -- configuration ------------------------------------------------------------------------


def test_a_configuration_commits_with_the_creation() -> None:
    decision = decided(unborn(), Create("reviewer", b'{"a":1}'))
    assert deeds_of(decision) == (CreateIdentity("reviewer", NEW_SESSION), SetConfig(1, b'{"a":1}'))
    assert decision.state.config == AgentConfig(1, b'{"a":1}')


def test_another_configuration_is_the_next_version() -> None:
    decision = decided(idle(config=AgentConfig(4, b"1")), Create("reviewer", b"2"))
    assert deeds_of(decision) == (SetConfig(5, b"2"),)
    assert decision.state.config == AgentConfig(5, b"2")


@pytest.mark.parametrize("config", [None, b"1"])
def test_the_same_configuration_and_none_at_all_write_nothing(config: bytes | None) -> None:
    decision = decided(idle(config=AgentConfig(4, b"1")), Create("reviewer", config))
    assert decision.unit is None
    assert decision.state.config == AgentConfig(4, b"1")


def test_configurations_that_are_folded_follow_each_other() -> None:
    decision = decided(
        unborn(), Create("a", b"1"), Create("a", b"2"), Create("a", b"2"), Create("a"), Create("b", b"3")
    )
    assert deeds_of(decision) == (CreateIdentity("a", NEW_SESSION), SetConfig(1, b"1"), SetConfig(2, b"2"))
    assert isinstance(decision.replies[4], UsageError)
    assert decision.state.config == AgentConfig(2, b"2")


def test_a_configuration_waits_for_no_turn_and_changes_none() -> None:
    decision = decided(busy(run_of(10), config=None), Create("reviewer", b"1"))
    assert deeds_of(decision) == (SetConfig(1, b"1"),)
    assert decision.starts is None


def test_who_does_not_exist_is_not_configured() -> None:
    decision = decided(unborn(), Create(None, b"1"))
    assert decision.unit is None
    assert isinstance(decision.replies[0], UnknownIdentityError)
