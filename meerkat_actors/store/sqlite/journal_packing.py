"""From the effects on a run's counts and journal, and on dead letters, to what each binds to which statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from meerkat_actors.records.effects import ChargeRun, DropJournal, RecordStep, ResolveStep, SettleLetter, Unit
from meerkat_actors.records.ids import uuid_bytes
from meerkat_actors.store.sqlite.rows import Row, Rows
from meerkat_actors.store.sqlite.steps import CHARGE, DROP, ONCE, RESOLVE, SETTLE, STEP, WITHDRAW


def _charge(rows: Rows, guard: Row, effect: ChargeRun, _: Unit, __: int) -> None:
    counts = (effect.attempts, effect.interruptions, effect.not_before_ms)
    rows[CHARGE].append((*guard, effect.admission, uuid_bytes(effect.run_id), *counts))


def _settle(rows: Rows, guard: Row, effect: SettleLetter, _: Unit, __: int) -> None:
    rows[SETTLE].append((*guard, effect.admission))


def _record(rows: Rows, guard: Row, effect: RecordStep, _: Unit, __: int) -> None:
    row = (
        *guard,
        effect.admission,
        uuid_bytes(effect.run_id),
        effect.name,
        effect.nth,
        effect.arguments,
        effect.result,
    )
    rows[ONCE if effect.is_once else STEP].append(row)


def _resolve(rows: Rows, guard: Row, effect: ResolveStep, _: Unit, __: int) -> None:
    row = (*guard, uuid_bytes(effect.run_id), effect.name, effect.nth)
    if effect.result is None:
        rows[WITHDRAW].append(row)
    else:
        rows[RESOLVE].append((*row, effect.result))


def _drop(rows: Rows, guard: Row, effect: DropJournal, _: Unit, __: int) -> None:
    rows[DROP].append((*guard, uuid_bytes(effect.run_id)))


JOURNAL_PACK: Final[Mapping[type, Callable[[Rows, Row, Any, Unit, int], None]]] = MappingProxyType(
    {
        ChargeRun: _charge,
        SettleLetter: _settle,
        RecordStep: _record,
        ResolveStep: _resolve,
        DropJournal: _drop,
    }
)
