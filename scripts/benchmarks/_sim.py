"""What ``sim.py`` asks of a process of its own, and what it hears back."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class SimJob:
    """One measurement of one side."""

    side: str
    """``memory``, ``durable`` or ``simpy``."""
    agents: int
    events: int
    """Questions asked and answered inside the window."""
    clients: int
    thinking_seconds: float
    """Of a client between two questions, on average. 0: all of them ask in step, once a second."""


@frozen(kw_only=True)
class SimResult:
    """One window; seconds are those of a processor, so that a busy machine takes none of them."""

    seconds: float
    virtual_seconds: float
    sleeping_bytes: int
    """What all agents take between two questions, by ``VmRSS``."""

    @property
    def virtual_per_second(self) -> float:
        return self.virtual_seconds / self.seconds
