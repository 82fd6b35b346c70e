"""What an identity's owner concludes from what it is asked: decisions, no doing.

Rule 1: ``decide`` never changes its arguments; the owner commits, then adopts.
Rule 2: commands are folded in order, then the decision settles: an idle identity with work
        stages its next run in the same unit.
Rule 3: one reply per command, in order.
"""

from __future__ import annotations

from typing import assert_never

from meerkat_actors.errors import DestroyedError, MeerkatError, NotReadyError, UnknownIdentityError, UsageError
from meerkat_actors.machines import operations
from meerkat_actors.machines.admitting import admit, redrive, settle_letter, take
from meerkat_actors.machines.firing import drop_schedule, fire, set_schedule
from meerkat_actors.machines.halting import cancel, checkpoint, clear_suspicion, interrupt, journal, resolve_intent
from meerkat_actors.machines.lap import Decision, Lap, Later, Reply, Stamp
from meerkat_actors.machines.settling import settle
from meerkat_actors.machines.state import IdentityState, is_open
from meerkat_actors.machines.turn_end import end_turn
from meerkat_actors.machines.verbs import carry_out
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.commands import (
    BackoffOver,
    CancelInput,
    ChangeOperation,
    Checkpoint,
    CollectOperations,
    Command,
    Create,
    DropLetter,
    DropSchedule,
    EndTurn,
    FireDue,
    GetStatus,
    Govern,
    GraceOver,
    Interrupt,
    JournalStep,
    ListOperations,
    Look,
    ProbationOver,
    Redrive,
    ResolveIntent,
    Send,
    SetSchedule,
    StartOperation,
    TakePending,
    Wait,
    WatchOperation,
    Yield,
)
from meerkat_actors.records.effects import CreateIdentity, Recreate, SetConfig
from meerkat_actors.records.facts import Configured, Created
from meerkat_actors.records.ids import CheckpointVersion, FencingToken, Generation
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.status import Desired, IdentityStatus, Phase


def decide(state: IdentityState, commands: list[Command], stamp: Stamp, limits: Limits) -> Decision:
    """Fold ``commands`` in order, settle, and say what to commit, to answer and to start."""
    lap = Lap(state, stamp, limits)
    if state.has_orphans:
        # Before anything is asked of them.
        operations.end_lost(lap)
        lap.state.has_orphans = False
    replies = [_fold(lap, command) for command in commands]
    settle(lap)
    return lap.decision(replies)


def _fold(lap: Lap, command: Command) -> Reply:
    match command:
        case Send():
            return admit(lap, command)
        case EndTurn():
            end_turn(lap, command)
            return None
        case Wait():
            return Later(command.input_id) if is_open(lap.state, command.admission) else None
        case TakePending():
            take(lap, command)
            return None
        case FireDue():
            fire(lap, command)
            return None
        case JournalStep():
            return journal(lap, command)
        case GetStatus():
            return status_of(lap.state)
        case BackoffOver() | GraceOver() | Look():
            # Whether there is work is looked at when the decision settles.
            return None
        case _:
            return _fold_rare(lap, command)


def _fold_rare(
    lap: Lap,
    command: Create
    | ResolveIntent
    | Checkpoint
    | Interrupt
    | CancelInput
    | Govern
    | Redrive
    | DropLetter
    | Yield
    | ProbationOver
    | SetSchedule
    | DropSchedule
    | StartOperation
    | ChangeOperation
    | WatchOperation
    | ListOperations
    | CollectOperations,
) -> Reply:
    match command:
        case Create():
            return _create(lap, command)
        case ResolveIntent():
            return resolve_intent(lap, command)
        case Checkpoint():
            return checkpoint(lap, command)
        case Interrupt():
            return interrupt(lap, command)
        case CancelInput():
            return cancel(lap, command)
        case Govern():
            return carry_out(lap, command)
        case Redrive():
            return redrive(lap, command)
        case DropLetter():
            return _drop(lap, command)
        case Yield():
            lap.stirs = lap.state.is_executing
            return None
        case ProbationOver():
            clear_suspicion(lap, command)
            return None
        case _:
            return _fold_agenda(lap, command)


def _fold_agenda(
    lap: Lap,
    command: SetSchedule
    | DropSchedule
    | StartOperation
    | ChangeOperation
    | WatchOperation
    | ListOperations
    | CollectOperations,
) -> Reply:
    closed = _closed(lap.state)
    if closed is not None:
        return closed
    match command:
        case SetSchedule():
            return set_schedule(lap, command)
        case DropSchedule():
            return drop_schedule(lap, command)
        case StartOperation():
            return operations.start(lap, command)
        case ChangeOperation():
            return operations.change(lap, command)
        case WatchOperation():
            return operations.watch(lap, command)
        case ListOperations():
            return operations.list_all(lap, command)
        case CollectOperations():
            return operations.collect(lap, command)
        case _:
            assert_never(command)


def _create(lap: Lap, command: Create) -> Reply:
    state = lap.state
    if state.is_created and state.desired is not Desired.DESTROYED:
        if command.kind is not None and command.kind != state.kind:
            return UsageError(
                problem=f"{state.identity}: is of kind {state.kind!r}, not {command.kind!r}; open it with its own kind"
            )
        _configure(lap, command.config)
        return None
    if state.is_created and not command.recreates:
        return DestroyedError(identity=state.identity)
    if state.is_created and not state.is_buried:
        # Its last turn is in progress, or has ended in this very lap.
        return NotReadyError(identity=state.identity, phase=Phase.RUNNING)
    if command.kind is None:
        return UnknownIdentityError(identity=state.identity)
    session_id = lap.stamp.session_id
    if state.is_created:
        if state.previous_token is None:  # it was this owner that destroyed it
            state.previous_token, state.token = state.token, FencingToken(state.token + 1)
        lap.effects.append(Recreate(state.previous_token, command.kind, session_id))
        state.generation = Generation(state.generation + 1)
    else:
        lap.effects.append(CreateIdentity(command.kind, session_id))
        state.generation = Generation(0)
    lap.tell(Created(command.kind, state.generation))
    state.kind = command.kind
    state.session_id = session_id
    state.version = CheckpointVersion(0)
    state.digest = DIGEST_ZERO
    state.message_count = 0
    state.state = None
    state.desired = Desired.OPEN
    state.is_buried = False
    _configure(lap, command.config)
    return None


def _configure(lap: Lap, body: bytes | None) -> None:
    """The configuration from the next attempt on; the same one again writes nothing."""
    before = lap.state.config
    if body is None or (before is not None and before.body == body):
        return
    lap.state.config = AgentConfig(1 if before is None else before.version + 1, body)
    lap.effects.append(SetConfig(lap.state.config.version, body))
    lap.tell(Configured(lap.state.config.version))


def _drop(lap: Lap, command: DropLetter) -> Reply:
    state = lap.state
    if not state.is_created:
        return UnknownIdentityError(identity=state.identity)
    if state.is_buried:
        return DestroyedError(identity=state.identity)
    settle_letter(lap, command.admission)
    return None


def _closed(state: IdentityState) -> MeerkatError | None:
    """Why it has no agenda, if it has none."""
    if not state.is_created:
        return UnknownIdentityError(identity=state.identity)
    if state.desired is Desired.DESTROYED:
        return DestroyedError(identity=state.identity)
    return NotReadyError(identity=state.identity, phase=Phase.RESETTING) if state.is_resetting else None


def status_of(state: IdentityState) -> Reply:
    """What the identity is doing, which is no decision."""
    if not state.is_created:
        return UnknownIdentityError(identity=state.identity)
    run = state.run
    phase = Phase.RUNNING if state.is_executing else Phase.IDLE if run is None else Phase.WAITING
    return IdentityStatus(
        identity=state.identity,
        kind=state.kind,
        phase=Phase.RESETTING if state.is_resetting else phase,
        generation=state.generation,
        checkpoint_version=state.version,
        fencing_token=state.token,
        session_id=state.session_id,
        message_count=state.message_count,
        backlog=len(state.lane) + len(state.steer),
        run_id=None if run is None else run.run_id,
        attempts=0 if run is None else run.attempts,
        interruptions=0 if run is None else run.interruptions,
        desired=state.desired,
        steered=len(state.steer),
        owed=len(state.owed),
    )
