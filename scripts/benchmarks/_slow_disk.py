"""A disk whose fsync takes as long as we say, under the real store on a memory file system."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import Unit
from meerkat_actors.store import Store


class _SlowDisk:
    # One fsync a commit: WAL with synchronous=FULL. A VFS in Python would add its own entries into Python to every
    # read and write, a tenth of a turn, which no real disk does.

    def __init__(self, store: Store, sync_seconds: float) -> None:
        self._store = store
        self._sync_seconds = sync_seconds

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes = self._store.commit(units)
        time.sleep(self._sync_seconds)  # gives up the GIL, as fsync does
        return outcomes

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - everything else is the store's
        return getattr(self._store, name)


def slow_disk(store: Store, sync_seconds: float) -> Store:
    """The store, with every commit that much longer in its writer thread."""
    return cast("Store", _SlowDisk(store, sync_seconds))
