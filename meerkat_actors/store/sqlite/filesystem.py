"""Which filesystem a path is on: over a network, locks and shared memory are not what SQLite needs."""

from __future__ import annotations

import os
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
