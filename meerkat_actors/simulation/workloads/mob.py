"""A small mob that does everything at once, with little room and little patience."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from meerkat_actors.records.limits import Limits
from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.workloads.asks import ASKS
from meerkat_actors.simulation.workloads.mail import MAIL
from meerkat_actors.simulation.workloads.operations import OPERATIONS
from meerkat_actors.simulation.workloads.requests import REQUESTS
from meerkat_actors.simulation.workloads.steering import STEERING
from meerkat_actors.simulation.workloads.steps import STEPS
from meerkat_actors.simulation.workloads.timers import TIMERS

if TYPE_CHECKING:
    from meerkat_actors.simulation.world import World

_PARTS: Final = (ASKS, MAIL, REQUESTS, TIMERS, OPERATIONS, STEERING, STEPS)


async def drive(world: World) -> None:
    """Everybody at once."""
    async with trio.open_nursery() as nursery:
        for part in _PARTS:
            nursery.start_soon(part.drive, world)


MOB: Final = Scenario(
    name="mob",
    agents={name: kind for part in _PARTS for name, kind in part.agents.items()},
    drive=drive,
    # Those of the other parts speak of every answer, whoever gave it.
    checks=(*MAIL.checks, *REQUESTS.checks),
    limits=Limits(passivate_seconds=2.0, live_max=8, events_buffer=16, fold_max=4, pull_max=4, run_inputs_max=8),
    seconds=30.0,
)
