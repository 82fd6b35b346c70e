"""How a stored input ended: the one outcome that its row shows."""

from __future__ import annotations

import orjson

from meerkat_actors.records.codec import decode_abandoned, decode_consumed
from meerkat_actors.records.ids import InputId, is_uuid
from meerkat_actors.records.inputs import InputRow, InputState, Lane
from meerkat_actors.records.outcomes import Coalesced, Noted, Outcome, Superseded

S = InputState


def outcome_of(row: InputRow) -> Outcome | None:
    """The one outcome that a row shows; None while the input is open.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: the row can't be read, or contradicts itself.
    """
    state, ending = row.state, row.ending
    if not state.is_terminal:
        return None
    if state is S.CONSUMED and row.turn is not None:
        return decode_consumed(row.turn)
    if state is S.CONSUMED and row.lane is Lane.NONE:
        return Noted()
    if state is S.ABANDONED and ending is not None:
        return decode_abandoned(ending)
    if state is S.SUPERSEDED and ending is not None:
        return Superseded(_decode_successor(ending))
    if state is S.COALESCED and ending is not None:
        return Coalesced(_decode_successor(ending))
    problem = f"input {row.input_id} is {state}, and nothing tells by what"
    raise ValueError(problem)


def _decode_successor(ending: bytes) -> InputId:
    successor = orjson.loads(ending)["successor"]
    if not is_uuid(successor):
        problem = f"no successor of an input: {ending[:60]!r}"
        raise ValueError(problem)
    return InputId(successor)
