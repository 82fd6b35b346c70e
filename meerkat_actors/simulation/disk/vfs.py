"""SQLite's way to the disk: a VFS over ``unix``, which does the work; locks and shared memory go past us."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

import apsw

from meerkat_actors.simulation.disk.faults import Failure, Operation
from meerkat_actors.simulation.disk.shadow import (
    Event,
    FolderSynced,
    Named,
    Shadow,
    Synced,
    SyncForgot,
    Truncated,
    Wrote,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer  # Python 3.12 has it in collections.abc

_BASE: Final = "unix"
_LOGS: Final = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL

_CODES: Final[Mapping[Operation, int]] = MappingProxyType(
    {
        Operation.READ: apsw.SQLITE_IOERR_READ,
        Operation.WRITE: apsw.SQLITE_IOERR_WRITE,
        Operation.TRUNCATE: apsw.SQLITE_IOERR_TRUNCATE,
        Operation.SYNC: apsw.SQLITE_IOERR_FSYNC,
        Operation.DELETE: apsw.SQLITE_IOERR_DELETE,
    }
)


class Watcher(Protocol):
    """Who is asked before each operation, and told after it."""

    name: str
    shadow: Shadow

    def sees(self, path: str) -> str | None: ...

    def ask(self, operation: Operation, name: str) -> Failure | None: ...

    def happened(self, event: Event) -> None: ...

    def part_of(self, size: int) -> int: ...


class DiskVfs(apsw.VFS):
    """Registered under its disk's name until it is unregistered."""

    def __init__(self, disk: Watcher) -> None:
        self._disk = disk
        super().__init__(disk.name, _BASE)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        seen = None if path is None else self._disk.sees(path)
        if seen is None:
            return apsw.VFSFile(_BASE, name, flags)
        if self._disk.ask(Operation.OPEN, seen) is not None:
            problem = f"the disk fails to open {seen}"
            raise apsw.CantOpenError(problem)
        return _File(self._disk, seen, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        seen = self._disk.sees(filename)
        failure = None if seen is None else self._disk.ask(Operation.DELETE, seen)
        if seen is not None and failure not in {None, Failure.CUT}:
            _fail(Operation.DELETE, seen, failure)
            return
        super().xDelete(filename, syncdir)
        if seen is not None:
            self._disk.happened(Named(((seen, None),)))
            if failure is Failure.CUT:
                _fail(Operation.DELETE, seen, failure)
            elif syncdir:
                self._disk.happened(FolderSynced())


class _File(apsw.VFSFile):
    def __init__(self, disk: Watcher, seen: str, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(_BASE, name, flags)
        self._disk = disk
        self._name = seen
        # With the first sync of a log that it made or may have made, the unix VFS syncs the folder.
        self._syncs_folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _LOGS)
        if seen not in disk.shadow.names:
            disk.happened(Named(((seen, disk.shadow.new_file()),)))
        self._file = disk.shadow.names[seen]

    def xRead(self, amount: int, offset: int) -> bytes:
        failure = self._disk.ask(Operation.READ, self._name)
        if failure is not None:
            _fail(Operation.READ, self._name, failure)
        return super().xRead(amount, offset)

    def xWrite(self, data: Buffer, offset: int) -> None:
        failure = self._disk.ask(Operation.WRITE, self._name)
        written = bytes(data)
        if failure is Failure.ERROR:
            written = b""
        elif failure in {Failure.SHORT, Failure.FULL}:
            written = written[: self._disk.part_of(len(written))]
        if written:
            super().xWrite(written, offset)
            self._disk.happened(Wrote(self._file, offset, written))
        if failure is not None:
            _fail(Operation.WRITE, self._name, failure)

    def xTruncate(self, newsize: int) -> None:
        failure = self._disk.ask(Operation.TRUNCATE, self._name)
        if failure in {None, Failure.CUT}:
            super().xTruncate(newsize)
            self._disk.happened(Truncated(self._file, newsize))
        if failure is not None:
            _fail(Operation.TRUNCATE, self._name, failure)

    def xSync(self, flags: int) -> None:
        failure = self._disk.ask(Operation.SYNC, self._name)
        if failure is None:
            super().xSync(flags)
            self._disk.happened(Synced(self._file))
            if self._syncs_folder:
                self._disk.happened(FolderSynced())
                self._syncs_folder = False
            return
        if failure is Failure.FORGETTING:
            changes = self._disk.shadow.contents[self._file].changes
            self._disk.happened(SyncForgot(self._file, self._disk.part_of(len(changes) + 1)))
        _fail(Operation.SYNC, self._name, failure)


def _fail(operation: Operation, name: str, failure: Failure | None) -> None:
    """Raise what SQLite gets to know; nothing where the disk lies."""
    if failure is Failure.LIE:
        return
    problem = f"the disk fails ({failure}) at a {operation} of {name}"
    if failure is Failure.FULL:
        raise apsw.FullError(problem)
    error = apsw.IOError(problem)
    error.extendedresult = _CODES[operation]  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue] - APSW reads it
    raise error
