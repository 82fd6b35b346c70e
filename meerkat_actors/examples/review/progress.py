"""What a job tells while it runs: to a terminal, or to a test that kills it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

from attrs import frozen

from meerkat_actors.records.ids import AgentIdentity, InputId
from meerkat_actors.records.outcomes import Outcome
from meerkat_actors.records.status import IdentityStatus


class Phase(StrEnum):
    """The four parts of a job, in order. Reviewers work from admission on."""

    SET_UP = "set-up"
    """Open the database, create or resume the members."""
    ADMISSION = "admission"
    """Send every file to its reviewer."""
    TURNS = "turns"
    """Wait for every review, and for the lead."""
    REPORT = "report"
    """Read what the lead received, compose, write."""


@frozen(kw_only=True)
class PhaseStarted:
    """A part of the job begins."""

    phase: Phase
    total: int
    """Steps that it will take: members, files, files, 1."""


@frozen(kw_only=True)
class MemberReady:
    """A member exists durably."""

    identity: AgentIdentity
    turns: int
    """Turns that it had committed by then."""


@frozen(kw_only=True)
class InputAcknowledged:
    """An input is durable, and will be consumed once whatever happens."""

    identity: AgentIdentity
    input_id: InputId
    key: str
    path: str
    duplicate: bool
    """Whether an earlier run had sent it already."""


@frozen(kw_only=True)
class InputEnded:
    """An input has its outcome."""

    identity: AgentIdentity
    input_id: InputId
    path: str
    outcome: Outcome
    earlier: bool
    """Whether the outcome was committed before this run had its members ready."""


@frozen(kw_only=True)
class ReportWritten:
    """The report is on disk."""

    reviews: int
    """Reviews of the current sources among what the lead received."""


ProgressEvent = PhaseStarted | MemberReady | InputAcknowledged | InputEnded | ReportWritten


class Progress(Protocol):
    """Whoever is told. Called from the job's own task, between its steps; may not fail."""

    def __call__(self, event: ProgressEvent, /) -> None:
        """Take note of ``event``."""
        ...


@frozen(kw_only=True)
class Picture:
    """What a live picture is told; nothing, where there is none."""

    move: Callable[[Phase, int, int], None] = lambda phase, done, total: None
    """A phase has done so many of so many steps."""
    end_turn: Callable[[str, str], None] = lambda identity, text: None
    """The agent ended a turn, and this is what it said."""
    look: Callable[[Sequence[IdentityStatus]], None] | None = None
    """How the members are now; None: nobody wants to know."""
