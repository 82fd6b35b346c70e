"""What an admission, a boundary and an ending prove."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

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


class ReceiptOutcome(StrEnum):
    """How the turn ended that a receipt proves."""

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    """Its messages are kept; its inputs are abandoned, and what it sent or set is not."""


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
    outcome: ReceiptOutcome = ReceiptOutcome.COMPLETED


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
    UNDELIVERABLE = "undeliverable"
    """Nobody of that name took it for so long that nobody will."""
    EPHEMERAL_LOST = "ephemeral_lost"
    """It promised nothing, and the process ended before it was worked on."""


DEAD_LETTERS: Final = frozenset(
    {AbandonReason.ATTEMPTS_EXHAUSTED, AbandonReason.CRASH_LOOP, AbandonReason.NEVER_EXECUTED}
)
"""The reasons that nobody asked for: such inputs are kept as dead letters until somebody looks after them."""


@hot
class Consumed:
    """The input is part of the conversation; its turn returned ``text``."""

    text: str | None
    receipt: Receipt


@frozen
class Noted:
    """The input was consumed as it was admitted, with no turn."""

    def __str__(self) -> str:
        return "noted as it was admitted, with no turn"


@frozen
class Superseded:
    """A newer input of the same key took its place before it was worked on."""

    by: InputId

    def __str__(self) -> str:
        return f"superseded by input {self.by}, which goes on"


@frozen
class Coalesced:
    """A newer input stands for it."""

    into: InputId

    def __str__(self) -> str:
        return f"coalesced into input {self.into}, which goes on"


@frozen
class Abandoned:
    """The input ended without a result."""

    reason: AbandonReason
    detail: str
    """What the last attempt said."""

    def __str__(self) -> str:
        return f"abandoned ({self.reason}): {self.detail}"


Outcome = Consumed | Noted | Superseded | Coalesced | Abandoned
"""The one terminal outcome of an input."""


@frozen(kw_only=True)
class Answer:
    """The result of an ``ask``."""

    text: str | None
    receipt: Receipt
