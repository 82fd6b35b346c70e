"""One simulation of ours, or one of SimPy's, in this process: the job as JSON in, the window as JSON out.

The same on both sides: a client asks an agent by chance, the agent takes a second to reply, the client thinks, or
does not. SimPy's agents are processes that each have a ``Store`` as their inbox; the client's ``Store`` comes with the
question.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from random import Random
from time import process_time
from typing import Any, Final

import simpy
import trio
from attrs import define

from _common import answer, read_job
from _process import read_memory
from _sim import SimJob, SimResult
from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.limits import Limits
from meerkat_actors.simulation.plan import Plan
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.world import World

LATENCY_SECONDS: Final = 1.0
LONG_SECONDS: Final = 1e6


@define(eq=False)
class Ours:
    """The real runtime in a world without faults."""

    job: SimJob
    result: SimResult | None = None
    left: int = 0

    def measure(self) -> SimResult:
        """Live, and require that all went well."""
        scenario = Scenario(
            name="bench",
            agents={"agent": self.turn_of},
            drive=self.drive,
            seconds=LONG_SECONDS,
            is_durable=self.job.side == "durable",
            is_followed=False,
            limits=Limits(live_max=self.job.agents, passivate_seconds=LONG_SECONDS),
        )
        lived = run(scenario, "1", Plan())
        if lived.violations or self.result is None:
            sys.exit("\n".join(lived.violations) or "the window never ended")
        return self.result

    async def turn_of(self, _: Turn) -> str:
        """Take a second."""
        await trio.sleep(LATENCY_SECONDS)
        return "yes"

    async def drive(self, world: World) -> None:
        """Make all agents, then measure."""
        before = read_memory().rss_trimmed
        clients = self.job.clients
        async with trio.open_nursery() as nursery:
            for first in range(clients):
                nursery.start_soon(self.create, world, first, clients)
        sleeping = read_memory().rss_trimmed - before
        self.left = self.job.events
        began, started = trio.current_time(), process_time()
        async with trio.open_nursery() as nursery:
            for number in range(clients):
                nursery.start_soon(self.ask, world, number)
        self.result = SimResult(
            seconds=process_time() - started,
            virtual_seconds=trio.current_time() - began,
            sleeping_bytes=sleeping,
        )

    async def create(self, world: World, first: int, step: int) -> None:
        """One client's share of the agents, each asked once."""
        client = world.client(str(first))
        for number in range(first, self.job.agents, step):
            await client.ask(f"agent-{number}", "hello", kind="agent")

    async def ask(self, world: World, number: int) -> None:
        """One client."""
        client, random = world.client(str(number)), world.random(str(number))
        while self.left > 0:
            self.left -= 1
            await client.ask(f"agent-{random.randrange(self.job.agents)}", "hello", kind="agent")
            if self.job.thinking_seconds:
                await trio.sleep(random.expovariate(1 / self.job.thinking_seconds))


def measure_simpy(job: SimJob) -> SimResult:
    """The same without a runtime, a store, an answer that lasts, or anything that checks it."""
    before = read_memory().rss_trimmed
    environment = simpy.Environment()
    inboxes = [simpy.Store(environment) for _ in range(job.agents)]
    left = job.events

    def agent(inbox: simpy.Store) -> Generator[Any, Any, None]:
        while True:
            reply = yield inbox.get()
            yield environment.timeout(LATENCY_SECONDS)
            yield reply.put("yes")

    def client(random: Random) -> Generator[Any, Any, None]:
        nonlocal left
        reply = simpy.Store(environment)
        while left > 0:
            left -= 1
            yield inboxes[random.randrange(job.agents)].put(reply)
            yield reply.get()
            if job.thinking_seconds:
                yield environment.timeout(random.expovariate(1 / job.thinking_seconds))

    for inbox in inboxes:
        environment.process(agent(inbox))
    environment.run(until=1)
    sleeping = read_memory().rss_trimmed - before
    for number in range(job.clients):
        environment.process(client(Random(number)))
    began, started = environment.now, process_time()
    environment.run()
    return SimResult(seconds=process_time() - started, virtual_seconds=environment.now - began, sleeping_bytes=sleeping)


def main() -> None:
    """Measure, and answer to the parent."""
    job = read_job(SimJob)
    answer(measure_simpy(job) if job.side == "simpy" else Ours(job).measure())


if __name__ == "__main__":
    main()
