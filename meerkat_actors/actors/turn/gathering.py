"""Encoding and counting what a turn gathers, within what one turn may hold."""

from __future__ import annotations

from meerkat_actors.actors.turn.job import Draft, TurnJob
from meerkat_actors.errors import InvalidValueError, UsageError
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


def check_count(job: TurnJob, count: int, verb: str, noun: str) -> None:
    """Refuse one more of what a turn has ``count`` of, where that is as many as it may have.

    Raises:
        UsageError: as it says.
    """
    if count >= job.limits.messages_max:
        raise UsageError(problem=f"{job.identity}: a turn {verb} at most {job.limits.messages_max:,} {noun}")
