"""The life of one operation, as tables.

Rule 1: every change of an operation is a row of ``OPERATIONS``; a terminal status has none.
Rule 2: what may be asked of it depends on its kind: a barrier ends with its members, and only a member has a peer.

Reference: ``reference/runtime.md`` section 10.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meerkat_actors.records.operation import Operation, OperationChange, OperationKind, OperationStatus

K = OperationKind
S = OperationStatus
C = OperationChange

_IN_PROGRESS: Final = (S.PROVISIONING, S.RUNNING, S.RETIRING)
_AT_WORK: Final = (S.RUNNING, S.RETIRING)

OPERATIONS: Final[Mapping[tuple[OperationStatus, OperationChange], OperationStatus]] = MappingProxyType(
    {
        (S.PROVISIONING, C.PROVISIONED): S.RUNNING,
        (S.PROVISIONING, C.ABORT): S.ABORTED,
        (S.RUNNING, C.RETIRE): S.RETIRING,
    }
    | {(status, change): status for status in _AT_WORK for change in (C.PROGRESS, C.PEER_READY)}
    | {(status, C.COMPLETE): S.COMPLETED for status in _AT_WORK}
    | {(status, C.RETIRED): S.RETIRED for status in _AT_WORK}
    | {(status, C.FAIL): S.FAILED for status in _IN_PROGRESS}
    | {(status, C.CANCEL): S.CANCELLED for status in _IN_PROGRESS}
    | {(status, C.TERMINATE): S.TERMINATED for status in _IN_PROGRESS}
)
"""The status after each change that may happen in a status."""

ASKED_OF: Final[Mapping[OperationKind, frozenset[OperationChange]]] = MappingProxyType(
    {
        K.BACKGROUND: frozenset(C) - {C.PEER_READY},
        K.MEMBER: frozenset(C),
        K.BARRIER: frozenset({C.CANCEL}),
    }
)
"""The changes that may be asked of each kind. A barrier's other ends are the runtime's to conclude."""

BEGINNINGS: Final = frozenset({S.PROVISIONING, S.RUNNING})
"""The statuses that an operation may begin in."""

WAKING: Final = frozenset({K.BACKGROUND, K.BARRIER})
"""The kinds whose ends wake the agent."""


def problem_of(operation: Operation, change: OperationChange) -> str | None:
    """Why the change is impossible, or None."""
    said = change.value.replace("_", " ")
    if change not in ASKED_OF[operation.kind]:
        asked = ", ".join(sorted(each.value for each in ASKED_OF[operation.kind]))
        return f"{said} is nothing to ask of operation {operation.operation_id}, a {operation.kind}; ask: {asked}"
    if (operation.status, change) not in OPERATIONS:
        return f"operation {operation.operation_id} is {operation.status}, so {said} is not possible"
    if change is C.PEER_READY and operation.is_ready:
        return f"the peer of operation {operation.operation_id} is ready already; that is said once"
    return None


def changed(
    operation: Operation,
    *,
    status: OperationStatus | None = None,
    content: bytes | None = None,
    is_ready: bool = False,
    sequence: int = 0,
    is_seen: bool = False,
) -> Operation:
    """The operation with what is given, and as it was in all else."""
    # By hand: attrs.evolve takes 8 us.
    return Operation(
        operation.operation_id,
        operation.name,
        operation.kind,
        status or operation.status,
        operation.is_external,
        operation.owner,
        operation.members,
        operation.content if content is None else content,
        is_ready or operation.is_ready,
        sequence or operation.sequence,
        is_seen or operation.is_seen,
    )


def collected(operation: Operation) -> Operation:
    """What is left of the newest end after it was collected: its number, so that no later end gets that."""
    return Operation(
        operation.operation_id, "", operation.kind, operation.status, sequence=operation.sequence, is_seen=True
    )


def is_collected(operation: Operation) -> bool:
    """Whether it was collected, and only its number is left. Every operation has a name before."""
    return not operation.name
