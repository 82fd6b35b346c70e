"""The host of Done-when 4: one task that works in pure Python between two checkpoints, and never idles."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Final

import trio
from attrs import define

TICK_SECONDS: Final = 50e-6
"""Work per checkpoint, when nobody else wants the processor."""

CALIBRATIONS: Final = 40
CALIBRATION_SPINS: Final = 20_000


def spin(spins: int) -> None:
    """Work without waiting, and without giving up the GIL."""
    for _ in range(spins):
        pass


def spins_per_tick() -> int:
    """How many spins take ``TICK_SECONDS``, by the fastest of many trials: a fixed amount of work, not of time."""
    fastest = min(_timed_spin() for _ in range(CALIBRATIONS))
    return max(1, round(CALIBRATION_SPINS * TICK_SECONDS / fastest))


def _timed_spin() -> float:
    started = perf_counter()
    spin(CALIBRATION_SPINS)
    return perf_counter() - started


@define(eq=False)
class Host:
    """A busy task; ``ticks`` counts its checkpoints and is written by it alone."""

    spins: int
    ticks: int = 0

    async def run(self) -> None:
        """Work for ever. Ends when cancelled."""
        while True:
            spin(self.spins)
            self.ticks += 1
            await trio.lowlevel.checkpoint()

    async def ticks_per_second(self, seconds: float) -> float:
        """How often it ticks, measured for that long."""
        before, started = self.ticks, perf_counter()
        await trio.sleep(seconds)
        return (self.ticks - before) / (perf_counter() - started)


@asynccontextmanager
async def open_host(spins: int) -> AsyncGenerator[Host, None]:
    """Keep the loop busy for as long as the block."""
    host = Host(spins)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(host.run)
        yield host
        nursery.cancel_scope.cancel()
