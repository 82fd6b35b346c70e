"""What one unit does to the store: a closed union of small records, and the unit itself.

A unit is all or nothing. Its effects run in the order of the union below, whatever order
they are given in: claim, inserts and moves, head advance last. Adding an effect is a normal
change: a record here, both stores, the conformance suite.
"""

from __future__ import annotations

from meerkat_actors.records.agenda_effects import AgendaEffect
from meerkat_actors.records.continuity_effects import ContinuityEffect
from meerkat_actors.records.fence import IdentityFence, OwnerFence
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import (
    AdmissionSequence,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    IdentityKey,
    InputId,
    RunId,
    SessionId,
)
from meerkat_actors.records.inputs import InputKind, Lane
from meerkat_actors.records.outcomes import Abandoned
from meerkat_actors.records.runtime_effects import RuntimeEffect
from meerkat_actors.records.status import Desired


@hot
class Claim:
    """Raise the token of an existing identity from ``previous`` to the fence's."""

    previous: FencingToken


@hot
class Release:
    """Give the identity up, in good order and alone in its unit: whoever claims it next charges nothing."""


@hot
class CreateIdentity:
    """Make the authority row under the fence's key: token 1, generation 0, version 0."""

    kind: str
    session_id: SessionId


@hot
class SetConfig:
    """Give the identity its configuration of that version; there is none yet."""

    version: int
    body: bytes
    """Canonical JSON."""


@hot
class InsertInput:
    """Admit an input from outside: queued, or at once staged as a run's member."""

    admission: AdmissionSequence
    input_id: InputId
    kind: InputKind
    content: bytes
    digest: bytes
    """SHA-256 of the content: what "the same content" means for a key."""
    idempotency_key: str | None
    run_id: RunId | None
    """The run it is staged for; None leaves it queued."""
    header: bytes | None = None
    """Canonical JSON of what it says of itself; None for its kind's default."""
    policy: int = 0
    lane: Lane = Lane.QUEUE
    """``NONE``: consumed at once, with no turn."""


@hot
class TakeMail:
    """Admit a ``sent`` row: refused unless still sent, above the mail floor, and the head of its pair and lane."""

    sequence: int
    sender_key: IdentityKey | None
    """None for what came from outside, while another runtime held the recipient."""
    admission: AdmissionSequence
    run_id: RunId | None
    """The run it is staged for; None leaves it queued."""
    policy: int = 0
    lane: Lane = Lane.QUEUE


@hot
class Stage:
    """Bind a queued input to a run."""

    admission: AdmissionSequence
    run_id: RunId
    position: int = 0
    """0 for what a run begins with, n for what its n-th checkpoint binds."""


@hot
class ChargeRun:
    """Set the counters of a staged input: after a failure, an unclean end, or progress."""

    admission: AdmissionSequence
    run_id: RunId
    attempts: int
    interruptions: int
    not_before_ms: int


@hot
class EndInput:
    """Give a staged input its one outcome."""

    admission: AdmissionSequence
    run_id: RunId
    abandoned: Abandoned | None
    """None: consumed by the turn that the same unit appends. A dead letter, if its reason is one of those.

    The attempt that was one too many is counted with it.
    """
    owes: bool = False
    """Whether it is a request that its turn put off: consumed, and its answer is owed."""


@hot
class SettleLetter:
    """A dead letter is looked after: driven again by the input that the same unit admits, or dropped."""

    admission: AdmissionSequence


@hot
class RecordStep:
    """Record the result of a side effect under a live run."""

    admission: AdmissionSequence
    """The run's first member, which must be staged under ``run_id``."""
    run_id: RunId
    name: str
    nth: int
    arguments: bytes
    result: bytes
    """Canonical JSON. Empty, which no JSON is: the step is about to run, and what came of it is not known."""
    is_once: bool = False
    """Whether its intent is recorded first: it is never run twice without being asked."""


@hot
class ResolveStep:
    """Record what came of a step whose intent was recorded; None: nothing did, and the intent is withdrawn."""

    run_id: RunId
    name: str
    nth: int
    result: bytes | None


@hot
class DropJournal:
    """Forget the steps of a run that ends in this unit."""

    run_id: RunId


@hot
class SendMail:
    """Insert a ``sent`` row for another identity, which need not exist yet."""

    recipient: AgentIdentity
    input_id: InputId
    kind: InputKind
    content: bytes
    digest: bytes
    number: int
    """The sender's send counter: increasing for ever, not dense per recipient."""
    header: bytes | None = None
    """Canonical JSON of what it says of itself; None for its kind's default."""
    lane: Lane = Lane.QUEUE
    """Where it will wait: mail is taken in the order of its sender and lane."""


@hot
class AppendTurn:
    """Append one boundary and advance the head to ``version``, which is the fence's plus one."""

    run_id: RunId
    version: CheckpointVersion
    digest: bytes
    """The transcript's hash chain after the boundary."""
    message_count: int
    sends: int
    """The send counter after the boundary."""
    body: bytes
    """What no column of the boundary holds: one canonical JSON object, see ``encode_turn``."""
    sets_state: bool


@hot
class SetDesired:
    """Remember what the operator wants of the identity."""

    desired: Desired


@hot
class BeginGeneration:
    """Reset: the next generation, with an empty transcript, no state and version 0. What was stays readable."""

    session_id: SessionId


@hot
class Bury:
    """Destroy: a tombstone at the fence's token and generation. The row stays, as a fence."""


@hot
class Recreate:
    """Lift a tombstone as the next generation, raising the token from ``previous``; the fence names the dead one."""

    previous: FencingToken
    kind: str
    session_id: SessionId


Effect = (
    Claim
    | CreateIdentity
    | Recreate
    | SetConfig
    | InsertInput
    | TakeMail
    | RuntimeEffect
    | Stage
    | ChargeRun
    | EndInput
    | SettleLetter
    | RecordStep
    | ResolveStep
    | DropJournal
    | AgendaEffect
    | SendMail
    | AppendTurn
    | SetDesired
    | BeginGeneration
    | Bury
    | Release
    | ContinuityEffect
)


@hot
class PostInput:
    """Insert a ``sent`` row from outside for an existing identity that another runtime holds, which takes it."""

    recipient: AgentIdentity
    input_id: InputId
    kind: InputKind
    content: bytes
    digest: bytes
    idempotency_key: str | None
    header: bytes | None = None
    """Canonical JSON of what it says of itself; None for its kind's default."""


@hot
class ReturnMail:
    """End a ``sent`` row that can't be taken any more; nothing, where it can, or was.

    It can't where its recipient was destroyed, is retired, has a mail floor above it, or does not exist and the
    row's id was made before ``absent_before_ms``.
    """

    sequence: int
    recipient: AgentIdentity
    abandoned: Abandoned
    absent_before_ms: int
    answer: PostInput | None = None
    """For a request: the failed response to its sender, inserted with it as from outside, if that sender exists."""


@hot
class OwnerUnit:
    """What a runtime writes that no identity of its own does, under its own fence."""

    fence: OwnerFence
    effect: PostInput | tuple[ReturnMail, ...]


@hot
class Unit:
    """Effects that commit together or not at all, under one fence."""

    fence: IdentityFence
    effects: tuple[Effect, ...]
