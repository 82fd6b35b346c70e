"""Which unit a verb of the continuity facade is, where the identity stands: pure, and the same for every store.

The order of checks is that of ``fencing``: fencing token, tombstone, generation, session binding, version.
A token below the current one is refused, the current one is its holder's alone, and a higher one
becomes current with what it is presented for, or not at all.
"""

from __future__ import annotations

from attrs import frozen

from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import RefusalReason
from meerkat_actors.records.continuity import OPAQUE_KIND, ContinuityRecord, SessionSnapshot
from meerkat_actors.records.continuity_effects import (
    BuryRecord,
    CreateRecord,
    DropSnapshots,
    Exhume,
    Grant,
    RebindSession,
    ResetRecord,
    RollBackRecord,
    SaveSnapshot,
)
from meerkat_actors.records.effects import Claim, Effect, Unit
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import COUNTER_MAX, CheckpointVersion, FencingToken, Generation, SessionId
from meerkat_actors.records.standing import Authority, SnapshotRow, Standing


@frozen(kw_only=True)
class Grip:
    """What a caller holds of an identity: a token, and who it was granted to."""

    token: FencingToken
    holder: str


@frozen(kw_only=True)
class Conflict:
    """Why there is no such unit."""

    reason: RefusalReason
    presented: object
    current: object


@frozen(kw_only=True)
class NothingToDo:
    """What was asked is so already."""


Verdict = Unit | Conflict | NothingToDo


def decide_upsert(standing: Standing, grip: Grip, record: ContinuityRecord) -> Verdict:
    """Create, make anew, fence, rebind or reset: whichever leads from here to the record."""
    now, generation = standing.authority, record.generation
    if now is None:
        fence = IdentityFence(standing.identity, standing.key, grip.token, generation, CheckpointVersion(0))
        return Unit(fence, (CreateRecord(record.session_id), Grant(grip.holder)))
    beginning = _beginning(now, grip)
    if isinstance(beginning, Conflict):
        return beginning
    if now.is_deleted and (not beginning or generation <= now.floor):
        return _deleted(now, grip, generation)
    if generation == now.generation and not now.is_deleted:
        if record.session_id == now.session_id:
            return _unit(standing, now, grip, beginning)
        rebind = RebindSession(previous=now.session_id, session_id=record.session_id)
        return _mixed(now, "a rebind") or _unit(standing, now, grip, (*beginning, rebind))
    if generation <= now.floor:
        return Conflict(reason=RefusalReason.STALE_GENERATION, presented=generation, current=now.generation)
    if generation - 1 != now.floor:
        return Conflict(reason=RefusalReason.GENERATION_CONFLICT, presented=generation, current=now.floor)
    reset = ResetRecord(generation, record.session_id, is_reversible=not now.is_deleted)
    mixed = None if now.is_deleted else _mixed(now, "a reset")
    return mixed or _unit(standing, now, grip, (*beginning, reset))


def decide_save(
    standing: Standing, grip: Grip, stream: tuple[SessionId, Generation], version: int, snapshot: SessionSnapshot
) -> Verdict:
    """Keep a document of the current session, above the version that is stored."""
    session_id, generation = stream
    now = standing.authority
    if now is None:
        return _not_found(grip)
    beginning = _beginning(now, grip)
    if isinstance(beginning, Conflict):
        return beginning
    no = _other_life(now, grip, session_id, generation) or _mixed(now, "a snapshot")
    if no is not None:
        return no
    if version <= now.version:
        return Conflict(reason=RefusalReason.STALE_CHECKPOINT_VERSION, presented=version, current=now.version)
    save = SaveSnapshot(session_id, CheckpointVersion(version), snapshot.data, content_digest(snapshot.data))
    return _unit(standing, now, grip, (*beginning, save))


def decide_delete(standing: Standing, grip: Grip) -> Verdict:
    """Leave a tombstone. A higher token for what is deleted already raises the fence all the same."""
    now = standing.authority
    if now is None:
        return NothingToDo()
    beginning = _beginning(now, grip)
    if isinstance(beginning, Conflict):
        return beginning
    if now.is_deleted and not beginning:
        return NothingToDo()
    mixed = None if now.is_deleted else _mixed(now, "a deletion")
    return mixed or _unit(standing, now, grip, (*beginning, BuryRecord(now.session_id)))


def decide_drop(
    standing: Standing, grip: Grip, session_id: SessionId, digest: bytes | None, newest: SnapshotRow | None
) -> Verdict:
    """Forget a session's documents iff the newest has that digest."""
    now = standing.authority
    if now is None:
        return NothingToDo()
    beginning = _beginning(now, grip)
    if isinstance(beginning, Conflict):
        return beginning
    if newest is not None and newest.identity != standing.key:
        return Conflict(reason=RefusalReason.SESSION_BOUND, presented=session_id, current="another identity")
    if now.is_deleted or newest is None or digest is None or newest.digest != digest:
        return NothingToDo()
    return _unit(standing, now, grip, (*beginning, DropSnapshots(session_id, digest)))


def decide_rollback(
    standing: Standing, grip: Grip, attempt: ContinuityRecord, previous: ContinuityRecord | None
) -> Verdict:
    """Undo the last reset, or the creation where there was nothing before, under its very token."""
    now = standing.authority
    if now is None:
        return _not_found(grip)
    beginning = _beginning(now, grip)
    if isinstance(beginning, Conflict):
        return beginning
    if beginning:
        return _held(now, grip)
    no = _other_life(now, grip, attempt.session_id, attempt.generation) or _mixed(now, "a rollback")
    if no is not None:
        return no
    former = now.former
    if previous is None and former is None:
        return _unit(standing, now, grip, (BuryRecord(now.session_id),))
    wanted = None if previous is None else (previous.generation, previous.session_id)
    if former is None or wanted != (former.generation, former.session_id):
        found = None if former is None else (former.generation, former.session_id)
        return Conflict(reason=RefusalReason.GENERATION_CONFLICT, presented=wanted, current=found)
    back = RollBackRecord(
        attempt=now.session_id, generation=former.generation, session_id=former.session_id, version=former.version
    )
    return _unit(standing, now, grip, (back,))


def decide_advance(standing: Standing, holder: str) -> Verdict:
    """Grant the next token."""
    now = standing.authority
    if now is None:
        return _not_found(None)
    if now.is_deleted:
        return Conflict(reason=RefusalReason.DELETED, presented="a claim", current=_grave(now))
    if now.token == COUNTER_MAX:
        return Conflict(reason=RefusalReason.COUNTER_EXHAUSTED, presented="a fencing token", current=now.token)
    grip = Grip(token=FencingToken(now.token + 1), holder=holder)
    return _unit(standing, now, grip, (Claim(now.token), Grant(holder)))


def _unit(standing: Standing, now: Authority, grip: Grip, effects: tuple[Effect, ...]) -> Unit:
    return Unit(IdentityFence(standing.identity, standing.key, grip.token, now.generation, now.version), effects)


def _beginning(now: Authority, grip: Grip) -> tuple[Effect, ...] | Conflict:
    """What makes the token current; nothing, for the holder of the current one."""
    if grip.token < now.token:
        return Conflict(reason=RefusalReason.STALE_FENCING_TOKEN, presented=grip.token, current=now.token)
    if grip.token > now.token:
        return (Exhume(now.token) if now.is_deleted else Claim(now.token), Grant(grip.holder))
    return () if grip.holder == now.holder else _held(now, grip)


def _held(now: Authority, grip: Grip) -> Conflict:
    holder = "the runtime" if now.holder is None else now.holder
    return Conflict(
        reason=RefusalReason.FENCE_CONFLICT,
        presented=f"{grip.holder} (token {grip.token})",
        current=f"{holder} (token {now.token})",
    )


def _other_life(now: Authority, grip: Grip, session_id: SessionId, generation: Generation) -> Conflict | None:
    if now.is_deleted:
        return _deleted(now, grip, generation)
    if generation != now.generation:
        is_past = generation <= now.floor
        reason = RefusalReason.STALE_GENERATION if is_past else RefusalReason.GENERATION_CONFLICT
        return Conflict(reason=reason, presented=generation, current=now.generation)
    if session_id != now.session_id:
        return Conflict(reason=RefusalReason.SUPERSEDED_SESSION, presented=session_id, current=now.session_id)
    return None


def _deleted(now: Authority, grip: Grip, generation: Generation) -> Conflict:
    presented = f"token {grip.token}, generation {generation}"
    return Conflict(reason=RefusalReason.DELETED, presented=presented, current=_grave(now))


def _grave(now: Authority) -> str:
    return f"token {now.token}, generation {now.floor}"


def _mixed(now: Authority, what: str) -> Conflict | None:
    if now.kind == OPAQUE_KIND:
        return None
    return Conflict(reason=RefusalReason.MIXED_SESSION, presented=what, current=now.kind)


def _not_found(grip: Grip | None) -> Conflict:
    presented = None if grip is None else grip.token
    return Conflict(reason=RefusalReason.NOT_FOUND, presented=presented, current=None)
