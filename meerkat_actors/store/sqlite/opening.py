"""Open a store: look, lock, look again, create or migrate, connect, and believe neither schema nor pragma unread.

Nothing is created or changed where opening is refused. The file is never opened with ``open()``
while it could be connected: closing it would drop SQLite's POSIX locks.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import apsw

from meerkat_actors.errors import (
    InvalidValueError,
    NotOurStoreError,
    StoreBehindError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreInUseError,
    UnsupportedPlatformWarning,
)
from meerkat_actors.records.env import Env, SystemEnv
from meerkat_actors.records.leases import Ownership
from meerkat_actors.records.limits import Limits
from meerkat_actors.store.sharing import Membership
from meerkat_actors.store.sqlite.connecting import closed_on_failure
from meerkat_actors.store.sqlite.creating import create
from meerkat_actors.store.sqlite.filesystem import forget_cached_pages, read_mounts, remote_filesystem
from meerkat_actors.store.sqlite.header import real_path, require_ours
from meerkat_actors.store.sqlite.locking import StoreLock, is_known, locked_until_success
from meerkat_actors.store.sqlite.marking import mark_path
from meerkat_actors.store.sqlite.migrating import migrate
from meerkat_actors.store.sqlite.objects import require_current
from meerkat_actors.store.sqlite.rows import extended_code, typed
from meerkat_actors.store.sqlite.schema import SCHEMA_VERSION
from meerkat_actors.store.sqlite.sharing import SqliteLeases, boot_of_machine, wait_for_others
from meerkat_actors.store.sqlite.store import SqliteStore

Synchronous = Literal["full", "normal"]

SQLITE_MIN: Final = (3, 51, 3)
"""The first without the WAL-reset bug, which corrupted databases."""

STATEMENTS_CACHED: Final = 128
"""More than there are statements: none is compiled twice."""

BUSY_MS: Final = 1_000
"""Nobody else writes; this bridges a visitor with the ``sqlite3`` tool."""

PLATFORM: Final = sys.platform

SECTOR_BYTES: Final = 512
"""No database is shorter."""

_SYNCHRONOUS: Final[Mapping[str, int]] = MappingProxyType({"full": 2, "normal": 1})

_SETTINGS: Final = (
    # SQL can't damage the file.
    (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
    # Plans never depend on what is bound. Otherwise SQLite looks at it (partial indexes, statistics) and compiles a
    # statement again each time something else is bound: an activation cost 60 us and not 17.
    (apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1),
)

_PRAGMAS: Final = (
    # Readers don't block the writer, and a commit is one append.
    ("journal_mode", "wal"),
    # Every key is somebody's.
    ("foreign_keys", 1),
    # A file from elsewhere runs no functions of ours.
    ("trusted_schema", 0),
    # Checkpoints are explicit: automatic ones fail silently on a full disk, and inside a commit.
    ("wal_autocheckpoint", 0),
    # A damaged page is met as an error, not as an odd row.
    ("cell_size_check", 1),
    # Nothing is spilled to a folder with other permissions.
    ("temp_store", 2),
    # 16 MiB of pages: the heads and index ends of many thousands of identities.
    ("cache_size", -16_384),
    # What a burst made the log is given back when the log restarts.
    ("journal_size_limit", 64 * 1024 * 1024),
    ("busy_timeout", BUSY_MS),
)


def open_sqlite(
    path: str | os.PathLike[str],
    *,
    synchronous: Synchronous = "full",
    ownership: Ownership = "exclusive",
    lease_seconds: float | None = None,
    vfs: str | None = None,
    env: Env | None = None,
) -> SqliteStore:
    """Open the store in the file at ``path``, or create it. Its cost is independent of its size.

    A file that an earlier version left, from schema 3 on, is migrated: once, durably, in one transaction. That alone
    costs more the more identities there are (1 to 4 us each).

    The store is this process's until ``close``: ``<path>.lock`` says so. With ``ownership="shared"`` others
    may share it; what one claims is its own for as long as it lives, and commits or looks around at least
    every ``lease_seconds`` (``Limits.lease_seconds``). ``synchronous="normal"`` loses the last commits of
    a power cut. ``vfs`` names a registered VFS over real files. On another platform than Linux it
    warns with ``UnsupportedPlatformWarning``, before anything is touched.

    Raises:
        UsageError: ``path`` is no path.
        StoreInUseError: another opener has the store to itself, or shares it and this one would not.
        NotOurStoreError: the file is something else, or empty; it was not touched.
        StoreSchemaError: a newer version wrote it, or one that was never released; it was not touched.
        StoreCorruptError: it is damaged, or holds tables, indexes, triggers or views that are not ours.
        StoreBehindError: the database is gone, and the mark beside it is not.
        StoreError: it can't be read or written; nothing was created.
    """
    real = real_path(path)
    level = _SYNCHRONOUS.get(synchronous)
    if level is None:
        raise InvalidValueError(problem=f"synchronous={synchronous!r}: use 'full' or 'normal'")
    if ownership not in {"exclusive", "shared"}:
        raise InvalidValueError(problem=f"ownership={ownership!r}: use 'exclusive' or 'shared'")
    seconds = Limits().lease_seconds if lease_seconds is None else Limits(lease_seconds=lease_seconds).lease_seconds
    environment = SystemEnv() if env is None else env
    _warn_elsewhere(real)
    try:
        _require_sqlite(real)
        if not is_known(real):  # what is refused gets no lock file
            _inspect(real, vfs)
        with locked_until_success(real, ownership) as lock:
            # Whatever was seen before the lock may have changed hands since.
            version = _inspect(real, vfs)
            lock.sign()
            if lock.is_alone and os.path.exists(f"{real}-wal"):
                # Its last owner was killed, perhaps behind a failed fsync: nobody was there to do it.
                forget_cached_pages(real)
            if version is None:
                _require_new(real, lock)
                create(real, vfs=vfs, store_id=environment.new_id())
            elif version != SCHEMA_VERSION and lock.is_alone:
                migrate(real, vfs)
            if ownership == "exclusive":
                return SqliteStore(real, _connect(real, level, vfs), lock, may_lose=synchronous == "normal")
            return _join(real, _connect(real, level, vfs), lock, environment, seconds, may_lose=synchronous == "normal")
    except (OSError, apsw.Error) as error:
        raise _error_of_opening(real, error) from error


def _error_of_opening(path: str, error: OSError | apsw.Error) -> StoreError:
    """What the system or SQLite raised, as an error of ours."""
    if isinstance(error, OSError):
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return StoreFullError(path=path, problem="can't be opened: the disk is full; make room")
        if error.errno == errno.EROFS:
            problem = "is on a read-only file system, which is not writable; mount it for writing"
            return StoreError(path=path, problem=problem)
        which = f"{error.filename}: " if error.filename else ""
        problem = f"can't be opened: {which}{error.strerror}; give this user the right to it, or mend the disk"
        return StoreError(path=path, problem=problem)
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return StoreCorruptError(path=path, problem=f"is damaged ({error}); restore it from a backup")
    if isinstance(error, apsw.FullError) or extended_code(error) == apsw.SQLITE_IOERR_SHMSIZE:
        return StoreFullError(path=path, problem="can't be opened: the disk is full; make room")
    return StoreError(path=path, problem=f"can't be opened: {error}")


def _require_new(path: str, lock: StoreLock) -> None:
    if not lock.is_alone:
        raise StoreError(path=path, problem="was deleted while others share it; end them, then restore it")
    if os.path.exists(mark_path(path)):
        problem = f"the database is gone; put it back, or delete {mark_path(path)} to begin anew"
        raise StoreBehindError(path=path, problem=problem)


def _join(
    path: str, connection: apsw.Connection, lock: StoreLock, env: Env, lease_seconds: float, *, may_lose: bool
) -> SqliteStore:
    with closed_on_failure(connection, path):
        wait_for_others(connection)
        if lock.is_alone:
            try:
                lock.share()
            except BlockingIOError as error:
                raise StoreInUseError(path=path, holder="another process") from error
            lock.sign()
        membership = Membership(
            SqliteLeases(typed(connection), lock),
            clock=env.boot_ms,
            boot=boot_of_machine(),
            holder=f"process {os.getpid()}",
            lease_seconds=lease_seconds,
        )
        return SqliteStore(path, connection, lock, membership, may_lose=may_lose)


def _warn_elsewhere(path: str) -> None:
    if PLATFORM != "linux":
        warnings.warn(
            f"{path}: {PLATFORM} is not supported, Linux is: that an acknowledged input survives a crash or power cut,"
            " and that one process alone writes, was not tried here",
            UnsupportedPlatformWarning,
            stacklevel=3,  # whoever called open_sqlite
        )


def _require_sqlite(path: str) -> None:
    have = apsw.sqlite_lib_version()
    if tuple(int(part) for part in have.split(".")) < SQLITE_MIN:
        wanted = ".".join(map(str, SQLITE_MIN))
        raise StoreError(path=path, problem=f"SQLite {have} can corrupt it; install an apsw with {wanted} or newer")


def _inspect(path: str, vfs: str | None) -> int | None:
    """The schema version in the header of the store that is there; None where it may be created.

    Raises:
        StoreError: neither; nothing was touched.
    """
    folder = os.path.dirname(path)
    try:
        is_folder = stat.S_ISDIR(os.stat(folder).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_folder = False
    except PermissionError as error:
        problem = f"its folder {folder} may not be entered by this user; ask for the right to it"
        raise StoreError(path=path, problem=problem) from error
    if not is_folder:
        raise StoreError(path=path, problem=f"there is no folder {folder}; create it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(path=path, problem="its folder is not writable, and SQLite keeps its log there")
    remote = remote_filesystem(path, read_mounts())
    if remote is not None:
        raise StoreError(
            path=path, problem=f"is on a network filesystem ({remote}), where locks don't hold; use a local one"
        )
    try:
        status = os.stat(path)
    except FileNotFoundError:
        if os.path.exists(f"{path}-wal"):
            raise StoreCorruptError(
                path=path, problem="the database is gone and its log is not; restore it, or delete the -wal file"
            ) from None
        return None
    if not stat.S_ISREG(status.st_mode):
        raise NotOurStoreError(path=path, problem="is no file; a store is one")
    if status.st_size == 0:
        raise NotOurStoreError(path=path, problem="is empty, which a store never is; restore it, or delete it")
    if status.st_size < SECTOR_BYTES:  # SQLite would take it for a new database
        raise NotOurStoreError(path=path, problem="is not a database; it was not touched")
    if status.st_nlink != 1:
        raise StoreError(path=path, problem="has several names (hard links), and its lock knows one; remove the others")
    for each in (path, mark_path(path)):
        if not os.access(each, os.R_OK | os.W_OK) and os.path.exists(each):
            raise StoreError(path=path, problem=f"is not readable and writable for this user: {each}")
    return require_ours(path, vfs)


def _connect(path: str, synchronous: int, vfs: str | None) -> apsw.Connection:
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs, statementcachesize=STATEMENTS_CACHED)
    with closed_on_failure(connection, path):
        # Before the first statement: who only looks may be rebuilding the log's index.
        connection.set_busy_timeout(BUSY_MS)
        for setting, value in _SETTINGS:
            if connection.config(setting, value) != value:
                raise StoreError(path=path, problem=f"SQLite does not take its setting {setting} = {value}")
        database = typed(connection)
        require_current(path, database)
        for name, wanted in (*_PRAGMAS, ("synchronous", synchronous)):
            database.execute(f"PRAGMA {name} = {wanted}").fetchall()
            row = database.execute(f"PRAGMA {name}").fetchone()
            if row is None or row[0] != wanted:
                raise StoreError(path=path, problem=f"SQLite keeps {name} at {row}, and {wanted} is needed")
        if connection.readonly("main"):
            raise StoreError(path=path, problem="is read-only")
    return connection
