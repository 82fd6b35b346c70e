"""What the continuity facade's effects and reads mean, on dicts: the reference for every other store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve

from meerkat_actors.records.codec import DIGEST_ZERO, content_digest
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.continuity import OPAQUE_KIND
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
from meerkat_actors.records.ids import (
    AgentIdentity,
    CheckpointVersion,
    Generation,
    IdentityKey,
    SessionId,
)
from meerkat_actors.records.standing import Authority, Former, SnapshotLook, SnapshotRow, Standing
from meerkat_actors.records.status import Desired
from meerkat_actors.store.fencing import refused
from meerkat_actors.store.memory_tables import Counter, GrantRow, HeadRow, Tables
from meerkat_actors.store.memory_work import No, Work, creation_mismatch, name_key


def standing_of(tables: Tables, identity: AgentIdentity, fresh_key: Counter, *, snapshots: SnapshotLook) -> Standing:
    """Where one identity stands."""
    key = tables.names.get(identity)
    if key is None:
        return Standing(identity=identity, key=IdentityKey(fresh_key()), authority=None, snapshot=None)
    head, grant = tables.heads.get(key), tables.grants.get(key)
    if head is None:
        return Standing(identity=identity, key=key, authority=None, snapshot=None)
    authority = Authority(
        kind=head.kind,
        token=head.token,
        generation=head.generation,
        version=head.version,
        session_id=head.session_id,
        is_deleted=head.is_deleted,
        holder=grant.holder if grant is not None and grant.token == head.token else None,
        floor=head.generation if grant is None else Generation(max(grant.floor, head.generation)),
        former=None if grant is None else grant.former,
    )
    snapshot = _newest(tables, key, head) if snapshots != "unread" and head.kind == OPAQUE_KIND else None
    if snapshot is not None and snapshots == "checked":
        snapshot = evolve(snapshot, data=None)
    return Standing(identity=identity, key=key, authority=authority, snapshot=snapshot)


def snapshots_of(tables: Tables, session_id: SessionId, limit: int) -> tuple[SnapshotRow, ...]:
    """A session's documents, newest first."""
    return tuple(_rows_of(tables, session_id)[: max(limit, 0)])


def _newest(tables: Tables, key: IdentityKey, head: HeadRow) -> SnapshotRow | None:
    if head.is_deleted:
        return None
    rows = (row for row in tables.snapshots.get(key, {}).values() if row.generation == head.generation)
    return max(rows, key=lambda row: row.version, default=None)


def _rows_of(tables: Tables, session_id: SessionId) -> list[SnapshotRow]:
    bound = tables.sessions.get(session_id)
    rows = () if bound is None else tables.snapshots.get(bound[0], {}).values()
    return sorted((row for row in rows if row.session_id == session_id), key=lambda row: row.version, reverse=True)


def _create(effect: CreateRecord, index: int, work: Work) -> No | None:
    tables, fence = work.tables, work.fence
    mismatch = creation_mismatch(work, index)
    if mismatch is not None:
        return mismatch
    if effect.session_id in tables.sessions:
        return _bound(tables, index, effect.session_id)
    name_key(tables, fence.identity, fence.key)
    tables.put(tables.sessions, effect.session_id, (fence.key, fence.generation))
    head = HeadRow(
        OPAQUE_KIND,
        effect.session_id,
        fence.token,
        fence.generation,
        fence.version,
        DIGEST_ZERO,
        0,
        0,
        0,
        0,
        is_deleted=False,
        owner=work.owner,
    )
    tables.put(tables.heads, fence.key, head)
    return None


def _exhume(_: Exhume, __: int, work: Work) -> No | None:
    _move(work, token=work.fence.token, kind=OPAQUE_KIND, is_deleted=False, desired=Desired.OPEN)
    return None


def _grant(effect: Grant, _: int, work: Work) -> No | None:
    grants, fence = work.tables.grants, work.fence
    row = grants.get(fence.key)
    floor = fence.generation if row is None else Generation(max(row.floor, fence.generation))
    former = None if row is None else row.former
    work.tables.put(grants, fence.key, GrantRow(fence.token, effect.holder, floor, former))
    return None


def _drop(effect: DropSnapshots, index: int, work: Work) -> No | None:
    rows = _rows_of(work.tables, effect.session_id)
    if not rows or rows[0].digest != effect.digest or rows[0].identity != work.fence.key:
        return refused(RefusalReason.REVISION_CONFLICT, index, "the session's newest snapshot is another")
    _forget(work, rows)
    return None


def _save(effect: SaveSnapshot, index: int, work: Work) -> No | None:
    tables, fence = work.tables, work.fence
    if not _is_opaque(work):
        return _mixed(work, index)
    row = SnapshotRow(
        identity=fence.key,
        session_id=effect.session_id,
        generation=fence.generation,
        version=effect.version,
        token=fence.token,
        size=len(effect.data),
        digest=effect.digest,
        is_sound=content_digest(effect.data) == effect.digest,
        data=effect.data,
    )
    tables.put(tables.of(tables.snapshots, fence.key), (fence.generation, effect.version), row)
    _forget(work, _rows_of(tables, effect.session_id)[2:])
    _move(work, version=effect.version)
    return None


def _rebind(effect: RebindSession, index: int, work: Work) -> No | None:
    if not _is_opaque(work):
        return _mixed(work, index)
    no = _bind(work, index, effect.session_id, work.fence.generation)
    if no is None:
        _move(work, session_id=effect.session_id)
    return no


def _reset(effect: ResetRecord, index: int, work: Work) -> No | None:
    tables, fence = work.tables, work.fence
    if not _is_opaque(work):
        return _mixed(work, index)
    no = _bind(work, index, effect.session_id, effect.generation)
    if no is not None:
        return no
    row, head = tables.grants.get(fence.key), tables.heads[fence.key]
    if row is None or effect.generation != row.floor + 1:
        return refused(RefusalReason.GENERATION_CONFLICT, index, "the generation is not the next")
    former = Former(generation=fence.generation, session_id=head.session_id, version=fence.version)
    former_or_none = former if effect.is_reversible else None
    tables.put(tables.grants, fence.key, evolve(row, floor=effect.generation, former=former_or_none))
    _move(
        work,
        generation=effect.generation,
        session_id=effect.session_id,
        version=CheckpointVersion(0),
        digest=DIGEST_ZERO,
        message_count=0,
        last_turn=0,
        last_state=0,
    )
    return None


def _roll_back(effect: RollBackRecord, index: int, work: Work) -> No | None:
    tables, fence = work.tables, work.fence
    if not _is_opaque(work):
        return _mixed(work, index)
    former = Former(generation=effect.generation, session_id=effect.session_id, version=effect.version)
    row = tables.grants.get(fence.key)
    if row is None or row.former != former:
        return refused(RefusalReason.GENERATION_CONFLICT, index, "the generation before was another")
    tables.put(tables.grants, fence.key, evolve(row, former=None))
    _forget_all(work, fence.generation)
    _move(work, generation=former.generation, session_id=former.session_id, version=former.version)
    return None


def _bury(_: BuryRecord, index: int, work: Work) -> No | None:
    if not _is_opaque(work):
        return _mixed(work, index)
    _forget_all(work, None)
    row = work.tables.grants.get(work.fence.key)
    floor = work.fence.generation if row is None else Generation(max(row.floor, work.fence.generation))
    _move(work, is_deleted=True, generation=floor, version=CheckpointVersion(0))
    return None


def _bind(work: Work, index: int, session_id: SessionId, generation: Generation) -> Refused | None:
    # To the same generation again is no change: a session may come back within its life.
    bound = work.tables.sessions.get(session_id)
    if bound is not None and bound != (work.fence.key, generation):
        return _bound(work.tables, index, session_id)
    work.tables.put(work.tables.sessions, session_id, (work.fence.key, generation))
    return None


def _bound(tables: Tables, index: int, session_id: SessionId) -> Refused:
    key, generation = tables.sessions[session_id]
    return refused(RefusalReason.SESSION_BOUND, index, f"{tables.identities[key]} (generation {generation})")


def _is_opaque(work: Work) -> bool:
    return work.tables.heads[work.fence.key].kind == OPAQUE_KIND


def _mixed(work: Work, index: int) -> Refused:
    return refused(RefusalReason.MIXED_SESSION, index, work.tables.heads[work.fence.key].kind)


def _forget(work: Work, rows: Iterable[SnapshotRow]) -> None:
    for row in rows:
        work.tables.drop(work.tables.snapshots[work.fence.key], (row.generation, row.version))


def _forget_all(work: Work, generation: Generation | None) -> None:
    rows = work.tables.snapshots.get(work.fence.key, {}).values()
    _forget(work, [row for row in rows if generation in {None, row.generation}])


def _move(work: Work, **changes: object) -> None:
    heads, key = work.tables.heads, work.fence.key
    head: Any = heads[key]
    work.tables.put(heads, key, evolve(head, **changes))


CONTINUITY_APPLY: Final[Mapping[type, Callable[[Any, int, Work], No | None]]] = MappingProxyType(
    {
        CreateRecord: _create,
        Exhume: _exhume,
        Grant: _grant,
        DropSnapshots: _drop,
        SaveSnapshot: _save,
        RebindSession: _rebind,
        ResetRecord: _reset,
        RollBackRecord: _roll_back,
        BuryRecord: _bury,
    }
)
