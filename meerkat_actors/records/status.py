"""What a runtime and an identity say of themselves."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from meerkat_actors.records.ids import (
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    RunId,
    SessionId,
)


class RuntimePhase(StrEnum):
    """Where a runtime is in its block."""

    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    """Admission is closed; what runs may end."""
    CLOSED = "closed"
    """No owner may start any more."""


class Phase(StrEnum):
    """What an identity is doing; derived, never durable."""

    IDLE = "idle"
    RUNNING = "running"
    WAITING = "waiting"
    """Between two attempts of a run that failed."""


@frozen(kw_only=True)
class IdentityStatus:
    """One identity, now."""

    identity: AgentIdentity
    kind: str
    phase: Phase
    generation: Generation
    checkpoint_version: CheckpointVersion
    fencing_token: FencingToken
    session_id: SessionId
    message_count: int
    backlog: int
    """Open inputs that wait behind the run."""
    run_id: RunId | None
    attempts: int
    interruptions: int


@frozen(kw_only=True)
class Statistics:
    """Counters of one runtime since it was opened."""

    turns: int
    """Boundaries committed."""
    inputs: int
    """Inputs admitted, mail included."""
    units: int
    """Units committed."""
    commits: int
    """Transactions committed."""
    live: int
    """Identities in memory now."""
    running: int
    """Turns in progress now."""
    broken: tuple[AgentIdentity, ...]
    """Identities in quarantine."""
