"""What is simulated: agents, who asks them, for how long, and what must hold afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from attrs import Factory, field, frozen

from meerkat_actors.actors.turn import AgentFunction, AgentKind
from meerkat_actors.actors.turn.wiring import Wiring
from meerkat_actors.errors import UsageError
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.supervision import SupervisionGroup

if TYPE_CHECKING:
    from meerkat_actors.simulation.outcome import Seen
    from meerkat_actors.simulation.world import World

Drive: TypeAlias = "Callable[[World], Awaitable[None]]"
"""The workload: what clients ask, until it returns. It is cancelled when its time is over."""
Check: TypeAlias = "Callable[[Seen], Iterable[str]]"
"""Told everything that was seen, after all has ended: a sentence for each thing that is wrong."""


def _kinds(agents: Mapping[str, AgentFunction | AgentKind]) -> Mapping[str, AgentKind]:
    kinds = {name: each if isinstance(each, AgentKind) else AgentKind(each) for name, each in agents.items()}
    for name, kind in kinds.items():
        if not kind.is_async:
            raise UsageError(problem=f"agents[{name!r}]: a simulation has no threads; make it an async function")
    return kinds


@frozen(kw_only=True)
class Scenario:
    """One thing to simulate; with a seed, and a plan of faults, it is one history.

    What its functions choose by chance comes from ``world.random(...)`` or ``turn.random``, what they wait for is
    ``trio.sleep`` or a runtime's: then the same seed is the same history.

    Raises:
        UsageError: an agent is a plain function, or a number makes no sense.
    """

    name: str
    agents: Mapping[str, AgentKind] = field(converter=_kinds)
    """By kind: an async function, or an ``AgentKind`` of one."""
    drive: Drive
    checks: tuple[Check, ...] = ()
    """Beside those that hold for everybody."""
    seconds: float = 60.0
    """Virtual: how long the workload, and the faults beside it, may go on."""
    limits: Limits = Factory(Limits)
    is_durable: bool = True
    """On a simulated disk; else in memory, which survives its processes and knows no power cut."""
    processes: int = 1
    """At a time, on one store."""
    wiring: Wiring | None = None
    is_followed: bool = True
    """Whether a subscriber follows its events, across processes, to be compared with one that reads them at the end."""
    groups: tuple[SupervisionGroup, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse what can't be simulated."""
        if not 1 <= self.processes <= 8 or not 0 < self.seconds < 1e9:
            raise UsageError(problem=f"{self.name}: 1 to 8 processes, and more than 0 seconds")
