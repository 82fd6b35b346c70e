"""One process per store: an advisory lock that the kernel releases on death, however it comes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from meerkat_actors.errors import StoreInUseError

PROCESSES: Final = "/proc"


class StoreLock:
    """Held from opening to closing. Its file stays: to delete it would let two openers lock two files."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def sign(self) -> None:
        """Say who holds it, for the next one who asks."""
        assert self._descriptor is not None
        note = f"{os.getpid()} {_own_start()}\n".encode()
        os.pwrite(self._descriptor, note, 0)
        os.ftruncate(self._descriptor, len(note))

    def release(self) -> None:
        """Let the next opener in. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_known(path: str) -> bool:
    """Whether the store at ``path`` was ever locked, so that locking it makes no new file."""
    return os.path.lexists(f"{path}.lock")


@contextmanager
def locked_until_success(path: str) -> Generator[StoreLock, None, None]:
    """Lock the store at ``path``; leaving the block by an exception releases it, otherwise it stays held.

    Raises:
        StoreInUseError: another opener holds it; the error names its process.
    """
    lock = _acquire(path)
    try:
        yield lock
    except BaseException:
        lock.release()
        raise


def _acquire(path: str) -> StoreLock:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(f"{path}.lock", flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = _holder(descriptor)
        os.close(descriptor)
        raise StoreInUseError(path=path, holder=holder) from error
    except BaseException:
        os.close(descriptor)
        raise
    return StoreLock(descriptor)


def _holder(descriptor: int) -> str:
    # Between its lock and its signature a holder has no name yet.
    words = os.pread(descriptor, 64, 0).decode("ascii", "replace").split()
    if len(words) != 2 or not words[0].isdecimal():
        return "another process"
    try:
        lives = _process_start(words[0]) == words[1]
    except OSError:
        lives = False
    # A fork shares its parent's lock, and keeps it: its copy of our files must not meet another owner's.
    unseen = f"process {words[0]}, which can't be seen from here, or a process that was forked from it"
    return f"process {words[0]}" if lives else unseen


def _own_start() -> str:
    try:
        return _process_start("self")
    except OSError:  # a system without it; such a holder is named, and never recognised
        return "0"


def _process_start(pid: str) -> str:
    # Field 22 of proc_pid_stat(5): a pid alone is reused.
    with open(f"{PROCESSES}/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[19].decode("ascii")
