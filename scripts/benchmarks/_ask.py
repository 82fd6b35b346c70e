"""What ``ask.py`` asks of a process of its own, and what it hears back."""

from __future__ import annotations

from typing import Final

from attrs import frozen

TURN: Final = "turn"
"""``await agent.ask(...)``: admission, decision, turn, receipt, in the memory store."""

STATUS: Final = "status"
"""``await agent.status()``: to the owner and back, without a commit."""

SLOT: Final = "slot"
"""To a bare task and back, see ``_slots.py``."""

SIDES: Final = (TURN, STATUS, SLOT)


@frozen(kw_only=True)
class AskJob:
    """One measurement of one side, done in a process of its own."""

    side: str
    agents: int
    seconds: float


@frozen(kw_only=True)
class AskResult:
    """What one measured window saw of one side."""

    requests: int
    seconds: float
    p50_seconds: float
    p99_seconds: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds
