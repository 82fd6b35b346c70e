"""Agents with work beside their turns, which clients carry out, and barriers that wait for all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.operation import OperationStatus
from meerkat_actors.simulation.scenario import Scenario

if TYPE_CHECKING:
    from meerkat_actors.handles import AgentHandle
    from meerkat_actors.simulation.world import World

_AGENTS: Final = 3


async def manage(turn: Turn) -> str:
    """Begin some work for each prompt, wait for all of it now and then, and count what ended."""
    done = (turn.state or 0) + len(turn.completions)
    turn.set_state(done)
    running = [each for each in turn.operations if not each.sequence]
    if any(each.content == "begin" for each in turn.inputs) and len(running) < 6:
        begun = [turn.start_operation(f"task {number}", external=turn.random.random() < 0.7) for number in range(2)]
        if not any(each.members for each in running):
            turn.when_all(begun)
    await trio.sleep(turn.random.expovariate(5))
    return str(done)


async def drive(world: World) -> None:
    """For each agent somebody who gives it work, and does it."""
    async with trio.open_nursery() as nursery:
        for number in range(_AGENTS):
            nursery.start_soon(_work, world, f"manager-{number}")


async def _work(world: World, name: str) -> None:
    client, random = world.client(f"worker of {name}"), world.random(name)
    while world.is_open:
        await client.ask(name, "begin", kind="manager")

        async def finish(agent: AgentHandle) -> None:
            for each in await agent.operations.list():
                if each.status is OperationStatus.RUNNING and not each.members:
                    await agent.operations.complete(each.operation_id, "done")

        if random.random() < 0.7:
            await client.do(name, finish, kind="manager")
        await trio.sleep(random.expovariate(0.5))


OPERATIONS: Final = Scenario(name="operations", agents={"manager": manage}, drive=drive)
