"""Row 36: SQLite without memory, at a hundred limits: an error of ours, nothing half-written, and all there again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw
import pytest

from meerkat_actors import StoreError, UnknownOutcomeError
from meerkat_actors.errors import MeerkatError
from meerkat_actors.records.events import Event, StoreReopened
from meerkat_actors.store import SqliteStore, open_reader, open_sqlite
from tests.faults.world import Ledger, events_of, require_told, running
from tests.store.sharers import taken
from tests.store.writing import created, identity, insert, read

LIMITS: Final = 100
STEP_BYTES: Final = 600
"""A commit needs some 50 kB."""
OPENING_STEP_BYTES: Final = 4_000
"""And an opening some 200 kB."""
BATCH: Final = 4
CONTENT: Final = b'"%s"' % (b"x" * 3_000)


@contextmanager
def limited(spare_bytes: int) -> Generator[None, None, None]:
    """SQLite gets so much more than it has, and then none."""
    apsw.hard_heap_limit(apsw.memory_used() + spare_bytes)
    try:
        yield
    finally:
        apsw.hard_heap_limit(0)


def fresh(path: Path) -> SqliteStore:
    store = open_sqlite(path)
    store.begin()
    return store


def require_whole(path: Path, least: int) -> int:
    """Every input from the first to the last, with its content; at most one batch beyond those acknowledged."""
    store = fresh(path)
    rows = store.page_inputs(identity("alice"), after=None, limit=100_000, newest_first=False)
    store.end(clean=True)
    store.close()
    assert [row.admission for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) in {least, least + BATCH}
    assert all(row.content == CONTENT for row in rows)
    connection = apsw.Connection(str(path))
    assert connection.pragma("integrity_check") == "ok"
    connection.close()
    return len(rows)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store in which Alice was created."""
    store = fresh(tmp_path / "team.db")
    created(store, "alice")
    store.close()
    return tmp_path / "team.db"


def test_row_36_out_of_memory_in_a_commit_is_unknown_and_never_a_half(path: Path) -> None:
    """At each limit a connection that has looked at little yet, and commits until there is no memory."""
    told, acknowledged = Counter[str](), 0
    for limit in range(LIMITS):
        store = fresh(path)
        alice = taken(store, "alice")
        found = read(store, "alice").admissions
        # Of the batch whose outcome was unknown all is there, or nothing.
        assert found in {acknowledged, acknowledged + BATCH}, f"limit {limit}"
        acknowledged = found
        try:
            with limited(STEP_BYTES * limit):
                for _ in range(6):
                    alice.must_commit(*(insert(acknowledged + 1 + each, content=CONTENT) for each in range(BATCH)))
                    acknowledged += BATCH
        except StoreError as error:
            told[type(error).__name__] += 1
            require_told(error, path, "reopen")
            with pytest.raises(StoreError, match="failed before"):
                alice.commit(insert(acknowledged + 1))
        else:
            told["enough"] += 1
        store.close()
    print(told)
    assert set(told) == {"StoreInterruptedError", "enough"}, told
    assert min(told.values()) >= 10, told
    require_whole(path, acknowledged)


def test_row_36_out_of_memory_at_an_opening_or_a_look_is_an_error_of_ours_and_changes_nothing(path: Path) -> None:
    told, content = Counter[str](), path.read_bytes()
    for limit in range(LIMITS):
        for kind in ("open", "look"):
            try:
                with limited(OPENING_STEP_BYTES * limit):
                    if kind == "open":
                        open_sqlite(path).close()
                    else:
                        open_reader(path).close()
            except StoreError as error:
                told[kind] += 1
                require_told(error, path, str(path))
            else:
                told[f"{kind}, enough"] += 1
            assert path.read_bytes() == content
    print(told)
    assert len(told) == 4, told
    require_whole(path, 0)


async def test_row_36_a_runtime_without_memory_reopens_its_store_or_ends_and_loses_nothing(tmp_path: Path) -> None:
    path, ledger, told = tmp_path / "team.db", Ledger(), Counter[str]()
    async with running(path) as runtime:
        await ledger.send(runtime, "alice", "before")
    for limit in range(0, LIMITS, 5):
        events = list[Event]()
        content = f"under limit {limit}"
        try:
            async with running(path, events) as runtime:
                await runtime.wait_idle()
                with limited(STEP_BYTES * limit):
                    try:
                        await ledger.send(runtime, "alice", content)
                        await runtime.wait_idle()
                        told["enough"] += 1
                    except UnknownOutcomeError:
                        told["unknown"] += 1
                if content not in ledger.acknowledged["alice"]:
                    await ledger.send(runtime, "alice", content)
        except MeerkatError as error:
            told["ended"] += 1
            require_told(error, path, "reopen", "again")
        told["reopened"] += len(events_of(events, StoreReopened))
        if content not in ledger.acknowledged["alice"]:
            async with running(path) as runtime:
                await ledger.send(runtime, "alice", content)
    print(told)
    assert told["enough"] > 0, told
    assert told["unknown"] + told["ended"] > 0, told
    await ledger.require_kept(path)
