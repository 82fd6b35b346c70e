"""The operations of an identity: who may begin, what an end wakes, and how long it is remembered.

Rule 1: so many are in progress at most, and one of them is a barrier.
Rule 2: ends are numbered, without gaps, and no number is used twice: the newest end is never forgotten.
Rule 3: the end of a background operation wakes the agent, by one continuation for all that end before it is worked on.
        While a barrier runs, its members' ends wake nobody; its own end does.
Rule 4: an operation that nobody outside carries out ends with the process that it began in. A barrier needs no
        process: it ends with the last of its members, in the same unit.

Reference: ``reference/runtime.md`` section 10.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
from itertools import chain
from typing import Final

import orjson

from meerkat_actors.errors import MeerkatError, TooManyOperationsError, UnknownOperationError, UsageError
from meerkat_actors.machines.admitting import admit
from meerkat_actors.machines.lap import Lap, Later
from meerkat_actors.machines.operation import (
    BEGINNINGS,
    OPERATIONS,
    WAKING,
    changed,
    collected,
    is_collected,
    problem_of,
)
from meerkat_actors.machines.operation_rows import OperationRows
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commands import (
    ChangeOperation,
    CollectOperations,
    ListOperations,
    Send,
    StartOperation,
    WatchOperation,
)
from meerkat_actors.records.facts import OperationChanged, OperationsCollected
from meerkat_actors.records.headers import Durability, Header, Mode, Origin
from meerkat_actors.records.ids import OperationId
from meerkat_actors.records.inputs import OpenInput
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.mail import derived_id
from meerkat_actors.records.operation import Operation, OperationChange, OperationKind, OperationStatus
from meerkat_actors.records.operation_listing import OperationCursors, OperationListing
from meerkat_actors.records.runs import TurnExtras

_BARRIER: Final = OperationKind.BARRIER  # to ask the class takes as long as all the rest of a look at an operation

SOURCE: Final = "operations"
"""What the header of a continuation says that the end of an operation made, and the key under which one is enough."""

_WAKING: Final = Header(
    origin=Origin.SYSTEM,
    source=SOURCE,
    durability=Durability.DERIVED,
    in_transcript=False,
    for_operators=False,
    supersession_key=SOURCE,
)
_BEHIND_TURN: Final = Header(
    origin=Origin.SYSTEM,
    source=SOURCE,
    durability=Durability.DERIVED,
    in_transcript=False,
    for_operators=False,
    supersession_key=SOURCE,
    mode=Mode.QUEUE,
)
"""A turn in progress does not see what ends under it: no checkpoint of it may take this one up."""
_NOTHING: Final = b"null"
_NOTHING_DIGEST: Final = content_digest(_NOTHING)


def start(lap: Lap, command: StartOperation) -> Operation | MeerkatError:
    """Register an operation, or say why not."""
    refusal = _refusal(lap, command.operation)
    return _register(OperationRows(lap), command.operation) if refusal is None else refusal


def change(lap: Lap, command: ChangeOperation) -> Operation | MeerkatError:
    """Move an operation on, or say why that is impossible."""
    operation = _remembered(lap.state, command.operation_id)
    if operation is None:
        return UnknownOperationError(identity=lap.state.identity, operation=command.operation_id)
    problem = problem_of(operation, command.change)
    if problem is not None:
        return UsageError(problem=f"{lap.state.identity}: {problem}")
    rows, status = OperationRows(lap), OPERATIONS[operation.status, command.change]
    content = operation.content if command.content is None else command.content
    if status.is_terminal:
        ended = rows.end(operation, status, content)
        _conclude(rows, (ended,))
        return ended
    is_ready = operation.is_ready or command.change is OperationChange.PEER_READY
    moved = changed(operation, status=status, content=content, is_ready=is_ready)
    rows.put(moved)
    lap.tell(OperationChanged(moved.operation_id, command.change))
    return moved


def watch(lap: Lap, command: WatchOperation) -> Operation | Later | MeerkatError:
    """The operation, once it has ended."""
    operation = _remembered(lap.state, command.operation_id)
    if operation is None:
        return UnknownOperationError(identity=lap.state.identity, operation=command.operation_id)
    return operation if operation.sequence else Later(command.operation_id, is_input=False)


def list_all(lap: Lap, _: ListOperations) -> OperationListing:
    """Every operation that is remembered, and how far their ends got."""
    return OperationListing(operations=remembered(lap.state), cursors=_cursors(lap.state))


def collect(lap: Lap, _: CollectOperations) -> tuple[Operation, ...]:
    """The operations that ended, in the order of their ends; from now on they are forgotten."""
    rows = OperationRows(lap)
    ended = sorted((each for each in lap.state.operations.values() if each.sequence), key=_sequence)
    told = tuple(each for each in ended if not is_collected(each))
    if told:
        lap.tell(OperationsCollected(len(told)))
    for each in ended[:-1]:
        rows.drop(each)
    if ended and not is_collected(ended[-1]):
        rows.put(collected(ended[-1]))
    return told


def end_lost(lap: Lap) -> None:
    """End what its process took with it."""
    lost = [
        each
        for each in lap.state.operations.values()
        if not each.sequence
        and not each.is_external
        and each.kind is not _BARRIER
        and each.owner != lap.stamp.incarnation
    ]
    if not lost:
        return
    rows, lost = OperationRows(lap), sorted(lost, key=_operation_id)
    _conclude(rows, [rows.end(each, OperationStatus.TERMINATED, each.content) for each in lost])


def terminate_all(lap: Lap) -> None:
    """End everything that is in progress, for good: whom it would wake is no more."""
    # A barrier first: it did not end with its members.
    running = [each for each in lap.state.operations.values() if not each.sequence]
    rows = OperationRows(lap)
    for each in sorted(running, key=lambda each: (each.kind is not _BARRIER, each.operation_id)):
        rows.end(each, OperationStatus.TERMINATED, each.content)
    if running:
        _forget(rows, _looked_through(lap.state)[1])


def begin_of_turn(lap: Lap, extras: TurnExtras) -> None:
    """Register what a turn began, and note the ends that it took up.

    No limit refuses a boundary: what can't begin ends as aborted, and its content says why.
    """
    rows = OperationRows(lap)
    if extras.seen_completions:
        for each in tuple(lap.state.operations.values()):
            if 0 < each.sequence <= extras.seen_completions and not each.is_seen:
                rows.put(changed(each, is_seen=True))
    for operation in extras.operations:
        refusal = _refusal(lap, operation)
        if refusal is None:
            _register(rows, operation)
        elif operation.operation_id not in lap.state.operations:
            why = orjson.dumps({"error": str(refusal)})
            _conclude(rows, (rows.end(rows.begin(operation), OperationStatus.ABORTED, why),))


def remembered(state: IdentityState) -> tuple[Operation, ...]:
    """Every operation that is remembered, in the order of their ids: of their starts, but for one millisecond."""
    listed = (each for each in state.operations.values() if not is_collected(each))
    return tuple(sorted(listed, key=_operation_id))


def unseen(state: IdentityState) -> tuple[Operation, ...]:
    """The operations that ended and that no turn took up yet, in the order of their ends."""
    return tuple(
        sorted((each for each in state.operations.values() if each.sequence and not each.is_seen), key=_sequence)
    )


def _refusal(lap: Lap, operation: Operation) -> MeerkatError | None:
    """Why an operation can't begin, if it can't."""
    state, operation_id = lap.state, operation.operation_id
    if operation_id in state.operations:
        return UsageError(problem=f"{state.identity}: operation {operation_id} is registered; use another id")
    if operation.status not in BEGINNINGS:
        return UsageError(problem=f"{state.identity}: no operation begins as {operation.status}; begin it as running")
    if operation.kind is _BARRIER:
        running, _ = _looked_through(state)
        if running is not None:
            return UsageError(
                problem=f"{state.identity}: waits for the operations of barrier {running.operation_id} already;"
                " wait for its end, or cancel it"
            )
        if len(set(operation.members)) < len(operation.members):
            return UsageError(problem=f"{state.identity}: a barrier names an operation twice; name each once")
        for member in operation.members:
            if _remembered(state, member) is None:
                return UnknownOperationError(identity=state.identity, operation=member)
    limit = lap.limits.operations_max
    if len(state.operations) < limit:
        return None
    active = sum(not each.sequence for each in state.operations.values())
    if active < limit:
        return None
    return TooManyOperationsError(identity=state.identity, limit=limit, active=active)


def _register(rows: OperationRows, operation: Operation) -> Operation:
    begun = rows.begin(operation)
    if begun.kind is not _BARRIER:
        return begun
    _conclude(rows, ())  # all of its members may have ended before
    return rows.state.operations[begun.operation_id]


def _conclude(rows: OperationRows, just_ended: Iterable[Operation]) -> None:
    """What follows from ends: that of a barrier, one wake-up, and that old ones are forgotten."""
    state = rows.state
    barrier, ended = _looked_through(state)
    members = frozenset[OperationId]() if barrier is None else frozenset(barrier.members)
    wakes = any(each.kind in WAKING and each.operation_id not in members for each in just_ended)
    if barrier is not None and not any(_goes_on(state, member) for member in barrier.members):
        ended.append(rows.end(barrier, OperationStatus.COMPLETED, _statuses(state, barrier)))
        members, wakes = frozenset[OperationId](), True
    if wakes:
        _wake(rows.lap)
    _forget(rows, [each for each in ended if each.operation_id not in members] if members else ended)


def _looked_through(state: IdentityState) -> tuple[Operation | None, list[Operation]]:
    """The barrier in progress, and everything that ended."""
    # Once for each end, and by hand: there may be more than a thousand operations.
    barrier: Operation | None = None
    ended: list[Operation] = []
    for each in state.operations.values():
        if each.sequence:
            ended.append(each)
        elif each.kind is _BARRIER:
            barrier = each
    return barrier, ended


def _wake(lap: Lap) -> None:
    """Let the agent go on, unless that is queued already. One that admits nothing learns it when it goes on."""
    state = lap.state
    admission = state.keyed.get((InputKind.CONTINUATION, SOURCE))
    if admission is not None and (admission in state.lane or not state.is_executing):
        return
    header = _BEHIND_TURN if state.is_executing else _WAKING
    input_id = derived_id(lap.stamp.now_ms, state.identity, SOURCE, str(state.completions))
    admit(lap, Send(input_id, InputKind.CONTINUATION, _NOTHING, _NOTHING_DIGEST, None, header))


def _forget(rows: OperationRows, ended: list[Operation]) -> None:
    """Forget the oldest ends beyond what is kept. What a barrier waits for is kept until that has told of it."""
    surplus = len(ended) - rows.lap.limits.operations_kept
    if surplus > 0:
        for each in nsmallest(surplus, ended, key=_sequence):
            rows.drop(each)


def _remembered(state: IdentityState, operation_id: OperationId) -> Operation | None:
    operation = state.operations.get(operation_id)
    return None if operation is None or is_collected(operation) else operation


def _goes_on(state: IdentityState, operation_id: OperationId) -> bool:
    # Whoever collected it knows its end.
    operation = state.operations.get(operation_id)
    return operation is not None and not operation.sequence


def _statuses(state: IdentityState, barrier: Operation) -> bytes:
    """How the members of a barrier ended, in its order; null for one that was collected meanwhile."""
    ended = [_remembered(state, member) for member in barrier.members]
    return orjson.dumps([None if each is None else each.status for each in ended])


def _cursors(state: IdentityState) -> OperationCursors:
    waiting = unseen(state)
    applied = waiting[0].sequence - 1 if waiting else state.completions
    runs = (run.members for run in (state.run, state.parked) if run is not None)
    is_injected = any(map(_is_wake_up, chain(state.steer, state.lane, *runs)))
    injected = state.completions if is_injected else applied
    return OperationCursors(applied=applied, observed=state.completions, injected=injected)


def _is_wake_up(item: OpenInput) -> bool:
    return item.kind is InputKind.CONTINUATION and item.header is not None and item.header.source == SOURCE


def _sequence(operation: Operation) -> int:
    return operation.sequence


def _operation_id(operation: Operation) -> OperationId:
    return operation.operation_id
