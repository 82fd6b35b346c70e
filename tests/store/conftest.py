"""A bench of each flavour of store, and fixtures for one store made there: who takes them runs over every flavour."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from meerkat_actors.records.leases import Ownership
from meerkat_actors.store import MemoryStore, RuntimeStore, Store, open_sqlite

Restart: TypeAlias = Callable[[bool], Store]

MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108 - no disk is meant
"""Hundreds of stores are made, and what a disk does is the matter of the tests in ``sqlite/``."""


class Bench:
    """Makes one store; no fsync: what it promises is the failure tests' matter."""

    def __init__(self, flavour: str, database: Path, ownership: Ownership = "exclusive") -> None:
        self._flavour = flavour
        self._ownership: Ownership = ownership
        self._database = database
        self._last: Store | None = None

    def fresh(self) -> Store:
        """A new store."""
        assert self._last is None, "one bench, one store"
        self._last = self._open()
        return self._last

    def restart(self, *, clean: bool) -> Store:
        """The store as its next process finds it; the memory store's next process is itself."""
        last = self._last
        assert last is not None
        if clean:
            last.end(clean=True)
        last.close()
        if self._flavour == "sqlite":
            self._last = last = self._open()
        return last

    def close(self) -> None:
        """Release whatever is open."""
        if self._last is not None:
            self._last.close()

    def _open(self) -> Store:
        if self._flavour == "memory":
            return MemoryStore(ownership=self._ownership)
        return open_sqlite(self._database, synchronous="normal", ownership=self._ownership)


@pytest.fixture(params=["memory", "sqlite"])
def flavour(request: pytest.FixtureRequest) -> str:
    """Which store the test runs over."""
    return str(request.param)


@pytest.fixture
def database() -> Iterator[Path]:
    """Where the test's store is, if it is in a file."""
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        yield Path(folder, "team.db")


@pytest.fixture
def bench(flavour: str, database: Path) -> Iterator[Bench]:
    """Where the test's store is made."""
    bench = Bench(flavour, database)
    yield bench
    bench.close()


@pytest.fixture
def store(bench: Bench) -> Store:
    """A new store that serves."""
    store = bench.fresh()
    store.begin()
    return store


@pytest.fixture
def restart(store: Store, bench: Bench) -> Restart:
    """End the store, in good order or not, and give it as its next process finds it: it does not serve yet."""

    def restarted(clean: bool) -> Store:
        return bench.restart(clean=clean)

    return restarted


@pytest.fixture
def runtime(store: Store) -> RuntimeStore:
    """The runtime store over one store."""
    return RuntimeStore(store)
