"""I13, I14, I18 and I24 to I26: runs, budgets, lifecycles, fences and counters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from meerkat_actors.records.inputs import InputState, Lane
from meerkat_actors.records.outcomes import AbandonReason
from meerkat_actors.records.status import Desired, Verb
from meerkat_actors.simulation.checks.attempts import miscounted
from meerkat_actors.simulation.checks.contents import OPEN
from meerkat_actors.simulation.checks.evidence import Call, Evidence

_WANTED: Final = {
    Verb.PAUSE.value: Desired.PAUSED,
    Verb.RESUME.value: Desired.OPEN,
    Verb.RETIRE.value: Desired.RETIRED,
    Verb.STOP.value: Desired.STOPPED,
}
_GOVERNING: Final = frozenset(verb.value for verb in Verb)


def check_i13_at_most_one_run(seen: Evidence) -> Iterator[str]:
    """At work. Of two that are staged, of different lanes, one waits for its next attempt."""
    for head in seen.contents.agents:
        # One that is staged for no run is I4's to tell.
        rows = (row for row in seen.contents.inputs_of.get(head.key, ()) if row.state is InputState.STAGED)
        staged = [(row.run, row) for row in rows if row.run is not None]
        lanes: defaultdict[str, set[Lane]] = defaultdict(set)
        waiting: set[str] = set()
        for run, row in staged:
            if row.position == 0:
                lanes[run].add(row.lane)
            if row.not_before:
                waiting.add(run)
        if len(lanes) > 1 and (
            len(lanes) > 2 or len({lane for each in lanes.values() for lane in each}) < 2 or not waiting
        ):
            yield f"{head.name}: inputs are staged for runs {sorted(lanes)}, {len(waiting)} of which wait"
        for run in {run for run, _ in staged} - lanes.keys():
            yield f"{head.name}: run {run} was staged with nothing"


def check_i14_failures_are_counted_and_bounded(seen: Evidence) -> Iterator[str]:
    """A failed turn charges one attempt, staging charges nothing."""
    yield from miscounted(seen.contents)
    bound = seen.attempts_max
    for row in seen.contents.inputs:
        head = seen.contents.heads.get(row.identity)
        if head is None or not head.is_agent:
            continue
        if row.attempts < 0 or row.interruptions < 0:
            yield f"{row.input_id} has {row.attempts} attempts and {row.interruptions} interruptions"
        if row.not_before and not row.attempts:
            yield f"{row.input_id} waits for another attempt, and none failed"
        if row.attempts and (row.state is InputState.SENT or row.lane is Lane.NONE):
            yield f"{row.input_id} was not begun, and has {row.attempts} attempts"
        if bound is not None and (row.attempts > bound or (row.state in OPEN and row.attempts == bound)):
            yield f"{row.input_id} is {row.state} after {row.attempts} attempts of {bound}"
        if row.reason == AbandonReason.ATTEMPTS_EXHAUSTED.value and row.run is None:
            yield f"{row.input_id} was tried until it was given up, by no run"


def check_i18_a_lifecycle_is_what_was_committed(seen: Evidence) -> Iterator[str]:
    for head in seen.contents.heads.values():
        is_destroyed = head.desired is Desired.DESTROYED
        # Destroyed under a turn, it is buried when that has ended.
        waits = any(not row.state.is_terminal for row in seen.contents.inputs_of.get(head.key, ()))
        if head.is_agent and (head.is_buried > is_destroyed or (is_destroyed and not head.is_buried and not waits)):
            yield f"{head.name}: is {head.desired}, and its tombstone says otherwise"
    desired = {head.name: head.desired for head in seen.contents.heads.values()}
    for identity, calls in _governed(seen).items():
        last = max(calls, key=lambda call: call.ended)
        wanted = _WANTED.get(last.verb)
        alone = all(call is last or call.ended < last.begun for call in calls)
        if last.error is None and alone and wanted is not None and desired.get(identity, wanted) is not wanted:
            yield f"{identity}: {last.verb} returned, and the store says {desired[identity]}"


def _governed(seen: Evidence) -> dict[str, list[Call]]:
    found: defaultdict[str, list[Call]] = defaultdict(list)
    for call in seen.calls:
        if call.verb in _GOVERNING:
            found[call.identity].append(call)
    return found


def check_i24_who_is_stopped_has_nothing_queued(seen: Evidence) -> Iterator[str]:
    """Whoever drains (retired) has; nobody else keeps, or is given, what it would never begin."""
    for head in seen.contents.agents:
        if head.desired in {Desired.STOPPED, Desired.DESTROYED}:
            for row in seen.contents.inputs_of.get(head.key, ()):
                if row.state is InputState.QUEUED:
                    yield f"{head.name}: is {head.desired}, and {row.input_id} is queued"


def check_i25_stale_holders_are_refused(seen: Evidence) -> Iterator[str]:
    for head in seen.contents.heads.values():
        token = 0
        for turn in seen.contents.turns_of.get(head.key, ()):
            if turn.token is not None and not token <= turn.token <= head.token:
                yield f"{head.name}: boundary {turn.sequence} has token {turn.token}, after {token}, of {head.token}"
            token = turn.token or token
        if head.owner > seen.contents.incarnation:
            yield f"{head.name}: is held by owner {head.owner}, and {seen.contents.incarnation} have begun"
    for identity, _, version, token in seen.contents.snapshots:
        if token > seen.contents.heads[identity].token:
            yield f"{seen.contents.name(identity)}: document {version} has token {token}, above the highest"


def check_i26_counters_are_behind_what_they_stand_for(seen: Evidence) -> Iterator[str]:
    contents = seen.contents
    written = [row.sequence for row in contents.inputs] + [turn.sequence for turn in contents.turns]
    newest = max(written + [sequence for sequence, _, _ in contents.events], default=0)
    if newest > contents.sequence:
        yield f"sequence {newest} was written, and the counter says {contents.sequence}"
    last: dict[int, int] = {}
    waiting: set[tuple[int, int, Lane]] = set()
    for row in contents.inputs:
        if row.sender is None:
            continue
        if row.number is not None:
            head = contents.heads.get(row.sender)
            if head is None or not last.get(row.sender, 0) < row.number <= head.sends:
                yield f"message {row.number} of {contents.name(row.sender)} is not counted, or out of order"
            last[row.sender] = row.number
        pair = (row.sender, row.identity, row.lane)
        if row.state is InputState.SENT:
            recipient = contents.heads.get(row.identity)
            if recipient is None or row.sequence > recipient.mail_floor:  # what is below it is returned
                waiting.add(pair)
        elif pair in waiting and row.admission is not None:
            yield f"{row.input_id} was taken before an older message of {contents.name(row.sender)}"
