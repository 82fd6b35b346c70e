"""What comes between in a shared file: a full disk, a busy file, a beginning that fails, another boot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from meerkat_actors.errors import StoreError, StoreFailedError, StoreFullError
from meerkat_actors.records.commits import RefusalReason
from meerkat_actors.records.effects import Release
from meerkat_actors.store import SqliteStore, open_sqlite
from meerkat_actors.store.sqlite import sharing
from meerkat_actors.store.sqlite.locking import StoreLock, locked_until_success
from tests.store.sharers import TTL, Clock, SqliteSharers, held, taken
from tests.store.sqlite.faults import Disk, failing, full, nothing, open_disk
from tests.store.writing import created, insert, read, reason


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def disk() -> Iterator[Disk]:
    with open_disk() as disk:
        yield disk


@pytest.fixture
def faulty(database: Path, disk: Disk, clock: Clock) -> Iterator[SqliteStore]:
    """A store that shares a file, on a disk that is in good health, for now."""
    store = open_sqlite(database, vfs=disk.vfs, ownership="shared", env=clock)
    store.begin()
    yield store
    disk.before_write = disk.before_sync = nothing
    store.close()


@pytest.fixture
def sharers(database: Path, clock: Clock, faulty: SqliteStore) -> Iterator[SqliteSharers]:
    """Others on the same file, whose disk is well."""
    assert faulty.is_shared
    made = SqliteSharers(clock, database)
    yield made
    made.close()


# -- a full disk --------------------------------------------------------------------------


def test_a_look_on_a_full_disk_says_so_and_the_store_goes_on(
    faulty: SqliteStore, disk: Disk, sharers: SqliteSharers, clock: Clock
) -> None:
    ann = created(faulty, "ann")
    other = sharers.open()
    clock.now += TTL // 3
    disk.before_write = full
    with pytest.raises(StoreFullError, match="the disk is full"):
        faulty.look_around()
    assert read(faulty, "ann").head is not None
    assert held(other, "ann").holder.expires_in == (TTL - TTL // 3) / 1000
    disk.before_write = nothing
    assert not faulty.look_around().is_lost
    assert held(other, "ann").holder.expires_in == TTL / 1000
    ann.must_commit(insert(1))


def test_a_look_without_a_duty_needs_no_room(faulty: SqliteStore, disk: Disk, clock: Clock) -> None:
    created(faulty, "ann").must_commit(insert(1))
    clock.now += TTL // 3 - 1
    disk.before_write = full
    assert faulty.look_around().work == ("ann",)


def test_a_lease_that_ran_out_on_a_full_disk_is_renewed_when_there_is_room(
    faulty: SqliteStore, disk: Disk, sharers: SqliteSharers, clock: Clock
) -> None:
    """Nobody could write, so nobody could take over: both are late, and neither buries the other."""
    ann = created(faulty, "ann")
    other = sharers.open()
    ben = created(other, "ben")
    disk.before_write = full
    clock.now += 5 * TTL
    with pytest.raises(StoreFullError):
        faulty.look_around()
    assert reason(ann.commit(insert(1))) is RefusalReason.STORE_FULL
    disk.before_write = nothing
    assert not faulty.look_around().is_lost
    ben.must_commit(insert(1))
    ann.must_commit(insert(1))


def test_the_dead_are_ended_when_there_is_room(faulty: SqliteStore, disk: Disk, sharers: SqliteSharers) -> None:
    other = sharers.open()
    created(other, "ann").must_commit(insert(1))
    other.close()
    disk.before_write = full
    with pytest.raises(StoreFullError):
        faulty.look_around()
    disk.before_write = nothing
    assert faulty.look_around().work == ("ann",)


# -- a busy file --------------------------------------------------------------------------


class Visitor:
    """Another program's connection that holds the write lock, until the store has napped for so many milliseconds."""

    def __init__(self, database: Path, clock: Clock, naps_ms: int) -> None:
        self.napped_ms = 0
        self._clock = clock
        self._naps_ms = naps_ms
        self._connection = apsw.Connection(str(database))
        self._connection.execute("BEGIN IMMEDIATE")

    def nap(self, ms: int) -> int:
        """Stands for ``apsw.sleep``: time goes by, and the visitor may be done."""
        self.napped_ms += ms
        self._clock.now += ms
        if self.napped_ms >= self._naps_ms:
            self.leave()
        return ms

    def leave(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


@pytest.fixture
def visited(
    database: Path, clock: Clock, faulty: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Visitor]:
    """Begin a visit."""
    assert faulty.is_shared

    def visit(naps_ms: int) -> Visitor:
        visitor = Visitor(database, clock, naps_ms)
        monkeypatch.setattr(apsw, "sleep", visitor.nap)
        return visitor

    return visit


def test_a_look_waits_for_a_busy_file(
    faulty: SqliteStore, sharers: SqliteSharers, clock: Clock, visited: Callable[[int], Visitor]
) -> None:
    created(faulty, "ann")
    other = sharers.open()
    clock.now += TTL // 3
    visitor = visited(300)
    assert not faulty.look_around().is_lost
    assert visitor.napped_ms >= 300
    assert held(other, "ann").holder.expires_in == TTL / 1000


def test_a_look_without_a_duty_waits_for_nobody(faulty: SqliteStore, visited: Callable[[int], Visitor]) -> None:
    created(faulty, "ann")
    visitor = visited(300)
    assert not faulty.look_around().is_lost
    assert visitor.napped_ms == 0
    visitor.leave()


def test_who_was_kept_waiting_for_longer_than_a_lease_buries_nobody(
    faulty: SqliteStore, sharers: SqliteSharers, clock: Clock, visited: Callable[[int], Visitor]
) -> None:
    """The instant that counts is that of the transaction: both waited for the same lock."""
    ann = created(faulty, "ann")
    ben = created(sharers.open(), "ben")
    clock.now += TTL // 3
    visitor = visited(2 * TTL)
    assert not faulty.look_around().is_lost
    assert visitor.napped_ms >= 2 * TTL
    assert held(faulty, "ben").holder.expires_in == 0
    ben.must_commit(insert(1))
    ann.must_commit(insert(1))


def test_a_commit_waits_for_a_busy_file_and_enters_when_it_is_its_turn(
    faulty: SqliteStore, sharers: SqliteSharers, visited: Callable[[int], Visitor]
) -> None:
    ann = created(faulty, "ann")
    other = sharers.open()
    visited(TTL - 1)
    ann.must_commit(insert(1))
    assert held(other, "ann").holder.expires_in == TTL / 1000


def test_who_holds_the_file_for_a_minute_is_told_of(faulty: SqliteStore, visited: Callable[[int], Visitor]) -> None:
    ann = created(faulty, "ann")
    visitor = visited(10 * 60_000)
    with pytest.raises(StoreFailedError, match="another process holds the write lock"):
        ann.commit(insert(1))
    assert 55_000 < visitor.napped_ms < 65_000
    visitor.leave()


# -- a beginning that fails ---------------------------------------------------------------


@pytest.fixture
def watcher(database: Path, faulty: SqliteStore) -> Iterator[StoreLock]:
    """Another process's look at the bytes of owners."""
    assert faulty.is_shared
    with locked_until_success(str(database), "shared") as lock:
        yield lock
        lock.release()


def test_each_owner_holds_its_byte_and_lets_it_go(faulty: SqliteStore, watcher: StoreLock) -> None:
    assert [watcher.is_held(owner) for owner in (1, 2)] == [True, False]
    faulty.begin()
    assert [watcher.is_held(owner) for owner in (1, 2)] == [False, True]
    faulty.end(clean=True)
    faulty.close()
    assert [watcher.is_held(owner) for owner in (1, 2)] == [False, False]


def test_a_beginning_that_finds_the_disk_full_holds_nothing_and_may_be_tried_again(
    database: Path, disk: Disk, clock: Clock, watcher: StoreLock
) -> None:
    late = open_sqlite(database, vfs=disk.vfs, ownership="shared", env=clock)
    disk.before_write = full
    with pytest.raises(StoreFullError):
        late.begin()
    assert not watcher.is_held(2)
    disk.before_write = nothing
    assert late.begin().incarnation == 2
    assert watcher.is_held(2)
    created(late, "ann")
    late.close()
    assert not watcher.is_held(2)


def test_a_beginning_whose_disk_fails_holds_nothing(
    database: Path, disk: Disk, clock: Clock, watcher: StoreLock, sharers: SqliteSharers
) -> None:
    late = open_sqlite(database, vfs=disk.vfs, ownership="shared", env=clock)
    disk.before_sync = failing(apsw.SQLITE_IOERR_FSYNC)
    with pytest.raises(StoreFailedError):
        late.begin()
    disk.before_sync = nothing
    assert not watcher.is_held(2)
    late.close()
    created(sharers.open(), "ann")


# -- other ends ---------------------------------------------------------------------------


def test_an_owner_of_another_boot_is_gone_at_once(
    database: Path, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease counts from a clock that is no more, though something holds its byte."""
    boot = tmp_path / "boot_id"
    boot.write_text("before\n")
    monkeypatch.setattr(sharing, "BOOT_ID", boot)
    before = open_sqlite(database, ownership="shared", env=clock)
    before.begin()
    created(before, "ann")
    boot.write_text("after\n")
    after = open_sqlite(database, ownership="shared", env=clock)
    after.begin()
    taken(after, "ann")
    before.close()
    after.close()


def test_a_system_that_does_not_name_its_boot_shares_nothing(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "BOOT_ID", tmp_path / "none")
    with pytest.raises(StoreError, match="No such file"):
        open_sqlite(database, ownership="shared")
    open_sqlite(database).close()


def test_who_has_the_file_alone_ends_every_lease(database: Path, clock: Clock) -> None:
    first = open_sqlite(database, ownership="shared", env=clock)
    first.begin()
    created(first, "ann")
    first.close()
    alone = open_sqlite(database, env=clock)
    alone.begin()
    taken(alone, "ann").must_commit(insert(1))
    alone.close()
    again = open_sqlite(database, ownership="shared", env=clock)
    again.begin()
    taken(again, "ann").must_commit(Release())
    again.close()
