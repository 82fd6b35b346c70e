"""A disk whose fsync takes as long as we say: everything else is SQLite's own unix file system."""

from __future__ import annotations

import time
from typing import Final

import apsw

SLOW_DISK: Final = "meerkat-slow-disk"
"""The name to open a store with, once ``register_slow_disk`` was called."""


class _SlowFile(apsw.VFSFile):
    def __init__(self, filename: apsw.URIFilename | str | None, flags: list[int], sync_seconds: float) -> None:
        super().__init__("unix", filename, flags)
        self._sync_seconds = sync_seconds

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        time.sleep(self._sync_seconds)  # gives up the GIL, as a real fsync does


class SlowDisk(apsw.VFS):
    """Registered for as long as it is referenced."""

    def __init__(self, sync_seconds: float) -> None:
        super().__init__(SLOW_DISK, "unix")
        self._sync_seconds = sync_seconds

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:
        return _SlowFile(name, flags, self._sync_seconds)


def register_slow_disk(sync_seconds: float) -> SlowDisk:
    """Make ``SLOW_DISK`` a file system of this process; keep the result until every store on it is closed.

    Unlike a real disk it enters Python at every read and write, so it costs the writer thread a few turns of the GIL
    more: what a busy host keeps beside it is, if anything, understated.
    """
    return SlowDisk(sync_seconds)
