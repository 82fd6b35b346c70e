"""From the effects on what an identity has yet to do to what each of them binds to which statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from meerkat_actors.records.agenda_effects import (
    CountSends,
    DropOperation,
    DropTimer,
    DropTimers,
    FireTimer,
    PutOperation,
    SetTimer,
    SettleRequest,
)
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.ids import uuid_bytes
from meerkat_actors.store.sqlite.rows import Row, Rows
from meerkat_actors.store.sqlite.steps import (
    ALL_TIMERS,
    COUNT,
    DROP_OPERATION,
    DROP_TIMER,
    FIRE,
    FIRE_LAST,
    OPERATION,
    SETTLE_REQUEST,
    TIMER,
)


def _settle(rows: Rows, guard: Row, effect: SettleRequest, _: Unit, __: int) -> None:
    rows[SETTLE_REQUEST].append((*guard, effect.admission))


def _set(rows: Rows, guard: Row, effect: SetTimer, _: Unit, __: int) -> None:
    rows[TIMER].append((*guard, effect.name, effect.due_ms, effect.body))


def _fire(rows: Rows, guard: Row, effect: FireTimer, _: Unit, __: int) -> None:
    row = (*guard, effect.name, effect.was_due_ms)
    if effect.due_ms is None:
        rows[FIRE_LAST].append(row)
    else:
        rows[FIRE].append((*row, effect.due_ms, effect.last))


def _drop(rows: Rows, guard: Row, effect: DropTimer, _: Unit, __: int) -> None:
    rows[DROP_TIMER].append((*guard, effect.name))


def _drop_all(rows: Rows, guard: Row, _: DropTimers, __: Unit, ___: int) -> None:
    rows[ALL_TIMERS].append(guard)


def _put(rows: Rows, guard: Row, effect: PutOperation, _: Unit, __: int) -> None:
    rows[OPERATION].append((*guard, uuid_bytes(effect.operation_id), effect.body, int(effect.is_bound)))


def _forget(rows: Rows, guard: Row, effect: DropOperation, _: Unit, __: int) -> None:
    rows[DROP_OPERATION].append((*guard, uuid_bytes(effect.operation_id)))


def _count(rows: Rows, guard: Row, effect: CountSends, _: Unit, __: int) -> None:
    rows[COUNT].append((*guard, effect.sends))


AGENDA_PACK: Final[Mapping[type, Callable[[Rows, Row, Any, Unit, int], None]]] = MappingProxyType(
    {
        SettleRequest: _settle,
        SetTimer: _set,
        FireTimer: _fire,
        DropTimer: _drop,
        DropTimers: _drop_all,
        PutOperation: _put,
        DropOperation: _forget,
        CountSends: _count,
    }
)
