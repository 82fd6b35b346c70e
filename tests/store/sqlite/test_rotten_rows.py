"""Rows that can't be read, or can't all be true: their identity is broken, and its neighbours are not."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw
import pytest

from meerkat_actors.errors import StoreCorruptError
from meerkat_actors.records.activation import Activation, Broken
from meerkat_actors.records.inputs import InputState
from meerkat_actors.store import SqliteStore, Store, open_sqlite
from meerkat_actors.store.recovery import ROW_UNREADABLE, ROWS_CONTRADICT
from tests.store.writing import created, end, identity, insert, key_of, new_run_id, read, send, step

ALICE: Final = identity("alice")

ROT: Final = {
    "two live runs": ("UPDATE input SET run = zeroblob(16) WHERE admission = 2", ROWS_CONTRADICT),
    "a run of nothing": ("UPDATE input SET run = NULL WHERE admission = 2", ROWS_CONTRADICT),
    "content that is not what was admitted": (
        "UPDATE input SET content = cast('\"hellO\"' AS BLOB) WHERE admission = 3",
        ROWS_CONTRADICT,
    ),
    "a queued input of a run": ("UPDATE input SET run = zeroblob(16) WHERE admission = 3", ROWS_CONTRADICT),
    "a lost boundary": ("DELETE FROM turn", ROWS_CONTRADICT),
    "another boundary's digest": ("UPDATE turn SET digest = zeroblob(32)", ROWS_CONTRADICT),
    "a head that is ahead": ("UPDATE head SET version = 2 WHERE key = 1", ROWS_CONTRADICT),
    "a lost head": ("DELETE FROM head WHERE key = 1", ROWS_CONTRADICT),
    "a lost state": ("UPDATE head SET last_state = 77 WHERE key = 1", ROW_UNREADABLE),
    "a state that does not decode": ("UPDATE turn SET body = cast('{' AS BLOB)", ROW_UNREADABLE),
    "a boundary without its state": ("UPDATE turn SET body = cast('{}' AS BLOB)", ROW_UNREADABLE),
    "an unknown kind": ("UPDATE input SET kind = 'telepathy' WHERE admission = 3", ROW_UNREADABLE),
    "a header that is none": (
        'UPDATE input SET header = cast(\'{"mode":"loud"}\' AS BLOB) WHERE admission = 3',
        ROW_UNREADABLE,
    ),
    "a header that says what it need not": (
        'UPDATE input SET header = cast(\'{"origin":"operator"}\' AS BLOB) WHERE admission = 2',
        ROW_UNREADABLE,
    ),
    "an unknown policy": ("UPDATE input SET policy = 99 WHERE admission = 3", ROW_UNREADABLE),
    "an unknown lane": ("UPDATE input SET lane = 7 WHERE admission = 3", ROW_UNREADABLE),
    "a run of what checkpoints bound": ("UPDATE input SET position = 1 WHERE admission < 3", ROWS_CONTRADICT),
    "an unknown wish": ("UPDATE head SET desired = 'gone' WHERE key = 1", ROW_UNREADABLE),
    "text that is not UTF-8": ("UPDATE head SET kind = cast(x'ff' AS TEXT) WHERE key = 1", ROW_UNREADABLE),
    "a tombstone": ("UPDATE head SET tombstone = 1 WHERE key = 1", "deleted"),
}


@contextmanager
def behind_its_back(database: Path) -> Generator[apsw.Connection]:
    """Change what the store holds, as rot would: without checks.

    By the SQLite that the store uses: another one in this process would drop its locks.
    """
    connection = apsw.Connection(str(database))
    connection.execute("PRAGMA ignore_check_constraints = ON")
    yield connection
    connection.close()


@pytest.fixture
def sound(database: Path) -> Iterator[SqliteStore]:
    """Alice (key 1) has a run of two, a step, one queued input, one boundary with a state; bob is idle."""
    store = open_sqlite(database)
    store.begin()
    alice, bob = created(store, "alice"), created(store, "bob")
    run, before = new_run_id(), new_run_id()
    alice.must_commit(insert(4, run=before))
    alice.must_commit(end(4, before), alice.boundary(before, state=1))
    alice.must_commit(insert(1, run=run), insert(2, run=run), insert(3))
    alice.must_commit(step(1, run))
    bob.must_commit(insert(1))
    yield store
    store.close()


@pytest.mark.parametrize("what", ROT)
def test_a_rotten_row_breaks_its_identity_only(sound: SqliteStore, database: Path, what: str) -> None:
    change, why = ROT[what]
    assert isinstance(sound.activate(ALICE), Activation)
    with behind_its_back(database) as connection:
        connection.execute(change)
        assert connection.changes() >= 1
    found = sound.activate(ALICE)
    assert isinstance(found, Broken)
    assert (found.identity, found.reason) == ("alice", why)
    assert found.detail
    assert isinstance(sound.activate(identity("bob")), Activation)
    created(sound, "carol").must_commit(insert(1))


def test_a_listing_of_a_rotten_row_says_so_and_the_store_goes_on(sound: SqliteStore, database: Path) -> None:
    with behind_its_back(database) as connection:
        connection.execute("UPDATE input SET kind = 'telepathy' WHERE admission = 3")
    with pytest.raises(StoreCorruptError, match="can't be read"):
        sound.page_inputs(ALICE, after=None, limit=9, newest_first=False)
    (newest,) = sound.page_inputs(ALICE, after=None, limit=1, newest_first=True)
    assert newest.state is InputState.CONSUMED
    created(sound, "carol").must_commit(insert(1))


@pytest.mark.parametrize("column", ["letter", "lane"])
def test_a_listing_of_a_word_that_is_none_says_so(sound: SqliteStore, database: Path, column: str) -> None:
    with behind_its_back(database) as connection:
        connection.execute(f"UPDATE input SET {column} = 7 WHERE admission = 3")
    with pytest.raises(StoreCorruptError, match="can't be read"):
        sound.page_inputs(ALICE, after=None, limit=9, newest_first=False)


def test_a_tombstone_refuses_whoever_writes(sound: SqliteStore, database: Path) -> None:
    carol = created(sound, "carol")
    with behind_its_back(database) as connection:
        connection.execute("UPDATE head SET tombstone = 1 WHERE key = ?", (carol.fence.key,))
    assert str(carol.commit(insert(1))).find("DELETED") > 0
    assert str(carol.forged(token=9).commit(insert(1))).find("STALE_FENCING_TOKEN") > 0
    assert str(carol.forged(generation=9).commit(insert(1))).find("DELETED") > 0
    assert identity("carol") not in sound.identities_with_work()
    assert identity("carol") not in {row.identity for row in sound.page_identities(after=None, limit=9)}


def test_pruned_admissions_are_not_given_again(sound: SqliteStore, database: Path) -> None:
    with behind_its_back(database) as connection:
        connection.execute("UPDATE head SET admissions = 41 WHERE key = 1")
    assert read(sound, "alice").admissions == 41


def test_a_lost_meta_row_is_damage(database: Path) -> None:
    open_sqlite(database).close()
    with behind_its_back(database) as connection:
        connection.execute("DELETE FROM meta")
    store: Store = open_sqlite(database)
    with pytest.raises(StoreCorruptError, match="meta"):
        store.begin()
    store.close()


def test_mail_of_an_unknown_sender_is_not_shown_as_anything_else(sound: SqliteStore, database: Path) -> None:
    bob = created(sound, "dan")
    bob.must_commit(send("alice", 1))
    with behind_its_back(database) as connection:
        connection.execute("UPDATE input SET kind = 'telepathy' WHERE state = 0")
    with pytest.raises(StoreCorruptError):
        sound.pending_mail(key_of(sound, "alice"), limit=9)


def test_mail_whose_header_is_none_is_not_shown_without_it(sound: SqliteStore, database: Path) -> None:
    created(sound, "dan").must_commit(send("alice", 1))
    with behind_its_back(database) as connection:
        connection.execute("UPDATE input SET header = x'7b7d' WHERE state = 0")
    with pytest.raises(StoreCorruptError):
        sound.pending_mail(key_of(sound, "alice"), limit=9)
