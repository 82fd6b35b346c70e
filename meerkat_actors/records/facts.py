"""What a unit did that observers may be told and none of its rows says by itself.

Facts of one unit are one row, written in the commit that makes them true.
"""

from __future__ import annotations

from attrs import frozen

from meerkat_actors.records.ids import Generation, InputId, OperationId, RunId
from meerkat_actors.records.outcomes import AbandonReason
from meerkat_actors.records.status import Desired


@frozen
class Created:
    """The identity exists from now on: for the first time, or again."""

    kind: str
    generation: Generation


@frozen
class Configured:
    """It has a new configuration."""

    version: int
    """From 1."""


@frozen
class DesiredChanged:
    """The operator wants something else of it."""

    desired: Desired
    """From now on."""


@frozen
class GenerationBegan:
    """It was reset."""

    generation: Generation
    """The one that began."""


@frozen
class Destroyed:
    """It is no more."""


@frozen
class MailTaken:
    """Messages were admitted, in that order."""

    input_ids: tuple[InputId, ...]


@frozen
class InputNoted:
    """An input was consumed as it was admitted, with no turn."""

    input_id: InputId


@frozen
class InputSuperseded:
    """A newer input took its place."""

    input_id: InputId
    by: InputId


@frozen
class InputCoalesced:
    """A newer input stands for it."""

    input_id: InputId
    into: InputId


@frozen
class InputAbandoned:
    """An input ended without a result."""

    input_id: InputId
    reason: AbandonReason
    detail: str


@frozen
class RunFailed:
    """A turn raised; unless its inputs are abandoned by the same unit it is tried again."""

    run_id: RunId
    attempts: int
    """Those that failed, with this one."""
    error: str
    """Type and message, never a traceback."""


@frozen
class LetterSettled:
    """A dead letter was driven again, or dropped."""

    admission: int
    """The admission sequence of its input."""


@frozen
class TimerSet:
    """A timer will be due."""

    name: str
    due_ms: int
    """Wall clock."""


@frozen
class TimerFired:
    """A timer was due."""

    name: str
    due_ms: int
    """When, by the wall clock."""
    input_ids: tuple[InputId, ...]
    """What it fired; nothing, where its occurrences were skipped."""


@frozen
class TimerDropped:
    """A timer will not be due any more."""

    name: str


@frozen
class OperationStarted:
    """An operation was registered."""

    operation_id: OperationId
    name: str


@frozen
class OperationChanged:
    """An operation goes on: it made progress, or is asked to end."""

    operation_id: OperationId
    change: str
    """See ``OperationChange``."""


@frozen
class OperationsCollected:
    """The operations that ended are forgotten."""

    count: int


@frozen
class OperationEnded:
    """An operation ended."""

    operation_id: OperationId
    status: str
    """See ``OperationStatus``."""
    sequence: int
    """Among the ends of the identity's operations, from 1."""


@frozen
class Emitted:
    """What a turn told by ``turn.emit``."""

    name: str
    data: bytes
    """Canonical JSON."""


Fact = (
    Created
    | Configured
    | DesiredChanged
    | GenerationBegan
    | Destroyed
    | MailTaken
    | InputNoted
    | InputSuperseded
    | InputCoalesced
    | InputAbandoned
    | RunFailed
    | LetterSettled
    | TimerSet
    | TimerFired
    | TimerDropped
    | OperationStarted
    | OperationChanged
    | OperationsCollected
    | OperationEnded
    | Emitted
)
