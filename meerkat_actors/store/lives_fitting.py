"""Whether an effect on the life of an identity can be meant at all: pure, and the same for every store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from meerkat_actors.records.agenda_effects import RecordEvents
from meerkat_actors.records.effects import (
    AppendTurn,
    BeginGeneration,
    Bury,
    Claim,
    CreateIdentity,
    Recreate,
    SetConfig,
    SetDesired,
    Unit,
)
from meerkat_actors.records.ids import COUNTER_MAX, CheckpointVersion, is_unicode
from meerkat_actors.records.status import Desired

_GOVERNS: Final = frozenset[type]({SetDesired, BeginGeneration, Bury, Recreate})
_BEGINS: Final = frozenset[type]({Claim, CreateIdentity, Recreate})
_RESTARTS: Final = frozenset[type]({BeginGeneration, Recreate})


def governed_version(unit: Unit) -> CheckpointVersion:
    """The version at which a unit's ``SetDesired`` or ``Bury`` finds the head: its boundary has advanced it."""
    for effect in unit.effects:
        if type(effect) is AppendTurn:
            return effect.version
    return unit.fence.version


def is_restart(effect: object) -> bool:
    """Whether it begins a generation, whose version is 0."""
    return type(effect) in _RESTARTS


def _is_only(unit: Unit) -> bool:
    # Each of these says what is wanted of the identity from now on.
    return sum(type(effect) in _GOVERNS for effect in unit.effects) == 1


def _desired_fits(effect: SetDesired, unit: Unit) -> bool:
    return type(effect.desired) is Desired and _is_only(unit)


def _begin_fits(_: BeginGeneration, unit: Unit) -> bool:
    is_boundary = any(type(effect) is AppendTurn for effect in unit.effects)
    return _is_only(unit) and not is_boundary and unit.fence.generation < COUNTER_MAX


def _bury_fits(_: Bury, unit: Unit) -> bool:
    return _is_only(unit)


def _recreate_fits(effect: Recreate, unit: Unit) -> bool:
    fence, previous = unit.fence, effect.previous
    return (
        type(previous) is int
        and 1 <= previous < fence.token
        and fence.generation < COUNTER_MAX
        and is_unicode(effect.kind)
        and sum(type(other) in _BEGINS for other in unit.effects) == 1
        and all(type(other) in {Recreate, SetConfig, RecordEvents} for other in unit.effects)
    )


LIVES_FITS: Final[Mapping[type, Callable[[Any, Unit], bool]]] = MappingProxyType(
    {SetDesired: _desired_fits, BeginGeneration: _begin_fits, Bury: _bury_fits, Recreate: _recreate_fits}
)
