"""What the next process finds."""

from __future__ import annotations

import pytest

from meerkat_actors.records.effects import CreateIdentity
from meerkat_actors.store import Store
from tests.store.conftest import Restart
from tests.store.looking import picture
from tests.store.writing import created, end, insert, key_of, new_run_id, read, send, step, take, unborn


def test_each_beginning_is_a_new_incarnation_of_the_same_store(store: Store, restart: Restart) -> None:
    second = restart(True).begin()
    assert (second.incarnation, second.was_clean) == (2, True)
    third = restart(False).begin()
    assert (third.incarnation, third.was_clean) == (3, False)
    again = restart(True)
    fourth, fifth = again.begin(), again.begin()
    assert (fourth.incarnation, fourth.was_clean, fifth.incarnation, fifth.was_clean) == (4, True, 5, False)
    assert len({opening.store_id for opening in (second, third, fourth, fifth)}) == 1


def test_a_new_store_begins_clean(store: Store, restart: Restart) -> None:
    # The fixture's own begin was the first; ending uncleanly is told to the next.
    store.end(clean=False)
    assert not store.begin().was_clean


def test_what_never_began_ends_as_it_was(store: Store, restart: Restart) -> None:
    after = restart(False)
    after.end(clean=True)
    assert not after.begin().was_clean
    after.end(clean=True)
    after.end(clean=False)  # it ended before
    assert after.begin().was_clean


@pytest.mark.parametrize("clean", [True, False])
def test_everything_that_was_committed_is_there(store: Store, restart: Restart, clean: bool) -> None:
    alice, bob = created(store, "alice"), created(store, "bob")
    run = new_run_id()
    alice.must_commit(insert(1, run=run, key="job"), insert(2))
    alice.must_commit(step(1, run), send("bob", 1), send("carol", 2))
    (mail,) = store.pending_mail(bob.fence.key, limit=1)
    bob.must_commit(take(mail, 1))
    bob.must_commit(bob.boundary(state=3))
    before = picture(store, "alice", "bob", "carol", "nobody")

    after = restart(clean)
    after.begin()

    assert picture(after, "alice", "bob", "carol", "nobody") == before
    alice.store = after
    alice.must_commit(end(1, run), alice.boundary(run))


def test_what_was_never_committed_is_not_there(store: Store, restart: Restart) -> None:
    ghost = unborn(store, "ghost")
    after = restart(False)
    after.begin()
    assert read(after, "ghost").head is None
    ghost.store = after
    ghost.must_commit(CreateIdentity("worker", ghost.session_id))


@pytest.mark.parametrize("clean", [True, False])
def test_keys_and_sequences_are_never_given_twice(store: Store, restart: Restart, clean: bool) -> None:
    bob = created(store, "bob")
    bob.must_commit(send("alice", 1), bob.boundary())
    (first,) = store.pending_mail(key_of(store, "alice"), limit=9)
    (turn,) = store.page_turns(bob.fence.identity, before=None, limit=9)
    keys = {bob.fence.key, key_of(store, "alice")}

    bob.store = restart(clean)
    bob.store.begin()
    bob.must_commit(send("alice", 2), send("dave", 3), bob.boundary())

    _, second = bob.store.pending_mail(key_of(bob.store, "alice"), limit=9)
    newest, _ = bob.store.page_turns(bob.fence.identity, before=None, limit=9)
    assert len({first.sequence, turn.sequence, second.sequence, newest.sequence}) == 4
    assert max(first.sequence, turn.sequence) < min(second.sequence, newest.sequence)
    assert key_of(bob.store, "dave") not in keys


def test_closing_twice_is_closing_once(store: Store) -> None:
    store.close()
    store.close()


def test_a_store_says_where_it_is(store: Store, flavour: str) -> None:
    assert store.location.endswith("team.db" if flavour == "sqlite" else ":memory:")
    assert store.inline == (flavour == "memory")


def test_a_checkpoint_changes_nothing_that_can_be_seen(store: Store) -> None:
    alice = created(store, "alice")
    for admission in range(1, 50):
        alice.must_commit(insert(admission))
    before = picture(store, "alice")
    store.checkpoint()
    assert store.wal_pages == 0
    assert picture(store, "alice") == before
    alice.must_commit(insert(50))
