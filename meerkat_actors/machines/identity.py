"""What an identity's owner concludes from what it is asked: decisions, no doing.

Rule 1: ``decide`` never changes its arguments; the owner commits, then adopts.
Rule 2: commands are folded in order, then the decision settles: an idle identity with work
        stages its next run in the same unit.
Rule 3: one reply per command, in order.
"""

from __future__ import annotations

from typing import Final, assert_never

from meerkat_actors.errors import BacklogFullError, IdempotencyConflictError, UnknownIdentityError, UsageError
from meerkat_actors.machines.attempts import backoff_ms_max
from meerkat_actors.machines.lap import Decision, Lap, Reply, Stamp
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.machines.turn_end import end_turn
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.commands import (
    BackoffOver,
    Command,
    Create,
    EndTurn,
    GetStatus,
    JournalStep,
    Look,
    Send,
    TakePending,
    Wait,
)
from meerkat_actors.records.effects import CreateIdentity, EndInput, InsertInput, RecordStep, SetConfig, Stage
from meerkat_actors.records.ids import AdmissionSequence, Generation
from meerkat_actors.records.inputs import OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Admission
from meerkat_actors.records.runs import JournalEntry, Run
from meerkat_actors.records.status import IdentityStatus, Phase

_EMPTY_JOURNAL: Final[dict[tuple[str, int], JournalEntry]] = {}


def decide(state: IdentityState, commands: list[Command], stamp: Stamp, limits: Limits) -> Decision:
    """Fold ``commands`` in order, settle, and say what to commit, to answer and to start."""
    lap = Lap(state, stamp, limits)
    replies = [_fold(lap, command) for command in commands]
    _settle(lap)
    return lap.decision(replies)


def _fold(lap: Lap, command: Command) -> Reply:
    match command:
        case Send():
            return _admit(lap, command)
        case EndTurn():
            end_turn(lap, command)
            return None
        case Wait():
            return _holds(lap.state, command.admission)
        case TakePending():
            return _take(lap, command)
        case JournalStep():
            return _journal(lap, command)
        case Create():
            return _create(lap, command)
        case GetStatus():
            return _status(lap.state)
        case BackoffOver() | Look():
            # Whether there is work is looked at when the decision settles.
            return None
        case _:
            assert_never(command)


def _create(lap: Lap, command: Create) -> Reply:
    state = lap.state
    if state.is_created:
        if command.kind is not None and command.kind != state.kind:
            return UsageError(
                problem=f"{state.identity}: is of kind {state.kind!r}, not {command.kind!r}; open it with its own kind"
            )
        _configure(lap, command.config)
        return None
    if command.kind is None:
        return UnknownIdentityError(identity=state.identity)
    state.kind = command.kind
    state.session_id = lap.stamp.session_id
    state.digest = DIGEST_ZERO
    state.generation = Generation(0)
    lap.effects.append(CreateIdentity(command.kind, state.session_id))
    _configure(lap, command.config)
    return None


def _configure(lap: Lap, body: bytes | None) -> None:
    """The configuration from the next attempt on; the same one again writes nothing."""
    before = lap.state.config
    if body is None or (before is not None and before.body == body):
        return
    lap.state.config = AgentConfig(1 if before is None else before.version + 1, body)
    lap.effects.append(SetConfig(lap.state.config.version, body))


def _admit(lap: Lap, command: Send) -> Reply:
    state = lap.state
    if not state.is_created:
        return UnknownIdentityError(identity=state.identity)
    first = lap.earlier(command)
    if first is not None:
        return _duplicate(lap, command, first)
    if _backlog(state) >= lap.limits.backlog_max:
        return BacklogFullError(identity=state.identity, limit=lap.limits.backlog_max)
    admission = lap.admit(command)
    state.lane = state.lane.append(OpenInput(admission, command.input_id, command.kind, command.content, None))
    return Admission(command.input_id, admission, duplicate=False, durable=True)


def _duplicate(lap: Lap, command: Send, first: InsertInput) -> Reply:
    """What the store would answer, had the first one been committed before."""
    key, first_key = command.idempotency_key, first.idempotency_key
    if first.digest != command.digest or (key is not None and key != first_key):
        shown = key if key is not None and key == first_key else command.input_id
        return IdempotencyConflictError(identity=lap.state.identity, key=shown, first_input_id=first.input_id)
    return Admission(first.input_id, first.admission, duplicate=True, durable=True)


def _take(lap: Lap, command: TakePending) -> Reply:
    state = lap.state
    for mail in command.mail:
        # A full recipient takes nothing: its mail waits in the store, and no sender is refused.
        if _backlog(state) >= lap.limits.backlog_max:
            break
        admission = lap.take(mail)
        state.lane = state.lane.append(OpenInput(admission, mail.input_id, mail.kind, mail.content, mail.sender))
    return None


def _journal(lap: Lap, command: JournalStep) -> Reply:
    state = lap.state
    run = state.run
    if run is None or run.run_id != command.run_id or not state.is_executing:
        return UsageError(problem=f"{state.identity}: step {command.name!r} of a run that is over")
    entry = JournalEntry(command.arguments, command.result)
    state.recorded = ((command.name, command.nth), entry, state.recorded)
    first = run.members[0].admission
    lap.record(RecordStep(first, run.run_id, command.name, command.nth, command.arguments, command.result))
    if run.interruptions:
        # Durable progress: what interrupts a long turn is not the turn itself.
        state.run = Run(run.run_id, run.members, run.attempts, 0, run.not_before_ms, run.journal)
    return None


def _settle(lap: Lap) -> None:
    state = lap.state
    if state.is_executing or lap.stamp.starts_nothing or not state.is_created:
        return
    if state.run is not None:
        remaining_ms = state.run.not_before_ms - lap.stamp.now_ms
        if 0 < remaining_ms <= backoff_ms_max(lap.limits):
            lap.wake_at_ms = state.run.not_before_ms
            return
        # Due; or the wall clock was set back, and nobody waits longer than the longest backoff.
        if not state.is_charged or _charge_interruption(lap, state.run):
            lap.start()
            return
    if state.run is None and len(state.lane):
        # A prompt runs alone, and so does every message for now.
        member = state.lane.head
        state.lane = state.lane.rest()
        run_id = lap.stamp.run_id
        state.run = Run(run_id, (member,), 0, 0, 0, _EMPTY_JOURNAL)
        if not lap.stage_fresh(member.admission):
            lap.effects.append(Stage(member.admission, run_id))
        lap.start()


def _charge_interruption(lap: Lap, run: Run) -> bool:
    """Count an unclean end; whether the run may start again."""
    state = lap.state
    state.is_charged = False
    interruptions = run.interruptions + 1
    if interruptions <= lap.limits.interruptions_max:
        state.run = Run(run.run_id, run.members, run.attempts, interruptions, run.not_before_ms, run.journal)
        return True
    ending = Abandoned(AbandonReason.CRASH_LOOP, f"the process ended uncleanly under it {interruptions} times")
    for member in run.members:
        lap.effects.append(EndInput(member.admission, run.run_id, ending))
    lap.end_run(tuple((member.input_id, ending) for member in run.members))
    return False


def _holds(state: IdentityState, admission: AdmissionSequence) -> bool:
    """Whether the input of that admission is open: in the run, or in the range that the lane holds."""
    if state.run is not None and any(member.admission == admission for member in state.run.members):
        return True
    return len(state.lane) > 0 and state.lane.head.admission <= admission <= state.admissions


def _backlog(state: IdentityState) -> int:
    return len(state.lane) + (0 if state.run is None else len(state.run.members))


def _status(state: IdentityState) -> Reply:
    if not state.is_created:
        return UnknownIdentityError(identity=state.identity)
    run = state.run
    phase = Phase.RUNNING if state.is_executing else Phase.IDLE if run is None else Phase.WAITING
    return IdentityStatus(
        identity=state.identity,
        kind=state.kind,
        phase=phase,
        generation=state.generation,
        checkpoint_version=state.version,
        fencing_token=state.token,
        session_id=state.session_id,
        message_count=state.message_count,
        backlog=len(state.lane),
        run_id=None if run is None else run.run_id,
        attempts=0 if run is None else run.attempts,
        interruptions=0 if run is None else run.interruptions,
    )
