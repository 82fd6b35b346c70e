"""Why the continuity facade refused a write: each error says whose, what was presented, and what is current."""

from __future__ import annotations

from meerkat_actors.errors.tree import (
    MeerkatError,
    OwnershipLostError,
    RejectedError,
    UnknownIdentityError,
    UsageError,
)


class AlreadyOwnedError(RejectedError):
    """Somebody else serves the identity; nothing was written."""

    identity: str
    holder: str
    expires_in: float | None
    """Seconds until the holder's lease ends, unless it renews it; None when it has none."""

    def __init__(self, *, identity: str, holder: str, expires_in: float | None = None) -> None:
        super().__init__(identity=identity, holder=holder, expires_in=expires_in)

    def __str__(self) -> str:
        lease = "" if self.expires_in is None else f" (its lease runs for another {self.expires_in:.1f} s)"
        return (
            f"{self.identity}: held by {self.holder}{lease}, nothing was written;"
            " write through its owner, or after it left"
        )


class _PresentedError(MeerkatError):
    # What all of these carry.
    identity: str
    presented: object
    current: object

    def __init__(self, *, identity: str, presented: object, current: object) -> None:
        MeerkatError.__init__(self, identity=identity, presented=presented, current=current)


# -- another owner exists -----------------------------------------------------------------


class StaleFencingTokenError(_PresentedError, OwnershipLostError):
    """A higher fencing token was accepted before."""

    def __str__(self) -> str:
        return f"{self.identity}: token {self.presented} was fenced out by {self.current}; stop, and claim anew"


class FenceConflictError(_PresentedError, OwnershipLostError):
    """The fence is another's: its token was granted to somebody else. Both fields name a holder and a token."""

    def __str__(self) -> str:
        return f"{self.identity}: held by {self.current}, not by {self.presented}; stop, and claim a higher token"


class SupersededError(_PresentedError, OwnershipLostError):
    """Another session or a later generation took over: what was presented is history."""

    def __str__(self) -> str:
        return f"{self.identity}: {self.presented} was superseded by {self.current}; stop, and resolve it again"


# -- nothing was written ------------------------------------------------------------------


class StaleCheckpointVersionError(_PresentedError, RejectedError):
    """A snapshot's version is not above the one that is stored."""

    def __str__(self) -> str:
        return (
            f"{self.identity}: version {self.presented} is not above {self.current}, nothing was written;"
            " read what is stored, then save above it"
        )


class RecordDeletedError(_PresentedError, RejectedError):
    """The identity was deleted, and what was presented does not make it anew."""

    def __str__(self) -> str:
        return (
            f"{self.identity}: deleted at {self.current}, nothing was written (presented: {self.presented});"
            " to make it anew, present a higher token and the next generation"
        )


class GenerationConflictError(_PresentedError, RejectedError):
    """The generation, or what a rollback was to undo, is not what the store holds."""

    def __str__(self) -> str:
        return f"{self.identity}: {self.presented} does not follow {self.current}, nothing was written; resolve it"


# -- the calling code is wrong ------------------------------------------------------------


class RecordNotFoundError(UnknownIdentityError):
    """No record of that identity was ever written."""

    def __str__(self) -> str:
        return f"{self.identity}: no such record; write it first with upsert_continuity_record()"


class SessionBoundError(_PresentedError, UsageError):
    """The session belongs to another identity or generation, for ever."""

    def __str__(self) -> str:
        return f"{self.identity}: session {self.presented} belongs to {self.current}, for ever; use a new session id"


class MixedSessionError(_PresentedError, UsageError):
    """The identity is served by the runtime, whose sessions are rows and no documents."""

    def __str__(self) -> str:
        return f"{self.identity}: {self.presented} of a {self.current} identity; only the runtime writes its sessions"


class CounterExhaustedError(_PresentedError, UsageError):
    """A counter has reached its end; it never wraps."""

    def __str__(self) -> str:
        return f"{self.identity}: nothing follows {self.current} ({self.presented}); use another identity"
