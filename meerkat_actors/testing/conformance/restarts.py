"""What the next process finds."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.effects import BeginGeneration, Bury, CreateIdentity, SetDesired
from meerkat_actors.records.headers import Header, Mode
from meerkat_actors.records.inputs import Lane
from meerkat_actors.records.status import Desired
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import Restart, check, check_restarting
from meerkat_actors.testing.conformance.looking import picture
from meerkat_actors.testing.conformance.writing import (
    GIVEN_UP,
    created,
    end,
    insert,
    intent,
    key_of,
    new_input_id,
    new_run_id,
    new_session_id,
    noted,
    read,
    resolve,
    send,
    settle,
    stage,
    step,
    supersede,
    take,
    unborn,
)

STEERED: Final = Header(mode=Mode.STEER, correlation_id="7")


@check_restarting
def each_beginning_is_a_new_incarnation_of_the_same_store(store: Store, restart: Restart) -> None:
    """The incarnation rises with each beginning, which tells how the one before it ended; the store's id stays."""
    second = restart(clean=True).begin()
    assert (second.incarnation, second.was_clean) == (2, True)
    third = restart(clean=False).begin()
    assert (third.incarnation, third.was_clean) == (3, False)
    again = restart(clean=True)
    fourth, fifth = again.begin(), again.begin()
    assert (fourth.incarnation, fourth.was_clean, fifth.incarnation, fifth.was_clean) == (4, True, 5, False)
    assert len({opening.store_id for opening in (second, third, fourth, fifth)}) == 1


@check
def an_unclean_end_is_told_to_the_next_beginning(store: Store) -> None:
    """A store object that ended uncleanly and begins again says so."""
    store.end(clean=False)
    assert not store.begin().was_clean


@check_restarting
def what_never_began_ends_as_it_was(store: Store, restart: Restart) -> None:
    """Ending a store that does not serve changes nothing of what the next beginning is told."""
    after = restart(clean=False)
    after.end(clean=True)
    assert not after.begin().was_clean
    after.end(clean=True)
    after.end(clean=False)  # it ended before
    assert after.begin().was_clean


@check_restarting
def everything_is_there_after_a_clean_end(store: Store, restart: Restart) -> None:
    """Whatever was committed is read by the next process as by the last, and its owner goes on."""
    everything_is_there(store, restart, clean=True)


@check_restarting
def everything_is_there_after_no_end(store: Store, restart: Restart) -> None:
    """Whatever was committed is there also for the successor of a process that could not end the store."""
    everything_is_there(store, restart, clean=False)


def everything_is_there(store: Store, restart: Restart, *, clean: bool) -> None:
    alice, bob = created(store, "alice"), created(store, "bob")
    run = new_run_id()
    alice.must_commit(insert(1, run=run, key="job"), insert(2))
    alice.must_commit(step(1, run), intent(1, run), send("bob", 1), send("carol", 2, header=STEERED))
    alice.must_commit(insert(3, header=STEERED, policy=8, lane=Lane.STEER), noted(4), insert(5), insert(6, run=run))
    alice.must_commit(stage(3, run, 1), end(6, run, GIVEN_UP), supersede(5, new_input_id()))
    alice.must_commit(SetDesired(Desired.PAUSED))
    dead = created(store, "dead")
    dead.must_commit(dead.boundary())
    dead.must_commit(BeginGeneration(new_session_id()))
    dead.must_commit(dead.boundary(), Bury())
    (mail,) = store.pending_mail(bob.fence.key, limit=1)
    bob.must_commit(take(mail, 1))
    bob.must_commit(bob.boundary(state=3))
    before = picture(store, "alice", "bob", "carol", "dead", "nobody")

    after = restart(clean=clean)
    after.begin()

    assert picture(after, "alice", "bob", "carol", "dead", "nobody") == before
    alice.store = dead.store = after
    alice.must_commit(resolve(run, None), end(1, run), end(3, run), settle(6), alice.boundary(run))
    successor, recreation = dead.recreating()
    successor.must_commit(recreation)
    successor.must_commit(successor.boundary())
    assert [row.generation for row in after.page_turns(dead.fence.identity, before=None, limit=9)] == [2, 1, 0]


@check_restarting
def what_was_never_committed_is_not_there(store: Store, restart: Restart) -> None:
    """Reading a name, and minting its key, leaves nothing for the next process."""
    ghost = unborn(store, "ghost")
    after = restart(clean=False)
    after.begin()
    assert read(after, "ghost").head is None
    ghost.store = after
    ghost.must_commit(CreateIdentity("worker", ghost.session_id))


@check_restarting
def keys_and_sequences_are_never_given_twice_after_a_clean_end(store: Store, restart: Restart) -> None:
    """Keys of names are new ones, and sequences of mail and boundaries rise, across processes."""
    numbers_are_never_given_twice(store, restart, clean=True)


@check_restarting
def keys_and_sequences_are_never_given_twice_after_no_end(store: Store, restart: Restart) -> None:
    """Keys are new ones and sequences rise also after a process that could not end the store."""
    numbers_are_never_given_twice(store, restart, clean=False)


def numbers_are_never_given_twice(store: Store, restart: Restart, *, clean: bool) -> None:
    bob = created(store, "bob")
    bob.must_commit(send("alice", 1), bob.boundary())
    (first,) = store.pending_mail(key_of(store, "alice"), limit=9)
    (turn,) = store.page_turns(bob.fence.identity, before=None, limit=9)
    keys = {bob.fence.key, key_of(store, "alice")}

    bob.store = restart(clean=clean)
    bob.store.begin()
    bob.must_commit(send("alice", 2), send("dave", 3), bob.boundary())

    _, second = bob.store.pending_mail(key_of(bob.store, "alice"), limit=9)
    newest, _ = bob.store.page_turns(bob.fence.identity, before=None, limit=9)
    assert len({first.sequence, turn.sequence, second.sequence, newest.sequence}) == 4
    assert max(first.sequence, turn.sequence) < min(second.sequence, newest.sequence)
    assert key_of(bob.store, "dave") not in keys


@check
def closing_twice_is_closing_once(store: Store) -> None:
    """``close`` is idempotent."""
    store.close()
    store.close()


@check
def a_checkpoint_changes_nothing_that_can_be_seen(store: Store) -> None:
    """After a checkpoint no page waits, everything is as it was, and commits go on."""
    alice = created(store, "alice")
    for admission in range(1, 50):
        alice.must_commit(insert(admission))
    before = picture(store, "alice")
    store.checkpoint()
    assert store.wal_pages == 0
    assert picture(store, "alice") == before
    alice.must_commit(insert(50))
