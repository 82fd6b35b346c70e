"""I16, I17 and I28: what callers were told, and what became of those who went away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import trio

from meerkat_actors.errors import MeerkatError
from meerkat_actors.records.outcomes import AbandonReason
from meerkat_actors.simulation.checks.contents import OPEN
from meerkat_actors.simulation.checks.evidence import Evidence

_ENDINGS: Final = (MeerkatError, trio.Cancelled, KeyboardInterrupt)
_ASKS_FOR_AN_END: Final = frozenset({"cancel", "interrupt", "reset"})


def check_i16_waiters_hear_what_is_committed(seen: Evidence) -> Iterator[str]:
    for call in seen.calls:
        if call.outcome is None or call.input_id is None:
            continue
        row = seen.contents.by_id.get(call.input_id)
        if row is None or row.state in OPEN:
            yield f"{call.verb} was told the outcome of {call.input_id}, whose row is {row and row.state}"


def check_i17_every_waiter_is_answered(seen: Evidence) -> Iterator[str]:
    """With an outcome, with an error of ours that says who must act, or because it was cancelled itself."""
    if seen.unanswered:
        yield f"{seen.unanswered} calls were never answered"
    for call in seen.calls:
        if call.error is not None and not issubclass(call.error, _ENDINGS):
            yield f"{call.verb} to {call.identity} raised {call.error.__name__}, which is none of ours"


def check_i28_who_goes_away_cancels_nothing(seen: Evidence) -> Iterator[str]:
    ended = {call.identity for call in seen.calls if call.verb in _ASKS_FOR_AN_END}
    for call in seen.calls:
        if call.error is None or not issubclass(call.error, trio.Cancelled) or call.identity in ended:
            continue
        row = None if call.input_id is None else seen.contents.by_id.get(call.input_id)
        if row is not None and row.reason == AbandonReason.CANCELLED.value:
            yield f"{call.input_id} was cancelled with a {call.verb} that waited for it, and nobody asked for that"
