"""The runtime store on a disk: killed at every statement, reopened, and beside a second writer (ST27-29)."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw
import pytest

from meerkat_actors.errors import (
    DuplicateReceiptError,
    IdempotencyConflictError,
    OperationsEpochRetiredError,
    StoreFailedError,
)
from meerkat_actors.machines.lifecycle import select_lifecycle
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.effects import Effect
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.machine_lifecycle import RuntimeState
from meerkat_actors.records.operations import OpsSnapshot
from meerkat_actors.records.run_boundary import RunApplyBoundary
from meerkat_actors.records.runtime_effects import BindSession, DropDocument, MoveInput, PutDocument, RecordReceipt
from meerkat_actors.store import RuntimeStore, SqliteStore, open_sqlite
from meerkat_actors.store.sqlite.naming import Naming
from meerkat_actors.store.sqlite.packing import Packer, pack_in_order
from meerkat_actors.store.sqlite.rows import Database, Row, typed
from tests.store.runtime_writing import RUN, SESSION, delta, input_id, queued, receipt, said, seen, session, staged
from tests.store.writing import created, insert, new_run_id, new_session_id, uuid_of

EPOCH: Final = uuid_of(0xE1)
ROOT: Final = Path(__file__).parents[3]

# Dies by itself before its n-th statement; says so when there is no such statement.
DIE: Final = """
import os, signal, sys
import apsw
from meerkat_actors.records.run_boundary import RunApplyBoundary
from meerkat_actors.store import RuntimeStore, open_sqlite
from tests.store.runtime_writing import RUN, delta, input_id, queued, said, staged

left = int(sys.argv[2])

def count(cursor, statement, bindings):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return True

store = open_sqlite(sys.argv[1])
store.begin()
runtime = RuntimeStore(store)
runtime.persist_input_state("test", queued(1))
store._connection.exec_trace = count
runtime.commit_session_boundary(
    "test", delta(*said("a", "b")), RUN, RunApplyBoundary.RUN_START, [input_id(1), input_id(2)], [queued(2), queued(3)]
)
store._connection.exec_trace = None
store.close()
print("whole")
"""


@contextmanager
def served(path: Path) -> Generator[RuntimeStore]:
    store = open_sqlite(path)
    store.begin()
    yield RuntimeStore(store)
    store.close()


@pytest.mark.slow
def test_st27_a_kill_between_any_two_statements_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    found: list[tuple[object, ...]] = []
    for number in range(1, 99):
        path = tmp_path / f"{number}.db"
        with served(path) as runtime:
            runtime.commit_session_snapshot("test", delta(*said("a")))
        ended = subprocess.run(
            [sys.executable, "-c", DIE, str(path), str(number)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        with served(path) as runtime:
            found.append(seen(runtime, "test"))
            (first,) = runtime.load_input_states("test")[:1]
            assert first.input_id == input_id(1)
            # And it goes on from there.
            runtime.persist_input_state("test", queued(7))
        if ended.stdout == "whole\n":
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert len(found) > 10
    *killed, whole = found
    befores = [state for state in killed if state != whole]
    assert all(state == befores[0] for state in befores)
    assert (befores[0][0], whole[0]) == (session(*said("a")), session(*said("a", "b")))


@pytest.fixture
def store(database: Path) -> Iterator[SqliteStore]:
    store = open_sqlite(database, synchronous="normal")
    store.begin()
    yield store
    store.close()


def test_st28_everything_survives_reopening(database: Path, store: SqliteStore) -> None:
    runtime = RuntimeStore(store)
    runtime.persist_input_state("test", queued(1, idempotency_key="job"))
    runtime.persist_input_state("test", staged(2, attempts=2))
    runtime.commit_session_boundary("test", delta(*said("a")), RUN, RunApplyBoundary.RUN_START, [input_id(1)], [])
    runtime.commit_machine_lifecycle("test", select_lifecycle(None, RuntimeState.IDLE), [])
    runtime.persist_ops_lifecycle("test", OpsSnapshot(epoch_id=EPOCH, body=b"1"))
    runtime.delete_ops_lifecycle("test")
    runtime.persist_auth_oauth_flow_snapshot(b"flows")
    before, key = seen(runtime, "test"), runtime.auth_authority_key()
    store.close()
    again = open_sqlite(database, synchronous="normal")
    again.begin()
    runtime = RuntimeStore(again)
    assert seen(runtime, "test") == before
    assert runtime.load_auth_oauth_flow_snapshot() == b"flows"
    assert runtime.auth_authority_key() == key
    with pytest.raises(DuplicateReceiptError):
        runtime.atomic_apply("test", None, receipt(1, count=1), [], SESSION)
    with pytest.raises(IdempotencyConflictError):
        runtime.persist_input_state("test", queued(3, idempotency_key="job"))
    with pytest.raises(OperationsEpochRetiredError):
        runtime.persist_ops_lifecycle("test", OpsSnapshot(epoch_id=EPOCH, body=b"1"))
    assert seen(runtime, "test") == before
    runtime.atomic_apply("test", None, receipt(2, input_id(4), count=1), [queued(4)], None)
    assert [state.admission_sequence for state in runtime.load_input_states("test")] == [1, 2, 3]
    again.close()


def test_st29_a_second_writer_is_a_typed_failure_and_no_damage(database: Path, store: SqliteStore) -> None:
    """Changed: the store must be reopened before the retry, because what it read may not be durable."""
    runtime = RuntimeStore(store)
    runtime.persist_input_state("test", queued(1))
    before = seen(runtime, "test")
    intruder = apsw.Connection(str(database))
    intruder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailedError, match="write lock"):
        runtime.atomic_apply("test", delta(), receipt(1), [staged(1)], None)
    intruder.execute("ROLLBACK")
    intruder.close()
    store.close()
    again = open_sqlite(database, synchronous="normal")
    again.begin()
    runtime = RuntimeStore(again)
    assert seen(runtime, "test") == before
    runtime.atomic_apply("test", delta(), receipt(1), [staged(1)], None)
    (state,) = runtime.load_input_states("test")
    assert state.state is InputState.STAGED
    assert again._connection.pragma("integrity_check") == "ok"  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    again.close()


# -- every statement guards itself --------------------------------------------------------

TOKEN, GENERATION, VERSION = 1, 2, 3
"""Where they stand among a statement's parameters."""
DIGEST: Final = bytes(32)


def statements_of(store: SqliteStore, database: Database) -> list[tuple[str, Row]]:
    """One row for each statement of the facade, all of which could be."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1), PutDocument("kind", "old", b"1", content_digest(b"1"), 0))
    effects: tuple[Effect, ...] = (
        MoveInput(insert(1).admission, InputState.QUEUED, None, InputState.QUEUED, None, 1, 0, 0, None),
        BindSession(new_session_id()),
        BindSession(alice.session_id),
        PutDocument("kind", "new", b"1", content_digest(b"1"), 0),
        PutDocument("kind", "any", b"1", content_digest(b"1"), None),
        PutDocument("kind", "old", b"2", content_digest(b"2"), 1),
        DropDocument("kind", "old", 1),
        DropDocument("kind", "old", None),
    )
    packer = Packer(Naming(database))
    packer.incarnation, packer.sequence = 1, 1_000
    units = [alice.unit(effect) for effect in effects]
    proof = alice.unit(RecordReceipt(run, 1))
    return [
        (entry.sql, row)
        for unit in (*units, proof)
        for entry, row, _ in pack_in_order(packer, unit, [(0, unit.effects[0])])
    ]


def touched(database: Database, sql: str, row: Row) -> int:
    database.execute("SAVEPOINT probe")
    before = database.total_changes()
    try:
        database.execute(sql, row)
    except apsw.ConstraintError:
        return 0
    else:
        return database.total_changes() - before
    finally:
        database.execute("ROLLBACK TO probe")
        database.execute("RELEASE probe")


def test_every_statement_of_the_facade_touches_one_row_under_its_fence_only(database: Path, store: SqliteStore) -> None:
    connection = apsw.Connection(str(database))
    behind = typed(connection)
    rows = statements_of(store, behind)
    assert len(rows) == 9
    for sql, row in rows:
        assert touched(behind, sql, row) == 1, sql
        for place in (TOKEN, GENERATION, VERSION):
            assert touched(behind, sql, (*row[:place], 7, *row[place + 1 :])) == 0, sql
    behind.execute("UPDATE head SET tombstone = 1")
    assert [touched(behind, sql, row) for sql, row in rows] == [0] * len(rows)
    connection.close()
