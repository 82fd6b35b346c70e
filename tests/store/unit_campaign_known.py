"""What the stores are known to differ about, so that a campaign finds what is not known yet.

Each has its test in ``test_model_found``, which fails as long as it is true. Who mends a store takes the test's mark
away, and the line here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import fields

from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.continuity_effects import ContinuityEffect, CreateRecord
from meerkat_actors.records.effects import CreateIdentity, Effect, EndInput, SendMail, Unit
from meerkat_actors.records.ids import AgentIdentity, is_uuid
from meerkat_actors.records.runtime_effects import BindSession, PutDocument

_NAME_LENGTH_MAX: Final = 160
_ID_TYPES: Final = ("SessionId", "RunId", "InputId")


def is_known(unit: Unit, before: Iterable[Unit]) -> bool:
    """Whether the stores would differ for a reason that is known, behind those units of the same batch."""
    return (
        any(map(_holds_no_uuid, unit.effects))
        or any(map(_holds_no_text, unit.effects))
        or any(map(_holds_a_false_digest, unit.effects))
        or (_creates(unit) and (not _is_name(unit.fence.identity) or _is_mentioned(unit, before)))
    )


def _holds_no_uuid(effect: Effect) -> bool:
    """An id of a runtime's effect that is no UUID."""
    if isinstance(effect, ContinuityEffect | BindSession):
        return False
    ids = [each.name for each in fields(type(effect)) if str(each.type).startswith(_ID_TYPES)]
    values: list[object] = [getattr(effect, name) for name in ids]
    return not all(value is None or is_uuid(value) for value in values)


def _holds_no_text(effect: Effect) -> bool:
    """A recipient that no row takes, or an ending that is not Unicode."""
    if isinstance(effect, SendMail):
        return not _is_name(effect.recipient)
    return isinstance(effect, EndInput) and effect.abandoned is not None and not _is_unicode(effect.abandoned.detail)


def _holds_a_false_digest(effect: Effect) -> bool:
    """A document whose digest is another's."""
    return isinstance(effect, PutDocument) and len(effect.digest) == 32 and content_digest(effect.body) != effect.digest


def _creates(unit: Unit) -> bool:
    return any(isinstance(effect, CreateIdentity | CreateRecord) for effect in unit.effects)


def _is_mentioned(unit: Unit, before: Iterable[Unit]) -> bool:
    """The same batch gives the name a key, by mail or by a creation, and the unit has another one."""
    name = unit.fence.identity
    others = (*before, unit)
    sends = (effect for other in others for effect in other.effects if isinstance(effect, SendMail))
    return any(effect.recipient == name for effect in sends) or any(
        other.fence.identity == name and other.fence.key != unit.fence.key for other in others if _creates(other)
    )


def _is_name(name: AgentIdentity) -> bool:
    return 0 < len(name) <= _NAME_LENGTH_MAX and name[0] != "\0" and _is_unicode(name)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
