"""What an admission, a boundary and an ending prove."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import (
    AdmissionSequence,
    AgentIdentity,
    CheckpointVersion,
    Generation,
    InputId,
    RunId,
)


@hot
class Admission:
    """Proof that an input is durable."""

    input_id: InputId
    """The first one's id when the same idempotency key was admitted before."""
    admission_sequence: AdmissionSequence
    duplicate: bool
    """Whether the input was already there; nothing was written then."""
    durable: bool


@hot
class Receipt:
    """Proof of a boundary: what was consumed, and the conversation after it."""

    identity: AgentIdentity
    generation: Generation
    checkpoint_version: CheckpointVersion
    run_id: RunId
    sequence: int
    """Dense per run, from 1."""
    contributors: tuple[InputId, ...]
    """The consumed inputs, in order."""
    digest: str
    """Hex of the transcript's hash chain after the boundary."""
    message_count: int
    """Length of the transcript after the boundary."""


class AbandonReason(StrEnum):
    """Why an input ended without a result."""

    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    """Its turn failed as often as the limit allows."""
    CRASH_LOOP = "crash_loop"
    """The process ended uncleanly under its run as often as the limit allows."""
    CANCELLED = "cancelled"
    """Somebody asked for it."""
    RETIRED = "retired"
    """Its runtime was retired, and nobody was left to drain it."""
    RESET = "reset"
    STOPPED = "stopped"
    DESTROYED = "destroyed"
    NEVER_EXECUTED = "never_executed"
    """Staged, and its run never began."""


@hot
class Consumed:
    """The input is part of the conversation; its turn returned ``text``."""

    text: str | None
    receipt: Receipt


@frozen
class Abandoned:
    """The input ended without a result: a dead letter."""

    reason: AbandonReason
    detail: str
    """What the last attempt said."""

    def __str__(self) -> str:
        return f"abandoned ({self.reason}): {self.detail}"


Outcome = Consumed | Abandoned
"""The one terminal outcome of an input."""


@frozen(kw_only=True)
class Answer:
    """The result of an ``ask``."""

    text: str | None
    receipt: Receipt
