"""Deciding: admission of sends and mail, staging, the claim, closing and the backlog."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from meerkat_actors.errors import BacklogFullError, UnknownIdentityError
from meerkat_actors.machines.lap import Decision
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commands import BackoffOver, Create, GetStatus, Look, TakePending, Wait
from meerkat_actors.records.effects import AppendTurn, Claim, InsertInput, Stage, TakeMail
from meerkat_actors.records.ids import AdmissionSequence, FencingToken
from meerkat_actors.records.inputs import InputKind, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Admission
from meerkat_actors.records.runs import Run, TurnCompleted, TurnFailed
from tests.machines.laws import decided
from tests.machines.states import (
    IDENTITY,
    NEW_RUN,
    NOW,
    OLD_RUN,
    SENDER,
    SENDER_KEY,
    all_of,
    busy,
    content,
    deeds_of,
    end,
    idle,
    input_id,
    mail,
    run_of,
    send,
    snapshot,
    stamp,
    step,
    the,
    unborn,
    waiting_input,
)

RETURNED = TurnCompleted("done", (), None, ())
WAITING = run_of(10, attempts=1, not_before_ms=NOW + 500)


def lane_of(decision: Decision) -> list[int]:
    return [each.admission for each in decision.state.lane]


# -- sends --------------------------------------------------------------------------------


def test_a_send_to_an_idle_identity_is_staged_by_its_own_insertion() -> None:
    decision = decided(idle(), send(11, key="job-1"))
    assert deeds_of(decision) == (
        InsertInput(
            AdmissionSequence(11),
            input_id(11),
            InputKind.PROMPT,
            content(11),
            content_digest(content(11)),
            "job-1",
            NEW_RUN,
        ),
    )
    assert decision.replies == [Admission(input_id(11), AdmissionSequence(11), duplicate=False, durable=True)]
    assert decision.starts == Run(NEW_RUN, (waiting_input(11),), 0, 0, 0, {})
    assert decision.state.admissions == 11
    assert lane_of(decision) == []


@pytest.mark.parametrize(
    "state",
    [busy(run_of(10)), idle(run=WAITING), busy(run_of(9), lane=(10,))],
    ids=["running", "between attempts", "with a lane"],
)
def test_a_send_to_an_identity_with_a_run_is_queued(state: IdentityState) -> None:
    decision = decided(state, send(11))
    assert the(InsertInput, decision).run_id is None
    assert lane_of(decision)[-1] == 11
    assert decision.starts is None


def test_a_send_behind_a_lane_is_queued_and_the_head_of_the_lane_is_staged() -> None:
    decision = decided(idle(lane=(9, 10)), send(11))
    assert the(InsertInput, decision).run_id is None
    assert the(Stage, decision) == Stage(AdmissionSequence(9), NEW_RUN)
    assert lane_of(decision) == [10, 11]
    assert decision.starts is not None
    assert [member.admission for member in decision.starts.members] == [9]


def test_many_sends_fold_into_one_unit_with_one_reply_each_in_order() -> None:
    numbers = range(11, 75)
    decision = decided(idle(), *(send(number) for number in numbers))
    assert decision.replies == [
        Admission(input_id(number), AdmissionSequence(number), duplicate=False, durable=True) for number in numbers
    ]
    inserts = all_of(InsertInput, decision)
    assert len(inserts) == len(deeds_of(decision)) == 64
    assert [each.admission for each in inserts] == list(numbers)
    assert [each.run_id for each in inserts] == [NEW_RUN, *[None] * 63]
    assert lane_of(decision) == list(numbers)[1:]


def test_a_send_to_what_was_never_created_writes_nothing() -> None:
    decision = decided(unborn(), send(1))
    [reply] = decision.replies
    assert isinstance(reply, UnknownIdentityError)
    assert decision.unit is None


def test_a_send_right_behind_the_end_of_the_last_turn_is_staged_by_its_own_insertion() -> None:
    decision = decided(busy(run_of(10)), end(RETURNED), send(11))
    assert the(InsertInput, decision).run_id == NEW_RUN
    assert all_of(Stage, decision) == []
    assert decision.starts is not None


def test_a_send_right_before_the_end_of_the_last_turn_is_staged_by_its_own_insertion() -> None:
    decision = decided(busy(run_of(10)), send(11), send(12), end(RETURNED))
    assert [(each.admission, each.run_id) for each in all_of(InsertInput, decision)] == [(11, NEW_RUN), (12, None)]
    assert all_of(Stage, decision) == []
    assert decision.starts is not None
    assert decision.starts.members == (waiting_input(11),)


def test_each_run_gets_the_id_of_its_laps_stamp() -> None:
    decision = decided(busy(run_of(9), lane=(10,)), end(RETURNED))
    assert the(Stage, decision).run_id == NEW_RUN
    assert decision.state.run is not None
    assert decision.state.run.run_id == NEW_RUN


# -- mail ---------------------------------------------------------------------------------


def test_mail_to_an_idle_identity_is_taken_in_order_and_staged_at_once_for_one_turn() -> None:
    decision = decided(idle(), TakePending((mail(11), mail(12), mail(13))))
    assert deeds_of(decision) == (
        TakeMail(1011, SENDER_KEY, AdmissionSequence(11), NEW_RUN),
        TakeMail(1012, SENDER_KEY, AdmissionSequence(12), NEW_RUN),
        TakeMail(1013, SENDER_KEY, AdmissionSequence(13), NEW_RUN),
    )
    assert decision.starts is not None
    assert decision.starts.members == tuple(waiting_input(number, SENDER) for number in (11, 12, 13))
    assert lane_of(decision) == []
    assert decision.replies == [None]


def test_mail_to_a_running_identity_waits_in_its_lane() -> None:
    decision = decided(busy(run_of(9), lane=(10,)), TakePending((mail(11), mail(12))))
    assert [each.run_id for each in all_of(TakeMail, decision)] == [None, None]
    assert lane_of(decision) == [10, 11, 12]
    assert decision.starts is None


def test_mail_and_sends_share_one_order_of_admission() -> None:
    decision = decided(idle(), send(11), TakePending((mail(12), mail(13))), send(14))
    assert [each.admission for each in deeds_of(decision) if isinstance(each, InsertInput | TakeMail)] == [
        11,
        12,
        13,
        14,
    ]
    assert decision.starts is not None
    assert decision.starts.members == (waiting_input(11),)
    assert [member.sender for member in decision.state.lane] == [SENDER, SENDER, None]


def test_mail_taken_with_the_end_of_a_turn_is_staged_by_its_take() -> None:
    decision = decided(busy(run_of(10)), end(RETURNED), TakePending((mail(11),)))
    assert the(TakeMail, decision).run_id == NEW_RUN
    assert all_of(Stage, decision) == []
    assert len(all_of(AppendTurn, decision)) == 1


def test_taking_no_mail_does_nothing() -> None:
    decision = decided(idle(), TakePending(()))
    assert (decision.unit, decision.replies) == (None, [None])


# -- the claim ----------------------------------------------------------------------------


@pytest.mark.parametrize("previous", [1, 4])
def test_a_claim_rides_on_the_first_unit_and_the_fence_presents_the_new_token(previous: int) -> None:
    decision = decided(idle(previous_token=FencingToken(previous)), send(11))
    assert decision.unit is not None
    assert decision.unit.effects[0] == Claim(FencingToken(previous))
    assert decision.unit.fence.token == 5
    assert decision.state.previous_token is None


def test_a_claim_that_was_not_adopted_rides_on_the_next_unit_again() -> None:
    state = idle(previous_token=FencingToken(4))
    refused = decided(state, send(11))
    again = decided(state, send(11), send(12))
    assert all_of(Claim, refused) == all_of(Claim, again) == [Claim(FencingToken(4))]


def test_an_adopted_claim_is_not_made_again() -> None:
    first = decided(idle(previous_token=FencingToken(4)), send(11))
    assert all_of(Claim, decided(first.state, send(12))) == []


def test_a_claim_is_no_reason_for_a_unit() -> None:
    wait = Wait(input_id(1), AdmissionSequence(1))
    decision = decided(idle(previous_token=FencingToken(4)), Look(), GetStatus(), Create("reviewer"), wait)
    assert decision.unit is None
    assert decision.state.previous_token == 4


def test_a_created_identity_claims_nothing() -> None:
    assert all_of(Claim, decided(unborn(), Create("reviewer"), send(1))) == []


# -- closing ------------------------------------------------------------------------------


@pytest.mark.parametrize("admit", [lambda: send(11), lambda: TakePending((mail(11),))], ids=["send", "mail"])
def test_while_the_runtime_closes_an_input_is_admitted_but_nothing_is_staged(admit: Callable[[], TakePending]) -> None:
    decision = decided(idle(), admit(), at=stamp(starts_nothing=True))
    [effect] = deeds_of(decision)
    assert isinstance(effect, InsertInput | TakeMail)
    assert effect.run_id is None
    assert decision.starts is None
    assert decision.state.run is None
    assert lane_of(decision) == [11]


@pytest.mark.parametrize(
    ("run", "lane"),
    [(None, (10,)), (run_of(9), (10,)), (run_of(9, is_unclean=True), (10,)), (WAITING, ())],
    ids=["lane", "run", "unclean run", "between attempts"],
)
def test_while_the_runtime_closes_nothing_starts(run: Run | None, lane: tuple[int, ...]) -> None:
    state = idle(lane, run=run)
    decision = decided(state, Look(), BackoffOver(OLD_RUN), at=stamp(starts_nothing=True))
    assert (decision.unit, decision.starts, decision.wake_at_ms) == (None, None, 0)
    assert snapshot(decision.state) == snapshot(state)


def test_a_turn_that_ends_while_the_runtime_closes_is_committed_and_stages_no_next() -> None:
    decision = decided(busy(run_of(9), lane=(10,)), end(RETURNED), at=stamp(starts_nothing=True))
    assert len(all_of(AppendTurn, decision)) == 1
    assert all_of(Stage, decision) == []
    assert decision.starts is None
    assert lane_of(decision) == [10]


# -- the backlog --------------------------------------------------------------------------

THREE = Limits(backlog_max=3)


def test_a_full_backlog_refuses_and_says_how_many_it_holds() -> None:
    decision = decided(busy(run_of(8), lane=(9, 10)), send(11), limits=THREE)
    [reply] = decision.replies
    assert isinstance(reply, BacklogFullError)
    assert (reply.identity, reply.limit) == (IDENTITY, 3)
    assert decision.unit is None


def test_the_backlog_counts_the_run_and_fills_within_a_lap() -> None:
    decision = decided(busy(run_of(10)), *(send(number) for number in (11, 12, 13, 14)), limits=THREE)
    assert [type(reply) for reply in decision.replies] == [Admission, Admission, BacklogFullError, BacklogFullError]
    assert decision.state.admissions == 12


def test_room_made_in_a_lap_is_room_in_that_lap() -> None:
    state = busy(run_of(8), lane=(9, 10))
    decision = decided(state, send(11), end(RETURNED), send(11), limits=THREE)
    assert [type(reply) for reply in decision.replies] == [BacklogFullError, type(None), Admission]
    assert lane_of(decision) == [10, 11]


def test_a_full_recipient_takes_nothing_and_nobody_is_refused() -> None:
    decision = decided(busy(run_of(8), lane=(9, 10)), TakePending((mail(11),)), limits=THREE)
    assert (decision.unit, decision.replies) == (None, [None])


def test_a_recipient_takes_the_oldest_mail_that_it_has_room_for() -> None:
    decision = decided(busy(run_of(10)), TakePending((mail(11), mail(12), mail(13))), limits=THREE)
    assert [each.sequence for each in all_of(TakeMail, decision)] == [1011, 1012]


def test_a_full_backlog_refuses_no_end_of_a_turn() -> None:
    state = busy(run_of(8), lane=(9, 10))
    for ending in (RETURNED, TurnFailed("ValueError: no")):
        assert decided(state, step(), end(ending), limits=THREE).unit is not None


def test_a_backlog_of_one_holds_exactly_the_run() -> None:
    one = Limits(backlog_max=1)
    decision = decided(idle(), send(11), send(12), limits=one)
    assert [type(reply) for reply in decision.replies] == [Admission, BacklogFullError]
    assert decision.starts is not None


# -- purity -------------------------------------------------------------------------------


def test_a_decision_that_is_not_adopted_has_changed_nothing() -> None:
    state = busy(run_of(9), lane=(10,), previous_token=FencingToken(4))
    before = snapshot(state)
    for _ in range(3):
        decided(state, send(11), TakePending((mail(12),)), step(), end(RETURNED), send(13))
        assert snapshot(state) == before


def test_an_adopted_decision_does_not_change_with_the_ones_after_it() -> None:
    first = decided(idle(), send(11), send(12))
    held = snapshot(first)
    second = decided(first.state, end(RETURNED, NEW_RUN), send(13), at=evolve(stamp(), run_id=OLD_RUN))
    decided(second.state, end(RETURNED, OLD_RUN))
    assert snapshot(first) == held


def test_content_goes_into_the_unit_as_the_same_bytes() -> None:
    command = send(11)
    decision = decided(idle(), command)
    assert the(InsertInput, decision).content is command.content
    assert decision.starts is not None
    assert decision.starts.members[0].content is command.content


def test_an_open_input_remembers_who_sent_it() -> None:
    decision = decided(busy(run_of(10)), TakePending((mail(11),)), send(12))
    assert tuple(decision.state.lane) == (
        OpenInput(AdmissionSequence(11), input_id(11), InputKind.PEER_MESSAGE, content(11), SENDER),
        OpenInput(AdmissionSequence(12), input_id(12), InputKind.PROMPT, content(12), None),
    )
