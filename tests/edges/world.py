"""Lives of a runtime over both stores, in virtual time: one after another, each of which a kill may end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from meerkat_actors.actors.turn import AgentFunction
from meerkat_actors.records.events import Event
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import MemoryStore, Store, open_sqlite
from tests.actors.faulty import FaultyStore
from tests.actors.world import VirtualEnv, running

Reopen = Callable[[], Store]


class _Abrupt(FaultyStore):
    """A store whose runtime is killed: nobody tells it of the end."""

    def end(self, *, clean: bool) -> None:
        self.ends.append(clean)


class Place:
    """Where one life after another finds what the ones before it left."""

    def __init__(self, reopen: Reopen) -> None:
        self._reopen = reopen

    @asynccontextmanager
    async def life(
        self,
        agents: Mapping[str, AgentFunction],
        *,
        limits: Limits | None = None,
        events: list[Event] | None = None,
        is_killed: bool = False,
    ) -> AsyncGenerator[Runtime, None]:
        """A runtime, until the block ends; ``is_killed``: then it is cut off, and nothing more is written."""
        inner = self._reopen()
        store = _Abrupt(inner) if is_killed else FaultyStore(inner)
        with trio.CancelScope() as process:
            async with running(store, agents, limits=limits, events=events) as runtime:
                yield runtime
                if is_killed:
                    process.cancel()


def place_of(kind: str, folder: Path) -> Place:
    """A place of that kind: ``memory`` or ``sqlite``."""
    if kind == "sqlite":
        return Place(lambda: open_sqlite(folder / "edges.db"))
    memory = MemoryStore(env=VirtualEnv())
    return Place(lambda: memory)


@pytest.fixture(params=["memory", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place in each of the stores."""
    return place_of(request.param, tmp_path)
