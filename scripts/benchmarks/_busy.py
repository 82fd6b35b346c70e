"""What ``busy.py`` asks of a process of its own, and what it hears back."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class BusyJob:
    """What to measure in one process."""

    path: str
    agents: int
    probes: int
    """Agents beside the others, whose durable acks are timed."""
    rounds: int
    seconds: float
    sync_seconds: float
    """0: the disk as it is."""


@frozen(kw_only=True)
class Round:
    """One pass over the three phases, all in the same runtime."""

    ticks_alone: float
    """Per second, beside the runtime at rest."""
    turns_alone: float
    """Per second, beside an idle host."""
    ticks_beside: float
    turns_beside: float
    loop_share: float
    """Of that phase, how much the loop's thread was at work: the rest it waited, for the GIL or for a processor."""
    acks: int
    ack_p50_seconds: float
    ack_p99_seconds: float
    ack_max_seconds: float


@frozen(kw_only=True)
class BusyResult:
    """All rounds of one process."""

    spins_per_tick: int
    rounds: tuple[Round, ...]
