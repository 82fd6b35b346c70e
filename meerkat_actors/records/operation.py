"""One asynchronous operation of an identity: something that goes on beside its turns, and ends."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import OperationId


class OperationKind(StrEnum):
    """What an operation is."""

    BACKGROUND = "background"
    """Work of a tool: its end wakes the agent."""
    MEMBER = "member"
    """A child agent of a mob: its end is in the feed, and wakes nobody."""
    BARRIER = "barrier"
    """Ends when all of its members have; what they would wake, it wakes once."""


class OperationStatus(StrEnum):
    """Where an operation is in its life. The last six are terminal."""

    PROVISIONING = "provisioning"
    RUNNING = "running"
    RETIRING = "retiring"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TERMINATED = "terminated"
    """Its owner, or its process, ended under it."""
    ABORTED = "aborted"
    """It never came to run."""
    RETIRED = "retired"

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended."""
        return self in _TERMINAL


_TERMINAL: Final = frozenset(
    {
        OperationStatus.COMPLETED,
        OperationStatus.FAILED,
        OperationStatus.CANCELLED,
        OperationStatus.TERMINATED,
        OperationStatus.ABORTED,
        OperationStatus.RETIRED,
    }
)


class OperationChange(StrEnum):
    """What may happen to an operation."""

    PROVISIONED = "provisioned"
    PROGRESS = "progress"
    PEER_READY = "peer_ready"
    """Once, of a member."""
    RETIRE = "retire"
    """Asked to end."""
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    ABORT = "abort"
    TERMINATE = "terminate"
    RETIRED = "retired"


@hot
class Operation:
    """An operation as its owner holds it and a store keeps it."""

    operation_id: OperationId
    name: str
    kind: OperationKind = OperationKind.BACKGROUND
    status: OperationStatus = OperationStatus.RUNNING
    is_external: bool = False
    """Whether somebody outside carries it out: it goes on when the process ends. Else it ends with that."""
    owner: int = 0
    """The incarnation that it began under."""
    members: tuple[OperationId, ...] = ()
    """What a barrier waits for."""
    content: bytes | None = None
    """Canonical JSON: its last progress, or its result or error; None for nothing."""
    is_ready: bool = False
    """Whether the peer of a member said so."""
    sequence: int = 0
    """Among the ends of the identity's operations, from 1; 0 while it goes on."""
    is_seen: bool = False
    """Whether a turn took up its end."""
