"""The high-water mark beside a store: how far it had come, kept where nothing that happens to the file can reach it.

SQLite takes what it finds: without its log, after a crash, a file is simply older, and ``integrity_check`` says ok
(reliability.md, fault 21). The mark remembers the incarnation and the last sequence that were durable when it was
written: after each batch, so that nothing that is acknowledged can go missing unseen when a process dies; and with
an fsync at the beginning and the end of serving and with each checkpoint, which is what a power cut leaves of it.

Two slots in one small file, each with its checksum and in a sector of its own. What was synced last is never
written over: a torn write leaves it. The first mark is made under another name, so there is never half a file.
"""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final
from zlib import crc32

from attrs import evolve, frozen

from meerkat_actors.errors import StoreBehindError, StoreBehindWarning, StoreCorruptError
from meerkat_actors.store.sqlite.filesystem import sync_path

_SLOT_BYTES: Final = 512
_SLOT_STEP: Final = 4096
"""The largest sector of a disk: what it may tear at once."""
_FILE_BYTES: Final = _SLOT_STEP + _SLOT_BYTES
_NAME: Final = "meerkat-mark-1"


@frozen(order=False)
class Mark:
    """How far a store had come."""

    store_id: str
    epoch: int
    incarnation: int
    sequence: int

    def is_behind(self, other: Mark) -> bool:
        """Whether a store that is here now was further already."""
        return (self.epoch, self.incarnation, self.sequence) < (other.epoch, other.incarnation, other.sequence)


def mark_path(path: str) -> str:
    """Where the mark of the store at ``path`` is."""
    return f"{path}.mark"


def read_mark(path: str) -> Mark | None:
    """The mark of the store at ``path``; None where none was ever written.

    Raises:
        ValueError: there is one, and it can't be read.
        OSError: the file can't be read at all.
    """
    try:
        with open(mark_path(path), "rb") as file:
            data = file.read(_FILE_BYTES)
    except FileNotFoundError:
        return None
    slots = _slots(data)
    if slots == (None, None):
        problem = "the mark can't be read"
        raise ValueError(problem)
    return slots[_newer(slots)]


class Progress:
    """How far an open store is, and the mark that says so beside it."""

    def __init__(self, path: str, *, may_lose: bool, is_shared: bool = False) -> None:
        self._path = path
        self._may_lose = may_lose
        self._is_shared = is_shared
        self._now: Mark | None = None
        self._descriptor: int | None = None
        self._synced: int | None = None
        """The slot that was synced last; None until the file was looked at."""

    def compare(self, found: Mark) -> None:
        """Compare what was found in the file with the mark beside it, before anything is written.

        Raises:
            StoreBehindError: the file is older, or another store's.
            StoreCorruptError: there is a mark, and it can't be read.
        """
        self.refuse_behind(self.seen(), found)

    def seen(self) -> Mark | None:
        """The mark that is there.

        Raises:
            StoreCorruptError: it can't be read.
        """
        try:
            return read_mark(self._path)
        except ValueError as error:
            problem = f"{error} ({mark_path(self._path)}); check the store with meerkat-actors doctor, then delete it"
            raise StoreCorruptError(path=self._path, problem=problem) from error

    def refuse_behind(self, mark: Mark | None, found: Mark) -> None:
        """Compare a file with a mark that was read before it.

        Raises:
            StoreBehindError: the file is older, or another store's.
        """
        if mark is None:
            return
        if mark.store_id != found.store_id:
            problem = "is another store than the one that its mark was written for"
        elif found.is_behind(mark):
            problem = (
                f"is older than what was acknowledged: it ends at {found.sequence} of incarnation {found.incarnation},"
                f" and was at {mark.sequence} of {mark.incarnation}; its log is missing, or it is a copy"
            )
        else:
            return
        if self._may_lose and mark.store_id == found.store_id:
            warnings.warn(f"{self._path}: {problem}", StoreBehindWarning, stacklevel=2)
            return
        advice = f"put the right file back, or delete {mark_path(self._path)} to go on with this one"
        raise StoreBehindError(path=self._path, problem=f"{problem}; {advice}")

    def keep(self, mark: Mark) -> None:
        """Write down how far the store is, durably. A full disk keeps the mark that is there.

        Raises:
            OSError: it can't be written.
        """
        self._now = mark
        with _room():
            descriptor = self._opened(mark)
            synced = self._synced
            if self._is_shared or synced is None:
                slots = _slots(os.pread(descriptor, _FILE_BYTES, 0))
                synced = _newer(slots)
                newest = slots[synced]
                os.fsync(descriptor)  # a predecessor's last note may be the newer one, and the other is next
                if newest is not None and newest.store_id == mark.store_id and not newest.is_behind(mark):
                    self._synced = synced
                    return  # ours, just made; or another process that shares the store was further
            os.pwrite(descriptor, _text(mark), (1 - synced) * _SLOT_STEP)
            os.fsync(descriptor)
            self._synced = 1 - synced

    def keep_at(self, sequence: int) -> None:
        """The same, later in the same incarnation."""
        assert self._now is not None, "a store that began has a mark"
        self.keep(evolve(self._now, sequence=max(sequence, self._now.sequence)))

    def note_at(self, sequence: int) -> None:
        """The same without an fsync: the log that it speaks of is synced, so it is never ahead of the store. 4 us.

        Nothing, where others share the store: whose slot is synced only each of them knows.

        Raises:
            OSError: it can't be written.
        """
        now, synced = self._now, self._synced
        assert now is not None, "a store that began has a mark"
        if sequence > now.sequence and not self._is_shared and synced is not None:
            self._now = mark = Mark(now.store_id, now.epoch, now.incarnation, sequence)
            with _room():
                os.pwrite(self._opened(mark), _text(mark), (1 - synced) * _SLOT_STEP)

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self, mark: Mark) -> int:
        path = mark_path(self._path)
        if self._is_shared and self._descriptor is not None and not _is_at(self._descriptor, path):
            self.close()  # two made it at once, and the other's took the place of ours
        if self._descriptor is None:
            if not os.path.exists(path):
                _make(path, mark)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        return self._descriptor


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _make(path: str, mark: Mark) -> None:
    # By the incarnation: several of one process may begin at once where they share the store.
    unfinished = f"{path}.{os.getpid()}.{mark.incarnation}"
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.pwrite(descriptor, _text(mark), 0)
        os.fsync(descriptor)
        os.rename(unfinished, path)
        sync_path(os.path.dirname(path))
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise
    finally:
        os.close(descriptor)


@contextmanager
def _room() -> Generator[None, None, None]:
    """A full disk keeps the mark that is there."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise


def _slots(data: bytes) -> tuple[Mark | None, Mark | None]:
    return _parsed(data[:_SLOT_BYTES]), _parsed(data[_SLOT_STEP:_FILE_BYTES])


def _newer(slots: tuple[Mark | None, Mark | None]) -> int:
    first, second = slots
    return 1 if first is None or (second is not None and first.is_behind(second)) else 0


def _text(mark: Mark) -> bytes:
    words = f"{_NAME} {mark.store_id} {mark.epoch} {mark.incarnation} {mark.sequence}"
    line = f"{words} {crc32(words.encode()):08x}\n".encode()
    return line.ljust(_SLOT_BYTES, b" ")


def _parsed(slot: bytes) -> Mark | None:
    try:
        words, _, check = slot.decode("ascii").rstrip(" \n").rpartition(" ")
        name, store_id, epoch, incarnation, sequence = words.split(" ")
        if name != _NAME or int(check, 16) != crc32(words.encode()):
            return None
        return Mark(store_id, int(epoch), int(incarnation), int(sequence))
    except ValueError:
        return None
