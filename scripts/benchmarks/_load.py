"""The load that both sides bear: one client per agent, in a closed loop, one request in flight."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Final, TypeAlias

import trio
from attrs import define, field, frozen

from _common import Result, freeze_collector, quantile

Ask: TypeAlias = Callable[[int], Awaitable[object]]
"""One request to the agent of that number; it returns when the turn is durable and answered."""

WARM_UP_TURNS: Final = 2
"""Turns of each client before the first window."""

WARM_UP_SECONDS: Final = 0.3


@frozen(kw_only=True)
class Meter:
    """What a side has counted so far."""

    commits: int
    used_bytes: int


@frozen(kw_only=True)
class Window:
    """The requests that ended inside a window."""

    seconds: float
    latencies: tuple[float, ...]


@define(eq=False)
class Load:
    """Clients at work; a window is what they appended to ``latencies`` while it was open."""

    ask: Ask
    cold: int
    """Clients that have not warmed up yet."""
    warm: trio.Event = field(factory=trio.Event)
    latencies: list[float] = field(factory=list[float])
    ended: bool = False

    async def window(self, seconds: float) -> Window:
        """Measure for that long. Cancelling it leaves the clients at work."""
        self.latencies.clear()
        started = perf_counter()
        await trio.sleep(seconds)
        return Window(seconds=perf_counter() - started, latencies=tuple(self.latencies))

    async def run_client(self, agent: int) -> None:
        """Ask, and ask again when answered. Ends with its request in flight."""
        ask, append = self.ask, self.latencies.append
        for _ in range(WARM_UP_TURNS):
            await ask(agent)
        self.cold -= 1
        if not self.cold:
            self.warm.set()
        while not self.ended:
            started = perf_counter()
            await ask(agent)
            append(perf_counter() - started)


@asynccontextmanager
async def open_load(ask: Ask, agents: int) -> AsyncGenerator[Load, None]:
    """Clients for ``agents`` agents, warmed up; each ends with its request when the block does."""
    load = Load(ask, agents)
    async with trio.open_nursery() as nursery:
        for agent in range(agents):
            nursery.start_soon(load.run_client, agent)  # noqa: ASYNC113 - the block waits for all of them to be warm
        await trio.sleep(WARM_UP_SECONDS)
        await load.warm.wait()
        freeze_collector()
        yield load
        load.ended = True


async def measure(ask: Ask, agents: int, seconds: float, meter: Callable[[], Meter]) -> Result:
    """Bear the load for one window, and count."""
    async with open_load(ask, agents) as load:
        before = meter()
        window = await load.window(seconds)
        after = meter()
    return Result(
        turns=len(window.latencies),
        seconds=window.seconds,
        p50_seconds=quantile(window.latencies, 0.50),
        p99_seconds=quantile(window.latencies, 0.99),
        commits=after.commits - before.commits,
        grown_bytes=after.used_bytes - before.used_bytes,
    )
