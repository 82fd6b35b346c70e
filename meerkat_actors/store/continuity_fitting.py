"""What makes a unit of the continuity facade a unit: pure, and the same for every store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from re import compile as pattern
from types import MappingProxyType
from typing import Any, Final, get_args

from meerkat_actors.records.continuity import SNAPSHOT_BYTES_MAX
from meerkat_actors.records.continuity_effects import (
    BuryRecord,
    ContinuityEffect,
    CreateRecord,
    DropSnapshots,
    Exhume,
    Grant,
    RebindSession,
    ResetRecord,
    RollBackRecord,
    SaveSnapshot,
)
from meerkat_actors.records.effects import Claim, Unit
from meerkat_actors.records.ids import CheckpointVersion, SessionId, is_counter

HOLDER_LENGTH_MAX: Final = 256
"""Characters of a holder's name."""

_CONTINUITY: Final = frozenset[type](get_args(ContinuityEffect))
_BEGINS: Final = frozenset[type]({Claim, CreateRecord, Exhume})
_MOVES: Final = frozenset[type]({SaveSnapshot, RebindSession, ResetRecord, RollBackRecord, BuryRecord})
_ALLOWED: Final = _CONTINUITY | {Claim}

_DIGEST_BYTES: Final = 32
_UUID: Final = pattern(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def is_continuity(unit: Unit) -> bool:
    """Whether the unit is the facade's; cheap, because every unit is asked."""
    effects = unit.effects
    # At most one of its effects, the claim, is none of the facade's.
    return bool(effects) and (type(effects[-1]) in _CONTINUITY or type(effects[0]) in _CONTINUITY)


def version_after(unit: Unit) -> CheckpointVersion:
    """The version that a unit of the facade leaves behind."""
    for effect in unit.effects:
        if isinstance(effect, SaveSnapshot | RollBackRecord):
            return effect.version
        if isinstance(effect, ResetRecord | BuryRecord):
            return CheckpointVersion(0)
    return unit.fence.version


def current_session(effects: Sequence[object]) -> SessionId | None:
    """The session that the unit believes to be current; None if it does not say."""
    for effect in effects:
        match effect:
            case SaveSnapshot() | BuryRecord():
                return effect.session_id
            case RebindSession():
                return effect.previous
            case RollBackRecord():
                return effect.attempt
            case _:
                continue
    return None


def _is_well_formed(unit: Unit) -> bool:
    kinds = [type(effect) for effect in unit.effects]
    return (
        all(kind in _ALLOWED for kind in kinds)
        and len(set(kinds)) == len(kinds)
        and sum(kind in _BEGINS for kind in kinds) <= 1
        and sum(kind in _MOVES for kind in kinds) <= 1
        # Nothing moves what the same unit makes, except a reset or burial of what it lifts.
        and (CreateRecord not in kinds or not any(kind in _MOVES for kind in kinds))
        and (Exhume not in kinds or ResetRecord in kinds or BuryRecord in kinds)
    )


def _is_id(text: object) -> bool:
    return type(text) is str and _UUID.fullmatch(text) is not None


def _create_fits(effect: CreateRecord, unit: Unit) -> bool:
    return _is_well_formed(unit) and unit.fence.version == 0 and _is_id(effect.session_id)


def _exhume_fits(effect: Exhume, unit: Unit) -> bool:
    return _is_well_formed(unit) and is_counter(effect.previous) and 1 <= effect.previous < unit.fence.token


def _grant_fits(effect: Grant, unit: Unit) -> bool:
    holder = effect.holder
    return _is_well_formed(unit) and 0 < len(holder) <= HOLDER_LENGTH_MAX and holder.isprintable()


def _drop_fits(effect: DropSnapshots, unit: Unit) -> bool:
    return _is_well_formed(unit) and _is_id(effect.session_id) and len(effect.digest) == _DIGEST_BYTES


def _save_fits(effect: SaveSnapshot, unit: Unit) -> bool:
    return (
        _is_well_formed(unit)
        and _is_id(effect.session_id)
        and is_counter(effect.version)
        and effect.version > unit.fence.version
        and type(effect.data) is bytes
        and 0 < len(effect.data) <= SNAPSHOT_BYTES_MAX
        and len(effect.digest) == _DIGEST_BYTES
    )


def _rebind_fits(effect: RebindSession, unit: Unit) -> bool:
    return (
        _is_well_formed(unit)
        and _is_id(effect.session_id)
        and _is_id(effect.previous)
        and effect.session_id != effect.previous
    )


def _reset_fits(effect: ResetRecord, unit: Unit) -> bool:
    is_next = is_counter(effect.generation) and effect.generation > unit.fence.generation
    lifts = any(type(other) is Exhume for other in unit.effects)
    return _is_well_formed(unit) and is_next and _is_id(effect.session_id) and not (lifts and effect.is_reversible)


def _roll_back_fits(effect: RollBackRecord, unit: Unit) -> bool:
    return (
        _is_well_formed(unit)
        and is_counter(effect.generation)
        and effect.generation < unit.fence.generation
        and is_counter(effect.version)
        and _is_id(effect.session_id)
        and _is_id(effect.attempt)
    )


def _bury_fits(effect: BuryRecord, unit: Unit) -> bool:
    return _is_well_formed(unit) and _is_id(effect.session_id)


CONTINUITY_FITS: Final[Mapping[type, Callable[[Any, Unit], bool]]] = MappingProxyType(
    {
        CreateRecord: _create_fits,
        Exhume: _exhume_fits,
        Grant: _grant_fits,
        DropSnapshots: _drop_fits,
        SaveSnapshot: _save_fits,
        RebindSession: _rebind_fits,
        ResetRecord: _reset_fits,
        RollBackRecord: _roll_back_fits,
        BuryRecord: _bury_fits,
    }
)
