"""Whether an effect on what an identity has yet to do can be meant at all: pure, and the same for every store."""

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
    RecordEvents,
    SetTimer,
    SettleRequest,
)
from meerkat_actors.records.effects import AppendTurn, Unit
from meerkat_actors.records.ids import COUNTER_MAX, is_counter, is_unicode

TIMER_NAME_MAX: Final = 512
"""Characters of a timer's name in a row."""


def _settle_fits(effect: SettleRequest, _: Unit) -> bool:
    return type(effect.admission) is int and 1 <= effect.admission <= COUNTER_MAX


def _set_fits(effect: SetTimer, _: Unit) -> bool:
    return is_timer_name(effect.name) and _is_time(effect.due_ms) and type(effect.body) is bytes


def _fire_fits(effect: FireTimer, _: Unit) -> bool:
    due_ms = effect.was_due_ms if effect.due_ms is None else effect.due_ms
    return is_timer_name(effect.name) and all(map(_is_time, (effect.was_due_ms, due_ms))) and is_counter(effect.last)


def _drop_fits(effect: DropTimer, _: Unit) -> bool:
    return is_timer_name(effect.name)


def _drop_all_fits(_: DropTimers, __: Unit) -> bool:
    return True


def _put_fits(effect: PutOperation, _: Unit) -> bool:
    return type(effect.body) is bytes


def _forget_fits(_: DropOperation, __: Unit) -> bool:
    return True


def _tell_fits(effect: RecordEvents, unit: Unit) -> bool:
    others = sum(type(other) is not RecordEvents for other in unit.effects)
    return type(effect.body) is bytes and 1 <= others == len(unit.effects) - 1


def _count_fits(effect: CountSends, unit: Unit) -> bool:
    counts = sum(type(other) is CountSends or type(other) is AppendTurn for other in unit.effects)
    return is_counter(effect.sends) and counts == 1


def _is_time(ms: object) -> bool:
    # 0 is how an activation says that there is no timer.
    return type(ms) is int and 1 <= ms <= COUNTER_MAX


def is_timer_name(name: object) -> bool:
    """Whether a row takes it as a timer's name: SQLite counts characters up to the first NUL."""
    return type(name) is str and 0 < len(name) <= TIMER_NAME_MAX and name[0] != "\0" and is_unicode(name)


AGENDA_FITS: Final[Mapping[type, Callable[[Any, Unit], bool]]] = MappingProxyType(
    {
        SettleRequest: _settle_fits,
        SetTimer: _set_fits,
        FireTimer: _fire_fits,
        DropTimer: _drop_fits,
        DropTimers: _drop_all_fits,
        PutOperation: _put_fits,
        DropOperation: _forget_fits,
        RecordEvents: _tell_fits,
        CountSends: _count_fits,
    }
)
