"""One operation, as agents and embedders see it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from attrs import frozen

from meerkat_actors.records.codec import decode_json
from meerkat_actors.records.content import JSON
from meerkat_actors.records.ids import OperationId
from meerkat_actors.records.operation import Operation, OperationKind, OperationStatus

PublicStatus = Literal["running", "completed", "failed", "cancelled"]
"""What a status comes to for who only wants to know how it went."""

_PUBLIC: Final[Mapping[OperationStatus, PublicStatus]] = MappingProxyType(
    {
        OperationStatus.PROVISIONING: "running",
        OperationStatus.RUNNING: "running",
        OperationStatus.RETIRING: "running",
        OperationStatus.COMPLETED: "completed",
        OperationStatus.FAILED: "failed",
        OperationStatus.CANCELLED: "cancelled",
        OperationStatus.TERMINATED: "failed",
        OperationStatus.ABORTED: "cancelled",
        OperationStatus.RETIRED: "cancelled",
    }
)


@frozen(kw_only=True)
class OperationRecord:
    """One operation, as ``turn.operations`` and ``agent.operations`` tell it."""

    operation_id: OperationId
    name: str
    kind: OperationKind
    status: OperationStatus
    content: JSON
    """Its last progress, or its result or error; None also where there is none."""
    members: tuple[OperationId, ...]
    """What a barrier waits for, in the order given; empty for all others."""
    sequence: int
    """Among the ends of the identity's operations, from 1; 0 while it goes on."""

    @property
    def public_status(self) -> PublicStatus:
        """How it is getting on, in four words."""
        return _PUBLIC[self.status]


def operation_record(operation: Operation) -> OperationRecord:
    """An operation as it is shown, its content decoded afresh."""
    return OperationRecord(
        operation_id=operation.operation_id,
        name=operation.name,
        kind=operation.kind,
        status=operation.status,
        content=None if operation.content is None else decode_json(operation.content),
        members=operation.members,
        sequence=operation.sequence,
    )
