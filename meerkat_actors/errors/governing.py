"""What is refused because of what is wanted of an identity, or of its runtime, or because of what it is doing."""

from __future__ import annotations

from meerkat_actors.errors.tree import MeerkatError, RejectedError, UsageError


class NotReadyError(RejectedError):
    """Admission is closed: the runtime is leaving its block, or the identity takes no work now; nothing was written."""

    identity: str
    phase: str
    """``opening``, ``closing``: its runtime is. ``retired``, ``stopped``, ``resetting``, ``running``: itself is."""

    def __init__(self, *, identity: str, phase: str) -> None:
        super().__init__(identity=identity, phase=phase)

    def __str__(self) -> str:
        match self.phase:
            case "retired" | "stopped":
                return f"{self.identity}: is {self.phase}, nothing was written; its resume() lets work in again"
            case "resetting":
                return f"{self.identity}: is being reset, nothing was written; try again when reset() has returned"
            case "running":
                return (
                    f"{self.identity}: a turn is in progress, nothing was written;"
                    " interrupt it or wait for its end, then try again"
                )
            case _:
                return (
                    f"{self.identity}: the runtime is {self.phase}, nothing was written;"
                    " send again after it is reopened"
                )


class DestroyedError(UsageError):
    """The identity was destroyed, for ever unless it is made anew."""

    identity: str

    def __init__(self, *, identity: str) -> None:
        MeerkatError.__init__(self, identity=identity)

    def __str__(self) -> str:
        anew = f"runtime.agent({self.identity!r}, kind=..., recreate=True)"
        return f"{self.identity}: was destroyed, nothing was written; {anew} begins it anew"
