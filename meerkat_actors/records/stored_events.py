"""What a store can tell observers afterwards: the durable rows of inputs, boundaries and facts, as events."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from meerkat_actors.records.ids import AgentIdentity, CheckpointVersion, InputId, RunId
from meerkat_actors.records.kinds import InputKind


class StoredEventKind(StrEnum):
    """What happened."""

    ADMITTED = "admitted"
    """An input came from outside."""
    SENT = "sent"
    """A sender's unit inserted mail; when its recipient takes it is no event."""
    TURN = "turn"
    """A turn reached its boundary."""
    FACTS = "facts"
    """What else a unit did: its ``RecordEvents``."""


@frozen(kw_only=True)
class StoredEvent:
    """One row that was inserted. It tells what never changes, so the same event reads the same for ever."""

    sequence: int
    """From the store-wide sequence: the cursor."""
    kind: StoredEventKind
    identity: AgentIdentity
    """Whose turn it was, whose input it is (of mail, the recipient's), whose facts they are."""
    input_id: InputId | None
    """None for a turn, and for facts."""
    sender: AgentIdentity | None
    """The sending agent; None for everything but mail."""
    run_id: RunId | None
    """The run that the turn ended; None for all else."""
    version: CheckpointVersion | None
    """The checkpoint version that the turn made; None for all else."""
    body: bytes | None = None
    """Canonical JSON: a boundary's packed body, or a list of facts; None for an input."""
    input_kind: InputKind | None = None
    """Of an input; None for all else."""


@frozen(kw_only=True)
class EventBounds:
    """Where a store's events begin and end."""

    epoch: int
    """Raised by restoring a backup: sequences of another epoch say nothing about this one's."""
    floor: int
    """Events up to this sequence may have been pruned."""
    last: int
    """The highest sequence given out so far."""
