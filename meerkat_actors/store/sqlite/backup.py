"""Copy a store to a new file, whoever serves it meanwhile: one moment of it, looked at, and fenced off from it.

The pages are copied by SQLite's backup API within one read transaction of a connection of its own: its owner's
commits go on beside it. For as long as that takes the owner's log can't begin anew. ``VACUUM INTO`` took 1.7 to
2 times as long on 100 MB under load, and keeps the log as much longer; the room it saves an owner uses again.
Everything after the copying concerns the copy alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from typing import Final

import apsw

from meerkat_actors.errors import InvalidValueError, StoreCorruptError, StoreError, StoreFullError
from meerkat_actors.records.backups import BackupCheck, BackupReport
from meerkat_actors.store.sqlite import queries, statements
from meerkat_actors.store.sqlite.backup_fencing import fence
from meerkat_actors.store.sqlite.backup_target import mark_at, require_free, require_same_store, unfinished
from meerkat_actors.store.sqlite.examining import examine
from meerkat_actors.store.sqlite.examining_file import examine_pages
from meerkat_actors.store.sqlite.examining_findings import Check, Findings
from meerkat_actors.store.sqlite.header import real_path
from meerkat_actors.store.sqlite.marking import Mark
from meerkat_actors.store.sqlite.reader import StoreReader
from meerkat_actors.store.sqlite.rows import Database, extended_code, first_value, typed
from meerkat_actors.store.sqlite.schema import PAGE_BYTES
from meerkat_actors.store.sqlite.surveying import owners_of, read_store_id

Watch = Callable[[str, int, int], None]
"""Told between steps what is done, how much of it, and of how much, where known. What it raises ends the backup."""

PAGES_PER_STEP: Final = 4096
"""16 MiB: some tens of milliseconds. Larger steps copied no faster."""

_DAMAGE: Final = frozenset({Check.FILE, Check.INTEGRITY, Check.REFERENCES, Check.META})
"""What makes a copy worth nothing. Anything else is one agent's, and the others are worth a backup."""
_OF_TARGET: Final = frozenset(
    {
        apsw.SQLITE_IOERR_WRITE,
        apsw.SQLITE_IOERR_FSYNC,
        apsw.SQLITE_IOERR_TRUNCATE,
        apsw.SQLITE_IOERR_FSTAT,
        apsw.SQLITE_IOERR_DELETE,
    }
)
"""I/O errors of who writes; the store is only read."""

_COUNT_IDENTITIES: Final = """
SELECT count(*) FROM head WHERE tombstone = 0
"""

_COUNT_TURNS: Final = """
SELECT count(*) FROM turn
"""


def back_up(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    check: BackupCheck = "rows",
    watch: Watch | None = None,
) -> BackupReport:
    """Copy the store at ``source`` to a new file at ``target``; the store is only read, and may be served meanwhile.

    The copy begins a new epoch, and every fencing token in it is higher: who owned the store, or wrote to it through
    a facade, is refused by the copy. Nobody owns it, and opening it charges no run with an interruption, unless the
    store had crashed and nobody had opened it since.
    It gets its name when it is whole, looked at and synced. Where a mark lies at ``target`` from a store that was
    there before, the epoch is beyond that one's, too: so a backup is restored by backing it up to where it belongs.

    Raises:
        UsageError: no path, or no such ``check``.
        StoreInUseError: another backup to ``target`` is at work.
        NotOurStoreError: ``source`` is something else.
        StoreSchemaError: another version wrote it.
        StoreCorruptError: it is damaged, and so would be the copy.
        StoreFullError: there is no room at ``target``.
        StoreError: ``source`` can't be read, or ``target`` is taken or can't be written.
            After each of them nothing new is at ``target``.
    """
    if check not in {"pages", "rows"}:
        raise InvalidValueError(problem=f"check={check!r}: use 'pages' or 'rows'")
    began = time.perf_counter()
    here, there = real_path(source), real_path(target)
    require_free(here, there)
    teller = _Teller(watch)
    with closing(_Copier(here)) as copier:
        mark = mark_at(there)
        require_same_store(there, mark, copier.store_id())
        try:
            with unfinished(here, there) as path:
                return copier.make(path, there, mark, check, teller, began)
        except StoreError as error:
            if teller.error is None:
                raise
            raise teller.error from error


class _Teller:
    """Tells the watch, and remembers what that raised: in the midst of a reading it would pass for a rotten row."""

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch
        self.error: Exception | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        if self._watch is not None:
            try:
                self._watch(what, done, total)
            except Exception as error:
                self.error = error
                raise


class _Copier(StoreReader):
    def store_id(self) -> str:
        return self._read(read_store_id)

    def make(
        self, path: str, target: str, mark: Mark | None, check: BackupCheck, watch: Watch, began: float
    ) -> BackupReport:
        self._read(lambda _: self._copy(path, target, watch))
        epoch_min = 0 if mark is None else mark.epoch
        try:
            with closing(_writable(path)) as connection:
                watch("fences", 0, 0)
                unfenced = fence(
                    self.location, connection, epoch_min=epoch_min, is_served=bool(owners_of(self.location))
                )
                watch("pages", 0, 0)
                findings = _check_pages(self.location, typed(connection)) if check == "pages" else 0
                facts = _facts(typed(connection))
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise _damage(self.location, str(error)) from error
        except apsw.Error as error:
            raise _failure(target, error) from error
        if check == "rows":
            findings = _check_rows(self.location, path, watch)
        store_id, epoch, incarnation, last_sequence, identities, turns = facts
        return BackupReport(
            path=target,
            size_bytes=os.path.getsize(path),
            seconds=time.perf_counter() - began,
            store_id=store_id,
            epoch=epoch,
            incarnation=incarnation,
            last_sequence=last_sequence,
            identities=identities,
            turns=turns,
            unfenced=unfenced,
            findings=findings,
        )

    def _copy(self, path: str, target: str, watch: Watch) -> None:
        source = self._connected()
        database = typed(source)
        database.execute(statements.BEGIN)
        try:
            # The transaction begins with its first read: from here on it is one moment of the store.
            database.execute(queries.READ_META).fetchall()
            with closing(_writable(path)) as connection:
                _copy_pages(source, connection, target, watch)
        finally:
            if database.in_transaction:  # an error may have ended it
                database.execute(statements.ROLLBACK)


def _copy_pages(source: apsw.Connection, connection: apsw.Connection, target: str, watch: Watch) -> None:
    watch("copy", 0, 0)
    backup = connection.backup("main", source, "main")
    try:
        while not backup.done:
            try:
                backup.step(PAGES_PER_STEP)
            except (apsw.FullError, apsw.IOError) as error:
                if isinstance(error, apsw.FullError) or extended_code(error) in _OF_TARGET:
                    raise _failure(target, error) from error
                raise
            total = backup.page_count
            watch("copy", PAGE_BYTES * (total - backup.remaining), PAGE_BYTES * total)
    finally:
        backup.close(True)


def _writable(path: str) -> apsw.Connection:
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    # Not defensive, which forbids to go without a journal. It is synced once, before it gets its name.
    for pragma in ("synchronous = off", "trusted_schema = off", "cell_size_check = on"):
        typed(connection).execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _check_pages(source: str, database: Database) -> int:
    found = Findings()
    examine_pages(database, found)
    if found.number:
        raise _damage(source, found.kept[0].detail)
    return 0


def _check_rows(source: str, path: str, watch: Watch) -> int:
    found = examine(path, watch=lambda what, rows: watch(what, rows, 0))
    for finding in found.findings:
        if finding.check in _DAMAGE:
            raise _damage(source, finding.detail)
    return found.number


def _damage(source: str, detail: str) -> StoreCorruptError:
    problem = f"no backup was made, because a copy of it is damaged: {detail}; look with meerkat-actors doctor"
    return StoreCorruptError(path=source, problem=problem)


def _facts(database: Database) -> tuple[str, int, int, int, int, int]:
    meta = database.execute(queries.READ_META).fetchone()
    assert meta is not None, "it was fenced"
    store_id, incarnation, _, sequence, epoch = meta
    identities = int(first_value(database.execute(_COUNT_IDENTITIES)) or 0)
    turns = int(first_value(database.execute(_COUNT_TURNS)) or 0)
    return store_id, epoch, incarnation, sequence, identities, turns


def _failure(target: str, error: apsw.Error) -> StoreError:
    if isinstance(error, apsw.FullError):
        return StoreFullError(path=target, problem="the disk is full; make room, or name another target")
    return StoreError(path=target, problem=f"can't be written: {error}")
