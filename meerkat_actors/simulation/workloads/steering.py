"""Agents in the middle of long turns, that take up at checkpoints what is steered to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.simulation.scenario import Scenario

if TYPE_CHECKING:
    from meerkat_actors.simulation.world import World

_AGENTS: Final = 3


async def ponder(turn: Turn) -> str:
    """Look up several times; say how much came in between."""
    count = len(turn.inputs)
    for _ in range(4):
        if turn.random.random() < 0.5:
            await turn.rest(turn.random.expovariate(2))
        else:
            await trio.sleep(turn.random.expovariate(2))
        count += len(await turn.checkpoint())
    turn.set_state((turn.state or 0) + count)
    return str(count)


async def drive(world: World) -> None:
    """For each agent somebody who asks, and somebody who interferes."""
    async with trio.open_nursery() as nursery:
        for number in range(_AGENTS):
            nursery.start_soon(_ask, world, f"thinker-{number}")
            nursery.start_soon(_steer, world, f"thinker-{number}")


async def _ask(world: World, name: str) -> None:
    client, random = world.client(f"client of {name}"), world.random(f"asks {name}")
    while world.is_open:
        await client.ask(name, "think", kind="thinker")
        await trio.sleep(random.expovariate(1))


async def _steer(world: World, name: str) -> None:
    client, random = world.client(f"boss of {name}"), world.random(f"steers {name}")
    while world.is_open:
        await trio.sleep(random.expovariate(0.5))
        await client.send(name, "think of that, too", kind="thinker", mode="steer")


STEERING: Final = Scenario(name="steering", agents={"thinker": ponder}, drive=drive)
