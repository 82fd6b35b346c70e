"""Workloads for whatever is built: what is simulated before each release, and examples of scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import evolve

from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.workloads.asks import ASKS
from meerkat_actors.simulation.workloads.mail import MAIL
from meerkat_actors.simulation.workloads.mob import MOB
from meerkat_actors.simulation.workloads.operations import OPERATIONS
from meerkat_actors.simulation.workloads.pruning import PRUNING
from meerkat_actors.simulation.workloads.requests import REQUESTS
from meerkat_actors.simulation.workloads.steering import STEERING
from meerkat_actors.simulation.workloads.steps import STEPS
from meerkat_actors.simulation.workloads.takeover import TAKEOVER, TAKEOVER_OF_ASKS
from meerkat_actors.simulation.workloads.timers import TIMERS
from meerkat_actors.simulation.workloads.verbs import VERBS

_DURABLE: Final = (
    ASKS, MAIL, REQUESTS, TIMERS, OPERATIONS, STEPS, STEERING, VERBS, TAKEOVER_OF_ASKS, TAKEOVER, PRUNING, MOB
)  # fmt: skip

WORKLOADS: Final[Mapping[str, Scenario]] = MappingProxyType(
    {scenario.name: scenario for scenario in _DURABLE}
    | {f"{each.name}-memory": evolve(each, name=f"{each.name}-memory", is_durable=False) for each in _DURABLE}
)
"""By name. Each is on a simulated disk, and once more, as ``NAME-memory``, in memory."""
