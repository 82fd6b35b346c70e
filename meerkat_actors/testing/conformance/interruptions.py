"""Runs that end otherwise than by success: interrupted, cancelled in part, dissolved; and what is displaced."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from meerkat_actors.records.codec import decode_receipt, encode_abandoned, encode_successor, encode_turn
from meerkat_actors.records.commits import DuplicateInput, RefusalReason, Refused
from meerkat_actors.records.effects import DropJournal
from meerkat_actors.records.ids import AdmissionSequence, CheckpointVersion, Generation, RunId
from meerkat_actors.records.inputs import InputState, Lane, Letter, OpenInput
from meerkat_actors.records.outcomes import Receipt, ReceiptOutcome
from meerkat_actors.records.runtime_effects import MoveInput, RecordReceipt
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check, check_each
from meerkat_actors.testing.conformance.looking import picture
from meerkat_actors.testing.conformance.writing import (
    CANCELLED,
    GIVEN_UP,
    Writer,
    charge,
    created,
    digest_of,
    end,
    identity,
    insert,
    intent,
    new_input_id,
    new_run_id,
    read,
    reason,
    send,
    stage,
    step,
    supersede,
    unstage,
)

ALICE: Final = identity("alice")
CONFLICT: Final = RefusalReason.INPUT_STATE_CONFLICT
S = InputState


def states(store: Store) -> list[tuple[int | None, InputState]]:
    """Of Alice's inputs."""
    return [(row.admission, row.state) for row in store.page_inputs(ALICE, after=None, limit=99, newest_first=False)]


def moved(
    admission: int, was: InputState, was_run: RunId | None, state: InputState, run: RunId | None, attempts: int = 0
) -> MoveInput:
    """A move that leaves the input open."""
    return MoveInput(AdmissionSequence(admission), was, was_run, state, run, attempts, 0, 0, None)


def batched(store: Store) -> tuple[Writer, RunId]:
    """Alice, whose run has admissions 1 and 2, with 3 bound by its first checkpoint; 4 is queued."""
    alice, run = created(store, "alice"), new_run_id()
    alice.must_commit(insert(1, run=run), insert(2, run=run), insert(3, lane=Lane.STEER), insert(4))
    alice.must_commit(stage(3, run, 1), step(1, run), intent(1, run))
    return alice, run


@check
def an_interrupted_turn_keeps_what_was_said(store: Store) -> None:
    """Its inputs are abandoned, and its boundary is like any other: with a version, a body and a receipt."""
    alice, run = batched(store)
    receipt = Receipt(
        identity=ALICE,
        generation=Generation(0),
        checkpoint_version=CheckpointVersion(1),
        run_id=run,
        sequence=1,
        contributors=(),
        digest=digest_of(1).hex(),
        message_count=2,
        outcome=ReceiptOutcome.INTERRUPTED,
    )
    body = encode_turn(entries=(), receipt=receipt, text=None, state=None)
    boundary = evolve(alice.boundary(run), body=body, message_count=2)
    cancelled = tuple(end(admission, run, CANCELLED) for admission in (1, 2, 3))
    alice.must_commit(*cancelled, DropJournal(run), RecordReceipt(run, 1), boundary)
    (turn,) = store.page_turns(ALICE, before=None, limit=9)
    assert (turn.body, turn.run_id, turn.version) == (body, run, 1)
    assert decode_receipt(turn) == receipt
    assert store.find_receipt(ALICE, run, sequence=1) == turn
    for admission in (1, 2, 3):
        (row,) = store.page_inputs(ALICE, after=admission - 1, limit=1, newest_first=False)
        assert (row.state, row.ending, row.turn) == (S.ABANDONED, encode_abandoned(CANCELLED), None)
        assert (row.run_id, row.letter, row.position) == (run, Letter.NONE, int(admission == 3))
    now = read(store, "alice")
    assert now.head is not None
    assert (now.run, [held.admission for held in now.queued], now.head.message_count) == (None, [4], 2)


@check
def a_boundary_may_consume_some_and_give_others_back(store: Store) -> None:
    """What a checkpoint bound that the turn never passed returns to its lane as the turn commits."""
    alice, run = batched(store)
    alice.must_commit(end(1, run), end(2, run), unstage(3, run), DropJournal(run), alice.boundary(run))
    assert states(store) == [(1, S.CONSUMED), (2, S.CONSUMED), (3, S.QUEUED), (4, S.QUEUED)]
    back, _ = read(store, "alice").queued
    assert (back.admission, back.lane, back.position, back.attempts) == (3, Lane.STEER, 0, 0)
    later = new_run_id()
    alice.must_commit(stage(3, later), stage(4, later))
    assert [member.admission for member in members(store)] == [3, 4]


def members(store: Store) -> tuple[OpenInput, ...]:
    """Of Alice's run."""
    run = read(store, "alice").run
    assert run is not None
    return run.members


@check
def a_member_is_cancelled_alone_and_the_rest_dissolved(store: Store) -> None:
    """One member ends, the others go back with the failed turns that they were charged."""
    alice, run = batched(store)
    alice.must_commit(charge(1, run, attempts=1), charge(2, run, attempts=1))
    assert [(member.admission, member.attempts) for member in members(store)] == [(1, 1), (2, 1), (3, 0)]
    alice.must_commit(
        end(2, run, CANCELLED), moved(1, S.STAGED, run, S.QUEUED, None, 1), unstage(3, run), DropJournal(run)
    )
    now = read(store, "alice")
    assert now.run is None
    assert [(held.admission, held.attempts) for held in now.queued] == [(1, 1), (3, 0), (4, 0)]
    again = new_run_id()
    alice.must_commit(stage(1, again))
    run_now = read(store, "alice").run
    assert run_now is not None
    assert (run_now.run_id, run_now.attempts, run_now.journal) == (again, 1, {})


@check
def a_member_moves_to_another_run_in_one_step(store: Store) -> None:
    """Under a new run it has no place of its own; left in its run, it keeps the one that it has."""
    alice, run = batched(store)
    alice.must_commit(moved(3, S.STAGED, run, S.STAGED, run, 2))
    assert [(member.admission, member.position, member.attempts) for member in members(store)] == [
        (1, 0, 0),
        (2, 0, 0),
        (3, 1, 2),
    ]
    other = new_run_id()
    alice.must_commit(*(moved(admission, S.STAGED, run, S.STAGED, other) for admission in (1, 2, 3)))
    now = read(store, "alice").run
    assert now is not None
    assert (now.run_id, now.journal) == (other, {})
    assert [(member.admission, member.position) for member in now.members] == [(1, 0), (2, 0), (3, 0)]
    assert reason(alice.commit(end(1, run, CANCELLED))) is CONFLICT


@check
def what_is_displaced_names_what_took_its_place(store: Store) -> None:
    """A newer input and the endings of those that it stands for are one unit."""
    alice = created(store, "alice")
    alice.must_commit(insert(1, policy=9), insert(2, lane=Lane.STEER), insert(3))
    newer = insert(4)
    successor = encode_successor(newer.input_id)
    queued, coalesced = S.QUEUED, S.COALESCED
    alice.must_commit(
        supersede(1, newer.input_id),
        newer,
        MoveInput(AdmissionSequence(2), queued, None, coalesced, None, 0, 0, 0, successor),
    )
    assert states(store) == [(1, S.SUPERSEDED), (2, coalesced), (3, queued), (4, queued)]
    for admission in (1, 2):
        (row,) = store.page_inputs(ALICE, after=admission - 1, limit=1, newest_first=False)
        assert (row.ending, row.turn, row.run_id, row.letter) == (successor, None, None, Letter.NONE)
        assert (row.policy, row.lane) == ((9, Lane.QUEUE) if admission == 1 else (0, Lane.STEER))
    assert [held.admission for held in read(store, "alice").queued] == [3, 4]
    assert store.identities_with_work() == ("alice",)


@check_each({"superseded": S.SUPERSEDED, "coalesced": S.COALESCED, "abandoned": S.ABANDONED})
def what_a_run_took_meanwhile_is_not_displaced(store: Store, state: InputState) -> None:
    """A newer input that believes the older one to be queued is refused with it, and may be admitted beside it."""
    alice, run = created(store, "alice"), new_run_id()
    alice.must_commit(insert(1, run=run))
    newer = insert(2)
    before = picture(store, "alice")
    displaced = MoveInput(AdmissionSequence(1), S.QUEUED, None, state, None, 0, 0, 0, encode_successor(newer.input_id))
    outcome = alice.commit(newer, displaced)
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (CONFLICT, 1)
    assert picture(store, "alice") == before
    alice.must_commit(newer)


@check
def an_ending_of_a_batch_is_all_or_nothing(store: Store) -> None:
    """Of an interrupted batch no member ends unless all do, and nothing that the turn sent is left."""
    alice, run = batched(store)
    bob = created(store, "bob")
    before = picture(store, "alice", "bob", "carol")
    cancelled = (end(1, run, CANCELLED), end(2, run, CANCELLED))
    wrong = (
        end(4, run, CANCELLED),
        end(3, new_run_id(), CANCELLED),
        unstage(4, run),
        stage(2, run),
        supersede(2, new_input_id()),
        charge(4, run),
        step(1, run, "late"),
    )
    for impossible in wrong:
        unit = alice.unit(*cancelled, send("carol", 1), impossible, DropJournal(run), alice.boundary(run))
        refused, _ = store.commit([unit, bob.unit()])
        assert isinstance(refused, Refused | DuplicateInput), impossible
        assert (refused.effect, reason(refused)) == (3, CONFLICT), impossible
        assert picture(store, "alice", "bob", "carol") == before
    alice.must_commit(*cancelled, end(3, run, GIVEN_UP), DropJournal(run), alice.boundary(run))
    assert states(store) == [(1, S.ABANDONED), (2, S.ABANDONED), (3, S.ABANDONED), (4, S.QUEUED)]
