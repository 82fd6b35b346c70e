"""The history of a simulation, as the checks of ``simulation/checks`` are told it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meerkat_actors.simulation.checks import Call, Evidence
from meerkat_actors.simulation.client import Asked

if TYPE_CHECKING:
    from meerkat_actors.simulation.outcome import Seen


def evidence_of(seen: Seen) -> Evidence:
    """What is in the database, and each call that was answered or acknowledged: no refused one."""
    return Evidence(
        contents=seen.contents,
        calls=tuple(_call(asked) for asked in seen.asked if asked.refused is None),
        unanswered=len(seen.unanswered),
        attempts_max=seen.scenario.limits.attempts_max,
    )


def _call(asked: Asked) -> Call:
    return Call(
        verb=asked.what,
        identity=asked.agent,
        input_id=asked.input_id,
        key=None,
        admission=asked.admission,
        outcome=asked.outcome,
        error=None,
        begun=asked.begun,
        ended=asked.ended,
    )
