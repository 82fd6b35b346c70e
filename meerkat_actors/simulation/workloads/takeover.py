"""Two processes on one store, with leases so short that the slow lose theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio
from attrs import evolve

from meerkat_actors.records.limits import Limits
from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.workloads import asks, mail

if TYPE_CHECKING:
    from meerkat_actors.simulation.world import World


async def drive(world: World) -> None:
    """Clients ask, and agents write to each other, in whatever process they are."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asks.drive, world)
        nursery.start_soon(mail.drive, world)


TAKEOVER: Final = Scenario(
    name="takeover",
    agents={**asks.ASKS.agents, **mail.MAIL.agents},
    drive=drive,
    checks=(*asks.ASKS.checks, *mail.MAIL.checks),
    limits=Limits(lease_seconds=2.0, passivate_seconds=3.0),
    processes=2,
)
TAKEOVER_OF_ASKS: Final = evolve(asks.ASKS, name="takeover-asks", processes=2, limits=TAKEOVER.limits)
