"""What is refused of the operations of an identity, and who waits for one in vain."""

from __future__ import annotations

from meerkat_actors.errors.tree import MeerkatError, RejectedError, UnknownOutcomeError, UsageError


class UnknownOperationError(UsageError):
    """The identity remembers no operation of that id."""

    identity: str
    operation: str

    def __init__(self, *, identity: str, operation: str) -> None:
        MeerkatError.__init__(self, identity=identity, operation=operation)

    def __str__(self) -> str:
        return (
            f"{self.identity}: no operation {self.operation}; it was never started,"
            " or it ended so long ago, or was collected, that it is forgotten"
        )


class TooManyOperationsError(RejectedError):
    """The identity has as many operations in progress as its limit allows; nothing was written."""

    identity: str
    limit: int
    active: int
    """How many are in progress."""

    def __init__(self, *, identity: str, limit: int, active: int) -> None:
        super().__init__(identity=identity, limit=limit, active=active)

    def __str__(self) -> str:
        return (
            f"{self.identity}: {self.active} operations in progress, and {self.limit} may be; nothing was written;"
            " end some, then start it again"
        )


class OperationWaitEndedError(UnknownOutcomeError):
    """Nobody is left to tell how an operation ends: the runtime ended."""

    operation: str

    def __init__(self, *, identity: str, operation: str) -> None:
        MeerkatError.__init__(self, identity=identity, operation=operation)

    def __str__(self) -> str:
        return (
            f"{self.identity}: the runtime ended before operation {self.operation};"
            " wait for it again after reopening: one that is not external has ended with its process"
        )
