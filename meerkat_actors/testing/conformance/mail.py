"""Mail: inserted under the sender's fence, taken once, in order within each pair."""

from __future__ import annotations

from meerkat_actors.records.commits import Committed, RefusalReason
from meerkat_actors.records.effects import CreateIdentity, TakeMail
from meerkat_actors.records.ids import AdmissionSequence, IdentityKey
from meerkat_actors.records.inputs import InputKind, InputState
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check
from meerkat_actors.testing.conformance.writing import (
    HELLO,
    created,
    end,
    identity,
    insert,
    key_of,
    new_input_id,
    new_run_id,
    read,
    reason,
    send,
    stage,
    take,
    unborn,
)


@check
def mail_waits_until_it_is_taken(store: Store) -> None:
    """Mail is no input of its recipient's until it is taken under an admission number."""
    alice, bob = created(store, "alice"), created(store, "bob")
    message = send("alice", 1)
    bob.must_commit(message)

    assert read(store, "alice").has_mail
    assert read(store, "alice").queued == ()
    assert read(store, "alice").admissions == 0
    (mail,) = store.pending_mail(alice.fence.key, limit=10)
    assert (mail.sender, mail.sender_key, mail.input_id, mail.kind, mail.content) == (
        "bob",
        bob.fence.key,
        message.input_id,
        InputKind.PEER_MESSAGE,
        HELLO,
    )

    alice.must_commit(take(mail, 1))
    assert not read(store, "alice").has_mail
    (queued,) = read(store, "alice").queued
    assert (queued.admission, queued.input_id, queued.sender) == (1, message.input_id, "bob")
    assert store.pending_mail(alice.fence.key, limit=10) == ()


@check
def mail_is_taken_once(store: Store) -> None:
    """Mail that was taken is there no more."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1))
    (mail,) = store.pending_mail(alice.fence.key, limit=10)
    alice.must_commit(take(mail, 1))
    assert reason(alice.commit(take(mail, 2))) is RefusalReason.INPUT_STATE_CONFLICT


@check
def mail_may_be_staged_as_it_is_taken(store: Store) -> None:
    """A take that names a run stages the input at once."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1))
    (mail,) = store.pending_mail(alice.fence.key, limit=10)
    run = new_run_id()
    alice.must_commit(take(mail, 1, run))
    now = read(store, "alice").run
    assert now is not None
    assert (now.run_id, [member.sender for member in now.members]) == (run, ["bob"])
    alice.must_commit(end(1, run), alice.boundary(run))


@check
def mail_is_oldest_first(store: Store) -> None:
    """Waiting mail comes in the order in which it was sent, whoever sent it, and as much as was asked for."""
    alice, bob, carol = created(store, "alice"), created(store, "bob"), created(store, "carol")
    bob.must_commit(send("alice", 1, content=b"1"), send("alice", 2, content=b"2"))
    carol.must_commit(send("alice", 1, content=b"3"))
    bob.must_commit(send("alice", 3, content=b"4"))
    mail = store.pending_mail(alice.fence.key, limit=10)
    assert [one.content for one in mail] == [b"1", b"2", b"3", b"4"]
    assert [one.sequence for one in mail] == sorted(one.sequence for one in mail)
    assert store.pending_mail(alice.fence.key, limit=2) == mail[:2]
    assert store.pending_mail(alice.fence.key, limit=0) == store.pending_mail(alice.fence.key, limit=-1) == ()


@check
def only_the_head_of_a_pair_is_taken(store: Store) -> None:
    """Of one sender's mail to one recipient the oldest goes first; other senders don't wait for it."""
    alice, bob, carol = created(store, "alice"), created(store, "bob"), created(store, "carol")
    bob.must_commit(send("alice", 1), send("alice", 2))
    carol.must_commit(send("alice", 1))
    first, second, other = store.pending_mail(alice.fence.key, limit=10)
    assert reason(alice.commit(take(second, 1))) is RefusalReason.NOT_HEAD_OF_PAIR
    alice.must_commit(take(other, 1))  # another pair
    alice.must_commit(take(first, 2))
    alice.must_commit(take(second, 3))


@check
def a_unit_takes_several_in_order(store: Store) -> None:
    """A unit may take a pair's mail one after another, and in no other order."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(*(send("alice", number) for number in range(1, 4)))
    first, second, third = store.pending_mail(alice.fence.key, limit=10)
    assert reason(alice.commit(take(first, 1), take(third, 2), take(second, 3))) is RefusalReason.NOT_HEAD_OF_PAIR
    assert len(store.pending_mail(alice.fence.key, limit=10)) == 3
    alice.must_commit(take(first, 1), take(second, 2), take(third, 3))
    assert [queued.admission for queued in read(store, "alice").queued] == [1, 2, 3]


@check
def mail_of_another_recipient_is_not_taken(store: Store) -> None:
    """A take names waiting mail to its own identity, and the sender that it is from."""
    alice, bob, carol = created(store, "alice"), created(store, "bob"), created(store, "carol")
    bob.must_commit(send("alice", 1))
    (mail,) = store.pending_mail(alice.fence.key, limit=10)
    assert reason(carol.commit(take(mail, 1))) is RefusalReason.INPUT_STATE_CONFLICT
    wrong_sender = TakeMail(mail.sequence, carol.fence.key, AdmissionSequence(1), None)
    assert reason(alice.commit(wrong_sender)) is RefusalReason.INPUT_STATE_CONFLICT
    prompt = insert(1)
    alice.must_commit(prompt)
    row = store.find_input(identity("alice"), prompt.input_id)
    assert row is not None
    no_mail = TakeMail(row.sequence, bob.fence.key, AdmissionSequence(2), None)
    assert reason(alice.commit(no_mail)) is RefusalReason.INPUT_STATE_CONFLICT


@check
def mail_that_waits_is_neither_staged_nor_ended(store: Store) -> None:
    """Only admitted inputs are moved."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1))
    assert reason(alice.commit(stage(1, new_run_id()))) is RefusalReason.INPUT_STATE_CONFLICT


@check
def a_recipient_need_not_exist(store: Store) -> None:
    """Mail gives a name its key, and waits for whoever is created under it."""
    bob = created(store, "bob")
    bob.must_commit(send("later", 1, content=b"1"), send("later", 2, content=b"2"), send("never", 3))
    later = read(store, "later")
    assert (later.head, later.has_mail) == (None, True)
    assert store.identities_with_work() == ()  # neither exists yet
    born = unborn(store, "later")
    assert born.fence.key == later.key
    born.must_commit(CreateIdentity("worker", born.session_id))
    assert store.identities_with_work() == (identity("later"),)
    assert [mail.content for mail in store.pending_mail(later.key, limit=9)] == [b"1", b"2"]


@check
def two_units_of_one_batch_may_mention_the_same_new_name(store: Store) -> None:
    """Two units of a batch that write to a new name find one recipient under one key."""
    alice, bob = created(store, "alice"), created(store, "bob")
    outcomes = store.commit([alice.unit(send("new", 1)), bob.unit(send("new", 1))])
    assert outcomes == [Committed(alice.fence.version)] * 2
    assert {mail.sender for mail in store.pending_mail(key_of(store, "new"), limit=9)} == {"alice", "bob"}


@check
def a_refused_unit_mentions_nobody(store: Store) -> None:
    """A name that only a refused unit wrote to has no mail, and the next unit may write to it."""
    alice, bob = created(store, "alice"), created(store, "bob")
    known = new_input_id()
    alice.must_commit(insert(1, input_id=known))
    outcomes = store.commit(
        [
            alice.unit(send("new", 1), send("newer", 2, input_id=known)),
            bob.unit(send("new", 1)),
        ]
    )
    assert not isinstance(outcomes[0], Committed)
    assert isinstance(outcomes[1], Committed)
    assert [mail.sender for mail in store.pending_mail(key_of(store, "new"), limit=9)] == ["bob"]
    assert not read(store, "newer").has_mail


@check
def mail_to_oneself_is_mail(store: Store) -> None:
    """Sender and recipient may be the same."""
    alice = created(store, "alice")
    alice.must_commit(send("alice", 1))
    (mail,) = store.pending_mail(alice.fence.key, limit=9)
    alice.must_commit(take(mail, 1))
    assert read(store, "alice").queued[0].sender == "alice"


@check
def mail_travels_in_the_boundary_that_sends_it(store: Store) -> None:
    """Mail commits with its unit's boundary, and is refused with it."""
    bob = created(store, "bob")
    bob.must_commit(send("alice", 1), bob.boundary(sends=1))
    head = read(store, "bob").head
    assert head is not None
    assert head.sends == 1
    stale = bob.forged(version=0)
    assert reason(stale.commit(send("alice", 2), stale.boundary(sends=2))) is RefusalReason.STALE_CHECKPOINT_VERSION
    assert len(store.pending_mail(key_of(store, "alice"), limit=9)) == 1


@check
def mail_can_be_found_by_its_recipient(store: Store) -> None:
    """Waiting mail is found by its id and its recipient, and is in nobody's listing of inputs."""
    alice, bob = created(store, "alice"), created(store, "bob")
    message = send("alice", 1)
    bob.must_commit(message)
    row = store.find_input(identity("alice"), message.input_id)
    assert row is not None
    assert (row.state, row.admission, row.sender) == (InputState.SENT, None, "bob")
    assert store.find_input(identity("bob"), message.input_id) is None
    assert store.page_inputs(identity("alice"), after=None, limit=9, newest_first=False) == ()
    assert store.pending_mail(IdentityKey(alice.fence.key + 1_000), limit=9) == ()
