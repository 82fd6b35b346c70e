"""The ``store`` fixture: who takes it writes a conformance test, and runs over every store there is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from meerkat_actors.store import MemoryStore, Store, open_sqlite

Restart: TypeAlias = Callable[[bool], Store]


@pytest.fixture(params=["memory", "sqlite"])
def flavour(request: pytest.FixtureRequest) -> str:
    """Which store the test runs over."""
    return str(request.param)


MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108 - no disk is meant
"""Hundreds of stores are made, and what a disk does is the matter of the tests in ``sqlite/``."""


@pytest.fixture
def database() -> Iterator[Path]:
    """Where the test's store is, if it is in a file."""
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        yield Path(folder, "team.db")


@pytest.fixture
def store(flavour: str, database: Path) -> Iterator[Store]:
    """A new store that serves. No fsync: what it promises is the failure tests' matter."""
    store: Store = MemoryStore() if flavour == "memory" else open_sqlite(database, synchronous="normal")
    store.begin()
    yield store
    store.close()


@pytest.fixture
def restart(store: Store, flavour: str, database: Path) -> Iterator[Restart]:
    """End the store, in good order or not, and give it as its next process finds it: it does not serve yet."""
    opened: list[Store] = [store]

    def restarted(clean: bool) -> Store:
        if clean:
            opened[-1].end(clean=True)
        opened[-1].close()
        if flavour == "sqlite":
            opened.append(open_sqlite(database, synchronous="normal"))
        return opened[-1]

    yield restarted
    opened[-1].close()
