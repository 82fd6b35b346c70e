"""Our agents beside a host that never idles, in this process: the job as JSON in, the rounds as JSON out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter, thread_time

import trio
from attrs import define, field

import meerkat_actors as meerkat
from _busy import BusyJob, BusyResult, Round
from _common import TEXT, answer, quantile, read_job
from _host import open_host, spins_per_tick
from _load import open_load
from _ours import create_agents, open_ours


@define(eq=False)
class Probes:
    """Clients that time the durable ack alone: each sends, then waits for the outcome untimed."""

    handles: list[meerkat.AgentHandle]
    acks: list[float] = field(factory=list[float])
    ended: bool = False

    async def run(self, handle: meerkat.AgentHandle) -> None:
        """Send again and again. Ends with the outcome in flight."""
        while not self.ended:
            started = perf_counter()
            admission = await handle.send(TEXT)
            self.acks.append(perf_counter() - started)
            await handle.wait(admission.input_id)


@asynccontextmanager
async def open_probes(handles: list[meerkat.AgentHandle]) -> AsyncGenerator[Probes, None]:
    """One probe per handle for as long as the block."""
    probes = Probes(handles)
    async with trio.open_nursery() as nursery:
        for handle in handles:
            nursery.start_soon(probes.run, handle)
        yield probes
        probes.ended = True


async def measure_round(
    job: BusyJob, spins: int, handles: list[meerkat.AgentHandle], probed: list[meerkat.AgentHandle]
) -> Round:
    """The host alone, the agents alone, both together."""

    async def ask(agent: int) -> None:
        await handles[agent].ask(TEXT)

    async with open_host(spins) as host:
        ticks_alone = await host.ticks_per_second(job.seconds)
    async with open_load(ask, len(handles)) as load, open_probes(probed) as probes:
        alone = await load.window(job.seconds)
        async with open_host(spins) as host:
            await trio.sleep(job.seconds / 4)
            probes.acks.clear()
            before, worked = host.ticks, thread_time()
            beside = await load.window(job.seconds)
            worked = thread_time() - worked
            ticks_beside = (host.ticks - before) / beside.seconds
    acks = probes.acks  # with those in flight when the window ended, or the longest would be the ones left out
    return Round(
        ticks_alone=ticks_alone,
        turns_alone=len(alone.latencies) / alone.seconds,
        ticks_beside=ticks_beside,
        turns_beside=len(beside.latencies) / beside.seconds,
        loop_share=worked / beside.seconds,
        acks=len(acks),
        ack_p50_seconds=quantile(acks, 0.50),
        ack_p99_seconds=quantile(acks, 0.99),
        ack_max_seconds=max(acks, default=job.seconds),
    )


async def measure_busy(job: BusyJob) -> BusyResult:
    """All rounds in one runtime on one new database. Cancelling it leaves the database behind."""
    spins = spins_per_tick()
    async with open_ours(Path(job.path), job.agents + job.probes, sync_seconds=job.sync_seconds) as runtime:
        handles = await create_agents(runtime, "a", job.agents)
        probed = await create_agents(runtime, "probe", job.probes)
        rounds = [await measure_round(job, spins, handles, probed) for _ in range(job.rounds)]
    return BusyResult(spins_per_tick=spins, rounds=tuple(rounds))


def main() -> None:
    """Measure, and answer to the parent."""
    answer(trio.run(measure_busy, read_job(BusyJob)))


if __name__ == "__main__":
    main()
