"""What one unit does to the store: a closed union of small records, and the unit itself.

A unit is all or nothing. Its effects run in the order of the union below, whatever order
they are given in: claim, inserts and moves, head advance last. Adding an effect is a normal
change: a record here, both stores, the conformance suite.
"""

from __future__ import annotations

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
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.outcomes import Abandoned
from meerkat_actors.records.runtime_effects import RuntimeEffect


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


@hot
class TakeMail:
    """Admit a ``sent`` row: refused unless it is still sent and the head of its pair."""

    sequence: int
    sender_key: IdentityKey | None
    """None for what came from outside, while another runtime held the recipient."""
    admission: AdmissionSequence
    run_id: RunId | None
    """The run it is staged for; None leaves it queued."""


@hot
class Stage:
    """Bind a queued input to a run."""

    admission: AdmissionSequence
    run_id: RunId


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
    """None: consumed by the turn that the same unit appends."""


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


Effect = (
    Claim
    | CreateIdentity
    | SetConfig
    | InsertInput
    | TakeMail
    | RuntimeEffect
    | Stage
    | ChargeRun
    | EndInput
    | RecordStep
    | DropJournal
    | SendMail
    | AppendTurn
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


@hot
class OwnerUnit:
    """What a runtime writes that no identity of its own does, under its own fence."""

    fence: OwnerFence
    effect: PostInput


@hot
class Unit:
    """Effects that commit together or not at all, under one fence."""

    fence: IdentityFence
    effects: tuple[Effect, ...]
