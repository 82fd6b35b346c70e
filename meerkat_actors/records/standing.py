"""What a store tells the continuity facade about one identity, read in one transaction."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from meerkat_actors.records.ids import (
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    SessionId,
)

SnapshotLook = Literal["unread", "checked", "loaded"]
"""What a reader wants of snapshots: nothing, whether they are sound, or their bytes, too."""


@frozen(kw_only=True)
class SnapshotRow:
    """One stored document."""

    identity: IdentityKey
    session_id: SessionId
    generation: Generation
    version: CheckpointVersion
    token: FencingToken
    """Under which it was saved."""
    size: int
    digest: bytes
    """SHA-256 of the data, from when it was saved."""
    is_sound: bool
    """Whether its bytes are the ones that were saved."""
    data: bytes | None = field(repr=False)
    """None where only its soundness was asked for."""


@frozen(kw_only=True)
class Former:
    """The life before the last reset, to which a rollback returns."""

    generation: Generation
    session_id: SessionId
    version: CheckpointVersion


@frozen(kw_only=True)
class Authority:
    """The authority row of an identity, as the facade sees it."""

    kind: str
    token: FencingToken
    """The highest ever accepted."""
    generation: Generation
    version: CheckpointVersion
    session_id: SessionId
    is_deleted: bool
    holder: str | None
    """Whom the token was granted to; None for the runtime."""
    floor: Generation
    """The highest generation ever begun."""
    former: Former | None
    """None: no reset that could be undone."""


@frozen(kw_only=True)
class Standing:
    """Where an identity stands."""

    identity: AgentIdentity
    key: IdentityKey
    """A fresh key when the name was never mentioned; it becomes the identity's with its first unit."""
    authority: Authority | None
    """None: no authority row was ever written."""
    snapshot: SnapshotRow | None
    """The newest of the generation, or for lack of one of the session; None also when it was ``unread``."""
