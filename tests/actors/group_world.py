"""Groups under test: owners that crash when told to, and agents that say how often they began."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

import trio

from meerkat_actors.actors.turn import AgentFunction, Turn
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.commits import CommitOutcome, RefusalReason, Refused
from meerkat_actors.records.effects import AppendTurn, Unit
from meerkat_actors.records.events import Event
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.supervision import SupervisionGroup
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import MemoryStore, Store
from tests.actors.faulty import FaultyStore
from tests.actors.world import running


class CrashingStore(FaultyStore):
    """Refuses boundaries of whoever is told to crash, in a way that its owner takes for a fault of its own."""

    def __init__(self, inner: Store | None = None) -> None:
        super().__init__(MemoryStore() if inner is None else inner)
        self.crashes: Counter[str] = Counter()
        """How many more boundaries of each identity crash its owner."""
        self.refusal = self._refuse

    def _refuse(self, unit: Unit) -> CommitOutcome | None:
        identity = unit.fence.identity
        if self.crashes[identity] > 0 and any(type(effect) is AppendTurn for effect in unit.effects):
            self.crashes[identity] -= 1
            return Refused(reason=RefusalReason.INPUT_STATE_CONFLICT, effect=0, current="odd")
        return None


class Doors:
    """Agents that do one recorded step, and then wait behind a door of their own."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.stepped: Counter[str] = Counter()
        self.cancelled: Counter[str] = Counter()
        self._open: dict[str, trio.Event] = {}

    def open(self, *names: str) -> None:
        for name in names:
            self._door(name).set()

    async def __call__(self, turn: Turn) -> str:
        self.begun[turn.identity] += 1

        async def step() -> None:
            self.stepped[turn.identity] += 1

        await turn.step("once", step)
        try:
            await self._door(turn.identity).wait()
        except trio.Cancelled:
            self.cancelled[turn.identity] += 1
            raise
        return turn.text

    def _door(self, name: str) -> trio.Event:
        return self._open.setdefault(name, trio.Event())


def quarantined(runtime: Runtime) -> list[tuple[str, str]]:
    """Who is kept apart, and the reason."""
    return [(each.identity, each.reason) for each in runtime.quarantined()]


@asynccontextmanager
async def grouped(
    store: Store,
    agents: Mapping[str, AgentFunction],
    *groups: SupervisionGroup,
    limits: Limits | None = None,
    events: list[Event] | None = None,
) -> AsyncGenerator[Runtime, None]:
    """A runtime in virtual time that supervises these groups."""
    async with running(store, agents, limits=limits, events=events) as runtime:
        for group in groups:
            runtime.supervise(group)
        yield runtime


async def team(runtime: Runtime, names: Sequence[str], kind: str) -> dict[str, AgentHandle]:
    """One agent of each name."""
    return {name: await runtime.agent(name, kind=kind) for name in names}


def named(*names: str) -> tuple[AgentIdentity, ...]:
    return tuple(map(AgentIdentity, names))
