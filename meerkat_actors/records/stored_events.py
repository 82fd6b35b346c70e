"""What a store can tell observers afterwards: the durable rows of inputs and boundaries, as events."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from meerkat_actors.records.ids import AgentIdentity, CheckpointVersion, InputId, RunId


class StoredEventKind(StrEnum):
    """What happened."""

    ADMITTED = "admitted"
    """An input came from outside."""
    SENT = "sent"
    """A sender's unit inserted mail; when its recipient takes it is no event."""
    TURN = "turn"
    """A turn reached its boundary."""


@frozen(kw_only=True)
class StoredEvent:
    """One row that was inserted. It tells what never changes, so the same event reads the same for ever."""

    sequence: int
    """From the store-wide sequence: the cursor."""
    kind: StoredEventKind
    identity: AgentIdentity
    """Whose turn it was, or whose input it is: of mail, the recipient."""
    input_id: InputId | None
    """None for a turn."""
    sender: AgentIdentity | None
    """The sending agent; None for everything but mail."""
    run_id: RunId | None
    """The run that the turn ended; None for an input."""
    version: CheckpointVersion | None
    """The checkpoint version that the turn made; None for an input."""
