"""What is asked of the turn in progress from outside it: to end, to yield, to take up what steers it."""

from __future__ import annotations

from collections.abc import Iterable

from meerkat_actors.errors import UsageError
from meerkat_actors.machines.admitting import forget_key, leave, policy_for
from meerkat_actors.machines.lap import Lap, Later, Reply
from meerkat_actors.machines.policy import Apply
from meerkat_actors.machines.settling import dissolve
from meerkat_actors.machines.state import Halting, IdentityState, is_once, lane_of, was_tried
from meerkat_actors.machines.turn_end import CANCELLED, INTERRUPTED
from meerkat_actors.records.commands import (
    CancelInput,
    Checkpoint,
    Interrupt,
    JournalStep,
    ProbationOver,
    ResolveIntent,
)
from meerkat_actors.records.effects import RecordStep, ResolveStep, Stage
from meerkat_actors.records.ids import AdmissionSequence, RunId
from meerkat_actors.records.inputs import Lane, OpenInput
from meerkat_actors.records.outcomes import Abandoned
from meerkat_actors.records.runs import CHECKPOINT, JournalEntry, Run

_EMPTY_LIST = b"[]"


def interrupt(lap: Lap, command: Interrupt) -> Reply:
    """End the run, or have its turn end; answered once that is durable."""
    state = lap.state
    run = state.run
    if run is None:
        return False
    if not state.is_executing:
        # Of two that wait none is more in flight than the other.
        for waiting in (run, state.parked):
            if waiting is not None:
                _end_waiting(lap, waiting, INTERRUPTED)
        return True
    # A turn that was told to end at once does not go on until its checkpoint.
    at_checkpoint = command.at_checkpoint and not _is_ending(state)
    state.halting = Halting((), at_checkpoint=at_checkpoint)
    lap.halts = lap.halts or not at_checkpoint
    # A turn that merely waits is to get to its checkpoint.
    lap.stirs = lap.stirs or at_checkpoint
    return Later(run.run_id, is_input=False)


def cancel(lap: Lap, command: CancelInput) -> Reply:
    """End one input; None: it is not open any more, and its outcome can be read."""
    state, admission = lap.state, command.admission
    item = state.steer.get(admission) or state.lane.get(admission)
    if item is not None:
        lap.abandon_queued(item, CANCELLED)
        leave(state, item)
        return CANCELLED
    for run in (state.run, state.parked):
        for member in () if run is None else run.members:
            if run is not None and member.admission == admission:
                return _cancel_member(lap, run, member)
    return None


def _cancel_member(lap: Lap, run: Run, member: OpenInput) -> Reply:
    state = lap.state
    if member.position:
        problem = f"{state.identity}: input {member.input_id} was taken up by a checkpoint; interrupt the run instead"
        return UsageError(problem=problem)
    is_batch = len(run.base) > 1
    if is_batch and is_once(state, run):
        problem = f"{state.identity}: input {member.input_id} is one of several with a step that may run only once"
        return UsageError(problem=f"{problem}; interrupt the run instead")
    if state.is_executing and run is state.run:
        before = () if state.halting is None else state.halting.admissions
        # Where the whole run is to end, this member ends with it.
        is_single = is_batch and (state.halting is None or len(before) > 0)
        state.halting = Halting((*before, member.admission) if is_single else (), at_checkpoint=False)
        lap.halts = True
        return Later(member.input_id)
    if not is_batch:
        _end_waiting(lap, run, CANCELLED)
        return CANCELLED
    lap.abandon_staged((member,), run.run_id, CANCELLED)
    dissolve(lap, run, without=(member,))
    return CANCELLED


def _end_waiting(lap: Lap, run: Run, ending: Abandoned) -> None:
    """A run between two attempts ends with all that is bound to it: there is no turn whose messages to keep."""
    lap.abandon_staged(run.members, run.run_id, ending)
    lap.end_waiting(run)


def journal(lap: Lap, command: JournalStep) -> Reply:
    """Record a step of the turn in progress, or the intent of one."""
    is_intent = command.is_once and not command.result
    # Nothing that can't be done twice begins in a turn that is to end: its inputs may be tried apart.
    if not _is_at_work(lap.state, command.run_id) or (is_intent and _is_ending(lap.state)):
        return _over(lap.state, f"step {command.name!r}")
    _record(lap, command.name, command.nth, JournalEntry(command.arguments, command.result, command.is_once))
    return None


def resolve_intent(lap: Lap, command: ResolveIntent) -> Reply:
    """Record what came of a step whose intent is journaled."""
    state = lap.state
    if not _is_at_work(state, command.run_id):
        return _over(state, f"step {command.name!r}")
    key = (command.name, command.nth)
    intended = _entry(state, key)
    if intended is None or intended.result:
        return UsageError(problem=f"{state.identity}: step {command.name!r} was not begun, or is over")
    entry = None if command.result is None else JournalEntry(intended.arguments, command.result, is_once=True)
    state.recorded = (key, entry, state.recorded)
    lap.record(ResolveStep(command.run_id, command.name, command.nth, command.result))
    return None


def checkpoint(lap: Lap, command: Checkpoint) -> Reply:
    """Bind what waits in the steer lane to the run in progress, in the order of the lane."""
    state = lap.state
    run = state.run
    if run is None or not _is_at_work(state, command.run_id):
        return _over(state, "checkpoint")
    if state.halting is not None:
        # Here it ends. Its answer is the cancellation.
        state.halting = Halting(state.halting.admissions, at_checkpoint=False)
        lap.halts = True
        return _over(state, "checkpoint")
    bound: list[OpenInput] = []
    for item in _steering(state):
        # What was tried in another run goes on alone.
        if was_tried(item) or policy_for(item).apply is not Apply.CHECKPOINT:
            break
        if len(bound) == lap.limits.run_inputs_max:
            break
        bound.append(_bound(item, command.nth))
    if not bound:
        state.unheard += (command.nth,)
        return ()
    for item in bound:
        state.steer = state.steer.without(item.admission)
        forget_key(state, item)
        lap.effects.append(Stage(item.admission, run.run_id, command.nth))
    state.run = Run(
        run.run_id, (*run.members, *bound), run.attempts, run.interruptions, run.not_before_ms, run.journal
    )  # fmt: skip
    _record(lap, CHECKPOINT, command.nth, JournalEntry(b"", _EMPTY_LIST))
    return tuple(bound)


def clear_suspicion(lap: Lap, command: ProbationOver) -> None:
    """The run outlived its time of being watched: what its start was charged is taken back."""
    state = lap.state
    run = state.run
    if run is None or run.run_id != command.run_id or not state.suspect:
        return
    state.suspect = False
    state.run = Run(
        run.run_id, run.members, run.attempts, max(run.interruptions - 1, 0), run.not_before_ms, run.journal
    )  # fmt: skip


def _record(lap: Lap, name: str, nth: int, entry: JournalEntry) -> None:
    state = lap.state
    run = state.run
    assert run is not None
    admission = run.members[0].admission
    for unheard in state.unheard:
        _write(lap, admission, run.run_id, CHECKPOINT, unheard, JournalEntry(b"", _EMPTY_LIST))
    state.unheard = ()
    _write(lap, admission, run.run_id, name, nth, entry)
    if run.interruptions:
        # Durable progress: what interrupts a long turn is not the turn itself.
        state.suspect = False
        state.run = Run(run.run_id, run.members, run.attempts, 0, run.not_before_ms, run.journal)


def _write(lap: Lap, admission: AdmissionSequence, run_id: RunId, name: str, nth: int, entry: JournalEntry) -> None:
    state = lap.state
    state.recorded = ((name, nth), entry, state.recorded)
    lap.record(RecordStep(admission, run_id, name, nth, entry.arguments, entry.result, entry.is_once))


def _entry(state: IdentityState, key: tuple[str, int]) -> JournalEntry | None:
    recorded = state.recorded
    while recorded is not None:
        name, entry, recorded = recorded
        if name == key:
            return entry
    return None if state.run is None else state.run.journal.get(key)


def _bound(item: OpenInput, nth: int) -> OpenInput:
    return OpenInput(
        item.admission, item.input_id, item.kind, item.content, item.sender, item.header, item.policy, item.lane, nth
    )  # fmt: skip


def _steering(state: IdentityState) -> Iterable[OpenInput]:
    # A run that waits in the steer lane holds it: what comes behind it comes later.
    return () if state.parked is not None and lane_of(state.parked) is Lane.STEER else state.steer


def _is_ending(state: IdentityState) -> bool:
    return state.halting is not None and not state.halting.at_checkpoint


def _is_at_work(state: IdentityState, run_id: RunId) -> bool:
    return state.run is not None and state.run.run_id == run_id and state.is_executing


def _over(state: IdentityState, what: str) -> UsageError:
    return UsageError(problem=f"{state.identity}: {what} of a run that is over")
