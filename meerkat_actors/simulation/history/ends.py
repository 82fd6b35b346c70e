"""Numbers 20 and 22: everything ends, and nothing is more than it may be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from meerkat_actors.records.kinds import InputKind
from meerkat_actors.simulation.checks.contents import OPEN, InputSeen

if TYPE_CHECKING:
    from meerkat_actors.simulation.outcome import Seen


def check_everything_ended(seen: Seen) -> Iterator[str]:
    """20: when nothing goes wrong any more, all that was admitted or sent ends, but what need wake nobody."""
    for row in seen.contents.agents_inputs:
        head = seen.contents.heads.get(row.identity)
        # Mail for a name that nobody has waits for a week.
        if row.state in OPEN and head is not None and not _may_wait(seen, row, head.kind):
            yield f"{head.name}: input {row.input_id} of kind {row.kind} is {row.state} for ever"


def check_backlogs_stay_within_their_bound(seen: Seen) -> Iterator[str]:
    """22: of what clients sent and turns consumed, known by their sequences.

    Where processes share a store nobody can tell: which of them admitted what is not kept, nor where it began anew.
    """
    if seen.scenario.processes > 1:
        return
    changes: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in seen.contents.inputs:
        if row.sender is None and row.turn and row.kind == InputKind.PROMPT.value:
            changes[row.identity] += [(row.sequence, 1), (row.turn, -1)]
    for identity, told in changes.items():
        count = most = 0
        for _, change in sorted(told):
            count += change
            most = max(most, count)
        if most > seen.scenario.limits.backlog_max:
            yield f"{seen.contents.name(identity)}: {most} inputs were open at once"


def _may_wait(seen: Seen, row: InputSeen, kind: str) -> bool:
    if row.kind == InputKind.PEER_RESPONSE_PROGRESS.value:
        return True  # it is told with whatever is told next, and wakes nobody
    header: Mapping[str, Any] = {} if row.header is None else orjson.loads(row.header)
    agent = seen.scenario.agents.get(kind)
    is_silent = agent is not None and header.get("intent") in agent.silent_intents
    return header.get("wakes") is False or is_silent
