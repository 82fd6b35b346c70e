"""From where an identity stands to what its caller may do with it: pure, and the same for every store."""

from __future__ import annotations

from meerkat_actors.records import activation
from meerkat_actors.records.continuity import (
    OPAQUE_KIND,
    Broken,
    ContinuityFailure,
    ContinuityFailureKind,
    ContinuityRecord,
    ContinuityResolveState,
    Ready,
    Uninitialized,
)
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.standing import Authority, Standing


def resolve(standing: Standing | activation.Broken) -> ContinuityResolveState:
    """What one identity is now. Its snapshot must have been read, if only to check it."""
    if isinstance(standing, activation.Broken):
        return _unreadable(standing.identity, standing.detail)
    authority = standing.authority
    if authority is None:
        return Uninitialized(fencing_token=None, generation_floor=None)
    if authority.is_deleted:
        return Uninitialized(fencing_token=authority.token, generation_floor=authority.floor)
    record = record_of(standing.identity, authority)
    wrong = _wrong_snapshot(standing, authority)
    if wrong is None:
        return Ready(record=record, fencing_token=authority.token, generation_floor=authority.floor)
    kind, detail = wrong
    return Broken(
        failure=ContinuityFailure(identity=standing.identity, kind=kind, record=record, detail=detail),
        fencing_token=authority.token,
        generation_floor=authority.floor,
    )


def record_of(identity: AgentIdentity, authority: Authority) -> ContinuityRecord:
    """The record that an authority row holds; a store gives out no row that holds none."""
    return ContinuityRecord(
        identity=identity,
        session_id=authority.session_id,
        generation=authority.generation,
        checkpoint_version=authority.version,
    )


def _wrong_snapshot(standing: Standing, authority: Authority) -> tuple[ContinuityFailureKind, str] | None:
    # The sessions of the runtime's own identities are rows, which activation verifies.
    if authority.kind != OPAQUE_KIND:
        return None
    row, head = standing.snapshot, f"version {authority.version} of generation {authority.generation}"
    if row is None and authority.version == 0:  # the first save has not happened
        return None
    if row is None:
        return ContinuityFailureKind.SNAPSHOT_MISSING, f"{head} was saved and is gone"
    if (row.identity, row.generation) != (standing.key, authority.generation):
        detail = f"{head} was saved, and its session has version {row.version} of generation {row.generation}"
        return ContinuityFailureKind.GENERATION_MISMATCH, detail
    if row.version > authority.version:
        return ContinuityFailureKind.GENERATION_MISMATCH, f"{head} was saved last, and version {row.version} is there"
    if row.version < authority.version:
        return ContinuityFailureKind.SNAPSHOT_MISSING, f"{head} was saved and is gone; version {row.version} is there"
    if not row.is_sound:
        return ContinuityFailureKind.SNAPSHOT_CORRUPTED, f"the bytes of {head} are not the ones that were saved"
    return None


def _unreadable(identity: AgentIdentity, detail: str) -> Broken:
    failure = ContinuityFailure(
        identity=identity, kind=ContinuityFailureKind.RECORD_CORRUPTED, record=None, detail=detail
    )
    return Broken(failure=failure, fencing_token=None, generation_floor=None)
