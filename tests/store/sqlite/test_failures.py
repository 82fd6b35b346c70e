"""When the disk fails: what is known is said, what is unknown is said to be unknown, and nothing goes on."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from meerkat_actors.errors import StoreError, StoreFailedError, StoreFullError, StoreInterruptedError
from meerkat_actors.records.commits import Committed, RefusalReason
from meerkat_actors.store import SqliteStore, open_sqlite
from meerkat_actors.store.sqlite import opening
from tests.store.sqlite.faults import Disk, failing, full, nothing, open_disk
from tests.store.writing import Writer, changed, created, identity, insert, new_run_id, read, reason, send


@pytest.fixture
def disk() -> Iterator[Disk]:
    with open_disk() as disk:
        yield disk


@pytest.fixture
def faulty(database: Path, disk: Disk) -> Iterator[SqliteStore]:
    """A serving store on a disk that is in good health, for now."""
    store = open_sqlite(database, vfs=disk.vfs)
    store.begin()
    yield store
    disk.before_write = disk.before_sync = nothing
    store.close()


def reopened(database: Path, alice: Writer) -> SqliteStore:
    alice.store.close()
    store = open_sqlite(database)
    assert not store.begin().was_clean
    return store


def test_a_full_disk_refuses_the_batch_and_goes_on(faulty: SqliteStore, disk: Disk) -> None:
    alice, bob = created(faulty, "alice"), created(faulty, "bob")
    alice.must_commit(insert(1))
    disk.before_write = full

    outcomes = faulty.commit([alice.unit(insert(2), send("new", 1)), bob.unit(insert(1))])

    assert [reason(outcome) for outcome in outcomes] == [RefusalReason.STORE_FULL] * 2
    assert read(faulty, "alice").admissions == 1  # it stays readable
    assert reason(alice.commit(insert(2))) is RefusalReason.STORE_FULL

    disk.before_write = nothing  # there is room again

    alice.must_commit(insert(2), send("new", 1))
    bob.must_commit(insert(1))
    assert read(faulty, "new").has_mail


def test_a_full_disk_refuses_a_batch_with_a_bad_unit_too(faulty: SqliteStore, disk: Disk) -> None:
    alice, bob = created(faulty, "alice"), created(faulty, "bob")
    disk.before_write = full
    outcomes = faulty.commit([alice.forged(version=5).unit(insert(1)), bob.unit(insert(1))])
    assert [reason(outcome) for outcome in outcomes] == [RefusalReason.STORE_FULL] * 2
    disk.before_write = nothing
    bob.must_commit(insert(1))


def test_a_full_disk_fails_a_checkpoint_and_loses_nothing(faulty: SqliteStore, disk: Disk) -> None:
    alice = created(faulty, "alice")
    alice.must_commit(*(insert(n) for n in range(1, 200)))
    waiting = faulty.wal_pages
    assert waiting > 0
    disk.before_write = full
    with pytest.raises(StoreFullError, match="make room"):
        faulty.checkpoint()
    assert faulty.wal_pages == waiting
    disk.before_write = nothing
    faulty.checkpoint()
    assert faulty.wal_pages == 0
    alice.must_commit(insert(200))


def test_a_full_disk_fails_a_beginning_and_an_end(faulty: SqliteStore, disk: Disk) -> None:
    disk.before_write = full
    with pytest.raises(StoreFullError):
        faulty.end(clean=True)
    with pytest.raises(StoreFullError):
        faulty.begin()
    disk.before_write = nothing
    assert faulty.begin().incarnation == 2


@pytest.mark.parametrize("code", [apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_WRITE], ids=["fsync", "write"])
def test_a_failed_commit_is_unknown_and_the_store_stops(
    faulty: SqliteStore, disk: Disk, database: Path, code: int
) -> None:
    alice = created(faulty, "alice")
    if code == apsw.SQLITE_IOERR_FSYNC:
        disk.before_sync = failing(code)
    else:
        disk.before_write = failing(code)
    with pytest.raises(StoreFailedError, match=r"unknown|may be lost") as caught:
        faulty.commit([alice.unit(insert(1))])
    # What a failed fsync lost no reopening brings back.
    assert isinstance(caught.value, StoreInterruptedError) == (code == apsw.SQLITE_IOERR_WRITE)
    assert caught.value.path == str(database)

    disk.before_sync = disk.before_write = nothing  # even so
    asks: list[Callable[[], object]] = [
        lambda: faulty.commit([alice.unit(insert(1))]),
        lambda: faulty.activate(identity("alice")),
        lambda: faulty.find_input(identity("alice"), insert(1).input_id),
        lambda: faulty.page_inputs(identity("alice"), after=None, limit=1, newest_first=True),
        lambda: faulty.page_turns(identity("alice"), before=None, limit=1),
        lambda: faulty.page_identities(after=None, limit=1),
        lambda: faulty.pending_mail(alice.fence.key, limit=1),
        faulty.identities_with_work,
        faulty.checkpoint,
        faulty.begin,
    ]
    for ask in asks:
        with pytest.raises(StoreFailedError, match="failed before"):
            ask()
    faulty.end(clean=True)  # says nothing, and is not believed

    store = reopened(database, alice)
    assert read(store, "alice").admissions in {0, 1}
    store.close()


def test_a_full_disk_fails_an_opening_and_leaves_nothing(database: Path, disk: Disk) -> None:
    disk.before_write = full
    with pytest.raises(StoreFullError, match="make room"):
        open_sqlite(database, vfs=disk.vfs)
    assert {path.name for path in database.parent.iterdir()} == {"team.db.lock"}
    disk.before_write = failing(apsw.SQLITE_IOERR_WRITE)
    with pytest.raises(StoreError, match="can't be opened"):
        open_sqlite(database, vfs=disk.vfs)
    disk.before_write = nothing
    open_sqlite(database, vfs=disk.vfs).close()


def test_a_full_filesystem_fails_an_opening_too(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "rename", no_room)
    with pytest.raises(StoreFullError, match="make room"):
        open_sqlite(database)
    assert {path.name for path in database.parent.iterdir()} == {"team.db.lock"}


def test_a_failed_checkpoint_stops_the_store(faulty: SqliteStore, disk: Disk, database: Path) -> None:
    alice = created(faulty, "alice")
    disk.before_sync = failing(apsw.SQLITE_IOERR_FSYNC)
    with pytest.raises(StoreFailedError):
        faulty.checkpoint()
    disk.before_sync = nothing
    with pytest.raises(StoreFailedError, match="failed before"):
        alice.commit(insert(1))
    store = reopened(database, alice)
    assert read(store, "alice").head is not None
    store.close()


@pytest.mark.parametrize("written", range(6))
def test_a_checkpoint_that_ends_anywhere_is_made_up_for(
    faulty: SqliteStore, disk: Disk, database: Path, written: int
) -> None:
    """Its first page is the header, which then counts pages that only the log has."""
    alice = created(faulty, "alice")
    alice.must_commit(*(insert(n) for n in range(1, 200)))
    left = written
    stop = failing(apsw.SQLITE_IOERR_WRITE)

    def count() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            stop()

    disk.before_write = count
    with pytest.raises(StoreFailedError):
        faulty.checkpoint()
    disk.before_write = nothing
    store = reopened(database, alice)
    assert read(store, "alice").admissions == 199
    store.close()


def test_a_beginning_that_fails_serves_nobody(database: Path, disk: Disk) -> None:
    store = open_sqlite(database, vfs=disk.vfs)
    disk.before_sync = failing(apsw.SQLITE_IOERR_FSYNC)
    with pytest.raises(StoreFailedError):
        store.begin()
    disk.before_sync = nothing
    store.close()


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_moved_away_stops_the_store(database: Path, how: str) -> None:
    store = open_sqlite(database)
    store.begin()
    alice = created(store, "alice")
    database.rename(database.with_suffix(".gone"))
    if how == "replaced":
        database.write_bytes(b"something else")
    with pytest.raises(StoreFailedError, match="deleted or replaced"):
        alice.commit(insert(1))
    with pytest.raises(StoreFailedError, match="failed before"):
        alice.commit(insert(1))
    log = Path(f"{database}-wal").read_bytes()
    store.close()
    assert Path(f"{database}-wal").read_bytes() == log  # it may be another's by now

    with pytest.raises(StoreError, match="its log is not" if how == "deleted" else "not a database"):
        open_sqlite(database)
    database.with_suffix(".gone").rename(database)  # put back, it is whole
    again = open_sqlite(database)
    again.begin()
    assert read(again, "alice").admissions == 1
    again.close()


@pytest.mark.parametrize(("level", "per_commit"), [("full", 1), ("normal", 0)])
def test_an_acknowledged_commit_was_synced_if_that_was_asked_for(
    database: Path, disk: Disk, level: opening.Synchronous, per_commit: int
) -> None:
    syncs: list[None] = []
    store = open_sqlite(database, synchronous=level, vfs=disk.vfs)
    store.begin()
    alice = created(store, "alice")
    disk.before_sync = lambda: syncs.append(None)
    for admission in range(1, 11):
        alice.must_commit(insert(admission), alice.boundary())
    assert len(syncs) == 10 * per_commit
    store.begin()
    assert len(syncs) == 11 * per_commit  # the barrier is a real write
    store.close()


def test_a_store_opened_here_may_serve_on_another_thread(database: Path) -> None:
    store = open_sqlite(database)
    seen: list[int] = []

    def serve() -> None:
        store.begin()
        created(store, "alice").must_commit(insert(1))
        store.end(clean=True)
        seen.append(read(store, "alice").admissions)

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert seen == [1]
    store.close()


def test_a_visitor_who_holds_the_write_lock_is_named_as_the_cause(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_PRAGMAS", (("busy_timeout", 10),))
    store = open_sqlite(database)
    store.begin()
    alice = created(store, "alice")
    visitor = apsw.Connection(str(database))
    visitor.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailedError, match="another process holds the write lock"):
        alice.commit(insert(1))
    visitor.close()
    store.close()


def test_a_visitor_who_only_reads_is_no_obstacle(database: Path) -> None:
    store = open_sqlite(database)
    store.begin()
    alice = created(store, "alice")
    visitor = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    visitor.execute("BEGIN")
    assert visitor.execute("SELECT count(*) FROM head").fetchone() == (1,)
    alice.must_commit(insert(1))
    store.checkpoint()
    assert store.wal_pages >= 0
    alice.must_commit(insert(2))
    store.checkpoint()
    assert visitor.execute("SELECT count(*) FROM input").fetchone() == (0,)  # its own moment
    visitor.close()
    store.checkpoint()
    alice.must_commit(insert(3))
    store.close()


def test_a_damaged_page_stops_the_store(database: Path) -> None:
    store = open_sqlite(database)
    store.begin()
    alice = created(store, "alice")
    alice.must_commit(*(insert(n, content=b'"%s"' % (b"x" * 800)) for n in range(1, 200)))
    store.end(clean=True)
    store.close()
    content = bytearray(database.read_bytes())
    page = content.index(b"x" * 800, len(content) // 2) // 4096  # in the middle: opening looks at both ends
    content[page * 4096 : page * 4096 + 4096] = b"\xff" * 4096
    database.write_bytes(bytes(content))

    store = open_sqlite(database)
    store.begin()
    with pytest.raises(StoreError, match="damaged"):
        store.page_inputs(identity("alice"), after=None, limit=1_000, newest_first=False)
    with pytest.raises(StoreFailedError, match="failed before"):
        store.activate(identity("alice"))
    store.close()


def test_the_log_shrinks_by_checkpoints(database: Path) -> None:
    store = open_sqlite(database, synchronous="normal")
    store.begin()
    alice = created(store, "alice")
    largest = 0
    for admission in range(1, 200):
        assert isinstance(alice.commit(insert(admission)), Committed)
        if store.wal_pages > 50:
            largest = max(largest, store.wal_pages)
            store.checkpoint()
            assert store.wal_pages == 0
    assert 50 < largest < 70
    assert Path(f"{database}-wal").stat().st_size < 100 * 4_200
    store.close()


@pytest.mark.parametrize("field", ["input_id", "run_id"])
def test_what_no_column_takes_is_refused_and_its_neighbours_commit(database: Path, field: str) -> None:
    """Ids are checked where they are born; should one slip through, it is not its neighbours' loss."""
    store = open_sqlite(database)
    store.begin()
    alice, bob, carol = created(store, "alice"), created(store, "bob"), created(store, "carol")
    slipped = changed(insert(1, run=new_run_id()), **{field: "no uuid"})
    outcomes = store.commit([alice.unit(insert(1)), bob.unit(slipped), carol.unit(insert(1))])
    assert reason(outcomes[1]) is RefusalReason.OUT_OF_RANGE
    assert [type(outcome) for outcome in (outcomes[0], outcomes[2])] == [Committed, Committed]
    nothing_at_all = changed(insert(1), content=None)
    assert reason(bob.commit(nothing_at_all)) is RefusalReason.OUT_OF_RANGE
    bob.must_commit(insert(1))
    store.close()
