"""What an observer is told: frozen values, ids as fields, never the text of a transcript."""

from __future__ import annotations

from attrs import frozen

from meerkat_actors.records.ids import AgentIdentity, InputId, RunId
from meerkat_actors.records.outcomes import AbandonReason
from meerkat_actors.records.supervision import Escalation


@frozen(kw_only=True)
class TurnRaised:
    """A turn failed; its run is tried again, or abandoned when ``attempts`` met the limit."""

    identity: AgentIdentity
    run_id: RunId
    attempts: int
    error: str
    exception: BaseException | None = None
    """What was raised, with its traceback."""


@frozen(kw_only=True)
class CommitRefused:
    """A unit was refused."""

    identity: AgentIdentity
    reason: str


@frozen(kw_only=True)
class OwnerCrashed:
    """An owner ended by an error; it starts again unless it keeps failing."""

    identity: AgentIdentity
    error: str


@frozen(kw_only=True)
class IdentityBroke:
    """An identity was quarantined."""

    identity: AgentIdentity
    reason: str
    detail: str


@frozen(kw_only=True)
class WorkLost:
    """An input was given up though nobody asked for that: it is a dead letter from now on."""

    identity: AgentIdentity
    input_id: InputId
    reason: AbandonReason
    detail: str


@frozen(kw_only=True)
class GroupRestarted:
    """A member of a supervision group crashed, and those of it that are in memory begin anew with it."""

    group: str
    identity: AgentIdentity
    """Who crashed."""
    members: tuple[AgentIdentity, ...]
    """Who begins anew, in the group's order."""
    after_seconds: float


@frozen(kw_only=True)
class GroupEscalated:
    """A supervision group crashed too often: all of it is kept apart, or the runtime ends."""

    group: str
    identity: AgentIdentity
    """Who crashed last."""
    error: str
    escalation: Escalation


@frozen(kw_only=True)
class TurnStuck:
    """A turn did not end within the grace after it was cancelled."""

    identity: AgentIdentity
    run_id: RunId


@frozen(kw_only=True)
class TurnWaits:
    """A turn was started, and its agent waits for a thread to begin in; told again and again."""

    identity: AgentIdentity
    run_id: RunId
    seconds: float


@frozen(kw_only=True)
class LeaseLost:
    """The runtime was late, and another one that shares its store took over; it begins anew with nothing claimed."""

    live: int
    """Agents that it gave up."""


@frozen(kw_only=True)
class StoreReopened:
    """A call to the store failed, and it was opened anew; whoever waited for that call was told that it is unknown."""

    error: str


@frozen(kw_only=True)
class EndFailed:
    """The store could not be ended in good order, behind the error that ended the runtime; the next start recovers."""

    error: str


@frozen(kw_only=True)
class LogGrowing:
    """The store's log could not be moved into the database; it grows until that goes through."""

    pages: int
    error: str


Event = (
    TurnRaised
    | CommitRefused
    | OwnerCrashed
    | IdentityBroke
    | GroupRestarted
    | GroupEscalated
    | WorkLost
    | TurnStuck
    | TurnWaits
    | LeaseLost
    | StoreReopened
    | EndFailed
    | LogGrowing
)
