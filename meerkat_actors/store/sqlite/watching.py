"""Whether the files of an open store are still the ones that were opened.

A deleted or replaced file takes writes without complaint, and so does a deleted log, whose commits die with
this process; a deleted lock file lets a second owner in. Asked before each batch is acknowledged, so it has to
be cheap: whatever is deleted, renamed or put in a folder changes the folder's time.
"""

from __future__ import annotations

import ctypes
import os
import time
from typing import Final

import apsw

_SETTLED_NS: Final = 2_000_000_000
"""A folder whose time is younger may change again without a new time: the coarsest clocks of file systems tick in
whole seconds."""


class Watch:
    """The files of one open store."""

    def __init__(self, path: str, connection: apsw.Connection) -> None:
        self._path = path
        self._connection = connection
        self._moved = ctypes.c_int(0)
        self._moved_address = ctypes.addressof(self._moved)
        self._folder = os.path.dirname(path)
        self._folder_time = 0
        self._size = 0
        self._inodes: dict[str, int] = {}

    def note(self) -> None:
        """Remember what is there. After the first write, which makes the log."""
        for suffix in ("", "-wal", "-shm", ".lock"):
            self._inodes[suffix] = os.stat(self._path + suffix).st_ino
        self._size = os.stat(self._path).st_size

    def problem(self) -> str | None:
        """What is not as it was, if anything isn't."""
        # 1.4 us, and 1.8 more for the folder.
        self._moved.value = 0
        self._connection.file_control("main", apsw.SQLITE_FCNTL_HAS_MOVED, self._moved_address)
        if self._moved.value:
            return "the file was deleted or replaced while it was open"
        try:
            changed = os.stat(self._folder).st_mtime_ns
        except OSError:
            return "its folder is gone"
        if changed == self._folder_time and time.time_ns() - changed > _SETTLED_NS:
            return None
        problem = self._missing()
        self._folder_time = changed
        return problem

    def shrunk(self) -> str | None:
        """Whether somebody cut the database; to be asked now and then."""
        try:
            size = os.stat(self._path).st_size
        except OSError:
            return "the file was deleted while it was open"
        before, self._size = self._size, size
        return "the file was cut while it was open" if size < before else None

    def _missing(self) -> str | None:
        for suffix, inode in self._inodes.items():
            name = f"the {suffix} file" if suffix else "the file"
            try:
                is_same = os.stat(self._path + suffix).st_ino == inode
            except OSError:
                is_same = False
            if not is_same:
                return f"{name} was deleted or replaced while it was open"
        return None
