"""What one simulation came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import field, frozen

from meerkat_actors.records.ids import InputId
from meerkat_actors.simulation.client import Asked
from meerkat_actors.simulation.plan import Plan

if TYPE_CHECKING:
    from meerkat_actors.simulation.checks import Contents
    from meerkat_actors.simulation.scenario import Scenario


@frozen(kw_only=True)
class Seen:
    """Everything that can be seen of a simulation from outside, after all has ended: what checks are told."""

    scenario: Scenario
    seed: str
    plan: Plan
    contents: Contents
    """Every row of the database."""
    asked: tuple[Asked, ...]
    """What clients asked and were told, in the order in which they were told."""
    unanswered: frozenset[InputId]
    """What clients asked, and never knew what became of it."""
    deaths: int
    """Processes that did not end in good order."""
    served: int = 0
    """Processes that ever came to serve."""
    given: Mapping[InputId, bytes] = field(factory=dict[InputId, bytes])
    """The content of every input of the store, as it is stored; empty where it was pruned."""
    has_guests: bool = False
    """Whether the workload asked runtimes by itself: ``asked`` is not everything then."""


@frozen(kw_only=True)
class Lived:
    """One simulation of one seed."""

    scenario: str
    seed: str
    plan: Plan
    trace: str
    """The hash of everything that happened: the same for the same scenario, seed and plan, in any process."""
    lines: tuple[str, ...]
    """The newest of what happened, each with its virtual second."""
    violations: tuple[str, ...]
    """What must not be, one sentence each. Empty: all went well."""
    seconds: float
    """Virtual."""
    steps: int
    """Of all tasks."""
    boots: int
    """Processes that began."""
    inputs: int
    """Acknowledged to clients."""
    turns: int
    fired: Mapping[str, int] = field(factory=dict[str, int])
    """How often each kind of fault hurt somebody."""
