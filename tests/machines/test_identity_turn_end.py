"""Deciding: the boundary, failures and their backoff, the journal, and ends of turns that are over."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from meerkat_actors.machines.attempts import backoff_ms
from meerkat_actors.machines.lap import Decision
from meerkat_actors.machines.state import IdentityState, journal_of
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import content_digest, decode_consumed, decode_log, decode_receipt, decode_state
from meerkat_actors.records.commands import BackoffOver, Look
from meerkat_actors.records.effects import (
    AppendTurn,
    ChargeRun,
    DropJournal,
    EndInput,
    SendMail,
    Stage,
)
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, CheckpointVersion, RunId
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed, Receipt
from meerkat_actors.records.runs import (
    JournalEntry,
    Run,
    Sending,
    TurnCancelled,
    TurnCompleted,
    TurnEnding,
    TurnFailed,
)
from tests.machines.laws import decided
from tests.machines.states import (
    IDENTITY,
    LIMITS,
    NEW_RUN,
    NOW,
    OLD_RUN,
    SENDER,
    all_of,
    busy,
    content,
    deeds_of,
    end,
    idle,
    input_id,
    run_of,
    send,
    snapshot,
    stamp,
    the,
    waiting_input,
)

SAID = b'{"content":"noted","role":"assistant"}'
RETURNED = TurnCompleted("done", (SAID,), None, ())
RAISED = TurnFailed("ValueError: no")
STEPS = {("fetch", 1): JournalEntry(content_digest(b"[]"), b"1")}


def canonical(value: object) -> bytes:
    """By another encoder than ours."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def chained(digest: bytes, *entries: bytes) -> bytes:
    for entry in entries:
        digest = sha256(digest + sha256(entry).digest()).digest()
    return digest


def row_of(decision: Decision) -> TurnRow:
    """The row that a store makes of the decision's boundary, by its fence and its effect."""
    assert decision.unit is not None
    fence, made = decision.unit.fence, the(AppendTurn, decision)
    return TurnRow(1, 0, fence.identity, fence.generation, made.version, made.run_id, made.digest, made.body)


# -- the boundary -------------------------------------------------------------------------


def test_a_turn_that_returned_ends_in_one_unit_with_everything_it_did() -> None:
    run = Run(OLD_RUN, (waiting_input(8), waiting_input(9, SENDER)), 1, 2, 5, STEPS)
    to = AgentIdentity("team/reader")
    sendings = (Sending(to, input_id(101), b'"first"'), Sending(IDENTITY, input_id(102), b"[2]"))
    ending = TurnCompleted("done", (SAID, SAID), b'{"count":2}', sendings)
    state = busy(run, lane=(10,))
    decision = decided(state, end(ending))

    user_8 = canonical({"content": "text 8", "input": input_id(8), "role": "user"})
    user_9 = canonical({"content": "text 9", "input": input_id(9), "role": "user", "sender": SENDER})
    digest = chained(state.digest, user_8, user_9, SAID, SAID)
    receipt = Receipt(
        identity=IDENTITY,
        generation=state.generation,
        checkpoint_version=CheckpointVersion(8),
        run_id=OLD_RUN,
        sequence=1,
        contributors=(input_id(8), input_id(9)),
        digest=digest.hex(),
        message_count=24,
    )
    outcome = Consumed("done", receipt)
    assert decision.told == ((input_id(8), outcome), (input_id(9), outcome))
    appended = the(AppendTurn, decision)
    assert (appended.run_id, appended.version, appended.digest) == (OLD_RUN, 8, digest)
    assert (appended.message_count, appended.sends, appended.sets_state) == (24, 6, True)
    assert decode_consumed(row_of(decision)) == outcome
    assert [canonical(entry) for entry in decode_log(appended.body)] == [user_8, user_9, SAID, SAID]
    assert decode_state(appended.body) == b'{"count":2}'
    assert [effect for effect in deeds_of(decision) if effect is not appended] == [
        SendMail(to, input_id(101), InputKind.PEER_MESSAGE, b'"first"', content_digest(b'"first"'), 5),
        SendMail(IDENTITY, input_id(102), InputKind.PEER_MESSAGE, b"[2]", content_digest(b"[2]"), 6),
        EndInput(AdmissionSequence(8), OLD_RUN, None),
        EndInput(AdmissionSequence(9), OLD_RUN, None),
        DropJournal(OLD_RUN),
        Stage(AdmissionSequence(10), NEW_RUN),
    ]


def test_after_a_boundary_the_owner_holds_what_the_unit_made_true() -> None:
    ending = TurnCompleted("done", (SAID,), b"2", (Sending(IDENTITY, input_id(101), b"1"),))
    decision = decided(busy(run_of(10)), end(ending))
    appended, after = the(AppendTurn, decision), decision.state
    assert (after.version, after.digest, after.message_count) == (8, appended.digest, appended.message_count)
    assert (after.sends, after.state) == (5, b"2")
    assert (after.run, after.recorded, after.is_executing) == (None, None, False)
    assert decision.starts is None


def test_a_boundary_presents_the_version_before_it() -> None:
    decision = decided(busy(run_of(10)), end(RETURNED))
    assert decision.unit is not None
    assert decision.unit.fence.version == 7
    assert the(AppendTurn, decision).version == decision.state.version == 8


def test_each_boundary_continues_the_chain_of_the_one_before() -> None:
    first = decided(busy(run_of(9), lane=(10,)), end(RETURNED))
    second = decided(first.state, end(RETURNED, NEW_RUN))
    entry = canonical({"content": "text 10", "input": input_id(10), "role": "user"})
    assert second.state.digest == chained(first.state.digest, entry, SAID)
    assert second.state.version == 9
    [(_, outcome)] = second.told
    assert isinstance(outcome, Consumed)
    assert (outcome.receipt.sequence, outcome.receipt.message_count) == (1, 24)


def test_a_turn_that_sets_no_state_keeps_the_one_before() -> None:
    decision = decided(busy(run_of(10)), end(RETURNED))
    appended = the(AppendTurn, decision)
    assert not appended.sets_state
    with pytest.raises(KeyError):
        decode_state(appended.body)
    assert decision.state.state == b'{"count":1}'


def test_a_state_of_null_is_set_like_any_other() -> None:
    decision = decided(busy(run_of(10)), end(TurnCompleted(None, (), b"null", ())))
    assert the(AppendTurn, decision).sets_state
    assert decision.state.state == b"null"


def test_a_turn_that_returned_nothing_appends_its_inputs_only() -> None:
    decision = decided(busy(run_of(10)), end(TurnCompleted(None, (), None, ())))
    body = the(AppendTurn, decision).body
    assert decode_log(body) == [{"content": "text 10", "input": input_id(10), "role": "user"}]
    [(_, outcome)] = decision.told
    assert decode_consumed(row_of(decision)) == outcome
    assert isinstance(outcome, Consumed)
    assert (outcome.text, outcome.receipt.contributors) == (None, (input_id(10),))
    assert decision.state.message_count == 21


def test_sends_are_numbered_from_turn_to_turn() -> None:
    def saying(number: int) -> TurnCompleted:
        return TurnCompleted(None, (), None, (Sending(IDENTITY, input_id(number), b"1"),))

    first = decided(busy(run_of(9), lane=(10,)), end(saying(101)))
    second = decided(first.state, end(saying(102), NEW_RUN))
    assert [the(SendMail, each).number for each in (first, second)] == [5, 6]
    assert [the(AppendTurn, each).sends for each in (first, second)] == [5, 6]


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_a_turns_messages_all_travel_with_it(count: int) -> None:
    sendings = tuple(Sending(IDENTITY, input_id(100 + each), b"1") for each in range(count))
    decision = decided(busy(run_of(10)), end(TurnCompleted(None, (), None, sendings)))
    assert [each.number for each in all_of(SendMail, decision)] == list(range(5, 5 + count))


# -- failures -----------------------------------------------------------------------------


@pytest.mark.parametrize("failures", [1, 2])
def test_a_failure_charges_an_attempt_and_backs_off(failures: int) -> None:
    state = busy(run_of(9, attempts=failures - 1, interruptions=4), lane=(10,))
    decision = decided(state, end(RAISED), at=stamp(jitter=0.3))
    not_before = NOW + backoff_ms(failures, limits=LIMITS, jitter=0.3)
    assert deeds_of(decision) == (ChargeRun(AdmissionSequence(9), OLD_RUN, failures, 4, not_before),)
    assert decision.failed == "ValueError: no"
    assert decision.told == ()
    assert decision.wake_at_ms == not_before
    assert decision.starts is None
    after = decision.state
    assert after.run == run_of(9, attempts=failures, interruptions=4, not_before_ms=not_before)
    assert (after.version, after.digest, after.message_count) == (7, state.digest, 20)
    assert [each.admission for each in after.lane] == [10]


def test_a_failure_of_several_inputs_that_stay_together_charges_each() -> None:
    once = {("pay", 1): JournalEntry(content_digest(b"[]"), b"1", is_once=True)}
    decision = decided(busy(run_of(8, 9, journal=once)), end(RAISED))
    assert [(each.admission, each.attempts) for each in all_of(ChargeRun, decision)] == [(8, 1), (9, 1)]


def test_the_last_failure_abandons_the_inputs_with_what_it_said() -> None:
    state = busy(run_of(8, 9, attempts=2), lane=(10,))
    decision = decided(state, end(RAISED))
    ending = Abandoned(AbandonReason.ATTEMPTS_EXHAUSTED, "ValueError: no")
    assert decision.told == ((input_id(8), ending), (input_id(9), ending))
    assert decision.failed == "ValueError: no"
    assert deeds_of(decision) == (
        EndInput(AdmissionSequence(8), OLD_RUN, ending),
        EndInput(AdmissionSequence(9), OLD_RUN, ending),
        Stage(AdmissionSequence(10), NEW_RUN),
    )
    assert decision.starts is not None
    assert (decision.state.version, decision.state.message_count) == (7, 20)


def test_with_one_attempt_the_first_failure_is_the_last() -> None:
    decision = decided(busy(run_of(10)), end(RAISED), limits=Limits(attempts_max=1))
    assert [type(outcome) for _, outcome in decision.told] == [Abandoned]


def test_without_a_backoff_the_next_attempt_begins_in_the_same_lap() -> None:
    decision = decided(busy(run_of(10)), end(RAISED), limits=Limits(backoff_seconds=0))
    assert the(ChargeRun, decision).not_before_ms == NOW
    assert decision.starts == run_of(10, attempts=1, not_before_ms=NOW)


def test_a_failed_attempt_keeps_the_journal_for_the_next() -> None:
    state = busy(run_of(10, journal=STEPS))
    assert all_of(DropJournal, decided(state, end(RAISED))) == []
    assert journal_of(decided(state, end(RAISED)).state) == STEPS


# -- cancellation -------------------------------------------------------------------------


def test_a_cancelled_turn_writes_nothing_and_its_run_stays_staged() -> None:
    state = busy(run_of(9, attempts=1), lane=(10,))
    decision = decided(state, end(TurnCancelled()), at=stamp(starts_nothing=True))
    assert (decision.unit, decision.told, decision.failed, decision.starts) == (None, (), None, None)
    state.is_executing = False
    assert snapshot(decision.state) == snapshot(state)


def test_a_turn_cancelled_while_the_runtime_goes_on_begins_again_uncharged() -> None:
    decision = decided(busy(run_of(10, attempts=1)), end(TurnCancelled()))
    assert decision.unit is None
    assert decision.starts == run_of(10, attempts=1)


# -- ends of other turns ------------------------------------------------------------------


@pytest.mark.parametrize("ending", [RETURNED, RAISED, TurnCancelled()])
@pytest.mark.parametrize(
    ("state", "run_id"),
    [
        (idle(), OLD_RUN),
        (busy(run_of(10)), NEW_RUN),
        (idle(run=run_of(10, attempts=1, not_before_ms=NOW + 500)), OLD_RUN),
    ],
    ids=["no run", "another run", "a run that waits"],
)
def test_the_end_of_a_turn_that_is_not_in_progress_changes_nothing(
    state: IdentityState, run_id: RunId, ending: TurnEnding
) -> None:
    decision = decided(state, end(ending, run_id))
    assert (decision.unit, decision.told, decision.failed, decision.replies) == (None, (), None, [None])
    assert snapshot(decision.state) == snapshot(state)


def test_the_second_end_of_a_turn_changes_nothing() -> None:
    once = decided(busy(run_of(10)), end(RETURNED))
    twice = decided(busy(run_of(10)), end(RETURNED), end(RAISED), end(RETURNED))
    assert snapshot(once.state) == snapshot(twice.state)
    assert (once.unit, once.told, once.failed) == (twice.unit, twice.told, twice.failed)


def test_a_run_staged_in_a_lap_can_not_end_in_it() -> None:
    decision = decided(idle(), send(11), end(RETURNED, NEW_RUN))
    assert decision.told == ()
    assert decision.starts is not None


def test_looking_at_a_turn_in_progress_changes_nothing() -> None:
    state = busy(run_of(9), lane=(10,))
    decision = decided(state, Look(), BackoffOver(OLD_RUN))
    assert decision.unit is None
    assert snapshot(decision.state) == snapshot(state)


def test_a_boundary_body_is_one_json_object_that_anyone_can_read() -> None:
    decision = decided(busy(run_of(10)), end(RETURNED))
    body: Any = json.loads(the(AppendTurn, decision).body)
    assert body["text"] == "done"
    assert body["count"] == decision.state.message_count
    assert [entry.get("input") for entry in body["log"]] == [input_id(10), None]
    [(_, outcome)] = decision.told
    assert isinstance(outcome, Consumed)
    assert decode_receipt(row_of(decision)) == outcome.receipt
    assert [entry["role"] for entry in body["log"]] == ["user", "assistant"]
    assert canonical(body["log"][0]["content"]) == content(10)
