"""Ids, names and texts of a unit that no row takes: found by every store, before it looks at any row.

Apart from ``unit_refusal``, because it costs as much as all of that: a store whose rows refuse the same by
themselves asks only about a unit that was refused, to say which effect it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meerkat_actors.records.agenda_effects import DropOperation, PutOperation
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.continuity_effects import CreateRecord
from meerkat_actors.records.effects import (
    AppendTurn,
    BeginGeneration,
    ChargeRun,
    CreateIdentity,
    DropJournal,
    Effect,
    EndInput,
    InsertInput,
    OwnerUnit,
    PostInput,
    RecordStep,
    Recreate,
    ResolveStep,
    ReturnMail,
    SendMail,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.ids import is_counter, is_unicode, is_uuid
from meerkat_actors.records.runtime_effects import MoveInput, RecordReceipt
from meerkat_actors.store.fencing import refused

_DIGEST_BYTES: Final = 32
NAME_LENGTH_MAX: Final = 160
"""Characters of an identity's name in a row."""

_IDS: Final[Mapping[type, tuple[str, ...]]] = MappingProxyType(
    {
        CreateIdentity: ("session_id",),
        InsertInput: ("input_id", "run_id"),
        TakeMail: ("run_id",),
        Stage: ("run_id",),
        ChargeRun: ("run_id",),
        EndInput: ("run_id",),
        RecordStep: ("run_id",),
        ResolveStep: ("run_id",),
        DropJournal: ("run_id",),
        SendMail: ("input_id",),
        AppendTurn: ("run_id",),
        BeginGeneration: ("session_id",),
        Recreate: ("session_id",),
        MoveInput: ("run_id", "was_run"),
        RecordReceipt: ("run_id",),
        PutOperation: ("operation_id",),
        DropOperation: ("operation_id",),
    }
)
"""The ids of each effect; None where there is none. The continuity facade's are looked at with their ranges."""


def spelling_refusal(unit: Unit) -> Refused | None:
    """Name the first effect whose id is no canonical UUID, or whose name or text no row takes."""
    for index, effect in enumerate(unit.effects):
        if not _is_spelled(effect, unit):
            problem = f"{type(effect).__name__} has an id, a name or a text that no row takes"
            return refused(RefusalReason.OUT_OF_RANGE, index, problem)
    return None


def post_refusal(unit: OwnerUnit) -> Refused | None:
    """The same for what a runtime writes under its own fence, with its ranges."""
    posted = unit.effect
    effects: tuple[PostInput | ReturnMail, ...] = (posted,) if isinstance(posted, PostInput) else posted
    for index, effect in enumerate(effects):
        fits = _post_fits(effect) if isinstance(effect, PostInput) else _return_fits(effect)
        if not fits or not is_counter(unit.fence.owner):
            problem = f"{type(effect).__name__} is out of range, or no row takes it"
            return refused(RefusalReason.OUT_OF_RANGE, index, problem)
    return None


def _post_fits(effect: PostInput) -> bool:
    return (
        is_uuid(effect.input_id)
        and _is_name(effect.recipient)
        and len(effect.digest) == _DIGEST_BYTES
        and (effect.idempotency_key is None or is_unicode(effect.idempotency_key))
        and (effect.header is None or type(effect.header) is bytes)
    )


def _return_fits(effect: ReturnMail) -> bool:
    return (
        is_counter(effect.sequence)
        and effect.sequence > 0
        and is_counter(effect.absent_before_ms)
        and _is_name(effect.recipient)
        and is_unicode(effect.abandoned.detail)
        and (effect.answer is None or _post_fits(effect.answer))
    )


def _is_spelled(effect: Effect, unit: Unit) -> bool:
    for name in _IDS.get(type(effect), ()):
        value = getattr(effect, name)
        if value is not None and not is_uuid(value):
            return False
    match effect:
        case CreateIdentity() | CreateRecord():
            return _is_name(unit.fence.identity)
        case SendMail():
            return _is_name(effect.recipient)
        case EndInput():
            return effect.abandoned is None or is_unicode(effect.abandoned.detail)
        case _:
            return True


def _is_name(name: str) -> bool:
    return 0 < len(name) <= NAME_LENGTH_MAX and name[0] != "\0" and is_unicode(name)
