"""Requests whose answers are owed: consumed, and kept in mind until they are answered."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.activation import Broken
from meerkat_actors.records.agenda_effects import CountSends, SettleRequest
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.effects import BeginGeneration
from meerkat_actors.records.headers import Header, Origin
from meerkat_actors.records.ids import COUNTER_MAX, AdmissionSequence
from meerkat_actors.records.inputs import InputKind, InputState
from meerkat_actors.records.mail import Owed
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import Restart, check, check_each, check_restarting
from meerkat_actors.testing.conformance.writing import (
    CANCELLED,
    Writer,
    created,
    end,
    identity,
    insert,
    new_run_id,
    new_session_id,
    read,
    reason,
    send,
    take,
)

CONFLICT: Final = RefusalReason.INPUT_STATE_CONFLICT
OUT_OF_RANGE: Final = RefusalReason.OUT_OF_RANGE
REQUEST: Final = InputKind.PEER_REQUEST


def settled(admission: int) -> SettleRequest:
    return SettleRequest(AdmissionSequence(admission))


def put_off(store: Store, alice: Writer, *admissions: int, sender: str = "bob") -> list[Owed]:
    """Requests of a new sender's that one turn of hers consumed and put off."""
    header = Header(origin=Origin.PEER, correlation_id="c-1")
    requests = [send(alice.fence.identity, admission, kind=REQUEST, header=header) for admission in admissions]
    created(store, sender).must_commit(*requests)
    run = new_run_id()
    mail = store.pending_mail(alice.fence.key, limit=99)
    alice.must_commit(*(take(one, admission, run) for one, admission in zip(mail, admissions, strict=True)))
    alice.must_commit(*(end(admission, run, owes=True) for admission in admissions), alice.boundary(run))
    return [
        Owed(AdmissionSequence(admission), request.input_id, identity(sender), "c-1")
        for admission, request in zip(admissions, requests, strict=True)
    ]


def owed(store: Store) -> list[int]:
    """The admissions of what alice owes answers to."""
    return [each.admission for each in read(store, "alice").owed]


@check
def what_a_turn_put_off_is_owed(store: Store) -> None:
    """It is consumed, and an owner finds it with its sender and what it is correlated by, in admission order."""
    alice = created(store, "alice")
    first, second = put_off(store, alice, 1, 2)
    (third,) = put_off(store, alice, 3, sender="carol")
    now = read(store, "alice")
    assert now.owed == (first, second, third)
    assert (now.run, now.queued) == (None, ())
    row = store.find_input(identity("alice"), first.input_id)
    assert row is not None
    assert (row.state, row.admission, row.sender) == (InputState.CONSUMED, 1, "bob")
    assert row.turn is not None
    assert (read(store, "bob").owed, store.identities_with_work()) == ((), ())


@check
def a_request_without_a_correlation_is_owed_without_one(store: Store) -> None:
    """Whoever says nothing of itself is correlated by nothing."""
    alice, run = created(store, "alice"), new_run_id()
    created(store, "bob").must_commit(send("alice", 1, kind=REQUEST))
    (mail,) = store.pending_mail(alice.fence.key, limit=9)
    alice.must_commit(take(mail, 1, run))
    alice.must_commit(end(1, run, owes=True), alice.boundary(run))
    assert read(store, "alice").owed == (Owed(AdmissionSequence(1), mail.input_id, identity("bob"), None),)


@check
def what_is_answered_is_owed_no_longer(store: Store) -> None:
    """It is settled once, in a boundary or in a unit without one, and stays consumed as it was."""
    alice = created(store, "alice")
    first, *_ = put_off(store, alice, 1, 2, 3)
    before = store.find_input(identity("alice"), first.input_id)
    alice.must_commit(settled(2), alice.boundary())
    assert owed(store) == [1, 3]
    alice.must_commit(settled(1), settled(3))
    assert owed(store) == []
    assert store.find_input(identity("alice"), first.input_id) == before
    for admission in (1, 2, 3):
        assert reason(alice.commit(settled(admission))) is CONFLICT


@check
def what_is_not_owed_is_not_settled(store: Store) -> None:
    """Neither what was answered in its turn, nor what is open or was abandoned, nor another's, nor what is unknown."""
    alice, carol = created(store, "alice"), created(store, "carol")
    put_off(store, alice, 1)
    run = new_run_id()
    alice.must_commit(insert(2, run=run), insert(3, run=run), insert(4))
    alice.must_commit(end(2, run), end(3, run, CANCELLED), alice.boundary(run))
    for admission in (2, 3, 4, 5, COUNTER_MAX):
        assert reason(alice.commit(settled(admission))) is CONFLICT, admission
    assert reason(carol.commit(settled(1))) is CONFLICT
    assert owed(store) == [1]


@check
def a_refused_unit_settles_nothing(store: Store) -> None:
    """Nor does it owe anything."""
    alice = created(store, "alice")
    put_off(store, alice, 1, 2)
    outcome = alice.commit(settled(1), settled(7))
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (CONFLICT, 1)
    stale = alice.forged(version=0)
    assert reason(stale.commit(settled(1))) is RefusalReason.STALE_CHECKPOINT_VERSION
    assert owed(store) == [1, 2]


@check
def an_answer_that_is_owed_to_nobody_breaks_its_identity_only(store: Store) -> None:
    """A prompt has no sender to tell: its owner would look for one, again and again."""
    alice, bob, run = created(store, "alice"), created(store, "bob"), new_run_id()
    put_off(store, bob, 1, sender="carol")
    alice.must_commit(insert(1, run=run, kind=REQUEST))
    alice.must_commit(end(1, run, owes=True), alice.boundary(run))
    assert isinstance(store.activate(identity("alice")), Broken)
    assert len(read(store, "bob").owed) == 1
    alice.must_commit(settled(1))
    assert owed(store) == []


@check
def what_was_given_up_is_owed_nothing(store: Store) -> None:
    """A request ends with an answer that is owed, or without a turn; not both."""
    alice, run = created(store, "alice"), new_run_id()
    created(store, "bob").must_commit(send("alice", 1, kind=REQUEST))
    (mail,) = store.pending_mail(alice.fence.key, limit=9)
    alice.must_commit(take(mail, 1, run))
    assert reason(alice.commit(end(1, run, CANCELLED, owes=True))) is OUT_OF_RANGE


@check
def what_is_put_off_may_be_settled_at_once(store: Store) -> None:
    """An ending comes before a settling, wherever they stand."""
    alice, run = created(store, "alice"), new_run_id()
    created(store, "bob").must_commit(send("alice", 1, kind=REQUEST))
    (mail,) = store.pending_mail(alice.fence.key, limit=9)
    alice.must_commit(take(mail, 1, run))
    alice.must_commit(settled(1), end(1, run, owes=True), alice.boundary(run))
    assert owed(store) == []


@check_each({str(number): number for number in (0, -1, COUNTER_MAX + 1, True)})
def a_settling_names_an_admission(store: Store, admission: int) -> None:
    """Which is counted from 1."""
    alice = created(store, "alice")
    assert reason(alice.commit(settled(admission))) is OUT_OF_RANGE


@check_restarting
def answers_are_owed_in_the_next_process_and_generation(store: Store, restart: Restart) -> None:
    """Whoever asked still waits."""
    alice = created(store, "alice")
    before = put_off(store, alice, 1, 2)
    for is_clean in (True, False):
        store = restart(clean=is_clean)
        store.begin()
        assert read(store, "alice").owed == tuple(before)
    alice = Writer(store, alice.fence, alice.session_id)
    alice.must_commit(BeginGeneration(new_session_id()))
    assert read(store, "alice").owed == tuple(before)
    alice.must_commit(settled(1))
    assert owed(store) == [2]


# -- sending without a boundary -----------------------------------------------------------


@check
def sends_are_counted_where_no_turn_is_appended(store: Store) -> None:
    """The counter of the head moves as a boundary would move it, and never back."""
    alice = created(store, "alice")
    alice.must_commit(send("bob", 1), send("bob", 2), CountSends(2))
    assert sends_of(store) == 2
    assert reason(alice.commit(send("bob", 3), CountSends(1))) is CONFLICT
    alice.must_commit(send("bob", 3), CountSends(3))
    alice.must_commit(CountSends(3))
    assert sends_of(store) == 3
    alice.must_commit(alice.boundary(sends=4))
    assert sends_of(store) == 4


@check
def a_boundary_counts_by_itself(store: Store) -> None:
    """A unit counts once."""
    alice = created(store, "alice")
    assert reason(alice.commit(CountSends(1), alice.boundary(sends=1))) is OUT_OF_RANGE
    assert reason(alice.commit(CountSends(1), CountSends(2))) is OUT_OF_RANGE
    for number in (-1, COUNTER_MAX + 1, True):
        assert reason(alice.commit(CountSends(number))) is OUT_OF_RANGE
    assert sends_of(store) == 0


@check
def a_refused_unit_counts_nothing(store: Store) -> None:
    """Nothing was sent."""
    alice = created(store, "alice")
    alice.must_commit(insert(1))
    assert reason(alice.commit(CountSends(7), insert(1))) is CONFLICT
    assert sends_of(store) == 0


def sends_of(store: Store) -> int:
    head = read(store, "alice").head
    assert head is not None
    return head.sends
