"""The operations of a turn's agent: what it begins beside its turns, and what it is shown of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from meerkat_actors.actors.turn.gathering import check_count
from meerkat_actors.actors.turn.heading import parse_flag, parse_word
from meerkat_actors.actors.turn.job import Draft, TurnJob
from meerkat_actors.errors import InvalidValueError, TooManyOperationsError, UnknownOperationError, UsageError
from meerkat_actors.machines.operation import is_collected
from meerkat_actors.machines.operations import SOURCE
from meerkat_actors.records.ids import OperationId, parse_key, shown
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.operation import Operation, OperationKind
from meerkat_actors.records.operation_record import OperationRecord, operation_record

_BARRIER_NAME: Final = "when_all"


def start_operation(job: TurnJob, draft: Draft, name: str, external: object, kind: OperationKind | str) -> OperationId:
    """Register an operation. See ``Turn.start_operation``."""
    parse_key(name, what="operation name", length_max=job.limits.key_length_max)
    is_external = parse_flag("external", external)
    known = parse_word(OperationKind, "kind", kind)
    if known is None or known is OperationKind.BARRIER:
        raise InvalidValueError(problem=f"kind={shown(kind)}: use 'background' or 'member'; when_all makes barriers")
    operation_id = OperationId(job.env.new_id())
    return _started(job, draft, Operation(operation_id, name, known, is_external=is_external))


def when_all(job: TurnJob, draft: Draft, ids: Iterable[OperationId]) -> OperationId:
    """Register a barrier. See ``Turn.when_all``."""
    # A text is iterable, too, and would be taken for the ids of its letters.
    if isinstance(ids, str) or not hasattr(ids, "__iter__"):
        raise UsageError(problem=f"{job.identity}: when_all({shown(ids)}): use a collection of ids")
    members = tuple(ids)
    known: Mapping[object, Operation] = {each.operation_id: each for each in _all(job, draft)}
    for member in members:
        if type(member) is not str or member not in known:
            raise UnknownOperationError(identity=job.identity, operation=shown(member))
    if len(set(members)) != len(members):
        raise UsageError(problem=f"{job.identity}: when_all names an operation twice; name each once")
    for operation in _running(job, draft):
        if operation.kind is OperationKind.BARRIER:
            problem = f"it waits for all of some operations already ({operation.operation_id}); let that end first"
            raise UsageError(problem=f"{job.identity}: {problem}")
    barrier = OperationId(job.env.new_id())
    # External, because no process carries it out: when ours ends, it ends with the last of its members.
    return _started(
        job, draft, Operation(barrier, _BARRIER_NAME, OperationKind.BARRIER, is_external=True, members=members)
    )


def operations(job: TurnJob, draft: Draft) -> tuple[OperationRecord, ...]:
    """What is remembered, and what this turn started. See ``Turn.operations``."""
    # Ids begin with the time that they were made at; those of one turn may be of one millisecond.
    earlier = sorted(_remembered(job), key=lambda operation: operation.operation_id)
    started = () if draft.extras is None else draft.extras.operations.values()
    return tuple(map(operation_record, (*earlier, *started)))


def completions(job: TurnJob, draft: Draft) -> tuple[OperationRecord, ...]:
    """What ended and is taken up now. See ``Turn.completions``."""
    if job.completions:
        draft.more.has_seen = True
    return tuple(map(operation_record, job.completions))


def seen_completions(job: TurnJob, draft: Draft) -> int:
    """The sequence of the last end that the turn took up: it looked, or it was woken for it; 0 for none."""
    if not job.completions:
        return 0
    has_seen = draft.extras is not None and draft.extras.has_seen
    if not has_seen and not any(
        member.kind is InputKind.CONTINUATION and member.header is not None and member.header.source == SOURCE
        for member in (*job.run.base, *draft.bound)
    ):
        return 0
    return job.completions[-1].sequence


def _started(job: TurnJob, draft: Draft, operation: Operation) -> OperationId:
    started, limits = draft.more.operations, job.limits
    check_count(job, len(started), "starts", "operations")
    if draft.more.running is None:
        draft.more.running = sum(1 for _ in _running(job, draft))
    if draft.more.running >= limits.operations_max:
        raise TooManyOperationsError(identity=job.identity, limit=limits.operations_max, active=draft.more.running)
    started[operation.operation_id] = operation
    draft.more.running += 1
    return operation.operation_id


def _all(job: TurnJob, draft: Draft) -> Iterator[Operation]:
    yield from _remembered(job)
    if draft.extras is not None:
        yield from draft.extras.operations.values()


def _running(job: TurnJob, draft: Draft) -> Iterator[Operation]:
    return (operation for operation in _all(job, draft) if not operation.status.is_terminal)


def _remembered(job: TurnJob) -> Iterator[Operation]:
    return (operation for operation in job.operations.values() if not is_collected(operation))
