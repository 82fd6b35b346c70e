"""Bring a file of an older version to ours, in one transaction: a kill leaves the old file, or the new one.

A small table that changes is rebuilt (https://sqlite.org/lang_altertable.html, section 7), with the old one moved
aside first: so the new one keeps its text as it was written, and a migrated file has the schema of a new one.

A table that grows with history gets the text of the new one in place, by the same page's simpler procedure: its new
columns come last, so SQLite reads their defaults where a row ends before them, and its new checks hold for all that
the older version could write. No row is read, or written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final

import apsw

from meerkat_actors.store.sqlite import statements
from meerkat_actors.store.sqlite.connecting import closed_on_failure
from meerkat_actors.store.sqlite.header import schema_error
from meerkat_actors.store.sqlite.objects import read_version, require_objects
from meerkat_actors.store.sqlite.rows import Database, typed
from meerkat_actors.store.sqlite.schema import SCHEMA_VERSION
from meerkat_actors.store.sqlite.versions import objects_of

_BUSY_MS: Final = 1_000
"""Nobody else writes; this bridges a visitor with the ``sqlite3`` tool."""

_PRAGMAS: Final = (
    # Keys move together with what they are keys of, so nothing is left without its parent: checking it would
    # read all of history, and dropping a table would delete from it row by row.
    "foreign_keys = 0",
    # Other tables go on referring to the name, not to the table that had it.
    "legacy_alter_table = 1",
    # Whatever the caller chose for commits: after a power cut there is no half of it.
    "synchronous = full",
    "trusted_schema = 0",
    "cell_size_check = 1",
)


def _rebuilt(table: str, text: str, copy: str) -> tuple[str, ...]:
    return (f"ALTER TABLE {table} RENAME TO former", text, copy, "DROP TABLE former")


def _to_4() -> tuple[str, ...]:
    """Several owners: their table, the keys they took, and identities that nobody owns."""
    new = objects_of(4)
    return (
        *_rebuilt("meta", new["meta"], "INSERT INTO meta SELECT *, (SELECT ifnull(max(key), 0) FROM name) FROM former"),
        new["owner"],
        *_rebuilt("head", new["head"], "INSERT INTO head SELECT * FROM former"),
    )


def _retold(name: str, text: str) -> str:
    # As SQLite keeps what it is told: from its first word on.
    told = text.lstrip().replace("'", "''")
    return f"UPDATE sqlite_schema SET sql = '{told}' WHERE name = '{name}'"  # noqa: S608 - constants only


def _in_place(new: Mapping[str, str], tables: Sequence[str], indexes: Sequence[str]) -> tuple[str, ...]:
    """Retell tables, and make indexes on inputs that begin empty."""
    return (
        # To make an index on its own table would read all of that to find it empty.
        "CREATE TABLE former (identity INTEGER, state INTEGER, lane INTEGER, letter INTEGER, owed INTEGER)",
        *(new[name].replace("ON input", "ON former") for name in indexes),
        "PRAGMA writable_schema = 1",
        *(_retold(name, new[name]) for name in (*tables, *indexes)),
        *(f"UPDATE sqlite_schema SET tbl_name = 'input' WHERE name = '{name}'" for name in indexes),  # noqa: S608 - constants only
        # Reads the schema anew; dropping a table tells everybody else to.
        "PRAGMA writable_schema = RESET",
        "DROP TABLE former",
    )


def _to_5() -> tuple[str, ...]:
    """Headers, lanes, letters and once-steps. What was given up before is no dead letter: to find it would take all."""
    return _in_place(objects_of(5), ("head", "input", "journal"), ("input_letter",))


def _to_6() -> tuple[str, ...]:
    """Mail that steers, requests whose answers are owed, timers, operations, events."""
    new = objects_of(6)
    return (
        *_rebuilt("meta", new["meta"], "INSERT INTO meta SELECT *, 0 FROM former"),
        *(new[name] for name in ("timer", "operation", "event", "timer_due", "timer_identity", "operation_bound")),
        *_in_place(new, ("head", "input"), ("input_steered", "input_owed")),
    )


STEPS: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType({3: _to_4(), 4: _to_5(), 5: _to_6()})
"""The statements that make the next version of each. None may cost more for a longer history."""


def migrate(path: str, vfs: str | None) -> None:
    """Bring the file at ``path`` to this version's schema, durably, or leave it as it was.

    The caller holds the store's lock alone. From version 3 the cost grows with the number of identities,
    from version 4 on with nothing; never with their history.

    Raises:
        StoreSchemaError: the file's log says that it is another version's than its header.
        StoreCorruptError: it holds other objects than its version.
        apsw.Error: the disk, or it is full.
    """
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    with closed_on_failure(connection, path):
        connection.set_busy_timeout(_BUSY_MS)
        connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        database = typed(connection)
        for pragma in _PRAGMAS:
            database.execute(f"PRAGMA {pragma}").fetchall()
        database.execute(statements.BEGIN_IMMEDIATE)
        _migrate(path, connection, database)
        database.execute(statements.COMMIT)
        # The header is what an earlier version looks at. What can't be copied now stays in the log, whole.
        with suppress(apsw.FullError, apsw.BusyError):
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    with suppress(apsw.FullError):  # closing tries it again
        connection.close()


def _migrate(path: str, connection: apsw.Connection, database: Database) -> None:
    version = read_version(database)
    if version == SCHEMA_VERSION:  # a kill came between the commit and the header
        return
    if version not in STEPS:
        raise schema_error(path, version)
    require_objects(path, database, version)
    # A schema can be retold only by who is not on the defensive; every word of it was just found to be ours.
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    for number in range(version, SCHEMA_VERSION):
        for statement in STEPS[number]:
            database.execute(statement).fetchall()
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}").fetchall()
    require_objects(path, database, SCHEMA_VERSION)
