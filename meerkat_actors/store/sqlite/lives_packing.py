"""From what claims, governs, ends and begins the lives of an identity to what it binds to which statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.continuity import OPAQUE_KIND
from meerkat_actors.records.effects import BeginGeneration, Bury, Claim, Recreate, Release, SetConfig, SetDesired, Unit
from meerkat_actors.records.ids import uuid_bytes
from meerkat_actors.records.status import Desired
from meerkat_actors.store.lives_fitting import governed_version
from meerkat_actors.store.sqlite.rows import Row, Rows
from meerkat_actors.store.sqlite.steps import (
    BURIAL,
    CLAIM,
    CONFIG,
    DESIRE,
    GENERATION,
    NEXT_SESSION,
    RECREATION,
    RELEASE,
    SESSION,
)


def _claim(rows: Rows, guard: Row, effect: Claim, _: Unit, incarnation: int) -> None:
    rows[CLAIM].append((*guard, effect.previous, incarnation, OPAQUE_KIND))


def _release(rows: Rows, guard: Row, _: Release, __: Unit, ___: int) -> None:
    rows[RELEASE].append(guard)


def _recreate(rows: Rows, guard: Row, effect: Recreate, unit: Unit, incarnation: int) -> None:
    session = uuid_bytes(effect.session_id)
    rows[SESSION].append((session, unit.fence.key, unit.fence.generation + 1))
    rows[RECREATION].append((*guard, effect.previous, incarnation, effect.kind, session, DIGEST_ZERO))


def _configure(rows: Rows, guard: Row, effect: SetConfig, unit: Unit, _: int) -> None:
    if any(type(other) is Recreate for other in unit.effects):  # its next life has begun by then
        guard = (*guard[:2], unit.fence.generation + 1, 0)
    rows[CONFIG].append((*guard, effect.version, effect.body))


def _desire(rows: Rows, _: Row, effect: SetDesired, unit: Unit, sequence: int) -> None:
    rows[DESIRE].append((*_last_guard(unit), effect.desired, sequence if effect.desired is Desired.STOPPED else 0))


def _begin(rows: Rows, guard: Row, effect: BeginGeneration, unit: Unit, sequence: int) -> None:
    session = uuid_bytes(effect.session_id)
    rows[NEXT_SESSION].append((session, unit.fence.key, unit.fence.generation + 1))
    rows[GENERATION].append((*guard, session, DIGEST_ZERO, sequence))


def _bury(rows: Rows, _: Row, __: Bury, unit: Unit, sequence: int) -> None:
    rows[BURIAL].append((*_last_guard(unit), sequence))


def _last_guard(unit: Unit) -> Row:
    fence = unit.fence
    return fence.key, fence.token, fence.generation, governed_version(unit)


LIVES_PACK: Final[Mapping[type, Callable[[Rows, Row, Any, Unit, int], None]]] = MappingProxyType(
    {
        Claim: _claim,
        Release: _release,
        Recreate: _recreate,
        SetConfig: _configure,
    }
)
FLOOR_PACK: Final[Mapping[type, Callable[[Rows, Row, Any, Unit, int], None]]] = MappingProxyType(
    {SetDesired: _desire, BeginGeneration: _begin, Bury: _bury}
)
"""Of what may set the mail floor: with the last sequence given out, all of the unit's among them."""
