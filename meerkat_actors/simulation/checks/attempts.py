"""What was told of failed turns, against what their inputs are charged with: I14's other half."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.outcomes import AbandonReason
from meerkat_actors.simulation.checks.contents import Contents, InputSeen


def miscounted(contents: Contents) -> Iterator[str]:
    """Each failure is one more than the one before, and no input is charged with one that nobody was told of."""
    if contents.event_floor:
        return
    of_runs: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    of_agents: defaultdict[int, set[int]] = defaultdict(set)
    for identity, told in contents.facts.values():
        for fact in told:
            if fact["fact"] != "RunFailed":
                continue
            run, attempts = (identity, fact["run_id"]), fact["attempts"]
            # What failed in a batch is tried alone by another run, and its count goes on.
            is_next = attempts == of_runs[run][-1] + 1 if of_runs[run] else attempts - 1 in of_agents[identity] | {0}
            if not is_next:
                yield f"{contents.name(identity)}: run {run[1]} failed for time {attempts} after {of_runs[run]}"
            of_runs[run].append(attempts)
            of_agents[identity].add(attempts)
    for row in contents.inputs:
        head = contents.heads.get(row.identity)
        if head is None or not head.is_agent:
            continue
        if row.attempts and row.attempts not in of_agents[row.identity]:
            yield f"{row.input_id} is charged with {row.attempts} failures, which nobody was told of"
        failures = of_runs.get((row.identity, row.run or ""), [])
        wanted = _charge(row, failures)
        if wanted is not None and row.attempts != wanted:
            yield f"{row.input_id} is {row.state} with {row.attempts} failures, and its run failed as {failures}"


def _charge(row: InputSeen, told: list[int]) -> int | None:
    """What an input is charged with, by what was told of its last run; None: that says nothing of it."""
    if row.reason == AbandonReason.ATTEMPTS_EXHAUSTED.value:
        return told[-1] if told else 0
    is_member = row.position == 0 and row.state in {InputState.STAGED, InputState.CONSUMED}
    return told[-1] if told and is_member else None
