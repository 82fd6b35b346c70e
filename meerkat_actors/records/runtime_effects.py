"""What a unit of the runtime-store facade does beside the runtime's own effects.

All of them run after inputs were inserted and before they are staged, so that a boundary can admit,
move, consume and prove in one unit.
"""

from __future__ import annotations

from attrs import frozen

from meerkat_actors.records.ids import AdmissionSequence, RunId, SessionId
from meerkat_actors.records.inputs import InputState


@frozen
class MoveInput:
    """Set an open input iff it is where its writer believes: back in the lane, recounted, or ended by no turn."""

    admission: AdmissionSequence
    was: InputState
    was_run: RunId | None
    state: InputState
    run_id: RunId | None
    attempts: int
    interruptions: int
    not_before_ms: int
    ending: bytes | None
    """Canonical JSON of what ended it; None leaves it open."""


@frozen
class BindSession:
    """Make a session the identity's and its generation's, for ever; nothing if it is already."""

    session_id: SessionId


@frozen
class PutDocument:
    """Keep bytes under the identity, a kind and a key."""

    kind: str
    key: str
    body: bytes
    digest: bytes
    """SHA-256 of the body."""
    expected: int | None
    """The generation that it replaces, 0 for no document; None for whatever is there."""


@frozen
class DropDocument:
    """Forget the bytes of a document that is there, and remember that it was."""

    kind: str
    key: str
    expected: int | None
    """The generation that it drops; None for whatever is there."""


@frozen
class RecordReceipt:
    """Make the boundary of the same unit the run's next one."""

    run_id: RunId
    sequence: int
    """Dense per run, from 1."""


RuntimeEffect = MoveInput | BindSession | PutDocument | DropDocument | RecordReceipt
