"""Many identities and few of them live, in this process: the job as JSON in, the result as JSON out."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter, process_time
from typing import Final

import trio

import meerkat_actors as meerkat
from _common import TEXT, answer, freeze_collector, raise_collector_threshold, read_job
from _ours import echo
from _population import Cost, CycleRound, Look, PopulationJob, PopulationResult
from _process import read_memory

LIVE_REPEATS: Final = 4
"""How often a pass over the live agents goes round: they are fewer than the parked ones."""

SETTLE_SECONDS: Final = 0.2
"""After the last answer: owners park, and the last of them leave."""

IDLE_SECONDS: Final = 3_600
"""Nobody leaves for being idle while we measure."""


@asynccontextmanager
async def open_population(job: PopulationJob) -> AsyncGenerator[meerkat.Runtime, None]:
    """A runtime of ``echo`` agents on a new database, with that many live; the collector as Python has it."""
    limits = meerkat.Limits(live_max=job.live_max, passivate_seconds=IDLE_SECONDS)
    async with meerkat.open_runtime(job.path, agents={"echo": echo}, limits=limits) as runtime:
        yield runtime


async def visit(identities: Iterable[int], clients: int, ask: Callable[[int], Awaitable[object]]) -> None:
    """Ask each identity once, ``clients`` at a time, in order. Cancelling it leaves the rest out."""
    waiting = iter(identities)

    async def client() -> None:
        for identity in waiting:
            await ask(identity)

    async with trio.open_nursery() as nursery:
        for _ in range(clients):
            nursery.start_soon(client)


async def use(runtime: meerkat.Runtime, identity: int) -> None:
    """Create an agent and ask it once; nothing of it is kept."""
    handle = await runtime.agent(f"a-{identity}", kind="echo")
    await handle.ask(TEXT)


async def measure_identities(job: PopulationJob) -> PopulationResult:
    """Create and use identities, and look at each of the counts."""
    looks: list[Look] = []
    async with open_population(job) as runtime:
        done, started = 0, perf_counter()
        for count in job.counts:
            await visit(range(done, count), job.clients, partial(use, runtime))
            done, seconds = count, perf_counter() - started
            await trio.sleep(SETTLE_SECONDS)
            memory = read_memory()
            traced, _ = tracemalloc.get_traced_memory()
            live = runtime.statistics().live
            looks.append(Look(identities=count, live=live, memory=memory, traced_bytes=traced, seconds=seconds))
    return PopulationResult(looks=tuple(looks))


async def timed(identities: range, clients: int, repeats: int, ask: Callable[[int], Awaitable[object]]) -> Cost:
    """What one request takes."""
    wall, cpu = perf_counter(), process_time()
    for _ in range(repeats):
        await visit(identities, clients, ask)
    wall, cpu = perf_counter() - wall, process_time() - cpu
    requests = repeats * len(identities)
    return Cost(wall=wall / requests, cpu=cpu / requests)


async def measure_cycles(job: PopulationJob) -> PopulationResult:
    """Go round a population several times as large as ``live_max``: whoever is asked was parked long ago.

    The oldest idle one leaves whenever another parks, so at the start of a pass the last ones are live. It is
    proved at the end: each pass of turns raised the fencing token once.
    """
    (population,) = job.counts
    raise_collector_threshold()
    async with open_population(job) as runtime:
        await visit(range(population), job.clients, partial(use, runtime))
        handles = [await runtime.agent(f"a-{identity}") for identity in range(population)]
        everyone, live = range(population), range(population - job.clients, population)

        async def status(identity: int) -> None:
            await handles[identity].status()

        async def turn(identity: int) -> None:
            await handles[identity].ask(TEXT)

        first_token = (await handles[0].status()).fencing_token
        await visit(everyone, job.clients, status)
        freeze_collector()
        rounds = [
            CycleRound(
                status_parked=await timed(everyone, job.clients, 1, status),
                status_live=await timed(live, job.clients, LIVE_REPEATS, status),
                turn_parked=await timed(everyone, job.clients, 1, turn),
                turn_live=await timed(live, job.clients, LIVE_REPEATS, turn),
            )
            for _ in range(job.rounds)
        ]
        claims = (await handles[0].status()).fencing_token - first_token
        assert claims == job.rounds, f"{job.rounds} passes over parked agents, and {claims} claims"
    return PopulationResult(cycles=tuple(rounds))


def main() -> None:
    """Measure, and answer to the parent."""
    job = read_job(PopulationJob)
    if job.what == "live_traced":
        tracemalloc.start()
    answer(trio.run(measure_cycles if job.what == "cycles" else measure_identities, job))


if __name__ == "__main__":
    main()
