"""What is looked at before a file is taken for a store: its path, and its header. Owners and readers look alike."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import quote

import apsw

from meerkat_actors.errors import InvalidValueError, NotOurStoreError, StoreSchemaError
from meerkat_actors.store.sqlite.backup_log import require_own_log
from meerkat_actors.store.sqlite.schema import APPLICATION_ID, SCHEMA_VERSION
from meerkat_actors.store.sqlite.versions import FORMER

_LOOK: Final = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI


def real_path(path: str | os.PathLike[str]) -> str:
    """The absolute path of a file that may be a store, links resolved.

    Raises:
        InvalidValueError: no path of any file.
    """
    try:
        text = os.fsdecode(path)
        text.encode()
    except (TypeError, UnicodeEncodeError) as error:
        raise InvalidValueError(problem=f"{path!a} is no path of a store: {error}") from error
    if not text or "\0" in text or text == ":memory:":
        raise InvalidValueError(problem=f"{text!a} is no path of a store; MemoryStore() keeps one in memory")
    return os.path.realpath(text)


def require_ours(path: str, vfs: str | None = None) -> int:
    """Refuse a file that is no store of ours, or of a version that can't be opened here.

    Returns the version that its header says: ours, or one that can be migrated. With a log beside it, the log may
    say a later one.

    Raises:
        NotOurStoreError: no database, or another program's; it was not touched.
        StoreSchemaError: another version's; it was not touched.
    """
    try:
        application_id, version = _read_header(path, vfs)
    except apsw.NotADBError as error:
        # A power cut amid a checkpoint may leave a torn first page, which the log still has.
        if not _has_log(path):
            raise NotOurStoreError(path=path, problem="is not a database; it was not touched") from error
        application_id, version = _read_through_log(path, vfs)
    if application_id != APPLICATION_ID:
        raise NotOurStoreError(path=path, problem="is a database of another program; it was not touched")
    if version != SCHEMA_VERSION and version not in FORMER:
        raise schema_error(path, version)
    return version


def _read_header(path: str, vfs: str | None) -> tuple[int, int]:
    # immutable: without locks, log or any other file.
    connection = apsw.Connection(f"file:{quote(path)}?immutable=1", flags=_LOOK, vfs=vfs)
    try:
        # A kill amid a checkpoint leaves a header that counts pages which only the log has; this lets it be read.
        connection.config(apsw.SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1)
        found = connection.pragma("application_id"), int(connection.pragma("user_version"))
        require_own_log(path, connection)
        return found
    finally:
        connection.close()


def _read_through_log(path: str, vfs: str | None) -> tuple[int, int]:
    try:
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs)
        try:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            return connection.pragma("application_id"), int(connection.pragma("user_version"))
        finally:
            connection.close()
    except apsw.NotADBError as error:
        raise NotOurStoreError(path=path, problem="is not a database, with its log either") from error


def _has_log(path: str) -> bool:
    try:
        return os.stat(f"{path}-wal").st_size > 0
    except FileNotFoundError:
        return False


def schema_error(path: str, version: int) -> StoreSchemaError:
    """Why a file of another version is refused, and what to do."""
    if version > SCHEMA_VERSION:
        advice = "use a newer one"
    elif version in FORMER:
        advice = "open it once with open_runtime, which migrates it"
    else:
        advice = "use the one that made it, or a new database"
    problem = f"has schema {version}, this version knows {SCHEMA_VERSION}; {advice}. It was not touched"
    return StoreSchemaError(path=path, problem=problem)
