"""What a run's boundary commits beside its inputs, and what its receipt must say of it."""

from __future__ import annotations

from typing import assert_never

from attrs import evolve

from meerkat_actors.errors import (
    MeerkatError,
    ReceiptMismatchError,
    SessionKeyMismatchError,
    SnapshotSupersededError,
    TranscriptContinuityError,
    TranscriptRevisionConflictError,
)
from meerkat_actors.machines.transcript import TranscriptRefusal
from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.effects import AppendTurn, Effect
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import AgentIdentity, CheckpointVersion
from meerkat_actors.records.run_boundary import RunBoundaryReceipt, encode_boundary
from meerkat_actors.records.runtime_effects import RecordReceipt
from meerkat_actors.records.transcripts import Transcript, TranscriptRewriteCommit


def authoritative(
    identity: AgentIdentity, receipt: RunBoundaryReceipt, conversation: Transcript | None, fence: IdentityFence
) -> RunBoundaryReceipt:
    """The receipt as it is committed: with the digest and version that the caller may leave out.

    Raises:
        ReceiptMismatchError: it says another digest, length or version than what is committed.
    """
    count = 0 if conversation is None else len(conversation.entries)
    whole = evolve(
        receipt,
        conversation_digest=DIGEST_ZERO.hex() if conversation is None else conversation.revision,
        message_count=count,
        checkpoint_version=CheckpointVersion(fence.version + 1),
    )
    for what in ("message_count", "conversation_digest", "checkpoint_version"):
        presented, current = getattr(receipt, what), getattr(whole, what)
        if presented is not None and presented != current:
            raise ReceiptMismatchError(identity=identity, presented=f"{what} {presented}", current=f"{what} {current}")
    return whole


def boundary_effects(receipt: RunBoundaryReceipt) -> tuple[Effect, ...]:
    """The receipt, and the step of the head that it proves."""
    assert receipt.checkpoint_version is not None
    assert receipt.conversation_digest is not None
    return (
        RecordReceipt(receipt.run_id, receipt.sequence),
        AppendTurn(
            receipt.run_id,
            receipt.checkpoint_version,
            bytes.fromhex(receipt.conversation_digest),
            receipt.message_count,
            0,
            encode_boundary(receipt),
            sets_state=False,
        ),
    )


def refuse_transcript(
    identity: AgentIdentity,
    refusal: TranscriptRefusal,
    stored: Transcript | None,
    incoming: Transcript,
    commit: TranscriptRewriteCommit | None = None,
) -> MeerkatError:
    """The error of a transcript that does not follow."""
    now = "no transcript" if stored is None else f"{len(stored.entries)} messages ({stored.revision})"
    new = f"{len(incoming.entries)} messages ({incoming.revision})"
    match refusal:
        case TranscriptRefusal.OTHER_SESSION:
            current = "none" if stored is None else stored.session_id
            return SessionKeyMismatchError(identity=identity, presented=incoming.session_id, current=current)
        case TranscriptRefusal.SUPERSEDED:
            return SnapshotSupersededError(identity=identity, presented=new, current=now)
        case TranscriptRefusal.OTHER_PARENT:
            presented = "unknown" if commit is None else commit.parent_revision
            current = "none" if stored is None else stored.revision
            return TranscriptRevisionConflictError(identity=identity, presented=presented, current=current)
        case TranscriptRefusal.DIVERGED | TranscriptRefusal.INVALID_REWRITE:
            return TranscriptContinuityError(identity=identity, presented=f"{refusal}: {new}", current=now)
        case _:
            assert_never(refusal)
