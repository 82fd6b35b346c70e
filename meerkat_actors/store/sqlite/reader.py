"""Look into a store without owning it: nothing is locked against its owner, no file of its is written.

A database in WAL mode is read together with its log (https://sqlite.org/wal.html, "Read-Only Databases"):

* a log lies beside it, because somebody owns it or was killed: ``mode=ro``, which sees every commit
  SQLite itself keeps the log's index (``-shm``) for all who look, and makes it anew after a kill
* no log: ``immutable=1``, because ``mode=ro`` would make an empty log and leave it there. What was read is
  believed only if there is still no log and the file is still the same; otherwise it is read again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, TypeVar
from urllib.parse import quote

import apsw
from attrs import frozen

from meerkat_actors.errors import (
    NotOurStoreError,
    StoreCorruptError,
    StoreError,
    StoreFailedError,
    StoreFullError,
    StoreSchemaError,
    UnknownIdentityError,
    UsageError,
)
from meerkat_actors.records.activation import IdentityRow
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.ids import AgentIdentity, Generation, InputId
from meerkat_actors.records.inputs import InputRow, Letterhead
from meerkat_actors.records.stored_events import EventBounds, StoredEvent
from meerkat_actors.records.timers import Timer
from meerkat_actors.store.legible import legible
from meerkat_actors.store.sqlite import agenda_reading, reading, surveying
from meerkat_actors.store.sqlite.filesystem import read_mounts, remote_filesystem
from meerkat_actors.store.sqlite.header import real_path, require_ours
from meerkat_actors.store.sqlite.marking import Progress
from meerkat_actors.store.sqlite.objects import require_current
from meerkat_actors.store.sqlite.rows import Database, extended_code, typed
from meerkat_actors.store.sqlite.surveying import Survey

R = TypeVar("R")

_FLAGS: Final = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
_BUSY_MS: Final = 1_000
"""The owner keeps everybody out for moments only: while it begins, and while it ends."""
_SECTOR_BYTES: Final = 512
_TRIES: Final = 8
"""How often the file may change hands under one read."""


@frozen
class _Sight:
    """What tells whether a file that nobody wrote to is still that file."""

    has_log: bool
    inode: int
    size: int
    changed_ns: int


class StoreReader:
    """The reads of one database file. Made by ``open_reader``; for one thread at a time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: apsw.Connection | None = None
        self._sight: _Sight | None = None
        self._is_ours = False
        self._is_closed = False

    @property
    def location(self) -> str:
        """The real path of the file."""
        return self._path

    def close(self) -> None:
        """Release everything. Idempotent."""
        self._is_closed = True
        self._disconnect()

    def require_readable(self) -> None:
        """Look once; what ``open_reader`` raises comes from here."""
        progress = Progress(self._path, may_lose=False)
        mark = None
        with suppress(OSError):  # who may read the store, but not its mark, is not told
            mark = progress.seen()  # before the store: a live owner writes it behind each commit
        here = self._read(surveying.read_mark)
        progress.refuse_behind(mark, here)

    def find_input(self, identity: AgentIdentity, input_id: InputId) -> InputRow | None:
        """See ``Store.find_input``."""
        return self._read(lambda database: reading.read_input(database, identity, input_id))

    def page_inputs(
        self, identity: AgentIdentity, *, after: int | None, limit: int, newest_first: bool
    ) -> tuple[InputRow, ...]:
        """See ``Store.page_inputs``."""
        return self._read(
            lambda database: reading.read_inputs(database, identity, after, limit, newest_first=newest_first)
        )

    def page_letters(self, identity: AgentIdentity | None, *, after: int, limit: int) -> tuple[Letterhead, ...]:
        """See ``Store.page_letters``."""
        return self._read(lambda database: reading.read_letters(database, identity, after, limit))

    def page_turns(self, identity: AgentIdentity, *, before: int | None, limit: int) -> tuple[TurnRow, ...]:
        """See ``Store.page_turns``."""
        return self._read(lambda database: reading.read_turns(database, identity, before, limit))

    def page_events(self, *, after: int, limit: int) -> tuple[StoredEvent, ...]:
        """See ``Store.page_events``."""
        return self._read(lambda database: reading.read_events(database, after, limit))

    def event_bounds(self) -> EventBounds:
        """See ``Store.event_bounds``."""
        return self._read(reading.read_event_bounds)

    def page_timers(self, identity: AgentIdentity, *, after: str | None, limit: int) -> tuple[Timer, ...]:
        """See ``Store.page_timers``."""
        return self._read(lambda database: agenda_reading.read_timers(database, identity, after, limit))

    def page_identities(self, *, after: AgentIdentity | None, limit: int) -> tuple[IdentityRow, ...]:
        """See ``Store.page_identities``."""
        return self._read(lambda database: reading.read_identities(database, after, limit))

    def latest_inputs(self, *, limit: int) -> tuple[tuple[AgentIdentity, InputRow], ...]:
        """The newest inputs of the whole store, each with whose it is; mail that nobody took yet included."""
        return self._read(lambda database: surveying.read_latest_inputs(database, limit))

    def survey(self) -> Survey:
        """The store in numbers, at a cost that does not grow with it."""
        return self._read(surveying.read_survey)

    def require_identity(self, identity: AgentIdentity) -> Generation:
        """The generation of an identity that exists.

        Raises:
            UnknownIdentityError: it was never created here, or it was deleted.
        """
        generation = self._read(lambda database: surveying.read_generation(database, identity))
        if generation is None:
            raise UnknownIdentityError(identity=identity)
        return generation

    def _read(self, read: Callable[[Database], R]) -> R:
        if self._is_closed:
            raise UsageError(problem=f"{self._path}: this reader is closed; open another")
        for _ in range(_TRIES):
            with _mapped(self._path):
                database = typed(self._connected())
                try:
                    if not self._is_ours:
                        require_current(self._path, database)
                        self._is_ours = True
                    result = legible(self._path, partial(read, database))
                except (apsw.Error, StoreCorruptError, StoreSchemaError):
                    if self._is_in_place():
                        raise
                else:
                    if self._is_in_place():
                        return result
            self._disconnect()
        raise StoreFailedError(path=self._path, problem="changes hands faster than it can be read; try again")

    def _connected(self) -> apsw.Connection:
        if self._connection is None:
            _require_readable(self._path)
            self._sight = _look(self._path)
            self._connection = _connect(self._path, has_log=self._sight.has_log)
            self._is_ours = False
        return self._connection

    def _is_in_place(self) -> bool:
        """Whether what was read since connecting was one consistent file."""
        assert self._sight is not None
        now = _look(self._path)
        # With a log SQLite takes care of it, as long as the name still stands for the same file.
        return now.inode == self._sight.inode if self._sight.has_log else now == self._sight

    def _disconnect(self) -> None:
        connection, self._connection, self._sight = self._connection, None, None
        if connection is not None:
            connection.close()


def open_reader(path: str | os.PathLike[str]) -> StoreReader:
    """Read the store in the file at ``path``, whoever owns it; the file is not changed.

    Raises:
        UsageError: ``path`` is no path.
        NotOurStoreError: the file is something else, or empty.
        StoreSchemaError: another version wrote it; one that can be migrated is not, by who only looks.
        StoreCorruptError: it is damaged, or holds tables, indexes, triggers or views that are not ours.
        StoreBehindError: it is older than the mark beside it.
        StoreError: there is none, or it can't be read.
    """
    reader = StoreReader(real_path(path))
    try:
        reader.require_readable()
    except BaseException:
        reader.close()
        raise
    return reader


def _look(path: str) -> _Sight:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return _Sight(has_log=False, inode=0, size=0, changed_ns=0)
    return _Sight(
        has_log=os.path.exists(f"{path}-wal"),
        inode=status.st_ino,
        size=status.st_size,
        changed_ns=status.st_mtime_ns,
    )


def _require_readable(path: str) -> None:
    """Refuse what opening would refuse, as far as it matters to who only reads."""
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise StoreError(path=path, problem="there is no such file; name a database of this library") from error
    if not stat.S_ISREG(status.st_mode):
        raise NotOurStoreError(path=path, problem="is no file; a store is one")
    if not os.access(path, os.R_OK):
        raise StoreError(path=path, problem="is not readable for this user")
    if status.st_size < _SECTOR_BYTES:
        raise NotOurStoreError(path=path, problem="is not a database")
    remote = remote_filesystem(path, read_mounts())
    if remote is not None:
        raise StoreError(
            path=path, problem=f"is on a network filesystem ({remote}), where locks don't hold; use a local one"
        )
    require_ours(path)


def _connect(path: str, *, has_log: bool) -> apsw.Connection:
    mode = "mode=ro" if has_log else "immutable=1"
    connection = apsw.Connection(f"file:{quote(path)}?{mode}", flags=_FLAGS)
    try:
        connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        connection.pragma("trusted_schema", 0)
        connection.pragma("cell_size_check", 1)
        connection.set_busy_timeout(_BUSY_MS)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _mapped(path: str) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        problem = f"can't be read: {error.filename}: {error.strerror}; ask for the right to it and its folder"
        raise StoreError(path=path, problem=problem) from error
    except (apsw.CantOpenError, apsw.ReadOnlyError) as error:
        problem = (
            "has a log beside it that can't be read without the right to write in its folder;"
            " copy the database and its -wal file to a folder of yours, and look there"
        )
        raise StoreError(path=path, problem=problem) from error
    except apsw.BusyError as error:
        raise StoreFailedError(path=path, problem="is kept busy by another process; try again") from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise StoreCorruptError(path=path, problem=f"is damaged: {error}; restore it from a backup") from error
    except apsw.Error as error:
        if isinstance(error, apsw.FullError) or extended_code(error) == apsw.SQLITE_IOERR_SHMSIZE:
            raise StoreFullError(path=path, problem="can't be read: the disk is full; make room") from error
        raise StoreFailedError(path=path, problem=f"SQLite can't read it: {error}") from error
