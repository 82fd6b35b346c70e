"""From the effects of the runtime-store facade to what they bind to their statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from meerkat_actors.records.effects import Unit
from meerkat_actors.records.ids import RunId, uuid_bytes
from meerkat_actors.records.runtime_effects import BindSession, DropDocument, MoveInput, PutDocument, RecordReceipt
from meerkat_actors.store.sqlite.rows import STATE_CODES, Row, Rows
from meerkat_actors.store.sqlite.steps import BOUND, DROP_PUT, MOVE, PUT


def receipt_row(guard: Row, effect: RecordReceipt, turn: int) -> Row:
    """What ``RECORD_RECEIPT`` binds."""
    return (*guard, uuid_bytes(effect.run_id), effect.sequence, turn)


def _move(rows: Rows, guard: Row, effect: MoveInput, _: Unit, __: int) -> None:
    row = (
        *guard,
        effect.admission,
        STATE_CODES[effect.was],
        _run_bytes(effect.was_run),
        STATE_CODES[effect.state],
        _run_bytes(effect.run_id),
        effect.attempts,
        effect.interruptions,
        effect.not_before_ms,
        effect.ending,
    )
    rows[MOVE].append(row)


def _bind(rows: Rows, guard: Row, effect: BindSession, _: Unit, __: int) -> None:
    rows[BOUND].append((*guard, uuid_bytes(effect.session_id)))


def _put(rows: Rows, guard: Row, effect: PutDocument, _: Unit, __: int) -> None:
    rows[PUT].append((*guard, effect.kind, effect.key, effect.body, effect.digest, effect.expected))


def _drop(rows: Rows, guard: Row, effect: DropDocument, _: Unit, __: int) -> None:
    rows[DROP_PUT].append((*guard, effect.kind, effect.key, effect.expected))


def _run_bytes(run_id: RunId | None) -> bytes | None:
    return None if run_id is None else uuid_bytes(run_id)


RUNTIME_PACK: Final[Mapping[type, Callable[[Rows, Row, Any, Unit, int], None]]] = MappingProxyType(
    {MoveInput: _move, BindSession: _bind, PutDocument: _put, DropDocument: _drop}
)
