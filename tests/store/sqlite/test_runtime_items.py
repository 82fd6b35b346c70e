"""What the seeds ask of the storage below sessions (reference, session and config, items 116-125), on a disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, cast

import apsw
import pytest

from meerkat_actors.errors import (
    InvalidValueError,
    OwnershipLostError,
    StoreCorruptError,
    StoreError,
    StoreInUseError,
    StoreSchemaError,
)
from meerkat_actors.machines.lifecycle import select_lifecycle
from meerkat_actors.records.continuity import SessionDelta
from meerkat_actors.records.machine_lifecycle import RuntimeState
from meerkat_actors.store import MemoryStore, RuntimeStore, SqliteStore, Store, open_reader, open_sqlite
from meerkat_actors.store.sqlite.schema import SCHEMA_VERSION
from tests.store.runtime_writing import (
    OTHER_SESSION,
    delta,
    input_id,
    queued,
    receipt,
    said,
    seen,
    session,
)

ROOT: Final = Path(__file__).parents[3]

# Opens, writes one input, and says how that went.
WRITE: Final = """
import sys
from meerkat_actors.errors import MeerkatError
from meerkat_actors.store import RuntimeStore, open_sqlite
from tests.store.runtime_writing import queued
try:
    store = open_sqlite(sys.argv[1])
    store.begin()
    RuntimeStore(store).persist_input_state("test", queued(int(sys.argv[2])))
    store.close()
except MeerkatError as error:
    print(type(error).__name__)
else:
    print("written")
"""


def written_elsewhere(database: Path, number: int) -> str:
    """What another process is told when it writes."""
    command = [sys.executable, "-c", WRITE, str(database), str(number)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def store(database: Path) -> Iterator[SqliteStore]:
    store = open_sqlite(database, synchronous="normal")
    store.begin()
    yield store
    store.close()


@pytest.fixture
def runtime(store: SqliteStore) -> RuntimeStore:
    return RuntimeStore(store)


def rot(database: Path, *statements: str) -> None:
    """Change what the store holds behind its back."""
    connection = apsw.Connection(str(database))
    connection.execute("PRAGMA ignore_check_constraints = ON")
    for statement in statements:
        connection.execute(statement)
    connection.close()


def store_id(store: SqliteStore) -> str:
    opening = store.begin()
    store.close()
    return opening.store_id


def test_item_116_32_first_opens_at_once_make_one_store(database: Path) -> None:
    """Changed: there is no manifest beside the store; the file is its own, so one opener wins and 31 are told."""

    def first_open(_: int) -> SqliteStore | type[StoreInUseError]:
        try:
            return open_sqlite(database)
        except StoreInUseError:
            return StoreInUseError

    with ThreadPoolExecutor(32) as pool:
        opened = list(pool.map(first_open, range(32)))
    winners = [each for each in opened if isinstance(each, SqliteStore)]
    assert len(winners) == 1
    assert opened.count(StoreInUseError) == 31
    made = store_id(winners[0])
    assert [store_id(open_sqlite(database)) for _ in range(3)] == [made] * 3
    assert sorted(path.name for path in database.parent.iterdir()) == ["team.db", "team.db.lock", "team.db.mark"]


def test_item_116_a_future_format_is_refused(database: Path) -> None:
    open_sqlite(database).close()
    rot(database, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = database.read_bytes()
    with pytest.raises(StoreSchemaError):
        open_sqlite(database)
    assert database.read_bytes() == before


def test_item_117_ids_that_a_file_name_would_confuse_are_apart(runtime: RuntimeStore) -> None:
    names = ("a/b", "a_b", "A/b", "a/B", "a.b", "a-b", "a+b", "a:b")
    for number, name in enumerate(names):
        runtime.persist_input_state(name, queued(number))
    for number, name in enumerate(names):
        assert [state.input_id for state in runtime.load_input_states(name)] == [input_id(number)]


def test_item_118_a_store_under_two_names_is_refused(database: Path, store: SqliteStore) -> None:
    """Changed: a store is one file and has one root, so twins are names of that file; nothing is adopted."""
    twin = database.with_name("twin.db")
    twin.symlink_to(database)
    with pytest.raises(StoreInUseError):
        open_sqlite(twin)
    store.close()
    twin.unlink()
    twin.hardlink_to(database)
    for name in (twin, database):
        with pytest.raises(StoreError, match="several names"):
            open_sqlite(name)
    twin.unlink()
    open_sqlite(database).close()


def test_item_119_memory_is_never_taken_for_durable(runtime: RuntimeStore) -> None:
    """Changed: there are no domains to declare; who wants memory says ``MemoryStore``, and no path means it."""
    for path in (":memory:", "", "file::memory:\0"):
        with pytest.raises(InvalidValueError):
            open_sqlite(path)
    forgetful = MemoryStore()
    forgetful.begin()
    assert RuntimeStore(forgetful).auth_authority_key() is None
    assert runtime.auth_authority_key() is not None


def test_item_120_one_corrupt_row_is_told_and_its_neighbours_are_listed(database: Path, runtime: RuntimeStore) -> None:
    for number in range(1, 6):
        runtime.persist_input_state("test", queued(number))
    runtime.persist_input_state("other", queued(9))
    rot(database, "UPDATE input SET kind = 'telepathy' WHERE admission IN (2, 5) AND identity = 1")
    states, faults = runtime.survey_input_states("test")
    assert [state.input_id for state in states] == [input_id(number) for number in (1, 3, 4)]
    assert [fault.admission_sequence for fault in faults] == [2, 5]
    assert all("telepathy" in fault.detail for fault in faults)
    with pytest.raises(StoreCorruptError):
        runtime.load_input_state("test", input_id(2))
    with pytest.raises(StoreCorruptError):
        runtime.load_input_states("test")  # as the seed: all of them, or an error
    assert runtime.load_input_state("test", input_id(3)) is not None
    assert len(runtime.load_input_states("other")) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE input SET state = 6, ending = cast('{}' AS BLOB) WHERE admission = 1",
        "UPDATE input SET state = 4, ending = cast('{\"by\":1}' AS BLOB) WHERE admission = 1",
        "UPDATE input SET run = zeroblob(16) WHERE admission = 1",
        "UPDATE turn SET body = cast('{}' AS BLOB)",
    ],
)
def test_item_120_a_row_that_contradicts_itself_is_corrupt(
    database: Path, runtime: RuntimeStore, statement: str
) -> None:
    runtime.atomic_apply("test", None, receipt(1), [queued(1)], None)
    rot(database, statement)
    look: Callable[[], object] = partial(runtime.load_input_states, "test")
    if "turn" in statement:
        look = partial(runtime.load_boundary_receipt, "test", receipt().run_id, 1)
    with pytest.raises(StoreCorruptError):
        look()


def test_item_121_json_is_in_blobs_and_text_can_not_get_in(database: Path, runtime: RuntimeStore) -> None:
    """Changed: upstream reads either, because older tools wrote text. STRICT tables let only one in."""
    runtime.commit_session_snapshot("test", delta(*said("a")))
    with pytest.raises(apsw.ConstraintError):
        rot(database, "UPDATE document SET body = cast(body AS TEXT)")
    assert runtime.load_session_snapshot("test") == session(*said("a"))


class Reopened:
    """One store after the other, as a facade sees them that outlives an opening."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


def test_item_122_a_stale_writer_in_another_process_is_told(database: Path, store: SqliteStore) -> None:
    serving = Reopened(store)
    first = RuntimeStore(cast("Store", serving))
    first.persist_input_state("test", queued(1))
    assert written_elsewhere(database, 2) == "StoreInUseError"
    store.close()
    assert written_elsewhere(database, 2) == "written"
    again = serving.store = open_sqlite(database, synchronous="normal")
    again.begin()
    # What the first facade holds is older than what the other process claimed.
    with pytest.raises(OwnershipLostError):
        first.persist_input_state("test", queued(3))
    assert [state.input_id for state in RuntimeStore(again).load_input_states("test")] == [input_id(1), input_id(2)]
    again.close()


def test_item_123_a_torn_document_is_told_on_reading(database: Path, runtime: RuntimeStore) -> None:
    """Changed: there are no blob files; a document's digest is kept beside it and compared whenever it is read."""
    runtime.commit_session_snapshot("test", delta(*said("z")))
    assert runtime.replace_session_snapshot_if_current("test", session(*said("z")), session(*said("a")))
    runtime.commit_session_snapshot("other", delta(*said("a"), session_id=OTHER_SESSION))
    rot(database, "UPDATE document SET body = substr(body, 1, 9) WHERE identity = 1 AND key = 'current'")
    with pytest.raises(StoreCorruptError, match="not what was put"):
        runtime.load_session_snapshot("test")
    with pytest.raises(StoreCorruptError):
        runtime.commit_session_snapshot("test", delta(*said("a", "b")))
    assert runtime.load_session_snapshot("other") == session(*said("a"), session_id=OTHER_SESSION)
    # What is torn can be cleared, and what is kept from before put in its place.
    runtime.clear_session_snapshot("test")
    assert runtime.load_session_snapshot("test") is None
    former = runtime.load_former_session_snapshot("test")
    assert former == session(*said("z"))
    runtime.commit_session_snapshot("test", SessionDelta(session_snapshot=session(*said("z"))))


def test_item_123_a_name_is_no_path_and_clearing_is_idempotent(runtime: RuntimeStore) -> None:
    for name in ("/etc/passwd", "a/../b", "..\\test", "a//b", "~/x", "a/"):
        with pytest.raises(InvalidValueError):
            runtime.load_session_snapshot(name)
    runtime.commit_session_snapshot("test", delta(*said("a")))
    runtime.commit_session_snapshot("other", delta(*said("a"), session_id=OTHER_SESSION))
    runtime.persist_input_state("../test", queued(1))  # a name like any other: no file is called so
    for _ in range(3):
        runtime.clear_session_snapshot("test")
    assert runtime.load_session_snapshot("test") is None
    assert runtime.load_session_snapshot("other") is not None


def test_item_124_looking_never_writes_and_one_bad_runtime_blocks_no_other(
    database: Path, store: SqliteStore, runtime: RuntimeStore
) -> None:
    """Changed: nothing was released under an earlier schema, so there is nothing to migrate or to try dry."""
    for name in ("bad", "good"):
        runtime.persist_input_state(name, queued(len(name)))
        runtime.commit_machine_lifecycle(name, select_lifecycle(None, RuntimeState.IDLE), [])
    rot(database, "UPDATE document SET body = cast('idle' AS BLOB) WHERE identity = 1")
    with pytest.raises(StoreCorruptError):
        runtime.load_runtime_state("bad")
    assert runtime.load_runtime_state("good") is RuntimeState.IDLE
    store.close()
    before = database.read_bytes()
    reader = open_reader(database)
    assert [row.identity for row in reader.page_identities(after=None, limit=9)] == ["bad", "good"]
    reader.close()
    assert database.read_bytes() == before


def test_item_125_a_live_owner_keeps_its_store_whatever_its_lock_file_says(
    database: Path, store: SqliteStore, runtime: RuntimeStore
) -> None:
    runtime.persist_input_state("test", queued(1))
    before = seen(runtime, "test")
    lock = database.with_name("team.db.lock")
    for note in (lock.read_bytes(), b"", b"999999999 1\n", b"\xff not a process"):
        lock.write_bytes(note)
        with pytest.raises(StoreInUseError):
            open_sqlite(database)
        assert written_elsewhere(database, 2) == "StoreInUseError"
        assert lock.read_bytes() == note
    assert seen(runtime, "test") == before
    store.close()
    assert lock.exists()
    assert written_elsewhere(database, 2) == "written"
