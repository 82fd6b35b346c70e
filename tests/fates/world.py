"""The world of these tests: everything in it is chosen by a seed and runs inline, and a store outlives its runtimes."""

from __future__ import annotations

import importlib
import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Final, TypeVar

import trio
from trio.testing import MockClock

from meerkat_actors.actors.observer import Observer
from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.store import MemoryStore, Store, open_sqlite
from tests.actors.faulty import FaultyStore
from tests.actors.world import LONG, VirtualEnv

T = TypeVar("T")

NAME: Final = "store.db"
NAMES: Final = ("a", "b")
"""The agents, of the only kind that there is."""
KIND: Final = "worker"
TURN_SECONDS: Final = 10.0
"""How long a long turn takes."""
CALM_SECONDS: Final = 100.0
"""After which whatever was begun is over, failures with all their attempts included, and idle agents have left."""
_SCHEDULER: Final = importlib.import_module("trio._core._run").__dict__


class SeededEnv(VirtualEnv):
    """Virtual time, and everything else from a seed."""

    def __init__(self, seed: object) -> None:
        super().__init__()
        self._seed = seed
        self._ids = Random(f"{seed} ids")

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


class InMemory(Place):
    def __init__(self, store: MemoryStore | None = None) -> None:
        self._store = MemoryStore() if store is None else store

    def open(self) -> Store:
        return self._store

    def copy(self) -> Place:
        return InMemory(deepcopy(self._store))


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
        for path in self.path.parent.iterdir():
            # A lock ends with its process, and shared memory is made anew.
            if not path.name.endswith(("-shm", ".lock")):
                shutil.copyfile(path, copied.path.parent / path.name)
        return copied

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


@asynccontextmanager
async def serving(
    store: Store, *, seed: object = 1, observers: Sequence[Observer] = ()
) -> AsyncGenerator[Runtime, None]:
    """A runtime over an open store, which it closes; the store is called inline. What hangs, fails."""
    inline = store if store.inline else FaultyStore(store, inline=True)
    with trio.fail_after(LONG):
        async with open_runtime(
            inline, agents={KIND: work}, limits=LIMITS, env=SeededEnv(seed), observers=observers
        ) as runtime:
            yield runtime


LIMITS: Final = Limits(attempts_max=2)


async def calm() -> None:
    """Let whatever was begun come to its end."""
    await trio.sleep(CALM_SECONDS)


async def work(turn: Turn) -> str:
    """Do what the first word of the input says."""
    word = turn.text.split()[0] if turn.text else ""
    number = turn.state + 1 if isinstance(turn.state, int) else 1
    turn.set_state(number)
    turn.append(f"begun {turn.text}")
    if word in _TRICKS:
        return await _TRICKS[word](turn)
    return f"did {turn.text}"


async def _long(turn: Turn) -> str:
    await trio.sleep(TURN_SECONDS)
    return f"did {turn.text}"


async def _fail(turn: Turn) -> str:
    message = f"can't {turn.text}"
    raise ValueError(message)


async def _rest(turn: Turn) -> str:
    return "stirred" if await turn.rest(TURN_SECONDS) else "rested"


async def _listen(turn: Turn) -> str:
    """Pass checkpoints until something was told, or long enough."""
    told = list(await turn.checkpoint())
    if not told:
        await turn.rest(TURN_SECONDS)
        told += await turn.checkpoint()
    return f"heard {[str(each.content) for each in told]}"


async def _step(turn: Turn) -> str:
    """Two steps of one name, and a checkpoint before each: where nothing was told, the next step records it."""
    await turn.checkpoint()
    first = await turn.step("measure", _measure, turn.text)
    await turn.checkpoint()
    second = await turn.step("measure", _measure, "again")
    return f"measured {first} and {second}"


async def _once(turn: Turn) -> str:
    return f"measured {await turn.step('pay', _measure, turn.text, on_unknown=_measure)}"


async def _mail(turn: Turn) -> str:
    turn.send("b", f"note of {turn.text}")
    return f"told b {turn.text}"


async def _measure(text: str) -> int:
    await trio.sleep(1)
    return len(text)


_TRICKS: Final[Mapping[str, Callable[[Turn], Awaitable[str]]]] = {
    "long": _long, "fail": _fail, "rest": _rest, "listen": _listen, "step": _step, "once": _once, "mail": _mail,
}  # fmt: skip
