"""Who may open a store: advisory locks that the kernel releases on death, however it comes.

One file beside the store, with two kinds of locks on it. ``flock`` of the whole file: exclusive for the
one process of an exclusive store, and for whoever makes or migrates one; shared for those that share it.
And for each owner that shares, one byte at its number, locked as an open file description (F_OFD_SETLK):
unlike POSIX record locks these don't vanish when some other descriptor of the file is closed.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

import apsw

from meerkat_actors.errors import StoreError, StoreInUseError
from meerkat_actors.records.leases import Ownership

PROCESSES: Final = "/proc"

SHARED: Final = "shared"
_WAIT_MS: Final = 10
_WAITS: Final = 100
"""For a second in all: whoever makes or migrates the store has it for milliseconds."""
_FLOCK: Final = "hhqqi4x"
"""``struct flock`` of fcntl(2): type, whence, start, length, pid."""


class StoreLock:
    """Held from opening to closing. Its file stays: to delete it would let two openers lock two files."""

    def __init__(self, descriptor: int, *, is_alone: bool) -> None:
        self._descriptor: int | None = descriptor
        self.is_alone: bool = is_alone
        """Whether nobody else has the store open."""

    def share(self) -> None:
        """Let others in who share. Between the two locks another opener may be alone for a moment, or for good.

        Raises:
            BlockingIOError: for good.
        """
        assert self._descriptor is not None
        self.is_alone = False
        for _ in range(_WAITS):
            with suppress(BlockingIOError):
                fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return
            apsw.sleep(_WAIT_MS)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def hold(self, owner: int) -> None:
        """Lock the byte of an owner, until ``let_go`` or the end of this process.

        Raises:
            OSError: another process holds it.
        """
        self._byte(fcntl.F_OFD_SETLK, fcntl.F_WRLCK, owner)

    def let_go(self, owner: int) -> None:
        """Unlock the byte of an owner of this process."""
        if self._descriptor is not None:
            self._byte(fcntl.F_OFD_SETLK, fcntl.F_UNLCK, owner)

    def is_held(self, owner: int) -> bool:
        """Whether another process holds the byte of an owner."""
        return self._byte(fcntl.F_OFD_GETLK, fcntl.F_WRLCK, owner) != fcntl.F_UNLCK

    def _byte(self, command: int, kind: int, owner: int) -> int:
        assert self._descriptor is not None
        asked = struct.pack(_FLOCK, kind, os.SEEK_SET, owner, 1, 0)
        return int(struct.unpack(_FLOCK, fcntl.fcntl(self._descriptor, command, asked))[0])

    def sign(self) -> None:
        """Say who holds it, for the next one who asks."""
        assert self._descriptor is not None
        note = f"{os.getpid()} {_own_start()}\n".encode() if self.is_alone else f"{SHARED}\n".encode()
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
def locked_until_success(path: str, ownership: Ownership = "exclusive") -> Generator[StoreLock, None, None]:
    """Lock the store at ``path``; leaving the block by an exception releases it, otherwise it stays held.

    Who comes to share gets it alone if nobody is there, to make or migrate it, and ``share``s it then.

    Raises:
        StoreInUseError: another opener holds it; the error names its process.
        StoreError: ``shared``, and this system has no such locks.
    """
    lock = _acquire_shared(path) if ownership == "shared" else _acquire(path, fcntl.LOCK_EX)
    try:
        yield lock
    except BaseException:
        lock.release()
        raise


def _acquire_shared(path: str) -> StoreLock:
    if not hasattr(fcntl, "F_OFD_SETLK"):
        raise StoreError(path=path, problem="can't be shared: this system lacks locks of open files; use 'exclusive'")
    for _ in range(_WAITS):
        for operation in (fcntl.LOCK_EX, fcntl.LOCK_SH):
            with suppress(StoreInUseError):
                return _acquire(path, operation)
        apsw.sleep(_WAIT_MS)
    return _acquire(path, fcntl.LOCK_SH)


def _acquire(path: str, operation: int) -> StoreLock:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(f"{path}.lock", flags, 0o600)
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = _holder(descriptor)
        os.close(descriptor)
        raise StoreInUseError(path=path, holder=holder) from error
    except BaseException:
        os.close(descriptor)
        raise
    return StoreLock(descriptor, is_alone=operation == fcntl.LOCK_EX)


def _holder(descriptor: int) -> str:
    # Between its lock and its signature a holder has no name yet.
    words = os.pread(descriptor, 64, 0).decode("ascii", "replace").split()
    if words == [SHARED]:
        return "runtimes that share it (ownership='shared')"
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
