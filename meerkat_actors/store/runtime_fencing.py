"""Whether an effect of the runtime-store facade can be meant at all: pure, and the same for every store."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from meerkat_actors.machines.input_moves import MOVES
from meerkat_actors.records.effects import AppendTurn, Unit
from meerkat_actors.records.ids import COUNTER_MAX, is_counter, is_uuid
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.runtime_effects import BindSession, DropDocument, MoveInput, PutDocument, RecordReceipt

DOCUMENT_NAME_MAX: Final = 512
"""Characters of a document's kind, and of its key: they are indexed."""


def _move_fits(effect: MoveInput, _: Unit) -> bool:
    # A row of the table, with a run where one is needed and an ending where the life ends.
    is_staged = effect.state is InputState.STAGED
    return (
        (effect.was, effect.state) in MOVES
        and _is_first(effect.admission)
        and is_counter(effect.attempts)
        and is_counter(effect.interruptions)
        and is_counter(effect.not_before_ms)
        and (effect.was is InputState.STAGED) == (effect.was_run is not None)
        and (is_staged == (effect.run_id is not None) or effect.state.is_terminal)
        and effect.state.is_terminal == (type(effect.ending) is bytes)
        and (effect.state.is_terminal or effect.ending is None)
    )


def _bind_fits(effect: BindSession, _: Unit) -> bool:
    return is_uuid(effect.session_id)


def _put_fits(effect: PutDocument, _: Unit) -> bool:
    """A name that is text, a body and its digest."""
    return (
        _is_name(effect.kind)
        and _is_name(effect.key)
        and type(effect.body) is bytes
        and effect.digest == sha256(effect.body).digest()
        and (effect.expected is None or is_counter(effect.expected))
    )


def _drop_fits(effect: DropDocument, _: Unit) -> bool:
    """A name that is text, and a generation."""
    return _is_name(effect.kind) and _is_name(effect.key) and (effect.expected is None or _is_first(effect.expected))


def _receipt_fits(effect: RecordReceipt, unit: Unit) -> bool:
    turns = [other for other in unit.effects if type(other) is AppendTurn]
    receipts = sum(type(other) is RecordReceipt for other in unit.effects)
    return _is_first(effect.sequence) and receipts == 1 and [turn.run_id for turn in turns] == [effect.run_id]


def _is_first(value: object) -> bool:
    return type(value) is int and 1 <= value <= COUNTER_MAX


def _is_name(value: object) -> bool:
    return type(value) is str and 0 < len(value) <= DOCUMENT_NAME_MAX and value.isprintable()


RUNTIME_FITS: Final[MappingProxyType[type, Callable[[Any, Unit], bool]]] = MappingProxyType(
    {
        MoveInput: _move_fits,
        BindSession: _bind_fits,
        PutDocument: _put_fits,
        DropDocument: _drop_fits,
        RecordReceipt: _receipt_fits,
    }
)
