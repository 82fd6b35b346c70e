"""From the effects on a run's journal to what each binds to which statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from meerkat_actors.records.effects import DropJournal, RecordStep, ResolveStep, Unit
from meerkat_actors.records.ids import uuid_bytes
from meerkat_actors.store.sqlite.rows import Row, Rows
from meerkat_actors.store.sqlite.steps import DROP, ONCE, RESOLVE, STEP, WITHDRAW


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
    {RecordStep: _record, ResolveStep: _resolve, DropJournal: _drop}
)
