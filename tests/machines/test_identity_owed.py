"""Deciding about answers that are put off: each is owed until a later turn gives it, or nobody ever will."""

from __future__ import annotations

import pytest

from meerkat_actors.machines.settling import has_business
from meerkat_actors.records.agenda_effects import CountSends, RecordEvents, SettleRequest
from meerkat_actors.records.commands import (
    Govern,
    Look,
)
from meerkat_actors.records.effects import AppendTurn, EndInput, SendMail
from meerkat_actors.records.headers import ResponseStatus
from meerkat_actors.records.ids import AdmissionSequence
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.records.runs import (
    TurnCancelled,
    TurnCompleted,
    TurnEnding,
    TurnExtras,
    TurnNeverBegan,
)
from meerkat_actors.records.status import Desired, Verb
from tests.machines.answering import (
    COMPLETED,
    FAILED,
    RAISED,
    deferring,
    owing,
    request,
    responding,
    response,
    told,
)
from tests.machines.laws import decided, outcomes_of
from tests.machines.states import (
    NEW_RUN,
    all_of,
    busy,
    end,
    idle,
    input_id,
    run_of,
    send,
    the,
)

K, V = InputKind, Verb


def test_a_request_that_is_put_off_is_consumed_and_owed() -> None:
    decision = decided(busy(run_of(request(9))), end(deferring(9)))
    assert told(decision) == []
    assert the(EndInput, decision).owes
    assert isinstance(outcomes_of(decision)[input_id(9)], Consumed)
    assert {**decision.state.owed} == {**owing(9)}
    assert decided(decision.state).unit is None


def test_a_later_turn_answers_what_is_owed_and_settles_it_in_its_boundary() -> None:
    decision = decided(busy(run_of(10), owed=owing(7, 8)), end(responding(7)))
    assert told(decision) == [(input_id(7), COMPLETED, "said")]
    assert the(SettleRequest, decision) == SettleRequest(AdmissionSequence(7))
    assert {**decision.state.owed} == {**owing(8)}


def test_what_a_turn_returns_is_no_answer_to_what_earlier_turns_put_off() -> None:
    decision = decided(busy(run_of(10), owed=owing(7)), end(responding()))
    assert (told(decision), {**decision.state.owed}) == ([], {**owing(7)})


@pytest.mark.parametrize("ending", [RAISED, TurnCancelled(), TurnNeverBegan()])
def test_what_is_owed_stays_owed_when_the_turn_that_would_answer_fails(ending: TurnEnding) -> None:
    decision = decided(busy(run_of(10), owed=owing(7)), end(ending))
    assert (told(decision), {**decision.state.owed}) == ([], {**owing(7)})


@pytest.mark.parametrize("verb", [V.PAUSE, V.RESUME, V.RECYCLE])
def test_verbs_that_keep_what_waits_keep_what_is_owed(verb: Verb) -> None:
    decision = decided(idle(owed=owing(7)), Govern(verb))
    assert (told(decision), {**decision.state.owed}) == ([], {**owing(7)})


@pytest.mark.parametrize(
    ("verb", "word"), [(V.STOP, "stopped"), (V.RETIRE, "retired"), (V.RESET, "reset"), (V.DESTROY, "destroyed")]
)
def test_verbs_that_leave_nothing_to_do_fail_what_is_owed_in_their_own_unit(verb: Verb, word: str) -> None:
    decision = decided(idle(owed=owing(7, 8)), Govern(verb))
    assert [(number, status) for number, status, _ in told(decision)] == [(input_id(7), FAILED), (input_id(8), FAILED)]
    assert all(word in str(said) for _, _, said in told(decision))
    assert [each.admission for each in all_of(SettleRequest, decision)] == [7, 8]
    assert the(CountSends, decision).sends == decision.state.sends == 6
    assert len(decision.state.owed) == 0
    assert len(all_of(RecordEvents, decision)) == 1


@pytest.mark.parametrize("verb", [V.STOP, V.RETIRE])
def test_the_turn_in_progress_may_still_answer_what_is_owed_and_what_it_leaves_fails(verb: Verb) -> None:
    asked = decided(busy(run_of(10), owed=owing(7, 8)), Govern(verb))
    assert told(asked) == []
    ended = decided(asked.state, end(responding(7)))
    assert [(number, status) for number, status, _ in told(ended)] == [(input_id(7), COMPLETED), (input_id(8), FAILED)]
    assert the(AppendTurn, ended).sends == 6


def test_who_is_retired_works_off_what_waits_before_what_it_owes_fails() -> None:
    asked = decided(idle((9,), owed=owing(7)), Govern(V.RETIRE))
    assert asked.starts is not None
    assert told(asked) == []
    answered = decided(asked.state, end(responding(7), NEW_RUN))
    assert told(answered) == [(input_id(7), COMPLETED, "said")]
    unanswered = decided(asked.state, end(responding(), NEW_RUN))
    assert [status for _, status, _ in told(unanswered)] == [FAILED]


@pytest.mark.parametrize("verb", [V.STOP, V.RETIRE, V.DESTROY])
def test_what_is_put_off_under_a_verb_that_ends_the_work_fails_in_the_same_unit(verb: Verb) -> None:
    asked = decided(busy(run_of(request(9))), Govern(verb))
    decision = decided(asked.state, end(deferring(9)))
    assert [(number, status) for number, status, _ in told(decision)] == [(input_id(9), FAILED)]
    assert (the(EndInput, decision).owes, the(SettleRequest, decision).admission) == (True, 9)
    assert isinstance(outcomes_of(decision)[input_id(9)], Consumed)


@pytest.mark.parametrize("desired", [Desired.STOPPED, Desired.RETIRED])
def test_an_owner_that_finds_answers_owed_by_who_left_fails_them(desired: Desired) -> None:
    # The unit that wanted it is durable, and its owner ended before the turn did.
    state = idle(owed=owing(7), desired=desired)
    assert has_business(state, is_alarmed=False)
    decision = decided(state, Look())
    assert [status for _, status, _ in told(decision)] == [FAILED]
    assert not has_business(decision.state, is_alarmed=False)


def test_words_to_a_request_that_ended_under_the_turn_are_dropped() -> None:
    # Its failure was the one answer; the turn began before that and knows nothing of it.
    decision = decided(busy(run_of(10), desired=Desired.STOPPED), end(responding(7)))
    assert all_of(SendMail, decision) == []


def test_progress_of_a_request_that_is_over_is_dropped_and_of_others_is_sent() -> None:
    progress = tuple(response(number, ResponseStatus.IN_PROGRESS) for number in (6, 7, 9))
    ending = TurnCompleted(None, (), None, progress, 0, TurnExtras(deferred=frozenset({input_id(9)})))
    decision = decided(busy(run_of(request(9)), owed=owing(7)), end(ending))
    assert [each.input_id for each in all_of(SendMail, decision)] == [input_id(507), input_id(509)]
    assert the(AppendTurn, decision).sends == 6


def test_what_is_owed_is_counted_in_the_status_and_holds_no_backlog() -> None:
    state = idle(owed=owing(7, 8))
    assert state.backlog == 0
    assert decided(state, send(11), limits=Limits(backlog_max=1)).starts is not None
