"""Refusals of the runtime-store facade's effects, in words that are the same for every store."""

from __future__ import annotations

from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.runtime_effects import DropDocument, MoveInput, PutDocument, RecordReceipt


def move_refusal(index: int, effect: MoveInput, now: InputState | None) -> Refused:
    """The input is elsewhere, or nowhere."""
    what = "unknown" if now is None else str(now)
    wanted = str(effect.was) if effect.was_run is None else f"{effect.was} for run {effect.was_run}"
    return Refused(
        reason=RefusalReason.INPUT_STATE_CONFLICT,
        effect=index,
        current=f"admission {effect.admission} is {what}, not {wanted}",
    )


def session_refusal(index: int, owner: str, generation: int) -> Refused:
    """The session is another life's."""
    return Refused(reason=RefusalReason.SESSION_BOUND, effect=index, current=f"{owner} (generation {generation})")


def generation_refusal(index: int, effect: PutDocument | DropDocument, current: int) -> Refused | None:
    """Another generation is current; 0 for no document."""
    # Only what is there can be dropped.
    takes_any = effect.expected is None and (current != 0 or isinstance(effect, PutDocument))
    if takes_any or effect.expected == current:
        return None
    return Refused(reason=RefusalReason.GENERATION_CONFLICT, effect=index, current=f"generation {current}")


def receipt_refusal(index: int, effect: RecordReceipt, last: int) -> Refused | None:
    """A receipt that is not the run's next one."""
    if effect.sequence == last + 1:
        return None
    reason = RefusalReason.DUPLICATE_RECEIPT if effect.sequence <= last else RefusalReason.RECEIPT_GAP
    return Refused(reason=reason, effect=index, current=f"receipt {last}")
