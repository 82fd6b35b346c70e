"""The continuity facade on files: rows that rot (items 8 to 11), and what comes between (40 to 51).

47 and 56 (several processes on one file) are in ``test_continuity_shared.py``. Left: 49 (cancellation: the facade
is synchronous; its async twin goes through the storage owner, whose tests cancel).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

import apsw
import pytest

from meerkat_actors.errors import (
    IdentityBrokenError,
    NotOurStoreError,
    SessionBoundError,
    StaleCheckpointVersionError,
    StaleFencingTokenError,
    StoreFailedError,
    StoreFullError,
    StoreSchemaError,
)
from meerkat_actors.records.continuity import ContinuityFailureKind
from meerkat_actors.store import SqliteStore, open_sqlite
from meerkat_actors.store.sqlite import continuity_statements
from meerkat_actors.store.sqlite.schema import SCHEMA_VERSION
from tests.store.continuity_calling import ANN, BEN, Caller, caller, meanwhile, record, said, session
from tests.store.sqlite.faults import full, nothing, open_disk

Kind = ContinuityFailureKind


@contextmanager
def behind_its_back(database: Path) -> Generator[apsw.Connection]:
    """Change what the store holds, as rot would: without checks."""
    connection = apsw.Connection(str(database))
    connection.execute("PRAGMA ignore_check_constraints = ON")
    yield connection
    connection.close()


@pytest.fixture
def store(database: Path) -> Iterator[SqliteStore]:
    opened = open_sqlite(database, synchronous="normal")
    opened.begin()
    yield opened
    opened.close()


@pytest.fixture
def a(store: SqliteStore) -> Caller:
    """Ann (generation 0, version 2) and Ben (version 1), both of holder a under token 5."""
    made = caller(store, 5, "a")
    made.upsert(record())
    made.save(1)
    made.save(2)
    made.upsert(record(identity=BEN, number=1))
    made.save(1, record(identity=BEN, number=1))
    return made


ANNS: Final = "identity = (SELECT key FROM name WHERE name = 'ann')"
KEYS: Final = ANNS.replace("identity", "key")
ROT: Final = {
    "item 8: a negative counter": (f"UPDATE head SET generation = -1 WHERE {KEYS}", Kind.RECORD_CORRUPTED),
    "item 8: a session that is no id": (f"UPDATE head SET session = x'00' WHERE {KEYS}", Kind.RECORD_CORRUPTED),
    "item 8: a holder that is no text": (
        f"UPDATE continuity SET holder = cast(x'ff' AS TEXT) WHERE {ANNS}",
        Kind.RECORD_CORRUPTED,
    ),
    "item 8: a former life without a session": (
        f"UPDATE continuity SET former_generation = 0 WHERE {ANNS}",
        Kind.RECORD_CORRUPTED,
    ),
    "item 9: another byte": (
        f"UPDATE snapshot SET data = cast('v3' AS BLOB) WHERE version = 2 AND {ANNS}",
        Kind.SNAPSHOT_CORRUPTED,
    ),
    "item 9: fewer bytes": (f"UPDATE snapshot SET data = x'00' WHERE version = 2 AND {ANNS}", Kind.SNAPSHOT_CORRUPTED),
    "item 10: a lost snapshot": (f"DELETE FROM snapshot WHERE {ANNS}", Kind.SNAPSHOT_MISSING),
    "item 10: the last one lost": (f"DELETE FROM snapshot WHERE version = 2 AND {ANNS}", Kind.SNAPSHOT_MISSING),
    "item 11: a version ahead": (
        f"UPDATE snapshot SET version = 7 WHERE version = 2 AND {ANNS}",
        Kind.GENERATION_MISMATCH,
    ),
    "item 11: another generation": (f"UPDATE snapshot SET generation = 4 WHERE {ANNS}", Kind.GENERATION_MISMATCH),
}


@pytest.mark.parametrize("what", ROT)
def test_items_08_to_11_and_g20_a_rotten_row_breaks_its_identity_only(
    store: SqliteStore, a: Caller, database: Path, what: str
) -> None:
    change, kind = ROT[what]
    with behind_its_back(database) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(change)
        assert connection.changes() >= 1
    states = a.facade.resolve_many(identities=[ANN, BEN])
    failure = a.broken().failure
    assert (failure.kind, failure.identity) == (kind, ANN)
    assert failure.detail
    assert states[BEN] == a.ready(BEN)
    assert a.facade.load_head(identity=ANN).snapshot is None
    a.save(2, record(identity=BEN, number=1))
    if kind is Kind.RECORD_CORRUPTED:
        with pytest.raises(IdentityBrokenError, match="row_unreadable"):
            a.save(9)
    else:
        a.save(9)  # a new snapshot heals what a lost one broke
        assert a.ready().record.checkpoint_version == 9
    assert store.identities_with_work() == ()


def test_item_09_and_g25_a_rotten_snapshot_is_not_given_out_and_the_one_before_is(a: Caller, database: Path) -> None:
    with behind_its_back(database) as connection:
        connection.execute(f"UPDATE snapshot SET data = cast('vX' AS BLOB) WHERE version = 2 AND {ANNS}")
    with pytest.raises(IdentityBrokenError, match="snapshot_corrupted"):
        a.text()
    assert a.text(back=1) == "v1"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE snapshot SET version = 0",
        "UPDATE snapshot SET version = 'abc'",
        "UPDATE snapshot SET generation = -1",
        "UPDATE snapshot SET token = 0",
        "UPDATE snapshot SET size = size + 1",
        "UPDATE snapshot SET digest = x'00'",
        "UPDATE snapshot SET data = x''",
        "UPDATE snapshot SET session = zeroblob(16)",
        "UPDATE continuity SET token = 0",
        "UPDATE continuity SET floor = 9223372036854775807.5",
        "UPDATE continuity SET holder = ''",
        "UPDATE continuity SET former_generation = 1",
        "UPDATE continuity SET former_session = x'00'",
    ],
)
def test_g16_the_tables_take_no_value_that_no_record_takes(a: Caller, database: Path, statement: str) -> None:
    assert a.head() == (5, 0, 2)
    connection = apsw.Connection(str(database))
    connection.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(apsw.ConstraintError):
        connection.execute(statement)
    connection.close()


def test_g29_no_statement_scans_the_snapshots(a: Caller, database: Path) -> None:
    assert a.head() == (5, 0, 2)
    connection = apsw.Connection(str(database))
    texts = {name: text for name, text in vars(continuity_statements).items() if name.isupper()}
    for name, text in texts.items():
        bound = max(number for number in range(1, 20) if f"?{number}" in text)
        plan = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", (1,) * bound)]
        assert not [line for line in plan if line.startswith("SCAN") or "TEMP B-TREE" in line], (name, plan)
    connection.close()


# -- what comes between -------------------------------------------------------------------


def test_item_40_and_41_an_overtaken_upsert_and_deletion_are_refused(store: SqliteStore, a: Caller) -> None:
    """G1 and G2, with a second holder in place of a second process: the store is one process's."""
    b = caller(store, 7, "b")
    with pytest.raises(StaleFencingTokenError):
        caller(meanwhile(store, lambda: b.upsert(record(1, number=2))), 6).upsert(record())
    with pytest.raises(StaleFencingTokenError):
        caller(meanwhile(store, lambda: b.at(8).save(1, record(1, number=2))), 7, "b").delete()
    assert a.head() == (8, 1, 1)


KILLED: Final = """
import sys
from meerkat_actors.store import open_sqlite
from tests.store.continuity_calling import caller, record
store = open_sqlite(sys.argv[1], synchronous="normal")
store.begin()
a = caller(store, 5, "a")
a.upsert(record())
print("ready", flush=True)
for version in range(1, 100_000):
    if sys.argv[2] == "deletions" and version % 3 == 0:
        a.delete()
        a = a.at(a.token + 1)
        a.upsert(record(version // 3, number=version))
        print("deleted", version // 3, flush=True)
        continue
    number = version // 3 * 3 if sys.argv[2] == "deletions" else 0
    a.save(version, record(version // 3 if number else 0, number=number), text=f"v{version}" * 500)
    print("saved", version, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["saves", "deletions"])
def test_item_42_and_46_a_killed_writer_leaves_whole_writes_and_all_that_were_acknowledged(
    database: Path, what: str
) -> None:
    """G3: a deletion too is whole or not at all. Killed at a random moment, eight times."""
    dice = random.Random(what)
    for _ in range(8):
        for suffix in ("", "-wal", "-shm", ".lock", ".mark"):
            Path(f"{database}{suffix}").unlink(missing_ok=True)
        told = _killed_after(database, what, dice.randrange(1, 60))
        store = open_sqlite(database)
        store.begin()
        a = caller(store, 1)
        state = a.facade.load_head(identity=ANN).state
        saved = [int(line.split()[1]) for line in told if line.startswith("saved")]
        if what == "saves":
            version = a.ready().record.checkpoint_version
            assert version >= max(saved)
            assert a.text() == f"v{version}" * 500
            assert version == 1 or a.text(back=1) == f"v{version - 1}" * 500
        else:
            floor = getattr(state, "generation_floor", None)
            assert floor is not None
            assert floor >= max((int(line.split()[1]) for line in told if line.startswith("deleted")), default=0)
            a.state()  # gone, or ready: never half
            assert not hasattr(state, "failure")
        store.close()


def _killed_after(database: Path, what: str, lines: int) -> list[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(database), what],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(lines + 3)]
    process.send_signal(signal.SIGKILL)
    told.extend(line for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n"))
    process.stdout.close()
    assert process.wait(30) == -signal.SIGKILL
    return told


def test_item_43_a_session_is_not_taken_over(a: Caller) -> None:
    """G6."""
    with pytest.raises(SessionBoundError):
        a.upsert(record(identity="nobody", number=0))
    assert a.text() == "v2"


def test_item_44_a_head_is_read_in_one_transaction(store: SqliteStore, a: Caller, database: Path) -> None:
    """G11: a look from outside sees a reset whole, too."""
    connection = apsw.Connection(str(database))
    connection.execute("BEGIN")
    query = f"SELECT (SELECT version FROM head WHERE {KEYS}), (SELECT max(version) FROM snapshot WHERE {ANNS})"
    assert connection.execute(query).fetchone() == (2, 2)
    a.save(3)
    assert connection.execute(query).fetchone() == (2, 2)
    connection.execute("COMMIT")
    assert connection.execute(query).fetchone() == (3, 3)
    connection.close()
    assert caller(store, 1).facade.load_head(identity=ANN).snapshot == said("v3")


def test_item_45_and_48_a_lock_of_somebody_elses_is_a_typed_error(
    store: SqliteStore, a: Caller, database: Path
) -> None:
    """G14. Changed on purpose: nobody else may write, so the store stops and is reopened; it is not retried."""
    connection = apsw.Connection(str(database))
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailedError, match="write lock"):
        a.save(3)
    connection.execute("ROLLBACK")
    connection.close()
    store.close()
    again = open_sqlite(database)
    again.begin()
    caller(again, 5, "a").save(3)
    again.close()


def test_item_48_and_g23_a_full_disk_refuses_and_the_store_goes_on(database: Path) -> None:
    with open_disk() as disk:
        store = open_sqlite(database, vfs=disk.vfs)
        store.begin()
        a = caller(store, 5, "a")
        a.upsert(record())
        disk.before_write = full
        for attempt in (lambda: a.save(1), lambda: a.upsert(record(1)), a.delete):
            with pytest.raises(StoreFullError, match="nothing was written"):
                cast("Callable[[], Any]", attempt)()
        assert a.head() == (5, 0, 0)
        disk.before_write = nothing
        a.save(1)
        assert a.head() == (5, 0, 1)
        store.close()


def test_item_50_and_g26_a_newer_store_is_refused_and_not_touched(
    store: SqliteStore, a: Caller, database: Path
) -> None:
    assert a.head() == (5, 0, 2)
    store.end(clean=True)
    store.close()
    with behind_its_back(database) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    before = sha256(database.read_bytes()).digest()
    with pytest.raises(StoreSchemaError, match="use a newer one"):
        open_sqlite(database)
    assert sha256(database.read_bytes()).digest() == before


def test_item_51_what_is_no_database_is_refused(database: Path) -> None:
    """Changed on purpose: a file that was never ours is not called corrupt."""
    database.write_bytes(b"my diary\n" * 200)
    with pytest.raises(NotOurStoreError):
        open_sqlite(database)
    assert database.read_bytes() == b"my diary\n" * 200


def test_versions_go_on_after_a_restart(store: SqliteStore, a: Caller, database: Path) -> None:
    assert a.head() == (5, 0, 2)
    store.close()
    again = open_sqlite(database)
    again.begin()
    b = caller(again, 6)
    with pytest.raises(StaleCheckpointVersionError):
        b.save(2)
    b.save(3)
    b.upsert(record(1, number=3))
    assert b.facade.load_session_snapshot(session_id=session(0)) == said("v3")
    again.close()
