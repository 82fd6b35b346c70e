"""Why mail can't be taken any more: the same for every store."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import InputId, uuid_bytes
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.pruning import minted_ms
from meerkat_actors.records.status import Desired


@hot
class Addressee:
    """What decides whether an identity that was created may take mail."""

    desired: Desired
    mail_floor: int
    is_deleted: bool


def why_returned(
    addressee: Addressee | None, sequence: int, input_id: InputId, *, absent_before_ms: int
) -> Abandoned | None:
    """Why a ``sent`` row can't be taken; None where it can, or may yet.

    ``addressee`` is None for a name that nobody has.
    """
    if addressee is None:
        minted = minted_ms(uuid_bytes(input_id))
        is_old = minted is not None and minted < absent_before_ms
        return RETURNED[AbandonReason.UNDELIVERABLE] if is_old else None
    if addressee.is_deleted:
        return RETURNED[AbandonReason.DESTROYED]
    if addressee.desired is Desired.RETIRED:
        return RETURNED[AbandonReason.RETIRED]
    if sequence > addressee.mail_floor:
        return None
    return RETURNED[AbandonReason.STOPPED if addressee.desired is Desired.STOPPED else AbandonReason.RESET]


RETURNED: Final[Mapping[AbandonReason, Abandoned]] = MappingProxyType(
    {
        reason: Abandoned(reason, detail)
        for reason, detail in (
            (AbandonReason.DESTROYED, "its recipient was destroyed before it was taken"),
            (AbandonReason.RETIRED, "its recipient is retired, and takes nothing more"),
            (AbandonReason.UNDELIVERABLE, "nobody of that name was there to take it"),
            (AbandonReason.STOPPED, "its recipient was stopped before it was taken"),
            (AbandonReason.RESET, "its recipient was reset before it was taken"),
        )
    }
)
"""How mail ends that is returned, by why."""
