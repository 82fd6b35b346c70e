"""What a unit of the continuity facade does to the store: one verb, one record.

A unit that holds one of these holds nothing else, except a ``Claim``. At most one of them begins
(``CreateRecord``, ``Exhume``), and at most one moves the head (the last five).
"""

from __future__ import annotations

from attrs import frozen

from meerkat_actors.records.ids import CheckpointVersion, FencingToken, Generation, SessionId


@frozen
class CreateRecord:
    """Make the authority row under the fence's key, token and generation, at version 0."""

    session_id: SessionId


@frozen
class Exhume:
    """Lift a tombstone, raising the token from ``previous`` to the fence's; the fence names the dead generation."""

    previous: FencingToken


@frozen
class Grant:
    """Remember who holds the fence's token."""

    holder: str


@frozen
class DropSnapshots:
    """Forget a session's snapshots iff its newest has that digest."""

    session_id: SessionId
    digest: bytes


@frozen
class SaveSnapshot:
    """Keep a document as the session's newest, advance the head to ``version``, forget all but two."""

    session_id: SessionId
    version: CheckpointVersion
    """Above the fence's; gaps are legal."""
    data: bytes
    digest: bytes
    """SHA-256 of the data."""


@frozen
class RebindSession:
    """Go on with another session in the same generation: the version stays."""

    previous: SessionId
    session_id: SessionId


@frozen
class ResetRecord:
    """Begin a generation that was never used, with a new session, at version 0."""

    generation: Generation
    """One above every earlier one, also above those that were rolled back."""
    session_id: SessionId
    is_reversible: bool
    """Whether a rollback may return to what was before; not to what was deleted."""


@frozen
class RollBackRecord:
    """Undo the last reset: back to the generation before, as it was. The number of the attempt stays used."""

    attempt: SessionId
    generation: Generation
    session_id: SessionId
    version: CheckpointVersion


@frozen
class BuryRecord:
    """Delete: a tombstone at the fence's token and the highest generation, and no snapshots."""

    session_id: SessionId
    """The session that the writer believes to be current."""


ContinuityEffect = (
    CreateRecord
    | Exhume
    | Grant
    | DropSnapshots
    | SaveSnapshot
    | RebindSession
    | ResetRecord
    | RollBackRecord
    | BuryRecord
)
