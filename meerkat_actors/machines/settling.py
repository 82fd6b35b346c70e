"""What an identity does next, once what it was asked is folded: which run begins, and what that costs first.

Rule 1: one turn is in progress at most; a lane whose run waits for its next attempt holds only itself.
Rule 2: the steer lane first. What a turn is made of is a prefix of one lane: one prompt, or what is compatible.
Rule 3: what was tried together and failed is tried alone from then on, in its order.

Suspicion, reference/reliability.md: an unclean end is charged to every run that it interrupted, three times. From then
on such a run is a suspect: it begins only while it is the one suspect at work in the whole runtime, its start
is charged, and the charge is taken back once it has run for ``suspect_seconds``. So what ends the process ends
only itself, and a long turn may be interrupted for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from meerkat_actors.machines.admitting import come_back, forget_key, policy_for
from meerkat_actors.machines.attempts import backoff_ms_max
from meerkat_actors.machines.governing import begins_runs
from meerkat_actors.machines.lap import Lap
from meerkat_actors.machines.line import EMPTY, Line
from meerkat_actors.machines.reset import RETIRED, STOPPED, begin_generation, bury, fail_owed, give_up_lost
from meerkat_actors.machines.state import IdentityState, is_once, lane_of, was_tried
from meerkat_actors.records.inputs import Lane, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.records.runs import JournalEntry, Run
from meerkat_actors.records.status import Desired

_EMPTY_JOURNAL: Final[Mapping[tuple[str, int], JournalEntry]] = {}


def settle(lap: Lap) -> None:
    """Go on with what there is to do, if no turn is in progress."""
    state = lap.state
    if not state.is_created or state.is_buried:
        return
    if state.lost:
        give_up_lost(lap)
    if state.owed and not state.has_open_input:
        # It works on nothing any more, so it never comes to answer.
        ending = _LEAVING.get(state.desired)
        if ending is not None:
            fail_owed(lap, ending)
    if state.is_executing or lap.stamp.starts_nothing:
        return
    if not state.has_open_input and not state.is_resetting and state.desired is not Desired.DESTROYED:
        state.is_awake = False
        return
    if state.is_resetting or state.desired is Desired.DESTROYED:
        if state.desired is Desired.DESTROYED:
            if not lap.moved:  # a unit touches a row once
                bury(lap)
            return
        if lap.boundary is not None:
            return  # first what the turn leaves is durable, then what it leaves is left behind
        begin_generation(lap)
    if lap.recycles:
        return  # what begins begins with what is stored, and not beside it
    _begin_run(lap)
    if not state.has_open_input:
        state.is_awake = False


_LEAVING: Final = {Desired.STOPPED: STOPPED, Desired.RETIRED: RETIRED}
"""What is wanted of an agent that never begins anything new, and how what it leaves ends."""


def has_business(state: IdentityState, *, is_alarmed: bool) -> bool:
    """Whether settling would do something: parking is level-triggered. ``is_alarmed``: a waiting run will wake us."""
    if not state.is_created or state.is_buried or state.is_executing:
        return False
    if state.is_resetting or state.desired is Desired.DESTROYED or state.lost or state.has_orphans:
        return True
    if state.owed and not state.has_open_input and state.desired in _LEAVING:
        return True
    if not may_begin(state):
        return False
    if state.run is not None and not is_alarmed:
        return True
    return any(_is_free(state, lane) and _line(state, lane) is not EMPTY for lane in _LANES) and state.is_awake


def goes_on(state: IdentityState) -> bool:
    """Whether open work goes on by itself, now or at its time; else it waits for an operator, or for a wake."""
    if state.is_executing or state.is_resetting or state.desired is Desired.DESTROYED:
        return True
    return may_begin(state) and (state.run is not None or state.is_awake)


def may_begin(state: IdentityState) -> bool:
    """Whether a run may begin: one that was staged before its identity was stopped still may."""
    return (
        state.desired is Desired.OPEN
        or begins_runs(state.desired)
        or (state.desired is Desired.STOPPED and state.run is not None)
    )


_LANES: Final = (Lane.STEER, Lane.QUEUE)


def _begin_run(lap: Lap) -> None:
    state = lap.state
    if not may_begin(state):
        return
    if state.run is None:
        # The usual case by itself: no run waits.
        if state.is_awake and state.has_open_input:
            _stage_next(lap, Lane.QUEUE if state.steer is EMPTY else Lane.STEER)
        return
    if state.resumes and _resume(lap):
        return
    wake_at_ms = 0
    for lane in _LANES:
        waiting = _waiting(state, lane)
        if waiting is not None:
            due_ms = _due_ms(waiting, lap)
            if due_ms:
                wake_at_ms = min(due_ms, wake_at_ms) or due_ms
            elif _start_again(lap, waiting):
                return
        # Looked at again: a run may have been given up, or taken apart.
        if _waiting(state, lane) is None and state.is_awake and _line(state, lane) is not EMPTY:
            _stage_next(lap, lane)
            return
    lap.wake_at_ms = wake_at_ms


def _resume(lap: Lap) -> bool:
    """Let a run that recovery found go on, also ahead of what was to steer it; False: none can now."""
    lap.state.resumes = False
    for lane in _LANES:
        waiting = _waiting(lap.state, lane)
        if waiting is not None and not _due_ms(waiting, lap) and _start_again(lap, waiting):
            return True
    return False


def _stage_next(lap: Lap, lane: Lane) -> None:
    state, run_id = lap.state, lap.stamp.run_id
    line = _line(state, lane)
    members = next_members(line, lap.limits)
    if lap.has_new_run or (lap.moved and any(member.admission in lap.moved for member in members)):
        return  # until the next lap: an id is one run's, and a unit touches a row once
    for member in members:
        line = line.without(member.admission)
        if member.header is not None:
            forget_key(state, member)
    if lane is Lane.STEER:
        state.steer = line
    else:
        state.lane = line
    lap.stage(members, run_id)
    if state.run is not None:
        state.parked = state.run
    first = members[0]
    is_suspect = first.interruptions >= lap.limits.suspect_from
    run = Run(
        run_id, members, first.attempts, first.interruptions, 0, _EMPTY_JOURNAL, is_unclean=is_suspect
    )  # fmt: skip
    if is_suspect:
        state.run = run  # it begins when it may, as one that was found
    else:
        lap.start(run)


def next_members(line: Line, limits: Limits) -> tuple[OpenInput, ...]:
    """The inputs of the next run from a lane that is not empty."""
    head = line.head
    if len(line) == 1:
        return (head,)
    policy = policy_for(head)
    if policy.is_alone or was_tried(head):
        return (head,)
    members = [head]
    for item in islice(line, 1, limits.run_inputs_max):
        other = policy_for(item)
        if other.is_alone or was_tried(item):
            break
        if other.execution is not policy.execution or other.intent is not policy.intent:
            break
        members.append(item)
    return tuple(members)


def _start_again(lap: Lap, run: Run) -> bool:
    """Let a waiting run begin; False when it is over, was taken apart, or has to wait for others first."""
    state = lap.state
    if run.is_unclean:
        counted = _count_interruption(lap, run)
        if counted is None:
            return False
        run = counted
    if state.parked is not None and run.run_id == state.parked.run_id:
        state.parked = state.run
    lap.start(run)
    return True


def _count_interruption(lap: Lap, run: Run) -> Run | None:
    """Count an unclean end. None: it does not begin now."""
    state, limits = lap.state, lap.limits
    interruptions = run.interruptions + 1
    is_suspect = run.interruptions >= limits.suspect_from
    if is_suspect and len(run.base) > 1 and not is_once(state, run):
        dissolve(lap, run, interruptions=max(run.interruptions, 1))
        return None
    if interruptions > limits.interruptions_max:
        ending = Abandoned(AbandonReason.CRASH_LOOP, f"the process ended uncleanly under it {interruptions} times")
        abandon_run(lap, run, ending)
        return None
    if is_suspect and not lap.stamp.may_suspect:
        lap.asks_to_suspect = True
        return None
    counted = Run(run.run_id, run.members, run.attempts, interruptions, run.not_before_ms, run.journal)
    state.suspect = is_suspect
    return counted


def abandon_run(lap: Lap, run: Run, ending: Abandoned) -> None:
    """A waiting run ends without a result; what a checkpoint bound to it goes back, uncharged."""
    lap.abandon_staged(run.base, run.run_id, ending)
    give_back_bound(lap, run)
    lap.end_waiting(run)


def give_back_bound(lap: Lap, run: Run, *, beyond: int = 0) -> None:
    """Let what a checkpoint after the ``beyond``-th bound wait in its lane again."""
    _give_back(lap, run, tuple(member for member in run.members if member.position > beyond))


def dissolve(lap: Lap, run: Run, *, interruptions: int = 0, without: tuple[OpenInput, ...] = ()) -> None:
    """Take a batch apart: its members go back to their lane, to be tried alone if interruptions are charged.

    Its journal goes with the run, whose end is the caller's to conclude, unless it waits for its time.
    """
    members = tuple(member for member in run.base if member not in without)
    _give_back(lap, run, members, interruptions=interruptions)
    give_back_bound(lap, run)
    if run is not lap.state.run or not lap.state.is_executing:
        lap.end_waiting(run)


def retry_apart(lap: Lap, run: Run, *, attempts: int, not_before_ms: int) -> None:
    """Take a failed batch apart: the first member is tried alone when it is time, the others after it."""
    first, *others = run.base
    run_id = lap.stamp.run_id
    lap.move(first, run.run_id, to=run_id, attempts=attempts, not_before_ms=not_before_ms)
    _give_back(lap, run, tuple(others), attempts=attempts)
    give_back_bound(lap, run)
    lap.drop_journal(run)
    alone = Run(run_id, (_fresh(first),), attempts, 0, not_before_ms, _EMPTY_JOURNAL)
    lap.suspend(alone)


def _give_back(
    lap: Lap, run: Run, members: tuple[OpenInput, ...], *, attempts: int = 0, interruptions: int = 0
) -> None:
    """Let members of a run wait in their lane again; those of a stopped identity end instead."""
    if lap.state.desired is Desired.STOPPED:
        lap.abandon_staged(members, run.run_id, STOPPED)
        return
    for member in members:
        lap.move(member, run.run_id, attempts=attempts, interruptions=interruptions)
    come_back(lap, tuple(_fresh(member, attempts, interruptions) for member in members))


def _fresh(item: OpenInput, attempts: int = 0, interruptions: int = 0) -> OpenInput:
    return OpenInput(
        item.admission, item.input_id, item.kind, item.content, item.sender, item.header, item.policy, item.lane, 0,
        attempts, interruptions,
    )  # fmt: skip


def _due_ms(run: Run, lap: Lap) -> int:
    """When a waiting run may begin; 0 for now."""
    remaining_ms = run.not_before_ms - lap.stamp.now_ms
    # Due; or the wall clock was set back, and nobody waits longer than the longest backoff.
    return run.not_before_ms if 0 < remaining_ms <= backoff_ms_max(lap.limits) else 0


def _waiting(state: IdentityState, lane: Lane) -> Run | None:
    for run in (state.run, state.parked):
        if run is not None and lane_of(run) is lane:
            return run
    return None


def _is_free(state: IdentityState, lane: Lane) -> bool:
    return _waiting(state, lane) is None


def _line(state: IdentityState, lane: Lane) -> Line:
    return state.steer if lane is Lane.STEER else state.lane
