"""What an identity's owner is asked, and what it answers."""

from __future__ import annotations

from meerkat_actors.records.headers import Header
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AdmissionSequence, InputId, OperationId, RunId
from meerkat_actors.records.inputs import InputKind, Mail
from meerkat_actors.records.operation import Operation, OperationChange
from meerkat_actors.records.runs import TurnEnding
from meerkat_actors.records.status import Verb
from meerkat_actors.records.timers import Timer


@hot
class Create:
    """Create the identity, or find it; another kind than the stored one is a ``UsageError``."""

    kind: str | None
    """None: open an existing identity only."""
    config: bytes | None = None
    """Canonical JSON of its configuration from now on; None leaves it as it is."""
    recreates: bool = False
    """Whether a destroyed identity begins anew, as its next generation."""


@hot
class Send:
    """Admit an input from outside."""

    input_id: InputId
    kind: InputKind
    content: bytes
    digest: bytes
    idempotency_key: str | None
    header: Header | None = None
    """None for its kind's default."""


@hot
class Wait:
    """Tell the outcome of an admitted input when it has one."""

    input_id: InputId
    admission: AdmissionSequence


@hot
class TakePending:
    """Admit mail that was read for this identity."""

    mail: tuple[Mail, ...]


@hot
class FireDue:
    """Fire timers that were read for this identity because they are due."""

    timers: tuple[Timer, ...]


@hot
class SetSchedule:
    """Let a timer be due, in place of whatever has its name. Answered once it is durable."""

    name: str
    due_ms: int
    """Wall clock."""
    body: bytes
    """Canonical JSON, see ``encode_schedule``."""


@hot
class DropSchedule:
    """End a timer, if it is there. Answered once that is durable."""

    name: str


@hot
class StartOperation:
    """Register an operation. Answered with it, once it is durable."""

    operation: Operation


@hot
class ChangeOperation:
    """Move an operation on. Answered with what it is then, once that is durable."""

    operation_id: OperationId
    change: OperationChange
    content: bytes | None = None
    """Canonical JSON: progress, result or error."""


@hot
class WatchOperation:
    """Tell what became of an operation when it has ended."""

    operation_id: OperationId


@hot
class ListOperations:
    """Tell every operation that is remembered, in the order of their starts."""


@hot
class CollectOperations:
    """Tell the operations that ended, in the order of their ends, and forget them. Answered once that is durable."""


@hot
class EndTurn:
    """The turn of a run is over."""

    run_id: RunId
    ending: TurnEnding


@hot
class JournalStep:
    """Record the result of a step of the run in progress."""

    run_id: RunId
    name: str
    nth: int
    arguments: bytes
    result: bytes
    """Canonical JSON; empty for the intent of a step that is never run twice without being asked."""
    is_once: bool = False


@hot
class ResolveIntent:
    """Record what came of a step whose intent is journaled; None: nothing did."""

    run_id: RunId
    name: str
    nth: int
    result: bytes | None


@hot
class Checkpoint:
    """Bind the steered inputs that wait to the run in progress, as its n-th checkpoint. Answered with them."""

    run_id: RunId
    nth: int


@hot
class Interrupt:
    """End the run, whether its turn is in progress or waits for its next attempt. Answered once that is durable.

    The answer: whether there was one.
    """

    at_checkpoint: bool = False
    """Let a turn in progress go on until its next checkpoint, or its end."""


@hot
class CancelInput:
    """End one input. Answered with its outcome once it is durable, whatever that is."""

    input_id: InputId
    admission: AdmissionSequence


@hot
class Govern:
    """Do what the operator asks of the identity. Answered once it is durable."""

    verb: Verb


@hot
class Redrive:
    """Try a dead letter again, as a new input."""

    admission: AdmissionSequence
    send: Send
    """Its header names the letter."""


@hot
class DropLetter:
    """A dead letter needs no more looking after."""

    admission: AdmissionSequence


@hot
class Yield:
    """End the cooperative wait of the turn in progress, if it is in one."""


@hot
class ProbationOver:
    """The run that was suspected of ending the process has run long enough not to be."""

    run_id: RunId


@hot
class GraceOver:
    """The time is over that a cancelled turn had to end in."""

    run_id: RunId


@hot
class BackoffOver:
    """The wait between two attempts of a run is over."""

    run_id: RunId


@hot
class GetStatus:
    """Say what the identity is doing."""


@hot
class Look:
    """Nothing is asked; look whether there is work."""


Command = (
    Create
    | Send
    | Wait
    | TakePending
    | FireDue
    | SetSchedule
    | DropSchedule
    | StartOperation
    | ChangeOperation
    | WatchOperation
    | ListOperations
    | CollectOperations
    | EndTurn
    | JournalStep
    | ResolveIntent
    | Checkpoint
    | Interrupt
    | CancelInput
    | Govern
    | Redrive
    | DropLetter
    | Yield
    | ProbationOver
    | GraceOver
    | BackoffOver
    | GetStatus
    | Look
)
