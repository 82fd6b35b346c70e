"""The world of these tests: everything in it is chosen by a seed and runs inline, and a store outlives its runtimes."""

from __future__ import annotations

import importlib
import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Final, TypeVar

import trio
from attrs import define, field
from trio.testing import MockClock

from meerkat_actors.actors.observer import Observer
from meerkat_actors.actors.turn import AgentKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.simulation.checks import Contents, read_database, read_tables, tables_of
from meerkat_actors.store import MemoryStore, Store, open_sqlite
from tests.actors.faulty import FaultyStore
from tests.actors.world import LONG, VirtualEnv
from tests.fates.tricks import Outside, work

T = TypeVar("T")

NAME: Final = "store.db"
NAMES: Final = ("a", "b")
"""The agents, of the only kind that there is."""
KIND: Final = "worker"
CALM_SECONDS: Final = 100.0
"""After which whatever was begun is over, failures with all their attempts included, and idle agents have left."""
BEGINNING_MS: Final = 1_700_000_000_000
"""When the first process begins, by the wall clock: Tuesday, 22:13:20 UTC."""
_SCHEDULER: Final = importlib.import_module("trio._core._run").__dict__


@define(eq=False)
class Surroundings:
    """What a process finds, and leaves, besides its store."""

    ahead_ms: int = 0
    """How far its wall clock is ahead of what virtual time says: time passed before it began, or the clock was set."""
    outside: Outside = field(factory=Outside)

    def wall_ms(self) -> int:
        """The time; only while there is a process."""
        return BEGINNING_MS + round(1000 * trio.current_time()) + self.ahead_ms


class SeededEnv(VirtualEnv):
    """Virtual time, and everything else from a seed."""

    def __init__(self, seed: object, surroundings: Surroundings | None = None) -> None:
        super().__init__()
        self._seed = seed
        self._surroundings = surroundings or Surroundings()
        self._ids = Random(f"{seed} ids")

    def wall_ms(self) -> int:
        return self._surroundings.wall_ms()

    def new_id(self) -> str:
        ms, bits = self.wall_ms(), self._ids.getrandbits(74)
        low = bits & ((1 << 62) - 1)
        return (
            f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{bits >> 62:03x}-{0x8000 | (low >> 48):04x}-{low & (1 << 48) - 1:012x}"
        )

    def random(self, stream: str) -> Random:
        return Random(f"{self._seed} {stream}")


def play(
    main: Callable[[], Awaitable[T]],
    *,
    seed: object = 1,
    instruments: Sequence[trio.abc.Instrument] = (),
    clock: trio.abc.Clock | None = None,
) -> T:
    """Run to the end, in virtual time unless there is a clock; the same seed is the same order of all steps."""
    former = _SCHEDULER["_ALLOW_DETERMINISTIC_SCHEDULING"]
    _SCHEDULER["_ALLOW_DETERMINISTIC_SCHEDULING"] = True
    _SCHEDULER["_r"].seed(str(seed))
    try:
        return trio.run(main, clock=clock or MockClock(autojump_threshold=0), instruments=instruments)
    finally:
        _SCHEDULER["_ALLOW_DETERMINISTIC_SCHEDULING"] = former


class Place(ABC):
    """Where a store is kept, while nobody serves it."""

    @abstractmethod
    def open(self) -> Store:
        """Open the store that is there, or a new one."""

    @abstractmethod
    def copy(self) -> Place:
        """What a kill would leave at this moment."""

    @abstractmethod
    def read(self) -> Contents:
        """Its rows, read without the store's code."""


class InMemory(Place):
    def __init__(self, store: MemoryStore | None = None) -> None:
        self._store = MemoryStore() if store is None else store

    def open(self) -> Store:
        return self._store

    def copy(self) -> Place:
        return InMemory(deepcopy(self._store))

    def read(self) -> Contents:
        return read_tables(tables_of(self._store))


class OnDisk(Place):
    """A file, in a folder of its own below ``folder``; with ``vfs`` in ``folder`` itself, on that disk."""

    def __init__(self, folder: Path, number: int = 0, *, vfs: str | None = None) -> None:
        self._folder = folder
        self._copies = iter(range(number + 1, 10_000_000))
        self._vfs = vfs
        self.path = (folder if vfs is not None else folder / str(number)) / NAME
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def open(self) -> Store:
        return open_sqlite(self.path, synchronous="normal" if self._vfs is None else "full", vfs=self._vfs)

    def copy(self) -> Place:
        copied = OnDisk(self._folder, next(self._copies))
        copied._copies = self._copies  # no two are in one folder
        for path in self.path.parent.iterdir():
            # A lock ends with its process, and shared memory is made anew.
            if not path.name.endswith(("-shm", ".lock")):
                shutil.copyfile(path, copied.path.parent / path.name)
        return copied

    def read(self) -> Contents:
        return read_database(self.path)

    def remove(self) -> None:
        shutil.rmtree(self.path.parent)


@contextmanager
def looking_at(place: Place) -> Generator[Store, None, None]:
    """The store of a place that nobody serves, to be read."""
    store = place.open()
    try:
        yield store
    finally:
        store.close()


LIMITS: Final = Limits(attempts_max=2)
LONGEST: Final = 3 * LONG
"""Virtual seconds: the courier walks past all recipients once an hour."""


@asynccontextmanager
async def serving(
    store: Store,
    *,
    seed: object = 1,
    observers: Sequence[Observer] = (),
    limits: Limits = LIMITS,
    surroundings: Surroundings | None = None,
) -> AsyncGenerator[Runtime, None]:
    """A runtime over an open store, which it closes; the store is called inline. What hangs, fails."""
    inline = store if store.inline else FaultyStore(store, inline=True)
    found = surroundings or Surroundings()
    agents = {KIND: AgentKind(work, resources=found.outside)}
    with trio.fail_after(LONGEST):
        async with open_runtime(
            inline, agents=agents, limits=limits, env=SeededEnv(seed, found), observers=observers
        ) as runtime:
            yield runtime


async def calm() -> None:
    """Let whatever was begun come to its end."""
    await trio.sleep(CALM_SECONDS)
