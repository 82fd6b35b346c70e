"""What the directory and an owner share about one live identity."""

from __future__ import annotations

from attrs import define

from meerkat_actors.actors.mailbox import Mailbox
from meerkat_actors.records.ids import AgentIdentity


@define(eq=False)
class Entry:
    """One live identity. Changed only by synchronous code of its owner and of the directory."""

    identity: AgentIdentity
    mailbox: Mailbox
    mail_waiting: bool = True
    """Set by storage between a commit and its replies; the owner clears it before it reads."""
    timers_due: bool = False
    """Set when timers of its own are due; the owner clears it before it reads."""
    is_leaving: bool = False
    """Whether the directory asked the owner to leave memory when it is idle."""
    is_ending: bool = False
    """Whether the runtime is leaving: the owner ends once its mailbox is empty."""
    is_lost: bool = False
    """Whether the runtime lost its lease: whatever this owner holds may be another's."""
    is_restarting: bool = False
    """Whether the owner is to end at its next look: its group begins anew, or is kept apart."""
    may_suspect: bool = False
    """Whether its turn is the one that is watched for ending the process."""
    asked_to_suspect: bool = False
    backlog: int = 0
    """Its open inputs, for the statistics."""
    waiters: int = 0
    """Callers that wait for an outcome, for the statistics."""
    parked_at: float = 0.0
    brings_config: str | None = None
    """The kind that a configuration in the mailbox is for: the stored one of that kind need not be readable."""
