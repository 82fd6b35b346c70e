"""Which filesystem a path is on: over a network, locks and shared memory are not what SQLite needs."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

MOUNTS_FILE: Final = "/proc/self/mountinfo"

_REMOTE: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.glusterfs"}
)


def remote_filesystem(path: str, mounts: str) -> str | None:
    """The kind of network filesystem that an absolute path is on; None for any other.

    ``mounts`` is the text of ``/proc/self/mountinfo``, proc_pid_mountinfo(5).
    """
    found = ("", "")
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        if not separator:
            continue
        # Blanks in a mount point are written as \040.
        point = before.split()[4].replace("\\040", " ")
        # A later mount hides an earlier one of the same point.
        if _is_below(path, point) and len(point) >= len(found[0]):
            found = (point, after.split()[0])
    return found[1] if found[1] in _REMOTE else None


def read_mounts() -> str:
    """The mounts of this process; empty where there is no ``/proc``."""
    try:
        with open(MOUNTS_FILE, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _is_below(path: str, point: str) -> bool:
    return point == "/" or path == point or path.startswith(point + os.sep)


def forget_cached_pages(path: str) -> None:
    """Let the next reader of a database and its log read the disk, and not what the kernel remembers of them.

    After a failed fsync the two differ: Linux marks the pages clean, so a new process reads what a power cut takes
    away (reliability.md, P12). Only clean pages are dropped. Nobody may be connected for writing.
    """
    for each in (path, f"{path}-wal"):
        with suppress(OSError):
            descriptor = os.open(each, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def sync_path(path: str) -> None:
    """Sync a file, or a folder's names."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
