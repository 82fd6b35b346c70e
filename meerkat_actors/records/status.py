"""What a runtime and an identity say of themselves."""

from __future__ import annotations

from collections.abc import Collection
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


class Desired(StrEnum):
    """What the operator wants of an identity: durable, and adopted at recovery."""

    OPEN = "open"
    PAUSED = "paused"
    """Admits, and begins nothing."""
    RETIRED = "retired"
    """Admits nothing, and works off what it has."""
    STOPPED = "stopped"
    """Admits nothing; what was queued is abandoned, the run in flight ends."""
    DESTROYED = "destroyed"
    """Is never to be again; what was queued is abandoned, the run in flight ends."""


class Verb(StrEnum):
    """What an operator may ask of an identity."""

    PAUSE = "pause"
    RESUME = "resume"
    RETIRE = "retire"
    STOP = "stop"
    RESET = "reset"
    RECYCLE = "recycle"
    DESTROY = "destroy"


class Phase(StrEnum):
    """What an identity is doing; derived, never durable."""

    IDLE = "idle"
    RUNNING = "running"
    WAITING = "waiting"
    """Between two attempts of a run that failed."""
    RESETTING = "resetting"
    """Its turn was interrupted, and the next generation begins when that has ended."""


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
    desired: Desired = Desired.OPEN
    steered: int = 0
    """Open inputs in the steer lane; they are among the backlog."""
    owed: int = 0
    """Requests whose answers it has put off."""


@frozen(kw_only=True)
class Quantiles:
    """How measured values are spread. All are 0 where nothing was measured."""

    p50: float = 0.0
    p99: float = 0.0
    max: float = 0.0

    @classmethod
    def of(cls, values: Collection[float]) -> Quantiles:
        """Of values in any order."""
        if not values:
            return cls()
        ordered = sorted(values)
        return cls(p50=ordered[len(ordered) // 2], p99=ordered[len(ordered) * 99 // 100], max=ordered[-1])


@frozen(kw_only=True)
class Statistics:
    """What one runtime counted since it was opened, what waits in it now, and how its store does lately.

    "Lately" is the last 1,000 transactions; times are in seconds.
    """

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
    queued_envelopes: int = 0
    """Requests that wait in the mailboxes of all live identities now."""
    deepest_mailbox: int = 0
    """Requests that wait in the fullest of them; ``limits.mailbox_max`` bounds it, control apart."""
    open_inputs: int = 0
    """Inputs that live identities admitted and have not ended yet."""
    waiters: int = 0
    """Inputs of live identities whose outcome somebody waits for."""
    batch_mean: float = 0.0
    """Units per transaction, lately."""
    batch_max: int = 0
    """Units of the largest transaction, lately."""
    commit_seconds: Quantiles = Quantiles()
    """Per transaction, lately: from ``BEGIN`` to the end of ``COMMIT``, fsync included, as the writer sees it."""
    sync_seconds: Quantiles = Quantiles()
    """Per transaction, lately: the ``COMMIT`` alone, which is the fsync; 0 on a store without one."""
    wait_seconds: Quantiles = Quantiles()
    """Per transaction, lately: how long the oldest request in it had waited for it to begin.

    What a full transaction (``limits.batch_max``) leaves behind is timed from then on.
    """
