"""Make a new store, whole or not at all: under another name, synced, then renamed."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

import apsw

from meerkat_actors.store.sqlite import statements
from meerkat_actors.store.sqlite.filesystem import sync_path
from meerkat_actors.store.sqlite.rows import Database, typed
from meerkat_actors.store.sqlite.schema import APPLICATION_ID, INDEXES, PAGE_BYTES, SCHEMA_VERSION, TABLES

_LEFTOVERS: Final = ("", "-journal", "-wal", "-shm")


def create(path: str, *, vfs: str | None, store_id: str) -> None:
    """Make the file at ``path``. A kill at any instant leaves either nothing there, or a whole store.

    The caller holds the store's lock, so what an earlier creator left behind is ours to remove.

    Raises:
        OSError: the folder, or the disk.
        apsw.Error: the disk.
    """
    unfinished = f"{path}.creating"
    _remove(unfinished)
    try:
        _make(unfinished, vfs, store_id)
        os.rename(unfinished, path)
    except BaseException:
        _remove(unfinished)
        raise
    sync_path(os.path.dirname(path))


def _remove(path: str) -> None:
    for suffix in _LEFTOVERS:
        with suppress(FileNotFoundError):
            os.unlink(path + suffix)


def _make(path: str, vfs: str | None, store_id: str) -> None:
    # Made by us, because SQLite would make it as the umask says.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    try:
        _fill(typed(connection), store_id)
    finally:
        connection.close()
    sync_path(path)


def _fill(database: Database, store_id: str) -> None:
    # Each its own statement: APSW stops a multi-statement string at the first unread row.
    # The whole file is synced once, before it gets its name.
    database.execute("PRAGMA synchronous = off").fetchall()
    database.execute(f"PRAGMA page_size = {PAGE_BYTES}").fetchall()
    database.execute("PRAGMA journal_mode = wal").fetchall()
    database.execute(statements.BEGIN_IMMEDIATE)
    for statement in (*TABLES, *INDEXES):
        database.execute(statement)
    database.execute(statements.INSERT_META, (store_id,))
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}").fetchall()
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}").fetchall()
    database.execute(statements.COMMIT)
