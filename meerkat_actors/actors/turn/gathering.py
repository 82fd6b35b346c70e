"""Encoding what a turn gathers, within what one turn may hold."""

from __future__ import annotations

from meerkat_actors.actors.turn.job import Draft
from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.codec import encode_json
from meerkat_actors.records.limits import Limits


def gathered(draft: Draft, value: object, what: str, limits: Limits) -> bytes:
    """Encode what commits with the turn, within what one turn may hold."""
    encoded = encode_json(value, what=what, bytes_max=limits.content_bytes_max, depth_max=limits.json_depth_max)
    if draft.size_bytes + len(encoded) > limits.turn_bytes_max:
        problem = (
            f"{what}: a turn sends, appends and returns at most {limits.turn_bytes_max:,} bytes; use several turns"
        )
        raise InvalidValueError(problem=problem)
    draft.size_bytes += len(encoded)
    return encoded
