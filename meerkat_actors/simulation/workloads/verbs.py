"""Agents that are governed while they work: the operators are the workload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.workloads.asks import COUNTERS, check_each_number_is_given_once, count, drive

if TYPE_CHECKING:
    from meerkat_actors.handles import AgentHandle
    from meerkat_actors.simulation.world import World

_VERBS: Final = ("pause", "resume", "retire", "resume", "stop", "resume", "reset", "recycle", "interrupt", "stir")


async def govern(world: World) -> None:
    """Clients ask, and an operator uses one verb after the other."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drive, world)
        nursery.start_soon(_operate, world)


async def _operate(world: World) -> None:
    client, random = world.client("operator"), world.random("operator")
    while world.is_open:
        await trio.sleep(random.expovariate(0.7))
        verb, agent = random.choice(_VERBS), f"counter-{random.randrange(COUNTERS)}"

        async def use(handle: AgentHandle, verb: str = verb) -> None:
            await getattr(handle, verb)()

        await client.do(agent, use, kind="counter")
    for number in range(COUNTERS):
        await client.do(f"counter-{number}", _resume, kind="counter")


async def _resume(agent: AgentHandle) -> None:
    await agent.resume()


VERBS: Final = Scenario(
    name="verbs", agents={"counter": count}, drive=govern, checks=(check_each_number_is_given_once,)
)
