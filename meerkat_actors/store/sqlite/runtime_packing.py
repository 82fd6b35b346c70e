"""From the effects of the runtime-store facade to what they bind to their statements."""

from __future__ import annotations

from meerkat_actors.records.ids import RunId, uuid_bytes
from meerkat_actors.records.runtime_effects import BindSession, DropDocument, MoveInput, PutDocument, RecordReceipt
from meerkat_actors.store.sqlite.rows import STATE_CODES, Row


def move_row(guard: Row, effect: MoveInput) -> Row:
    """What ``MOVE_INPUT`` binds."""
    return (
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


def bind_row(guard: Row, effect: BindSession) -> Row:
    """What ``BIND_SESSION`` binds."""
    return (*guard, uuid_bytes(effect.session_id))


def put_row(guard: Row, effect: PutDocument) -> Row:
    """What ``PUT_DOCUMENT`` binds."""
    return (*guard, effect.kind, effect.key, effect.body, effect.digest, effect.expected)


def drop_row(guard: Row, effect: DropDocument) -> Row:
    """What ``DROP_DOCUMENT`` binds."""
    return (*guard, effect.kind, effect.key, effect.expected)


def receipt_row(guard: Row, effect: RecordReceipt, turn: int) -> Row:
    """What ``RECORD_RECEIPT`` binds."""
    return (*guard, uuid_bytes(effect.run_id), effect.sequence, turn)


def _run_bytes(run_id: RunId | None) -> bytes | None:
    return None if run_id is None else uuid_bytes(run_id)
