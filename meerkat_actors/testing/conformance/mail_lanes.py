"""Mail in its two lanes, and the floor under it: what a stop, a reset or a burial leaves to nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from meerkat_actors.records.commits import Committed, RefusalReason
from meerkat_actors.records.effects import BeginGeneration, Bury, SetDesired
from meerkat_actors.records.inputs import InputState, Lane, Mail
from meerkat_actors.records.status import Desired
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import Restart, check, check_each, check_restarting
from meerkat_actors.testing.conformance.writing import (
    Writer,
    created,
    identity,
    insert,
    new_run_id,
    new_session_id,
    read,
    reason,
    send,
    settle,
    take,
)

CONFLICT: Final = RefusalReason.INPUT_STATE_CONFLICT
NOT_HEAD: Final = RefusalReason.NOT_HEAD_OF_PAIR


def waiting(store: Store, writer: Writer) -> list[bytes]:
    """What may be taken, in its order."""
    return [mail.content for mail in store.pending_mail(writer.fence.key, limit=99)]


def by_content(store: Store, writer: Writer) -> dict[bytes, Mail]:
    return {mail.content: mail for mail in store.pending_mail(writer.fence.key, limit=99)}


# -- lanes --------------------------------------------------------------------------------


@check
def what_steers_comes_first(store: Store) -> None:
    """Then all other mail; each of the two in the order in which it was sent, whoever sent it."""
    alice, bob, carol = created(store, "alice"), created(store, "bob"), created(store, "carol")
    bob.must_commit(send("alice", 1, content=b"1"), send("alice", 2, content=b"2", lane=Lane.STEER))
    carol.must_commit(send("alice", 1, content=b"3", lane=Lane.STEER), send("alice", 2, content=b"4"))
    bob.must_commit(send("alice", 3, content=b"5", lane=Lane.STEER))
    assert waiting(store, alice) == [b"2", b"3", b"5", b"1", b"4"]
    for limit in range(6):
        page = store.pending_mail(alice.fence.key, limit=limit)
        assert [mail.content for mail in page] == [b"2", b"3", b"5", b"1", b"4"][:limit]


@check
def each_lane_of_a_sender_has_its_own_order(store: Store) -> None:
    """What steers overtakes what its sender queued before it, and nothing that steers; so does what is queued."""
    alice, bob = created(store, "alice"), created(store, "bob")
    for number, lane in enumerate((Lane.QUEUE, Lane.STEER, Lane.QUEUE, Lane.STEER), 1):
        bob.must_commit(send("alice", number, content=b"%d" % number, lane=lane))
    mail = by_content(store, alice)
    assert reason(alice.commit(take(mail[b"4"], 1, lane=Lane.STEER))) is NOT_HEAD
    assert reason(alice.commit(take(mail[b"3"], 1))) is NOT_HEAD
    # Where it is admitted to says nothing of where it waited.
    assert reason(alice.commit(take(mail[b"4"], 1))) is NOT_HEAD
    alice.must_commit(take(mail[b"2"], 1, lane=Lane.STEER), take(mail[b"4"], 2, lane=Lane.STEER))
    assert waiting(store, alice) == [b"1", b"3"]
    assert reason(alice.commit(take(mail[b"3"], 3))) is NOT_HEAD
    alice.must_commit(take(mail[b"1"], 3), take(mail[b"3"], 4))
    assert [held.content for held in read(store, "alice").queued] == [b"2", b"4", b"1", b"3"]


@check
def a_lane_has_an_order_of_each_sender(store: Store) -> None:
    """Nobody waits for another sender's mail to be taken."""
    alice, bob, carol = created(store, "alice"), created(store, "bob"), created(store, "carol")
    bob.must_commit(send("alice", 1, content=b"1", lane=Lane.STEER))
    carol.must_commit(send("alice", 1, content=b"2", lane=Lane.STEER))
    alice.must_commit(take(by_content(store, alice)[b"2"], 1))
    assert waiting(store, alice) == [b"1"]


@check_each({f"{was.name} to {now.name}": (was, now) for was in (Lane.QUEUE, Lane.STEER) for now in Lane})
def mail_is_admitted_to_the_lane_that_its_taker_names(store: Store, lanes: tuple[Lane, Lane]) -> None:
    """Until then its row tells the lane in which it waits."""
    was, now = lanes
    alice, bob = created(store, "alice"), created(store, "bob")
    message = send("alice", 1, lane=was)
    bob.must_commit(message)
    row = store.find_input(identity("alice"), message.input_id)
    assert row is not None
    assert (row.state, row.lane) == (InputState.SENT, was)
    (mail,) = store.pending_mail(alice.fence.key, limit=9)
    alice.must_commit(take(mail, 1, lane=now))
    row = store.find_input(identity("alice"), message.input_id)
    assert row is not None
    assert (row.state, row.lane) == (InputState.CONSUMED if now is Lane.NONE else InputState.QUEUED, now)
    assert [held.lane for held in read(store, "alice").queued] == ([] if now is Lane.NONE else [now])


@check
def a_refused_unit_takes_from_no_lane(store: Store) -> None:
    """Its mail waits where it waited, in its order."""
    alice, bob = created(store, "alice"), created(store, "bob")
    for number in range(1, 4):
        bob.must_commit(send("alice", number, content=b"%d" % number, lane=Lane.STEER))
    mail = by_content(store, alice)
    outcome = alice.commit(take(mail[b"1"], 1), take(mail[b"2"], 2), take(mail[b"2"], 3))
    assert reason(outcome) is CONFLICT
    assert waiting(store, alice) == [b"1", b"2", b"3"]
    assert store.pending_mail(alice.fence.key, limit=9) == tuple(mail.values())
    alice.must_commit(take(mail[b"1"], 1), take(mail[b"2"], 2))
    assert waiting(store, alice) == [b"3"]


# -- the floor ----------------------------------------------------------------------------


def stop(writer: Writer) -> Writer:
    """And open it again."""
    writer.must_commit(SetDesired(Desired.STOPPED))
    writer.must_commit(SetDesired(Desired.OPEN))
    return writer


def reset(writer: Writer) -> Writer:
    writer.must_commit(BeginGeneration(new_session_id()))
    return writer


def bury(writer: Writer) -> Writer:
    """And make it anew."""
    writer.must_commit(Bury())
    successor, recreation = writer.recreating()
    successor.must_commit(recreation)
    return successor


FLOORS: Final[Mapping[str, Callable[[Writer], Writer]]] = MappingProxyType(
    {"stop": stop, "reset": reset, "burial": bury}
)


@check_each(FLOORS)
def what_was_sent_before_is_nobody_s_to_take(store: Store, floor: Callable[[Writer], Writer]) -> None:
    """It is no work and is not read; who knows its sequence is refused. It stays ``sent`` until it is returned."""
    alice, bob = created(store, "alice"), created(store, "bob")
    message = send("alice", 1)
    bob.must_commit(message, send("alice", 2, lane=Lane.STEER))
    before = store.pending_mail(alice.fence.key, limit=9)
    assert len(before) == 2
    alice = floor(alice)
    assert store.pending_mail(alice.fence.key, limit=9) == ()
    assert not read(store, "alice").has_mail
    assert store.identities_with_work() == ()
    for mail in before:
        assert reason(alice.commit(take(mail, 1))) is CONFLICT
    row = store.find_input(identity("alice"), message.input_id)
    assert row is not None
    assert (row.state, row.admission) == (InputState.SENT, None)


@check_each(FLOORS)
def what_is_sent_later_is_taken(store: Store, floor: Callable[[Writer], Writer]) -> None:
    """Also from a sender of whose mail some is below the floor, and in the same lane."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1), send("alice", 2, lane=Lane.STEER))
    alice = floor(alice)
    bob.must_commit(send("alice", 3, content=b"3"), send("alice", 4, content=b"4", lane=Lane.STEER))
    bob.must_commit(send("alice", 5, content=b"5"))
    assert read(store, "alice").has_mail
    assert store.identities_with_work() == (identity("alice"),)
    assert waiting(store, alice) == [b"4", b"3", b"5"]
    mail = by_content(store, alice)
    assert reason(alice.commit(take(mail[b"5"], 1))) is NOT_HEAD
    alice.must_commit(take(mail[b"4"], 1), take(mail[b"3"], 2), take(mail[b"5"], 3))


@check_each({word.value: word for word in Desired if word not in {Desired.STOPPED, Desired.DESTROYED}})
def other_words_leave_mail_where_it_is(store: Store, word: Desired) -> None:
    """Who is paused takes it later, and who retires may."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1))
    alice.must_commit(SetDesired(word))
    (mail,) = store.pending_mail(alice.fence.key, limit=9)
    assert read(store, "alice").has_mail
    alice.must_commit(take(mail, 1))


@check
def a_floor_does_not_sink(store: Store) -> None:
    """A boundary, a claim and whatever is wanted later leave it where it is."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1))
    stop(alice).must_commit(alice.boundary())
    successor, claim = alice.claiming()
    successor.must_commit(claim, SetDesired(Desired.PAUSED))
    assert store.pending_mail(alice.fence.key, limit=9) == ()
    assert not read(store, "alice").has_mail


@check
def a_floor_is_above_what_its_own_unit_sends(store: Store) -> None:
    """Who sends itself mail and stops is not woken by it."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1, run=run))
    alice.must_commit(SetDesired(Desired.STOPPED), send("alice", 1), alice.boundary(run, sends=1))
    assert store.pending_mail(alice.fence.key, limit=9) == ()
    assert not read(store, "alice").has_mail


@check
def units_of_one_batch_are_on_their_side_of_the_floor(store: Store) -> None:
    """What a batch sends before a stop is below it, and what it sends behind it is above."""
    alice, bob, carol = created(store, "alice"), created(store, "bob"), created(store, "carol")
    outcomes = store.commit(
        [
            bob.unit(send("alice", 1, content=b"before")),
            alice.unit(SetDesired(Desired.STOPPED)),
            carol.unit(send("alice", 1, content=b"behind")),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [Committed] * 3
    assert waiting(store, alice) == [b"behind"]


@check
def the_floor_of_one_is_no_others(store: Store) -> None:
    """Mail for another waits on."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1), send("bob", 2, content=b"2"))
    reset(alice)
    assert waiting(store, bob) == [b"2"]
    assert store.identities_with_work() == (identity("bob"),)


@check
def a_refused_unit_sets_no_floor(store: Store) -> None:
    """Mail that waited waits on."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1, content=b"1"))
    for last in (SetDesired(Desired.STOPPED), BeginGeneration(new_session_id()), Bury()):
        assert reason(alice.commit(last, settle(9))) is CONFLICT
    assert reason(alice.commit(BeginGeneration(bob.session_id))) is RefusalReason.SESSION_BOUND
    assert waiting(store, alice) == [b"1"]


@check_restarting
def a_floor_outlives_its_process(store: Store, restart: Restart) -> None:
    """And what the next process sends is above it."""
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1, content=b"1"))
    stop(alice)
    for is_clean in (True, False):
        store = restart(clean=is_clean)
        store.begin()
        assert waiting(store, alice) == []
        assert store.identities_with_work() == ()
    Writer(store, bob.fence, bob.session_id).must_commit(send("alice", 2, content=b"2"))
    assert waiting(store, alice) == [b"2"]
