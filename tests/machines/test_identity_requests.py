"""Deciding about requests: whatever becomes of one, its sender is told once, in the unit that makes it so."""

from __future__ import annotations

import pytest

from meerkat_actors.records.agenda_effects import CountSends, DropTimers
from meerkat_actors.records.commands import (
    CancelInput,
    Govern,
    Interrupt,
    Look,
    Redrive,
    TakePending,
)
from meerkat_actors.records.effects import AppendTurn, BeginGeneration, Bury, EndInput, SendMail
from meerkat_actors.records.facts import InputAbandoned
from meerkat_actors.records.headers import Durability, Header, Mode
from meerkat_actors.records.ids import AdmissionSequence, is_uuid
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import AbandonReason
from meerkat_actors.records.runs import (
    TurnCancelled,
    TurnCompleted,
    TurnEnding,
    TurnFailed,
    TurnNeverBegan,
)
from meerkat_actors.records.status import Verb
from tests.machines.agenda_laws import answers_of, facts_of
from tests.machines.answering import (
    COMPLETED,
    FAILED,
    RAISED,
    deferring,
    failed,
    owing,
    request,
    responding,
    told,
)
from tests.machines.laws import decided, outcomes_of
from tests.machines.states import (
    IDENTITY,
    NEW_RUN,
    NOW,
    SENDER,
    all_of,
    an_input,
    busy,
    end,
    idle,
    input_id,
    line,
    mail,
    run_of,
    send,
    stamp,
    the,
)

K, V = InputKind, Verb


# -- what a turn says ----------------------------------------------------------------------


@pytest.mark.parametrize("text", ["done", "", None])
def test_what_the_turn_returned_is_the_answer_to_its_request(text: str | None) -> None:
    decision = decided(busy(run_of(request(9))), end(TurnCompleted(text, (), None, ())))
    assert told(decision) == [(input_id(9), COMPLETED, text)]
    sent = the(SendMail, decision)
    assert (sent.recipient, sent.number) == (SENDER, 5)
    assert the(AppendTurn, decision).sends == decision.state.sends == 5
    assert all_of(CountSends, decision) == []


def test_an_answer_has_an_id_that_follows_from_its_request() -> None:
    state = busy(run_of(request(8), request(9)))
    first, second = (all_of(SendMail, decided(state, end(responding()))) for _ in "ab")
    assert first == second
    assert len({each.input_id for each in first}) == 2
    assert all(is_uuid(each.input_id) for each in first)


@pytest.mark.parametrize("ending", [TurnCompleted("done", (), None, ()), RAISED])
def test_an_answer_has_the_correlation_id_of_its_request(ending: TurnEnding) -> None:
    state = busy(run_of(request(9, Header(correlation_id="c-9")), attempts=2))
    [(_, header)] = answers_of(decided(state, end(ending)))
    assert header.correlation_id == "c-9"


def test_the_correlation_id_of_what_was_put_off_is_remembered() -> None:
    later = decided(busy(run_of(request(9, Header(correlation_id="c-9")))), end(deferring(9)))
    [(_, header)] = answers_of(decided(later.state, Govern(V.STOP)))
    assert (header.correlation_id, header.status) == ("c-9", FAILED)


def test_an_answer_of_the_turn_itself_is_the_only_one() -> None:
    decision = decided(busy(run_of(request(9))), end(responding(9)))
    assert told(decision) == [(input_id(9), COMPLETED, "said")]


def test_of_two_requests_in_a_batch_the_one_that_was_not_answered_gets_what_the_turn_returned() -> None:
    decision = decided(busy(run_of(request(8), request(9))), end(responding(9)))
    assert sorted(told(decision)) == [(input_id(8), COMPLETED, "done"), (input_id(9), COMPLETED, "said")]
    assert [each.number for each in all_of(SendMail, decision)] == [5, 6]


def test_a_request_that_a_checkpoint_bound_is_answered_by_the_run_that_took_it_up() -> None:
    late = request(9, Header(mode=Mode.STEER), position=1)
    decision = decided(busy(run_of(8, late)), end(TurnCompleted("done", (), None, (), 1)))
    assert told(decision) == [(input_id(9), COMPLETED, "done")]


def test_a_request_that_the_turn_never_saw_is_not_answered_by_it() -> None:
    late = request(9, Header(mode=Mode.STEER), position=1)
    decision = decided(busy(run_of(8, late)), end(TurnCompleted("done", (), None, (), 0)))
    assert told(decision) == []
    [waiting] = decision.state.steer
    assert waiting.input_id == input_id(9)


@pytest.mark.parametrize(
    "ending", [TurnCompleted("done", (), None, ()), deferring(9), RAISED, TurnNeverBegan()]
)  # fmt: skip
def test_a_request_from_outside_has_its_outcome_and_answers_nobody(ending: TurnEnding) -> None:
    decision = decided(busy(run_of(an_input(9, K.PEER_REQUEST), attempts=2)), end(ending))
    assert input_id(9) in outcomes_of(decision)
    assert all_of(SendMail, decision) == []
    assert len(decision.state.owed) == 0


def test_who_asks_itself_is_answered_by_itself() -> None:
    asked = an_input(9, K.PEER_REQUEST, sender=IDENTITY)
    assert the(SendMail, decided(busy(run_of(asked)), end(responding()))).recipient == IDENTITY


# -- what nobody answers -------------------------------------------------------------------


def test_a_dead_letter_fails_its_request() -> None:
    decision = decided(busy(run_of(request(9), attempts=2)), end(RAISED))
    failed(decision, 9)
    assert "ValueError: no" in str(told(decision))


def test_a_failure_that_is_tried_again_answers_nobody() -> None:
    assert told(decided(busy(run_of(request(9))), end(RAISED))) == []


def test_a_letter_that_is_driven_again_was_answered_and_answers_nobody() -> None:
    command = Redrive(AdmissionSequence(9), send(11, kind=K.PEER_REQUEST, header=Header(redrives=input_id(9))))
    again = decided(idle(), command)
    assert again.starts is not None
    assert all_of(SendMail, decided(again.state, end(responding(), NEW_RUN))) == []


def test_a_crash_loop_fails_its_request() -> None:
    run = run_of(request(9), interruptions=Limits().interruptions_max, is_unclean=True)
    failed(decided(idle(run=run), at=stamp(may_suspect=True)), 9)


def test_a_turn_that_never_began_fails_its_request() -> None:
    failed(decided(busy(run_of(request(9))), end(TurnNeverBegan())), 9)


def test_a_cancelled_request_fails_wherever_it_is() -> None:
    cancel = CancelInput(input_id(9), AdmissionSequence(9))
    failed(decided(idle((request(9),), is_awake=False), cancel), 9)
    failed(decided(idle(run=run_of(request(9), not_before_ms=NOW + 500)), cancel), 9)
    halted = decided(busy(run_of(request(8), request(9))), cancel)
    assert told(halted) == []
    failed(decided(halted.state, end(TurnCancelled())), 9)


def test_what_an_interrupted_turn_answered_is_dropped_and_its_request_fails() -> None:
    halted = decided(busy(run_of(request(8), request(9)), owed=owing(7)), Interrupt())
    decision = decided(halted.state, end(responding(7, 8, deferred=(9,))))
    failed(decision, 8, 9)
    assert {**decision.state.owed} == {**owing(7)}
    assert not any(each.owes for each in all_of(EndInput, decision))


def test_an_answer_before_the_interrupt_stands() -> None:
    decision = decided(busy(run_of(request(9))), end(responding(9)), Interrupt())
    assert told(decision) == [(input_id(9), COMPLETED, "said")]


def test_a_request_that_is_superseded_fails_and_the_newer_one_goes_on() -> None:
    header = Header(supersession_key="price")
    decision = decided(busy(run_of(8), lane=(request(9, header),)), TakePending((mail(11, K.PEER_REQUEST, header),)))
    failed(decision, 9)
    assert [each.input_id for each in decision.state.lane] == [input_id(11)]


@pytest.mark.parametrize(
    ("verb", "reason"), [(V.STOP, AbandonReason.STOPPED), (V.RESET, AbandonReason.RESET), (V.DESTROY, "destroyed")]
)
def test_verbs_that_abandon_what_waits_fail_every_request_of_it(verb: Verb, reason: str) -> None:
    run = run_of(request(7), not_before_ms=NOW + 500)
    steer = line(request(8, Header(mode=Mode.STEER)))
    decision = decided(idle((request(9), an_input(10, sender=SENDER)), run=run, steer=steer), Govern(verb))
    failed(decision, 7, 8, 9)
    assert {each.reason for each in facts_of(decision) if isinstance(each, InputAbandoned)} == {reason}


def test_mail_that_is_taken_and_abandoned_in_one_lap_is_answered_in_it() -> None:
    decision = decided(idle(), TakePending((mail(11, K.PEER_REQUEST), mail(12))), Govern(V.STOP))
    failed(decision, 11)


def test_a_lost_ephemeral_request_fails() -> None:
    lost = request(9, Header(durability=Durability.EPHEMERAL))
    failed(decided(idle(lost=(lost,)), Look()), 9)


def test_a_reset_answers_first_what_its_turn_leaves_and_then_what_it_owes() -> None:
    halted = decided(busy(run_of(request(9)), owed=owing(7)), Govern(V.RESET))
    first = decided(halted.state, end(responding(7)))
    failed(first, 9)
    assert {**first.state.owed} == {**owing(7)}
    second = decided(first.state)
    assert [(number, status) for number, status, _ in told(second)] == [(input_id(7), FAILED)]
    assert len(all_of(BeginGeneration, second)) == len(all_of(DropTimers, second)) == 1
    assert (second.state.sends, the(CountSends, second).sends) == (6, 6)


def test_a_failure_is_told_whatever_the_limit_of_contents_is() -> None:
    # A limit is for what others send; an owner that can't say that something failed fails for ever.
    limits = Limits(content_bytes_max=4, attempts_max=1)
    failed(decided(busy(run_of(request(9))), end(TurnFailed("x" * 500)), limits=limits), 9)
    decision = decided(
        busy(run_of(request(9))), end(TurnCompleted(None, (), None, ())), limits=Limits(content_bytes_max=1)
    )
    assert told(decision) == [(input_id(9), COMPLETED, None)]


def test_requests_of_two_lives_are_numbered_on() -> None:
    destroyed = decided(idle((request(9),), is_awake=False), Govern(V.DESTROY))
    assert destroyed.state.sends == 5
    assert len(all_of(Bury, destroyed)) == len(all_of(DropTimers, destroyed)) == 1
