"""What a unit does to what an identity has yet to do - answers it owes, timers, operations - and what it tells.

All of them run after inputs have ended and before mail is sent and the head advances, in the order of the union.
"""

from __future__ import annotations

from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AdmissionSequence, OperationId


@hot
class SettleRequest:
    """A request that was consumed unanswered is answered, or never will be: refused unless its answer is still owed."""

    admission: AdmissionSequence


@hot
class SetTimer:
    """Let a timer be due, in place of whatever has its name."""

    name: str
    due_ms: int
    """Wall clock."""
    body: bytes
    """Canonical JSON: what fires, how it repeats; see ``encode_schedule``."""


@hot
class FireTimer:
    """A timer fired, or its occurrence was skipped: refused unless it was still due then."""

    name: str
    was_due_ms: int
    """Wall clock."""
    due_ms: int | None
    """Its next time; None ends it."""
    last: AdmissionSequence
    """The input that it fired last; 0 for none yet."""


@hot
class DropTimer:
    """End a timer, if it is there."""

    name: str


@hot
class DropTimers:
    """End all of the identity's timers: with its generation, or with itself."""


@hot
class PutOperation:
    """Keep an operation as it is now, in place of what it was."""

    operation_id: OperationId
    body: bytes
    """Canonical JSON, see ``encode_operation``."""
    is_bound: bool = False
    """Whether it goes on, and ends with its process: then its identity has work when another one begins."""


@hot
class DropOperation:
    """Forget an operation that ended long ago, if it is there."""

    operation_id: OperationId


@hot
class RecordEvents:
    """Tell observers what the unit did and none of its other rows says. Never alone in a unit."""

    body: bytes
    """Canonical JSON: a list of facts, see ``encode_facts``."""


@hot
class CountSends:
    """Advance the send counter in a unit that sends mail and appends no turn."""

    sends: int
    """What it is from now on: messages of the identity so far."""


AgendaEffect = (
    SettleRequest
    | SetTimer
    | FireTimer
    | DropTimer
    | DropTimers
    | PutOperation
    | DropOperation
    | RecordEvents
    | CountSends
)
