"""Pruning of a file: whole after a kill at any moment, in short transactions, and smaller if its owner wants."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from meerkat_actors.errors import StoreCorruptError, StoreFailedError, StoreFullError, StoreInterruptedError, UsageError
from meerkat_actors.records.agenda_effects import RecordEvents
from meerkat_actors.records.pruning import PRUNE_BEGIN, PruneCursor, PruneKind, PrunePolicy
from meerkat_actors.store import SqliteStore, open_sqlite
from meerkat_actors.store.sqlite import pruning, pruning_statements
from meerkat_actors.store.sqlite.pruning_sizes import sizes_of
from meerkat_actors.testing.conformance.pruning import consumed
from tests.store.looking import picture
from tests.store.pruning_life import NAMES, NOW_MS, live, minted, prune
from tests.store.sqlite.faults import failing, full, nothing, open_disk
from tests.store.sqlite.keeping import content, execute
from tests.store.sqlite.pruned import FORGETTING, LIMIT, copied, is_between, kept, opened, pruned, require_whole
from tests.store.sqlite.pruning_worker import EVERYTHING
from tests.store.writing import created, insert, read


@pytest.fixture
def full_life(database: Path) -> Path:
    """A file with something to forget of every kind; nobody serves it."""
    store = open_sqlite(database, synchronous="normal")
    store.begin()
    live(store)
    teller = created(store, "teller")
    for admission in range(1, 13):
        teller.must_commit(insert(admission, input_id=minted(NOW_MS - 100 + admission)), RecordEvents(b"[]"))
    store.end(clean=True)
    store.close()
    return database


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_good_file_and_the_next_pruning_does_the_rest(full_life: Path) -> None:
    before, after = kept(full_life), pruned(copied(full_life, "whole.db"))
    worker = [sys.executable, "-m", "tests.store.sqlite.pruning_worker", str(full_life), str(LIMIT)]
    ran = subprocess.run(worker, capture_output=True, text=True, check=True, timeout=120)
    operations = int(ran.stdout)
    assert operations > 60
    partly = 0
    for last in range(1, operations + 1):
        path = full_life.with_name(f"killed-{last}.db")
        now = kept(path)
        assert is_between(now, before, after), f"killed before operation {last}"
        partly += now not in (before, after)
        require_whole(path)
        gone = [row["seq"] for row in before["event"] if row not in now["event"]]
        assert content(path)["meta"][0]["event_floor"] == (gone[-1] if gone else 0)
        assert pruned(path) == after, f"killed before operation {last}"
    assert partly > 50


def test_a_disk_that_fails_at_any_step_loses_nothing(full_life: Path) -> None:
    before, after = kept(full_life), pruned(copied(full_life, "whole.db"))
    kinds: set[type[BaseException]] = set()
    for fault in (full, failing(apsw.SQLITE_IOERR_WRITE), failing(apsw.SQLITE_IOERR_FSYNC)):
        for steps in range(0, 14, 3):
            path = copied(full_life, f"{len(kinds)}-{steps}-{fault.__name__}.db")
            with open_disk() as disk:
                store = open_sqlite(path, vfs=disk.vfs)
                store.begin()
                if steps:
                    prune(store, EVERYTHING, limit=LIMIT, steps_max=steps)
                if fault is full:
                    disk.before_write = fault
                else:
                    disk.before_write = disk.before_sync = fault
                with pytest.raises((StoreFullError, StoreFailedError)) as caught:
                    prune(store, EVERYTHING, limit=LIMIT)
                kinds.add(caught.type)
                disk.before_write = disk.before_sync = nothing
                if fault is full:  # it goes on in place
                    prune(store, EVERYTHING, limit=LIMIT)
                    read(store, "alice")
                store.close()
            assert is_between(kept(path), before, after)
            assert pruned(path) == after
    assert kinds == {StoreFullError, StoreInterruptedError, StoreFailedError}


def test_a_full_disk_while_pruning_lets_others_go_on_reading(full_life: Path) -> None:
    with open_disk() as disk:
        store = opened(full_life, disk.vfs)
        seen = picture(store, *NAMES)
        disk.before_write = full
        with pytest.raises(StoreFullError, match="nothing that was acknowledged is lost, make room"):
            prune(store, EVERYTHING)
        assert picture(store, *NAMES) == seen
        assert prune(store, EVERYTHING, is_dry_run=True).rows > 0
        disk.before_write = nothing
        assert prune(store, EVERYTHING).rows > 0
        store.close()


def test_pruning_twice_leaves_the_file_as_pruning_once_does(full_life: Path) -> None:
    before = content(full_life)
    once = pruned(full_life)
    assert pruned(full_life) == once
    assert {name: rows for name, rows in once.items() if name not in FORGETTING} == {
        name: rows for name, rows in before.items() if name not in FORGETTING | {"meta"}
    }
    assert all(once[name] != before[name] for name in FORGETTING)


def test_a_dry_run_needs_no_beginning_and_changes_no_byte(full_life: Path) -> None:
    files = {path.name: path.read_bytes() for path in full_life.parent.iterdir()}
    store = open_sqlite(full_life)
    told = prune(store, EVERYTHING, is_dry_run=True)
    store.close()
    assert {path.name: path.read_bytes() for path in full_life.parent.iterdir()} == files
    store = opened(full_life)
    assert prune(store, EVERYTHING).rows == told.rows > 0
    store.close()


def test_a_dry_run_waits_for_no_writer(full_life: Path) -> None:
    store = opened(full_life)
    other = apsw.Connection(str(full_life))
    other.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    other.execute("BEGIN IMMEDIATE")
    assert prune(store, EVERYTHING, is_dry_run=True).rows > 0
    other.close()
    store.close()


def test_a_row_that_can_not_be_read_ends_a_pruning_and_nothing_else(full_life: Path) -> None:
    rotten = "UPDATE input SET input_id = x'07' WHERE admission = 7 AND identity = 1"
    execute(full_life, "PRAGMA ignore_check_constraints = 1", rotten)
    store = opened(full_life)
    with pytest.raises(StoreCorruptError, match="holds a row that can't be read"):
        prune(store, PrunePolicy(older_than_seconds=0, dead_letters=True))
    created(store, "dave").must_commit(insert(1))
    store.close()


def test_one_chunk_is_bounded_in_bytes_too(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "CHUNK_BYTES", 10_000)
    store = opened(database)
    alice = created(store, "alice")
    for number in range(1, 9):
        consumed(alice, number, content=b"x" * 4_000)
    order = PrunePolicy(keep_inputs=0).order(NOW_MS, is_dry_run=False)
    cursor: PruneCursor | None = PRUNE_BEGIN
    sizes: list[int] = []
    while cursor is not None and cursor.kind is PruneKind.INPUTS:
        step = store.prune(order, cursor, limit=100)
        sizes.append(step.rows)
        cursor = step.following
    assert sizes == [3, 3, 2]
    store.close()


def test_a_chunk_without_anything_to_forget_writes_nothing(full_life: Path) -> None:
    with open_disk() as disk:
        store = opened(full_life, disk.vfs)
        prune(store, EVERYTHING)
        disk.before_write = disk.before_sync = full
        assert prune(store, EVERYTHING).rows == 0
        disk.before_write = disk.before_sync = nothing
        store.close()


def test_pruning_needs_a_store_that_serves(database: Path) -> None:
    store = open_sqlite(database)
    with pytest.raises(AssertionError, match="prune outside begin and end"):
        prune(store)
    with pytest.raises(AssertionError, match="compact outside begin and end"):
        store.compact()
    store.close()


@pytest.mark.parametrize("name", ["READ_INPUTS", "READ_SNAPSHOTS", "READ_DOCUMENTS", "READ_STEPS"])
def test_a_look_at_one_chunk_scans_no_table_and_sorts_nothing_but_its_page(full_life: Path, name: str) -> None:
    statement = str(vars(pruning_statements)[name])
    connection = apsw.Connection(str(full_life))
    plan = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", _bound(statement))]
    connection.close()
    assert [line for line in plan if line.startswith("SCAN") and line != "SCAN page"] == []


def _bound(statement: str) -> tuple[int, ...]:
    return (0,) * max(number for number in range(1, 6) if f"?{number}" in statement)


# -- beside others ------------------------------------------------------------------------


def test_two_processes_that_share_a_file_may_prune_it_at_once(full_life: Path) -> None:
    after = pruned(copied(full_life, "whole.db"))
    first = open_sqlite(full_life, synchronous="normal", ownership="shared")
    second = open_sqlite(full_life, synchronous="normal", ownership="shared")
    stores = (first, second)
    for store in stores:
        store.begin()
    told = prune(first, EVERYTHING, is_dry_run=True).rows
    order = EVERYTHING.order(NOW_MS, is_dry_run=False)
    cursors: list[PruneCursor | None] = [PRUNE_BEGIN, PRUNE_BEGIN]
    rows = 0
    while any(cursors):
        for place, (store, cursor) in enumerate(zip(stores, cursors, strict=True)):
            if cursor is not None:
                step = store.prune(order, cursor, limit=LIMIT + place)
                cursors[place], rows = step.following, rows + step.rows
                store.look_around()
                store.checkpoint()
    assert rows == told
    for store in stores:
        store.end(clean=True)
        store.close()
    assert {name: rows for name, rows in kept(full_life).items() if name != "owner"} == {
        name: rows for name, rows in after.items() if name != "owner"
    }


# -- room ---------------------------------------------------------------------------------


@pytest.fixture
def large(database: Path) -> Iterator[SqliteStore]:
    """A store of which most is old content."""
    store = opened(database)
    alice = created(store, "alice")
    for number in range(1, 101):
        consumed(alice, number, content=b'"%b"' % (b"x" * 50_000))
    yield store
    store.close()


def test_empty_pages_are_told_and_filled_before_the_file_grows(large: SqliteStore, database: Path) -> None:
    assert sizes_of(database).tables[0].name == "input"
    order = PrunePolicy(keep_inputs=0).order(NOW_MS, is_dry_run=False)
    step = large.prune(order, PRUNE_BEGIN, limit=100)
    while step.following is not None:
        step = large.prune(order, step.following, limit=100)
    assert step.free_bytes > 4_000_000
    large.checkpoint()
    sizes = sizes_of(database)
    assert sizes.free_bytes == step.free_bytes
    size = database.stat().st_size
    assert sum(table.size_bytes for table in sizes.tables) + sizes.free_bytes == size
    bob = created(large, "bob")
    for number in range(1, 51):
        bob.must_commit(insert(number, content=b'"%b"' % (b"y" * 50_000)))
    large.checkpoint()
    assert database.stat().st_size == size


def test_compacting_keeps_what_is_temporary_in_memory_afterwards(database: Path) -> None:
    connections: list[apsw.Connection] = []
    apsw.connection_hooks.append(connections.append)
    try:
        store = opened(database)
    finally:
        apsw.connection_hooks.remove(connections.append)
    store.compact()
    assert connections[-1].pragma("temp_store") == 2
    store.close()


def test_compacting_gives_empty_pages_back_and_changes_no_row(large: SqliteStore, database: Path) -> None:
    prune(large, PrunePolicy(keep_inputs=0))
    seen = picture(large, "alice")
    large.checkpoint()
    size = database.stat().st_size
    large.compact()
    assert picture(large, "alice") == seen
    large.end(clean=True)
    large.close()
    assert database.stat().st_size < size / 5
    require_whole(database)
    again = opened(database)
    assert picture(again, "alice") == seen
    again.close()


def test_who_shares_a_file_can_not_compact_it(database: Path) -> None:
    store = open_sqlite(database, ownership="shared")
    store.begin()
    with pytest.raises(UsageError, match="compact needs the store alone"):
        store.compact()
    store.close()


def test_a_full_disk_refuses_to_compact_and_leaves_the_file_as_it_is(full_life: Path) -> None:
    with open_disk() as disk:
        store = opened(full_life, disk.vfs)
        seen = picture(store, *NAMES)
        disk.before_write = full
        with pytest.raises(StoreFullError):
            store.compact()
        disk.before_write = nothing
        assert picture(store, *NAMES) == seen
        created(store, "dave").must_commit(insert(1))
        store.close()
    require_whole(full_life)
