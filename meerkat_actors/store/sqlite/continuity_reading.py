"""What the continuity facade reads of one connection, and why the store refused its unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from meerkat_actors.records.activation import Broken
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.continuity import OPAQUE_KIND
from meerkat_actors.records.continuity_effects import (
    BuryRecord,
    DropSnapshots,
    RebindSession,
    ResetRecord,
    RollBackRecord,
    SaveSnapshot,
)
from meerkat_actors.records.ids import AgentIdentity, Generation, IdentityKey, SessionId, is_uuid, uuid_bytes, uuid_text
from meerkat_actors.records.standing import Authority, Former, SnapshotLook, SnapshotRow, Standing
from meerkat_actors.store.fencing import refused
from meerkat_actors.store.legible import UNDECODABLE
from meerkat_actors.store.recovery import ROW_UNREADABLE
from meerkat_actors.store.sqlite import continuity_queries as queries
from meerkat_actors.store.sqlite import statements
from meerkat_actors.store.sqlite.rows import Database

_UUID_BYTES: Final = 16


def read_standings(
    database: Database,
    identities: Sequence[AgentIdentity],
    fresh_key: Callable[[], IdentityKey],
    *,
    snapshots: SnapshotLook,
) -> tuple[Standing | Broken, ...]:
    """Where identities stand, in one read transaction."""
    database.execute(statements.BEGIN)
    try:
        return tuple(_legible(database, identity, fresh_key, snapshots) for identity in identities)
    finally:
        if database.in_transaction:  # an error may have ended it
            database.execute(statements.ROLLBACK)


def read_snapshots(database: Database, session_id: SessionId, limit: int) -> tuple[SnapshotRow, ...]:
    """A session's documents, newest first."""
    if not is_uuid(session_id):
        return ()
    found = database.execute(queries.READ_SNAPSHOTS, (uuid_bytes(session_id), max(limit, 0)))
    return tuple(_snapshot_of(row, keeps_data=True) for row in found)


def _legible(
    database: Database, identity: AgentIdentity, fresh_key: Callable[[], IdentityKey], snapshots: SnapshotLook
) -> Standing | Broken:
    try:
        return _standing(database, identity, fresh_key, snapshots)
    except UNDECODABLE as error:
        return Broken(identity=identity, reason=ROW_UNREADABLE, detail=f"{type(error).__name__}: {error}")


def _standing(
    database: Database, identity: AgentIdentity, fresh_key: Callable[[], IdentityKey], snapshots: SnapshotLook
) -> Standing:
    row = database.execute(queries.READ_STANDING, (identity,)).fetchone()
    if row is None:
        return Standing(identity=identity, key=fresh_key(), authority=None, snapshot=None)
    key = IdentityKey(row[0])
    if row[1] is None:
        return Standing(identity=identity, key=key, authority=None, snapshot=None)
    authority = _authority_of(row[1:])
    snapshot = None
    if snapshots != "unread" and authority.kind == OPAQUE_KIND and not authority.is_deleted:
        snapshot = _newest(database, key, authority, keeps_data=snapshots == "loaded")
    return Standing(identity=identity, key=key, authority=authority, snapshot=snapshot)


def _newest(database: Database, key: IdentityKey, authority: Authority, *, keeps_data: bool) -> SnapshotRow | None:
    row = database.execute(queries.READ_NEWEST, (key, authority.generation)).fetchone()
    if row is None:
        # For lack of one, whatever else the session has: it says what went wrong.
        row = database.execute(queries.READ_SNAPSHOTS, (uuid_bytes(authority.session_id), 1)).fetchone()
    return None if row is None else _snapshot_of(row, keeps_data=keeps_data)


def _authority_of(row: Sequence[Any]) -> Authority:
    kind, token, generation, version, session, tombstone, granted, holder, floor, *former = row
    counters = (token, generation, version, *(each for each in (floor, former[0], former[2]) if each is not None))
    if not all(type(counter) is int and counter >= 0 for counter in counters):
        problem = f"its counters are {counters}"
        raise ValueError(problem)
    return Authority(
        kind=kind,
        token=token,
        generation=generation,
        version=version,
        session_id=_session_of(session),
        is_deleted=bool(tombstone),
        holder=holder if granted == token else None,
        floor=Generation(max(generation, 0 if floor is None else floor)),
        former=None
        if former[0] is None
        else Former(generation=former[0], session_id=_session_of(former[1]), version=former[2]),
    )


def _snapshot_of(row: Sequence[Any], *, keeps_data: bool) -> SnapshotRow:
    identity, session, generation, version, token, size, digest, data = row
    return SnapshotRow(
        identity=identity,
        session_id=_session_of(session),
        generation=generation,
        version=version,
        token=token,
        size=size,
        digest=digest,
        is_sound=len(data) == size and content_digest(data) == digest,
        data=data if keeps_data else None,
    )


def _session_of(raw: bytes) -> SessionId:
    if len(raw) != _UUID_BYTES:
        problem = f"a session id of {len(raw)} bytes"
        raise ValueError(problem)
    return SessionId(uuid_text(raw))


# -- why a unit was refused ---------------------------------------------------------------


def _revision(_: Database, __: int, index: int, ___: DropSnapshots) -> Refused | None:
    return refused(RefusalReason.REVISION_CONFLICT, index, "the session's newest snapshot is another")


def _mixed(database: Database, key: int, index: int, _: object) -> Refused | None:
    row = database.execute(queries.READ_KIND, (key,)).fetchone()
    kind = "" if row is None else str(row[0])
    return None if kind == OPAQUE_KIND else refused(RefusalReason.MIXED_SESSION, index, kind)


def _rebind(database: Database, key: int, index: int, effect: RebindSession) -> Refused | None:
    return _mixed(database, key, index, effect) or session_bound(database, index, effect.session_id)


def _reset(database: Database, key: int, index: int, effect: ResetRecord) -> Refused | None:
    mixed = _mixed(database, key, index, effect)
    if mixed is not None:
        return mixed
    owner = database.execute(queries.READ_BINDING, (uuid_bytes(effect.session_id),)).fetchone()
    if owner is not None and (owner[0], owner[2]) != (key, effect.generation):
        return session_bound(database, index, effect.session_id)
    return refused(RefusalReason.GENERATION_CONFLICT, index, "the generation is not the next")


def _roll_back(database: Database, key: int, index: int, effect: RollBackRecord) -> Refused | None:
    return _mixed(database, key, index, effect) or refused(
        RefusalReason.GENERATION_CONFLICT, index, "the generation before was another"
    )


def session_bound(database: Database, index: int, session_id: SessionId) -> Refused | None:
    """Whose a session is, as a refusal; None for nobody's."""
    owner = database.execute(queries.READ_BINDING, (uuid_bytes(session_id),)).fetchone()
    if owner is None:
        return None
    return refused(RefusalReason.SESSION_BOUND, index, f"{owner[1]} (generation {owner[2]})")


CONTINUITY_EXPLAIN: Final[Mapping[type, Callable[[Database, int, int, Any], Refused | None]]] = MappingProxyType(
    {
        DropSnapshots: _revision,
        SaveSnapshot: _mixed,
        RebindSession: _rebind,
        ResetRecord: _reset,
        RollBackRecord: _roll_back,
        BuryRecord: _mixed,
    }
)
