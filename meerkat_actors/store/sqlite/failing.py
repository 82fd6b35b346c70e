"""What an error of SQLite's means for a store that serves.

======================  =========================  ===========================================
error                   what is known              what its owner may do
======================  =========================  ===========================================
disk full               rolled back                go on, in place
write lock not got      nothing was written        reopen, once
write, read, memory     outcome unknown            reopen, once, and read
failed fsync            the disk lost something    end: what is read now may never be there
damage, moved files     the file is not whole      end, and restore
======================  =========================  ===========================================

After a failed fsync Linux marks the pages clean: the next process reads a transaction as committed that a
power cut takes away (reliability.md, P12).
"""

from __future__ import annotations

from typing import Final

import apsw

from meerkat_actors.errors import (
    StoreCorruptError,
    StoreError,
    StoreFailedError,
    StoreFullError,
    StoreInterruptedError,
)
from meerkat_actors.store.sqlite.rows import extended_code

_LOST: Final = frozenset(
    {apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC, apsw.SQLITE_IOERR_DATA, apsw.SQLITE_IOERR_CORRUPTFS}
)
"""What the disk says it has lost, or never had."""


def failure_of(path: str, error: apsw.Error | OSError) -> StoreError:
    """The error of ours that says what to do. All but a full disk end the connection."""
    if isinstance(error, OSError):
        which = f"{error.filename}: " if error.filename else ""
        problem = f"a file of it can't be used: {which}{error.strerror}; mend that and reopen"
        return StoreFailedError(path=path, problem=problem)
    if isinstance(error, apsw.FullError):
        problem = "the disk is full; nothing that was acknowledged is lost, make room and try again"
        return StoreFullError(path=path, problem=problem)
    if isinstance(error, apsw.BusyError):
        problem = "another process holds the write lock (a sqlite3 tool, perhaps); end it and reopen"
        return StoreInterruptedError(path=path, problem=problem)
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return StoreCorruptError(path=path, problem=f"is damaged: {error}; restore it from a backup")
    if extended_code(error) in _LOST:
        problem = f"the disk failed: {error}; what was not acknowledged may be lost, mend the disk and reopen"
        return StoreFailedError(path=path, problem=problem)
    if extended_code(error) == apsw.SQLITE_IOERR_SHORT_READ:
        problem = f"its log ({path}-wal) was cut or deleted under those who have it open; end them all, then restore it"
        return StoreFailedError(path=path, problem=problem)
    problem = f"SQLite failed: {error}; whether the last commits are durable is unknown, reopen it to learn"
    if isinstance(error, apsw.IOError | apsw.NoMemError):
        return StoreInterruptedError(path=path, problem=problem)
    return StoreFailedError(path=path, problem=problem)
