"""Agents that set themselves alarms, and schedules that clients set for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.limits import Limits
from meerkat_actors.simulation.scenario import Scenario

if TYPE_CHECKING:
    from meerkat_actors.handles import AgentHandle
    from meerkat_actors.simulation.world import World

_AGENTS: Final = 5


async def wake(turn: Turn) -> str:
    """Count what came, and set the next alarm or drop it."""
    count = (turn.state or 0) + len(turn.inputs)
    turn.set_state(count)
    for each in turn.inputs:
        if each.content == "begin":
            turn.after(turn.random.expovariate(0.5), "ring", name=turn.random.choice(("one", "two")))
    if turn.random.random() < 0.1:
        turn.cancel_timer("one")
    return str(count)


async def drive(world: World) -> None:
    """Each agent is told to set alarms, and has a schedule, which is dropped in the end."""
    async with trio.open_nursery() as nursery:
        for number in range(_AGENTS):
            nursery.start_soon(_live, world, f"sleeper-{number}")


async def _live(world: World, name: str) -> None:
    client, random = world.client(f"client of {name}"), world.random(name)

    async def schedule(agent: AgentHandle) -> None:
        await agent.schedule("rounds", "round", every=random.randint(2, 9))

    async def unschedule(agent: AgentHandle) -> None:
        await agent.unschedule("rounds")

    while world.is_open:
        await client.do(name, schedule, kind="sleeper")
        for _ in range(3):
            await client.send(name, "begin", kind="sleeper")
            await trio.sleep(random.expovariate(0.3))
        await client.do(name, unschedule, kind="sleeper")


TIMERS: Final = Scenario(name="timers", agents={"sleeper": wake}, drive=drive, limits=Limits(passivate_seconds=2.0))
