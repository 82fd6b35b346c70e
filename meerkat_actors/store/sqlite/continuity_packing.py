"""From the continuity facade's effects to rows: what each of them binds to which statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.continuity import OPAQUE_KIND
from meerkat_actors.records.continuity_effects import (
    BuryRecord,
    DropSnapshots,
    Exhume,
    Grant,
    RebindSession,
    ResetRecord,
    RollBackRecord,
    SaveSnapshot,
)
from meerkat_actors.records.ids import uuid_bytes
from meerkat_actors.store.sqlite import continuity_statements as statements
from meerkat_actors.store.sqlite.rows import Row, Rows
from meerkat_actors.store.sqlite.steps import Step

CONTINUITY_STEPS: Final = (
    Step(statements.EXHUME_HEAD, Exhume),
    Step(statements.GRANT, Grant),
    Step(statements.DROP_NEWEST, DropSnapshots),
    Step(statements.DROP_SESSION, DropSnapshots, counted=False),
    Step(statements.BIND_SESSION, RebindSession),
    Step(statements.INSERT_SNAPSHOT, SaveSnapshot),
    Step(statements.PRUNE_SNAPSHOTS, SaveSnapshot, counted=False),
    Step(statements.RAISE_FLOOR, ResetRecord),
    Step(statements.TAKE_FORMER, RollBackRecord),
    Step(statements.DROP_GENERATION, RollBackRecord, counted=False),
    Step(statements.DROP_SNAPSHOTS, BuryRecord, counted=False),
    Step(statements.SAVE_HEAD, SaveSnapshot),
    Step(statements.REBIND_HEAD, RebindSession),
    Step(statements.RESET_HEAD, ResetRecord),
    Step(statements.ROLL_BACK_HEAD, RollBackRecord),
    Step(statements.BURY_HEAD, BuryRecord),
)
"""The statements of the facade's units, in the order in which they run: behind all of the runtime's."""

(
    EXHUME,
    GRANTED,
    DROP_NEWEST,
    DROP_SESSION,
    BIND,
    SNAPSHOT,
    PRUNE,
    FLOOR,
    FORMER,
    DROP_GENERATION,
    DROP_ALL,
    SAVE,
    REBIND,
    RESET,
    ROLL_BACK,
    BURY,
) = range(len(CONTINUITY_STEPS))


def _exhume(rows: Rows, guard: Row, effect: Exhume, incarnation: int) -> None:
    rows[EXHUME].append((*guard, effect.previous, incarnation, OPAQUE_KIND))


def _grant(rows: Rows, guard: Row, effect: Grant, _: int) -> None:
    rows[GRANTED].append((*guard, effect.holder))


def _drop(rows: Rows, guard: Row, effect: DropSnapshots, _: int) -> None:
    session = uuid_bytes(effect.session_id)
    rows[DROP_NEWEST].append((*guard, session, effect.digest))
    rows[DROP_SESSION].append((*guard, session))


def _save(rows: Rows, guard: Row, effect: SaveSnapshot, _: int) -> None:
    session, version, data = uuid_bytes(effect.session_id), effect.version, effect.data
    rows[SNAPSHOT].append((*guard, session, version, len(data), effect.digest, data, OPAQUE_KIND))
    rows[PRUNE].append((*guard, session, version))
    rows[SAVE].append((*guard, version, session, OPAQUE_KIND))


def _rebind(rows: Rows, guard: Row, effect: RebindSession, _: int) -> None:
    session = uuid_bytes(effect.session_id)
    rows[BIND].append((*guard, session, guard[2]))
    rows[REBIND].append((*guard, session, uuid_bytes(effect.previous), OPAQUE_KIND))


def _reset(rows: Rows, guard: Row, effect: ResetRecord, _: int) -> None:
    session = uuid_bytes(effect.session_id)
    rows[BIND].append((*guard, session, effect.generation))
    rows[FLOOR].append((*guard, effect.generation, int(effect.is_reversible), effect.generation - 1))
    rows[RESET].append((*guard, effect.generation, session, OPAQUE_KIND, DIGEST_ZERO))


def _roll_back(rows: Rows, guard: Row, effect: RollBackRecord, _: int) -> None:
    session = uuid_bytes(effect.session_id)
    rows[FORMER].append((*guard, effect.generation, session, effect.version))
    rows[DROP_GENERATION].append(guard)
    rows[ROLL_BACK].append(
        (*guard, effect.generation, session, OPAQUE_KIND, effect.version, uuid_bytes(effect.attempt))
    )


def _bury(rows: Rows, guard: Row, effect: BuryRecord, _: int) -> None:
    rows[DROP_ALL].append(guard)
    rows[BURY].append((*guard, uuid_bytes(effect.session_id), OPAQUE_KIND))


CONTINUITY_PACK: Final[Mapping[type, Callable[[Rows, Row, Any, int], None]]] = MappingProxyType(
    {
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
