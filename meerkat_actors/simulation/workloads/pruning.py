"""Old content is forgotten while agents work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from meerkat_actors.records.pruning import PrunePolicy
from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.workloads import asks, mail

if TYPE_CHECKING:
    from meerkat_actors.runtime import Runtime
    from meerkat_actors.simulation.world import World

_POLICIES: Final = (PrunePolicy(keep_inputs=0, dead_letters=True), PrunePolicy(keep_inputs=3), PrunePolicy())


async def drive(world: World) -> None:
    """Clients ask, agents write to each other, and an operator prunes."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asks.drive, world)
        nursery.start_soon(mail.drive, world)
        nursery.start_soon(_prune, world)


async def _prune(world: World) -> None:
    client, random = world.client("pruner"), world.random("pruner")
    while world.is_open:
        await trio.sleep(random.expovariate(0.5))
        policy = random.choice(_POLICIES)

        async def prune(runtime: Runtime, policy: PrunePolicy = policy) -> None:
            await runtime.prune(policy)

        await client.run(prune)


PRUNING: Final = Scenario(
    name="pruning",
    agents={**asks.ASKS.agents, **mail.MAIL.agents},
    drive=drive,
    checks=(*asks.ASKS.checks, *mail.MAIL.checks),
)
