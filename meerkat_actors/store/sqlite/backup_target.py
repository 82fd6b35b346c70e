"""The file that a copy becomes: made under another name, and renamed when it is whole; never over another file.

A kill at any instant leaves nothing under its name, or a whole copy. What it leaves under the other name the next
backup to the same target removes.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

from meerkat_actors.errors import StoreBehindError, StoreError, StoreFullError, StoreInUseError
from meerkat_actors.store.sqlite.filesystem import read_mounts, remote_filesystem
from meerkat_actors.store.sqlite.marking import Mark, mark_path, read_mark

_AROUND_STORE: Final = ("", "-wal", "-shm", "-journal", ".lock", ".mark", ".creating")
_AROUND_COPY: Final = ("-journal", "-wal", "-shm")
_AT_FOLDER: Final = -100
"""``AT_FDCWD`` of openat(2)."""
_NO_REPLACE: Final = 1
"""``RENAME_NOREPLACE`` of renameat2(2)."""
_ABSENT: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})
"""What a kernel or file system without it answers."""


def unfinished_path(target: str) -> str:
    """Where a copy is until it is whole."""
    return f"{target}.copying"


def require_free(source: str, target: str) -> None:
    """Refuse a target that is taken, or that can't hold a store. Both are real paths.

    Raises:
        StoreError: why, and what to do; nothing was touched.
    """
    folder = os.path.dirname(target)
    taken = {source + suffix for suffix in _AROUND_STORE}
    if target in taken or unfinished_path(target) in taken:
        raise StoreError(path=target, problem="is the store itself, or a file of its; name another target")
    if not os.path.isdir(folder):
        raise StoreError(path=target, problem=f"there is no folder {folder}; create it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(path=target, problem="its folder is not writable for this user")
    if os.path.lexists(target):
        raise StoreError(path=target, problem="is there already, and is never overwritten; name a new file")
    for suffix in ("-wal", "-journal"):
        if os.path.lexists(target + suffix):
            problem = f"{target}{suffix} was left by another file, and would be mixed into this one; move it away"
            raise StoreError(path=target, problem=problem)
    remote = remote_filesystem(target, read_mounts())
    if remote is not None:
        problem = f"is on a network filesystem ({remote}); back up to a local one, and copy the finished file there"
        raise StoreError(path=target, problem=problem)


def mark_at(target: str) -> Mark | None:
    """The mark of a store that was once at ``target``: a copy that is put there has to be beyond it.

    Raises:
        StoreError: it can't be read.
    """
    try:
        return read_mark(target)
    except (ValueError, OSError) as error:
        raise StoreError(
            path=target, problem=f"{error} ({mark_path(target)}); delete it, or name a new file"
        ) from error


def require_same_store(target: str, mark: Mark | None, store_id: str) -> None:
    """Refuse a target whose mark would refuse the copy.

    Raises:
        StoreBehindError: the mark is another store's.
    """
    if mark is not None and mark.store_id != store_id:
        problem = f"{mark_path(target)} is of another store; delete it, or name a new file"
        raise StoreBehindError(path=target, problem=problem)


@contextmanager
def unfinished(source: str, target: str) -> Generator[str, None, None]:
    """Make a file that becomes ``target`` when the block ends, synced; by an exception nothing is left of it.

    Raises:
        StoreInUseError: another backup to this target is at work.
        StoreFullError: the disk is full.
        StoreError: the target is taken, or can't be written.
    """
    path = unfinished_path(target)
    with _mapped(target):
        require_free(source, target)
        descriptor = _made(path, target)
        try:
            # Whoever had it before may have finished just now.
            require_free(source, target)
            yield path
            os.fsync(descriptor)
            _rename(path, target)
        except BaseException:
            _remove(path, ("", *_AROUND_COPY))
            raise
        finally:
            os.close(descriptor)
        try:
            _sync_folder(target)
        except OSError:
            _remove(target, ("",))
            raise


def _made(path: str, target: str) -> int:
    """Make the file, or take the one that a killed backup left; locked for as long as the descriptor is open."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                _remove(path, _AROUND_COPY)
                os.ftruncate(descriptor, 0)
                os.fchmod(descriptor, 0o600)
                return descriptor
        except BlockingIOError as error:
            os.close(descriptor)
            raise StoreInUseError(path=target, holder="another backup to it") from error
        except BaseException:
            os.close(descriptor)
            raise
        # Its maker gave it up, or finished it, between our two calls.
        os.close(descriptor)


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _rename(path: str, target: str) -> None:
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        code = errno.ENOSYS
    else:
        done = rename(_AT_FOLDER, os.fsencode(path), _AT_FOLDER, os.fsencode(target), _NO_REPLACE)
        code = ctypes.get_errno() if done else 0
    if code in _ABSENT:
        # As near as it gets: it was looked for a moment ago.
        if os.path.lexists(target):
            code = errno.EEXIST
        else:
            os.rename(path, target)
            return
    if code:
        raise OSError(code, os.strerror(code))


def _sync_folder(target: str) -> None:
    descriptor = os.open(os.path.dirname(target), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: str, suffixes: tuple[str, ...]) -> None:
    for suffix in suffixes:
        with suppress(FileNotFoundError):
            os.unlink(path + suffix)


@contextmanager
def _mapped(target: str) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreFullError(path=target, problem="the disk is full; make room, or name another target") from error
        if error.errno == errno.EEXIST:
            problem = "was made by another program meanwhile, and is never overwritten; name a new file"
            raise StoreError(path=target, problem=problem) from error
        raise StoreError(path=target, problem=f"can't be written: {error.strerror}") from error
