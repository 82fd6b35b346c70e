"""A VFS over real files that fails on demand: the faults of a disk, without production code that knows of them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

import apsw
from attrs import define

_NUMBERS: Final = count(1)


@define(eq=False)
class Disk:
    """What the disk does before each write and sync; the name is for ``open_sqlite(vfs=...)``."""

    vfs: str
    before_write: Callable[[], None]
    before_sync: Callable[[], None]


def nothing() -> None:
    """A disk in good health."""


def full() -> None:
    """A disk without room."""
    raise apsw.FullError


def failing(code: int) -> Callable[[], None]:
    """A disk that answers with an extended I/O error."""

    def fail() -> None:
        error: Any = apsw.IOError("the test's disk failed")
        error.extendedresult = code
        raise error

    return fail


@contextmanager
def open_disk() -> Generator[Disk]:
    """Register the VFS for as long as the block."""
    disk = Disk(f"faulty-{next(_NUMBERS)}", nothing, nothing)
    vfs = _FaultyVFS(disk)
    try:
        yield disk
    finally:
        vfs.unregister()


class _FaultyVFS(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__(disk.vfs, base="unix")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: ANN401 - APSW's signature
        return _FaultyFile(self._disk, name, flags)


class _FaultyFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:  # noqa: ANN401 - APSW's signature
        self._disk = disk
        super().__init__("unix", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: ANN401 - APSW's signature
        self._disk.before_write()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._disk.before_sync()
        super().xSync(flags)
