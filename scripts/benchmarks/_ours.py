"""Our side of the comparison, through the public API only."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio
from attrs import evolve

import meerkat_actors as meerkat
from _common import REPLY, TEXT, Result, open_probe, raise_collector_threshold, used_bytes
from _load import Meter, measure
from _slow_disk import slow_disk
from meerkat_actors.store import open_sqlite

CREATIONS_AT_ONCE: Final = 256


async def echo(turn: meerkat.Turn) -> str:  # noqa: ASYNC124 - an agent that need not wait is an agent
    """The least that an agent can do."""
    return REPLY


@asynccontextmanager
async def open_ours(path: Path, agents: int, *, sync_seconds: float = 0) -> AsyncGenerator[meerkat.Runtime, None]:
    """A runtime for that many ``echo`` agents on a new database, with the collector settings of the reference.

    All of them are the working set, so all of them may stay in memory; every other limit is the default.
    """
    limits = meerkat.Limits()
    limits = evolve(limits, live_max=max(limits.live_max, agents))
    raise_collector_threshold()
    store = slow_disk(open_sqlite(path), sync_seconds) if sync_seconds else path
    async with meerkat.open_runtime(store, agents={"echo": echo}, limits=limits) as runtime:
        yield runtime


async def create_agents(runtime: meerkat.Runtime, prefix: str, count: int) -> list[meerkat.AgentHandle]:
    """Create that many agents, a few hundred at a time."""
    handles: dict[int, meerkat.AgentHandle] = {}
    limiter = trio.CapacityLimiter(CREATIONS_AT_ONCE)

    async def create(index: int) -> None:
        async with limiter:
            handles[index] = await runtime.agent(f"{prefix}-{index}", kind="echo")

    async with trio.open_nursery() as nursery:
        for index in range(count):
            nursery.start_soon(create, index)
    return [handles[index] for index in range(count)]


async def run_ours(path: Path, agents: int, seconds: float) -> Result:
    """Measure our runtime in a new database at ``path``. Cancelling it leaves the database behind."""
    async with open_ours(path, agents) as runtime:
        handles = await create_agents(runtime, "a", agents)
        probe = open_probe(path)

        async def ask(agent: int) -> None:
            await handles[agent].ask(TEXT)

        def meter() -> Meter:
            return Meter(commits=runtime.statistics().commits, used_bytes=used_bytes(probe))

        result = await measure(ask, agents, seconds, meter)
        probe.close()
    return result
