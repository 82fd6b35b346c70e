"""Backups of a runtime's store, beside its agents."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from os import PathLike

import trio

from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.errors import UnsupportedError
from meerkat_actors.records.backups import BackupCheck, BackupReport
from meerkat_actors.store import SqliteStore, Store


class Backups:
    """Makes one at a time, in a thread and with a connection of its own."""

    def __init__(self, storage: StorageHandle) -> None:
        self._storage = storage
        self._limiter = trio.CapacityLimiter(1)

    async def make(self, path: str | PathLike[str], *, check: BackupCheck) -> BackupReport:
        """Copy the store to a new file at ``path``, while agents work.

        The copy is one moment of the store, with everything that was acknowledged before the call. It is looked at, and
        synced, before it gets its name. It begins a new epoch, in which this runtime and the callers of its facades are
        refused. ``check="pages"`` looks for what SQLite finds wrong, ``"rows"`` for all that ``meerkat-actors doctor``
        does, which takes longer by far. Another call waits for this one. Cancelling a call ends it at its next step,
        some tenths of a second later, and leaves nothing behind.

        Raises:
            UnsupportedError: the store is in memory, and ends with its process; open a path to keep it.
            UsageError: ``path`` is no path; or the runtime is closed, or lives in another thread or process.
            StoreInUseError: another process makes a backup to ``path``.
            StoreCorruptError: the store is damaged.
            StoreFullError: there is no room at ``path``.
            StoreError: ``path`` is taken, or can't be written.
                After each of them nothing new is at ``path``, and the runtime goes on.
        """
        # It brings along all that ``doctor`` knows, a tenth of the time that importing us takes.
        from meerkat_actors.store.sqlite.backup import back_up

        location = await self._storage.query(_file_of)
        work = partial(back_up, location, path, check=check, watch=_courteous())
        return await trio.to_thread.run_sync(work, limiter=self._limiter)


def _file_of(store: Store) -> str:
    if not isinstance(store, SqliteStore):
        raise UnsupportedError(operation="backup", path=store.location)
    return store.location


def _courteous() -> Callable[[str, int, int], None]:
    """Asked in a backup's thread between its steps: whether it was cancelled, and when it may go on.

    Looking at rows is Python, for which the event loop has to wait: it rests as long as it worked. While pages are
    copied the GIL is free, and the owner's log can't begin anew: there it does not rest.
    """
    resumed = time.perf_counter()

    def rest(what: str, _: int, __: int) -> None:
        nonlocal resumed
        trio.from_thread.check_cancelled()
        if what != "copy":
            trio.from_thread.run(trio.sleep, time.perf_counter() - resumed)
        resumed = time.perf_counter()

    return rest
