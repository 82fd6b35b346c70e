"""What a store does beside SQLite: its modules' ``os``, watched, so that creating a file can be cut and fail, too.

Seen are the calls that make, write, sync, rename or delete a file of the folder by their names in ``os``; what a
module does through ``open`` or ``pathlib`` is not seen.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from meerkat_actors.simulation.disk.device import Disk
from meerkat_actors.simulation.disk.faults import Failure, Operation
from meerkat_actors.simulation.disk.shadow import FolderSynced, Named, Synced, SyncForgot, Truncated, Wrote

WATCHED: Final = "meerkat_actors.store.sqlite"
"""The package whose modules are watched."""

_FOLDER: Final = -1
"""Stands for the folder itself among the numbers of files."""


@contextmanager
def watched(disk: Disk) -> Generator[None, None, None]:
    """Inside of the block the store's own calls go through the disk. Not for two blocks at a time in threads."""
    calls = Calls(disk)
    modules = [
        module
        for name, module in sys.modules.items()
        if name.startswith(f"{WATCHED}.") and getattr(module, "os", None) is not None
    ]
    before = [module.__dict__["os"] for module in modules]
    for module in modules:
        module.__dict__["os"] = calls
    try:
        yield
    finally:
        for module, former in zip(modules, before, strict=True):
            module.__dict__["os"] = former


class Calls:
    """Stands for the module ``os``."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._open: dict[int, int] = {}
        """The files behind the descriptors."""
        self._names: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else ``os`` has
        return getattr(os, name)

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        """As ``os.open``."""
        name = self._seen(path)
        if name is not None:
            self._allows(Operation.OPEN, name)
        descriptor = os.open(path, flags, mode)
        shadow = self._disk.shadow
        if path == str(self._disk.folder):
            self._open[descriptor], self._names[descriptor] = _FOLDER, "."
        elif name is not None:
            if name not in shadow.names:
                self._disk.happened(Named(((name, shadow.new_file()),)))
            self._open[descriptor], self._names[descriptor] = shadow.names[name], name
            if flags & os.O_TRUNC:
                self._disk.happened(Truncated(shadow.names[name], 0))
        return descriptor

    def close(self, descriptor: int) -> None:
        """As ``os.close``."""
        os.close(descriptor)
        self._open.pop(descriptor, None)
        self._names.pop(descriptor, None)

    def write(self, descriptor: int, data: bytes) -> int:
        """As ``os.write``."""
        return self.pwrite(descriptor, data, os.lseek(descriptor, 0, os.SEEK_CUR), moves=True)

    def pwrite(self, descriptor: int, data: bytes, offset: int, *, moves: bool = False) -> int:
        """As ``os.pwrite``."""
        file = self._open.get(descriptor)
        if file is not None and not self._allows(Operation.WRITE, self._names[descriptor]):
            return len(data)
        count = os.pwrite(descriptor, data, offset)
        if moves:
            os.lseek(descriptor, offset + count, os.SEEK_SET)
        if file is not None:
            self._disk.happened(Wrote(file, offset, bytes(data[:count])))
        return count

    def ftruncate(self, descriptor: int, length: int) -> None:
        """As ``os.ftruncate``."""
        file = self._open.get(descriptor)
        if file is not None and not self._allows(Operation.TRUNCATE, self._names[descriptor]):
            return
        os.ftruncate(descriptor, length)
        if file is not None:
            self._disk.happened(Truncated(file, length))

    def fsync(self, descriptor: int) -> None:
        """As ``os.fsync``."""
        file = self._open.get(descriptor)
        if file is None:
            os.fsync(descriptor)
            return
        failure = self._disk.ask(Operation.SYNC, self._names[descriptor])
        if failure is None:
            os.fsync(descriptor)
            self._disk.happened(FolderSynced() if file == _FOLDER else Synced(file))
        elif failure is Failure.FORGETTING and file != _FOLDER:
            self._disk.happened(SyncForgot(file, 0))
        _fail(failure)

    fdatasync = fsync

    def rename(self, source: str, target: str) -> None:
        """As ``os.rename``."""
        name, new_name = self._seen(source), self._seen(target)
        if name is None or new_name is None:
            os.rename(source, target)
            return
        if self._allows(Operation.RENAME, name):
            os.rename(source, target)
            self._disk.happened(Named(((name, None), (new_name, self._disk.shadow.names[name]))))

    replace = rename

    def unlink(self, path: str) -> None:
        """As ``os.unlink``."""
        name = self._seen(path)
        if name is None or not os.path.lexists(path):
            os.unlink(path)
            return
        if self._allows(Operation.DELETE, name):
            os.unlink(path)
            self._disk.happened(Named(((name, None),)))

    remove = unlink

    def posix_fadvise(self, descriptor: int, offset: int, length: int, advice: int) -> None:
        """As ``os.posix_fadvise``: what only the page cache has of the file goes, if that is asked for."""
        os.posix_fadvise(descriptor, offset, length, advice)
        if advice == os.POSIX_FADV_DONTNEED and descriptor in self._names:
            self._disk.uncache(self._names[descriptor])

    def _seen(self, path: str) -> str | None:
        return self._disk.sees(os.fspath(path))

    def _allows(self, operation: Operation, name: str) -> bool:
        """Whether to do it; False where the disk lies."""
        failure = self._disk.ask(operation, name)
        _fail(failure)
        return failure is None


def _fail(failure: Failure | None) -> None:
    if failure is not None and failure is not Failure.LIE:
        code = errno.ENOSPC if failure is Failure.FULL else errno.EIO
        raise OSError(code, f"{os.strerror(code)} (the disk fails: {failure})")
