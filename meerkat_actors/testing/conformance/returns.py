"""Mail that is returned: ended with its reason, once, and its sender told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from meerkat_actors.records.codec import content_digest, encode_abandoned
from meerkat_actors.records.commits import Committed, RefusalReason, Refused
from meerkat_actors.records.effects import OwnerUnit, PostInput, ReturnMail
from meerkat_actors.records.fence import OwnerFence
from meerkat_actors.records.ids import COUNTER_MAX, CheckpointVersion, InputId
from meerkat_actors.records.inputs import InputKind, InputRow, InputState, Lane, Letter
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import Restart, check, check_each, check_restarting
from meerkat_actors.testing.conformance.timers import NOON
from meerkat_actors.testing.conformance.undeliverable import (
    ENDS,
    destroy,
    id_at,
    recipients,
    retire,
    stop,
    undeliverable,
)
from meerkat_actors.testing.conformance.writing import (
    Writer,
    created,
    duplicate,
    identity,
    new_input_id,
    read,
    reason,
    send,
    take,
)

GONE: Final = Abandoned(AbandonReason.DESTROYED, "nobody is there")
ANSWER: Final = b'"request returned"'


def found(store: Store, name: str, input_id: InputId) -> InputRow:
    row = store.find_input(identity(name), input_id)
    assert row is not None
    return row


def answer(to: str, input_id: InputId | None = None) -> PostInput:
    return PostInput(
        identity(to),
        new_input_id() if input_id is None else input_id,
        InputKind.PEER_RESPONSE_TERMINAL,
        ANSWER,
        content_digest(ANSWER),
        None,
    )


def returned(name: str, sequence: int, to: PostInput | None = None, *, why: Abandoned = GONE) -> ReturnMail:
    return ReturnMail(sequence, identity(name), why, NOON, to)


def post(store: Store, *effects: ReturnMail) -> None:
    """As the runtime that serves, which begins anew."""
    unit = OwnerUnit(OwnerFence(store.begin().incarnation), effects)
    assert store.post(unit) == Committed(CheckpointVersion(0))


@check_each(ENDS)
def what_is_returned_has_its_ending(store: Store, end: Callable[[Writer], None]) -> None:
    """It was never admitted, waits no longer, is nobody's work and no dead letter; its id stays used."""
    alice, bob = created(store, "alice"), created(store, "bob")
    message = send("alice", 1, lane=Lane.STEER)
    bob.must_commit(message)
    end(alice)
    (only,) = undeliverable(store, "alice")
    post(store, returned("alice", only.mail.sequence, why=only.abandoned))
    row = found(store, "alice", message.input_id)
    assert (row.state, row.admission, row.lane, row.letter) == (InputState.ABANDONED, None, Lane.STEER, Letter.NONE)
    assert (row.ending, row.turn) == (encode_abandoned(only.abandoned), None)
    assert (row.sender, row.content) == ("bob", message.content)
    assert (undeliverable(store, "alice"), recipients(store)) == ((), [])
    assert store.page_inputs(identity("alice"), after=None, limit=9, newest_first=False) == ()
    assert store.page_letters(None, after=0, limit=9) == ()
    again = duplicate(bob.commit(message))
    assert (again.identity, again.first, again.admission, again.same_content) == ("alice", message.input_id, 0, True)


@check
def mail_that_may_be_taken_is_left_alone(store: Store) -> None:
    """Whoever returns it looked too early; what was taken or returned meanwhile stays as it is; that is no refusal."""
    alice, bob = created(store, "alice"), created(store, "bob")
    young = id_at(NOON, 1)
    bob.must_commit(send("alice", 1), send("alice", 2), send("later", 3, input_id=young))
    first, second = store.pending_mail(alice.fence.key, limit=9)
    (third,) = store.pending_mail(read(store, "later").key, limit=9)
    alice.must_commit(take(first, 1))
    post(store, *(returned("alice", one.sequence) for one in (first, second)), returned("later", third.sequence))
    assert found(store, "alice", first.input_id).state is InputState.QUEUED
    assert found(store, "alice", second.input_id).state is InputState.SENT
    assert found(store, "later", young).state is InputState.SENT
    assert store.pending_mail(alice.fence.key, limit=9) == (second,)
    retire(alice)
    post(store, *(returned("alice", one.sequence) for one in (first, second)))
    assert found(store, "alice", first.input_id).state is InputState.QUEUED
    before = found(store, "alice", second.input_id)
    assert before.ending == encode_abandoned(GONE)
    post(store, returned("alice", second.sequence, why=Abandoned(AbandonReason.RETIRED, "again")))
    assert found(store, "alice", second.input_id) == before


@check
def of_several_only_those_that_can_not_be_taken_are_returned(store: Store) -> None:
    """Each row is looked at by itself."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1))
    (below,) = store.pending_mail(alice.fence.key, limit=9)
    stop(alice)
    bob.must_commit(send("alice", 2))
    (above,) = store.pending_mail(alice.fence.key, limit=9)
    post(store, *(returned("alice", one.sequence) for one in (above, below)))
    assert found(store, "alice", below.input_id).state is InputState.ABANDONED
    assert store.pending_mail(alice.fence.key, limit=9) == (above,)
    alice.must_commit(take(above, 1))


@check
def mail_of_another_recipient_is_not_returned(store: Store) -> None:
    """A sequence names mail of the recipient that is named with it, or nothing."""
    alice, bob, carol = created(store, "alice"), created(store, "bob"), created(store, "carol")
    message = send("carol", 1)
    bob.must_commit(message)
    (mail,) = store.pending_mail(carol.fence.key, limit=9)
    retire(carol)
    destroy(alice)
    post(store, returned("alice", mail.sequence), returned("nobody", mail.sequence), returned("carol", 1_000_000))
    assert found(store, "carol", message.input_id).state is InputState.SENT


@check
def old_mail_for_nobody_is_returned(store: Store) -> None:
    """As its id says; whoever is created later does not find it."""
    bob = created(store, "bob")
    old = id_at(NOON - 1, 1)
    bob.must_commit(send("later", 1, input_id=old))
    (only,) = undeliverable(store, "later")
    post(store, returned("later", only.mail.sequence, why=only.abandoned))
    assert found(store, "later", old).state is InputState.ABANDONED
    assert not read(store, "later").has_mail
    later = created(store, "later")
    assert reason(later.commit(take(only.mail, 1))) is RefusalReason.INPUT_STATE_CONFLICT


@check
def who_asked_is_told(store: Store) -> None:
    """The answer is mail from outside, inserted where its request ends, and once."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1, kind=InputKind.PEER_REQUEST))
    (mail,) = store.pending_mail(alice.fence.key, limit=9)
    told = answer("bob")
    post(store, returned("alice", mail.sequence, told))
    assert store.pending_mail(bob.fence.key, limit=9) == ()  # it may be taken yet
    destroy(alice)
    post(store, returned("alice", mail.sequence, told))
    post(store, returned("alice", mail.sequence, answer("bob")))
    (heard,) = store.pending_mail(bob.fence.key, limit=9)
    assert (heard.sender, heard.sender_key, heard.kind) == (None, None, InputKind.PEER_RESPONSE_TERMINAL)
    assert (heard.input_id, heard.content) == (told.input_id, ANSWER)
    assert store.identities_with_work() == (identity("bob"),)
    bob.must_commit(take(heard, 1))


@check
def mail_is_returned_though_nobody_can_be_told(store: Store) -> None:
    """Who asked was destroyed, or never was, or was told before."""
    alice, bob, carol = created(store, "alice"), created(store, "bob"), created(store, "carol")
    requests = [send("alice", number, kind=InputKind.PEER_REQUEST) for number in (1, 2, 3)]
    bob.must_commit(*requests)
    known = new_input_id()
    carol.must_commit(send("carol", 1, input_id=known))
    destroy(alice)
    destroy(bob)
    rows = [each.mail.sequence for each in undeliverable(store, "alice")]
    answers = (answer("bob"), answer("nobody"), answer("carol", known))
    post(store, *(returned("alice", *each) for each in zip(rows, answers, strict=True)))
    assert [found(store, "alice", each.input_id).state for each in requests] == [InputState.ABANDONED] * 3
    assert [mail.input_id for mail in store.pending_mail(carol.fence.key, limit=9)] == [known]
    assert recipients(store) == ["carol"]


@check
def only_who_serves_returns_mail(store: Store) -> None:
    """Neither an older incarnation nor one to come; what no row takes is refused with all of its unit."""
    owner = store.begin().incarnation
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1))
    destroy(alice)
    (only,) = undeliverable(store, "alice")
    fit = returned("alice", only.mail.sequence)
    for other in (owner - 1, owner + 1):
        outcome = store.post(OwnerUnit(OwnerFence(other), (fit,)))
        assert isinstance(outcome, Refused)
        assert outcome.reason is RefusalReason.STALE_OWNER
    for odd in (returned("alice", 0), returned("alice", -1), returned("", 1), returned("alice", COUNTER_MAX + 1)):
        outcome = store.post(OwnerUnit(OwnerFence(owner), (fit, odd)))
        assert isinstance(outcome, Refused)
        assert (outcome.reason, outcome.effect) == (RefusalReason.OUT_OF_RANGE, 1)
    assert undeliverable(store, "alice") == (only,)
    assert store.post(OwnerUnit(OwnerFence(owner), ())) == Committed(CheckpointVersion(0))


@check_restarting
def what_was_returned_stays_returned(store: Store, restart: Restart) -> None:
    """And what was not waits for the next courier."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1), send("alice", 2))
    destroy(alice)
    first, second = undeliverable(store, "alice")
    post(store, returned("alice", first.mail.sequence))
    store = restart(clean=False)
    store.begin()
    assert undeliverable(store, "alice") == (second,)
    assert found(store, "alice", first.mail.input_id).ending == encode_abandoned(GONE)
