"""Timers as a store returns them."""

from __future__ import annotations

from attrs import frozen

from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity


@hot
class Timer:
    """One timer of one identity."""

    name: str
    """Unique in its identity."""
    due_ms: int
    """Wall clock."""
    body: bytes
    """Canonical JSON: what fires, how it repeats; see ``encode_schedule``."""
    last: AdmissionSequence
    """The input that it fired last; 0 for none yet."""
    fired: int
    """How often it fired, or was skipped."""


@frozen(kw_only=True)
class TimerCursor:
    """How far a look at due timers came, in the order of their times."""

    due_ms: int
    rowid: int
    """Among those of one time."""


@frozen(kw_only=True)
class DueLook:
    """What one look at the timers of all identities found."""

    identities: tuple[AgentIdentity, ...]
    """Whose timers are due, each named once."""
    cursor: TimerCursor | None
    """Where to go on when there may be more that are due now; None when that was all."""
    next_due_ms: int | None
    """The first time that is not due yet; None without any, or when ``cursor`` says to look on."""
