"""Deciding: dead letters, which are driven again or dropped."""

from __future__ import annotations

import pytest

from meerkat_actors.errors import (
    BacklogFullError,
    DestroyedError,
    IdempotencyConflictError,
    MeerkatError,
    NotReadyError,
    UnknownIdentityError,
)
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.commands import Command, DropLetter, Redrive
from meerkat_actors.records.effects import InsertInput, SettleLetter
from meerkat_actors.records.headers import Header
from meerkat_actors.records.ids import AdmissionSequence
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Admission
from meerkat_actors.records.status import Desired
from tests.machines.laws import decided
from tests.machines.states import all_of, busy, deeds_of, idle, input_id, run_of, send, the, unborn

LETTER = AdmissionSequence(4)
AGAIN = Redrive(LETTER, send(11, "job-1", header=Header(redrives=input_id(4))))
DROP = DropLetter(LETTER)


def test_a_letter_is_driven_again_by_a_new_input_in_the_unit_that_settles_it() -> None:
    decision = decided(idle(), AGAIN)
    assert [type(effect) for effect in deeds_of(decision)] == [InsertInput, SettleLetter]
    assert the(SettleLetter, decision).admission == 4
    assert decision.replies == [Admission(input_id(11), AdmissionSequence(11), duplicate=False, durable=True)]
    assert decision.starts is not None
    [member] = decision.starts.members
    assert member.header == Header(redrives=input_id(4))


def test_a_letter_that_is_driven_twice_in_a_lap_is_settled_once() -> None:
    decision = decided(idle(), AGAIN, AGAIN)
    assert len(all_of(SettleLetter, decision)) == 1
    assert [reply.duplicate for reply in decision.replies if isinstance(reply, Admission)] == [False, True]


def test_a_letter_whose_key_is_anothers_is_not_settled() -> None:
    decision = decided(idle(), send(12, "job-1"), AGAIN)
    assert isinstance(decision.replies[1], IdempotencyConflictError)
    assert all_of(SettleLetter, decision) == []


def test_a_letter_is_dropped_by_settling_it() -> None:
    decision = decided(busy(run_of(8)), DROP)
    assert deeds_of(decision) == (SettleLetter(LETTER),)
    assert decision.replies == [None]


@pytest.mark.parametrize(
    ("state", "command", "error"),
    [
        (idle(desired=Desired.RETIRED), AGAIN, NotReadyError),
        (idle(desired=Desired.STOPPED), AGAIN, NotReadyError),
        (idle(desired=Desired.DESTROYED, is_buried=True), AGAIN, DestroyedError),
        (idle(desired=Desired.DESTROYED, is_buried=True), DROP, DestroyedError),
        (busy(run_of(8), lane=(9,)), AGAIN, BacklogFullError),
        (unborn(), AGAIN, UnknownIdentityError),
        (unborn(), DROP, UnknownIdentityError),
    ],
)
def test_a_letter_stays_where_nothing_is_admitted(
    state: IdentityState, command: Command, error: type[MeerkatError]
) -> None:
    decision = decided(state, command, limits=Limits(backlog_max=2))
    assert isinstance(decision.replies[0], error)
    assert decision.unit is None


def test_a_letter_of_a_stopped_or_retired_identity_may_be_dropped() -> None:
    for desired in (Desired.RETIRED, Desired.STOPPED, Desired.PAUSED):
        assert decided(idle(desired=desired), DROP).replies == [None]
