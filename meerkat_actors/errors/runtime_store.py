"""Why the runtime-store facade refused: each error says whose, what was presented, and what is current."""

from __future__ import annotations

from meerkat_actors.errors.tree import MeerkatError, RejectedError, UsageError


class UnsupportedError(UsageError):
    """The store declines an optional operation; nothing was written."""

    operation: str
    path: str

    def __init__(self, *, operation: str, path: str) -> None:
        MeerkatError.__init__(self, operation=operation, path=path)

    def __str__(self) -> str:
        return f"{self.path}: this store does not support {self.operation}; use another one for it"


class _ComparedError(MeerkatError):
    # What all of these carry.
    identity: str
    presented: object
    current: object

    def __init__(self, *, identity: str, presented: object, current: object) -> None:
        MeerkatError.__init__(self, identity=identity, presented=presented, current=current)


class SessionKeyMismatchError(_ComparedError, UsageError):
    """A snapshot is of another session than its caller, or the runtime, says."""

    def __str__(self) -> str:
        return f"{self.identity}: the snapshot is of session {self.presented}, not {self.current}; nothing was written"


class ReceiptMismatchError(_ComparedError, UsageError):
    """A receipt does not say what the boundary commits."""

    def __str__(self) -> str:
        return f"{self.identity}: the receipt says {self.presented}, and it is {self.current}; nothing was written"


class DuplicateReceiptError(_ComparedError, RejectedError):
    """The run has a receipt of that sequence."""

    def __str__(self) -> str:
        return (
            f"{self.identity}: receipt {self.presented} exists, the run is at {self.current}; nothing was written,"
            " load it to see whether it is yours"
        )


class ReceiptGapError(_ComparedError, RejectedError):
    """The receipt's sequence does not follow the run's last one."""

    def __str__(self) -> str:
        return (
            f"{self.identity}: receipt {self.presented} does not follow {self.current}; nothing was written,"
            " a run's receipts are dense from 1"
        )


class TranscriptRevisionConflictError(_ComparedError, RejectedError):
    """A rewrite begins from another transcript than the stored one."""

    def __str__(self) -> str:
        return (
            f"{self.identity}: the rewrite is of transcript {self.presented}, the stored one is {self.current};"
            " nothing was written, load it and edit that"
        )


class SnapshotSupersededError(_ComparedError, RejectedError):
    """The snapshot is older than the stored one."""

    def __str__(self) -> str:
        return f"{self.identity}: {self.presented} is older than {self.current}; nothing was written, load that"


class TranscriptContinuityError(_ComparedError, RejectedError):
    """The snapshot does not follow from the stored one."""

    def __str__(self) -> str:
        return (
            f"{self.identity}: {self.presented} does not follow from {self.current}; nothing was written,"
            " load the stored transcript and append to that"
        )


class OperationsEpochRetiredError(_ComparedError, RejectedError):
    """A late writer of operations whose epoch has ended."""

    def __str__(self) -> str:
        return f"{self.identity}: epoch {self.presented} has ended ({self.current}); nothing was written, begin another"
