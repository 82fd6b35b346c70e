"""A dead letter: an input that was given up though nobody asked for that."""

from __future__ import annotations

from attrs import frozen

from meerkat_actors.records.content import JSON
from meerkat_actors.records.headers import Header
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, InputId, RunId
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import Abandoned


@frozen(kw_only=True)
class DeadLetter:
    """One input that nobody looked after yet, as ``Runtime.dead_letters()`` lists it."""

    identity: AgentIdentity
    """Whose input it was."""
    input_id: InputId
    kind: InputKind
    content: JSON
    """None also where it was pruned."""
    is_pruned: bool
    """Whether its content was forgotten, so that it can only be dropped."""
    sender: AgentIdentity | None
    """The sending agent; None for what came from outside."""
    header: Header
    outcome: Abandoned
    """Why it was given up, and what its last attempt said."""
    attempts: int
    """Failed turns before what gave it up."""
    interruptions: int
    """Unclean ends before what gave it up, since its run last made durable progress."""
    run_id: RunId | None
    """Its last run."""
    admission_sequence: AdmissionSequence
