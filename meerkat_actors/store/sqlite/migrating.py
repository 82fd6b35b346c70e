"""Bring a file of an older version to ours, in one transaction: a kill leaves the old file, or the new one.

What changes but for a new table is rebuilt (https://sqlite.org/lang_altertable.html, section 7), with the old table
moved aside first: so the new one keeps its text as it was written, and a migrated file has the schema of a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
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


STEPS: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType({3: _to_4()})
"""The statements that make the next version of each. None may cost more for a longer history."""


def migrate(path: str, vfs: str | None) -> None:
    """Bring the file at ``path`` to this version's schema, durably, or leave it as it was.

    The caller holds the store's lock alone. The cost grows with the number of identities, not with their history.

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
        _migrate(path, database)
        database.execute(statements.COMMIT)
        # The header is what an earlier version looks at. What can't be copied now stays in the log, whole.
        with suppress(apsw.FullError, apsw.BusyError):
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    with suppress(apsw.FullError):  # closing tries it again
        connection.close()


def _migrate(path: str, database: Database) -> None:
    version = read_version(database)
    if version == SCHEMA_VERSION:  # a kill came between the commit and the header
        return
    if version not in STEPS:
        raise schema_error(path, version)
    require_objects(path, database, version)
    for number in range(version, SCHEMA_VERSION):
        for statement in STEPS[number]:
            database.execute(statement)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}").fetchall()
    require_objects(path, database, SCHEMA_VERSION)
