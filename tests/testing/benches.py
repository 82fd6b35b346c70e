"""A bench for stores in memory: the next process of such a store is the store itself."""

from __future__ import annotations

from collections.abc import Callable

from meerkat_actors.store import Store


class MemoryBench:
    """Where one memory store is made, of any kind."""

    def __init__(self, make: Callable[[], Store]) -> None:
        self._make = make

    def fresh(self) -> Store:
        """A new store."""
        self._store = self._make()
        return self._store

    def restart(self, *, clean: bool) -> Store:
        """The same store, ended or only closed."""
        if clean:
            self._store.end(clean=True)
        self._store.close()
        return self._store
