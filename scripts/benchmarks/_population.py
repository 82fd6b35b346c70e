"""What ``population.py`` asks of a process of its own, and what it hears back."""

from __future__ import annotations

from attrs import frozen

from _process import Memory


@frozen(kw_only=True)
class PopulationJob:
    """What to measure in one process; ``what`` says which fields count."""

    what: str
    """``identities``, ``cycles``, ``live`` or ``live_traced``."""
    path: str
    """The database; it must not exist yet."""
    counts: tuple[int, ...]
    """Identities in all, at which to look: ascending."""
    live_max: int
    clients: int
    """Requests in flight."""
    rounds: int


@frozen(kw_only=True)
class Look:
    """What was seen when that many identities had been created, and each asked once."""

    identities: int
    live: int
    """In memory, by the runtime's own count."""
    memory: Memory
    traced_bytes: int
    """What ``tracemalloc`` counts; 0 where it does not run."""
    seconds: float
    """Since the first identity."""


@frozen(kw_only=True)
class Cost:
    """What one request took, on average of one pass; in seconds."""

    wall: float
    cpu: float
    """Of all threads of the process."""


@frozen(kw_only=True)
class CycleRound:
    """One pass over every kind of request, all in the same runtime."""

    status_parked: Cost
    """Activate, tell the status, and another passivates."""
    status_live: Cost
    turn_parked: Cost
    """Activate, claim with the admission, make a turn, and another passivates."""
    turn_live: Cost


@frozen(kw_only=True)
class PopulationResult:
    """What one process saw."""

    looks: tuple[Look, ...] = ()
    cycles: tuple[CycleRound, ...] = ()
