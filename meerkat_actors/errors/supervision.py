"""What supervision comes to when it can't help by itself."""

from __future__ import annotations

from meerkat_actors.errors.governing import NotReadyError
from meerkat_actors.errors.tree import MeerkatError, UnknownOutcomeError


class SupervisionError(UnknownOutcomeError):
    """A supervision group crashed too often, and its ``escalation`` is to end the runtime.

    What was acknowledged is durable, and goes on next time; what was being asked is unknown.
    """

    group: str
    error: str
    """What the last crash was, and ``identity`` whose it was."""

    def __init__(self, *, group: str, identity: str, error: str) -> None:
        MeerkatError.__init__(self, group=group, identity=identity, error=error)

    def __str__(self) -> str:
        return (
            f"group {self.group!r} crashed too often and ended the runtime, the last time {self.identity}:"
            f" {self.error}; what was acknowledged is durable; mend the cause, then reopen"
        )


class TurnAliveError(NotReadyError):
    """A quarantined identity can't be repaired yet: its turn was cancelled and has not ended; nothing was written."""

    phase: str = "turn_stuck"

    def __init__(self, *, identity: str) -> None:
        MeerkatError.__init__(self, identity=identity)

    def __str__(self) -> str:
        return (
            f"{self.identity}: is quarantined, and its last turn is still ending; nothing was written,"
            " repair it when that has ended; one that never ends goes with the process"
        )
