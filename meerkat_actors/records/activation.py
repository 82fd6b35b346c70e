"""What a store tells about one identity, read in one transaction, for its owner to begin with."""

from __future__ import annotations

from attrs import frozen

from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import (
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    SessionId,
)
from meerkat_actors.records.inputs import OpenInput
from meerkat_actors.records.leases import Holder
from meerkat_actors.records.mail import Owed
from meerkat_actors.records.runs import Run
from meerkat_actors.records.status import Desired


@frozen(kw_only=True)
class Opening:
    """What beginning to serve a store established, durably."""

    store_id: str
    incarnation: int
    """Counts beginnings of this store. The first is 1."""
    was_clean: bool
    """Whether the previous incarnation ended in good order."""


@hot
class Head:
    """The authority row of one identity."""

    kind: str
    token: FencingToken
    """The highest token ever claimed."""
    generation: Generation
    version: CheckpointVersion
    session_id: SessionId
    digest: bytes
    message_count: int
    sends: int
    owner: int = 0
    """The incarnation that claimed it last; 0 once that one gave it up in good order."""
    desired: Desired = Desired.OPEN
    is_buried: bool = False
    """Whether it has a tombstone: it is read for who makes it anew."""


@frozen(kw_only=True)
class Activation:
    """Everything an owner needs of its identity; independent of history and population."""

    identity: AgentIdentity
    key: IdentityKey
    """A fresh key when the name was never mentioned; it becomes the identity's with its first unit."""
    head: Head | None
    """None when the identity was never created."""
    state: bytes | None
    """Canonical JSON of the state that was set last."""
    config: AgentConfig | None
    """The configuration that was given last."""
    run: Run | None
    """The staged run, with its journal."""
    queued: tuple[OpenInput, ...]
    """Both lanes, in admission order."""
    admissions: int
    """The last admission sequence; 0 for none."""
    has_mail: bool
    """Whether mail waits that may be taken: none below the mail floor."""
    holder: Holder | None = None
    """Another runtime that shares the store and holds the identity."""
    parked: Run | None = None
    """A second staged run, of the other lane."""
    next_due_ms: int = 0
    """When its next timer is due; 0 for none."""
    owed: tuple[Owed, ...] = ()
    """Consumed requests whose answers are owed, in admission order."""
    operations: tuple[bytes, ...] = ()
    """The bodies of its operations, as they were put."""


@frozen(kw_only=True)
class Broken:
    """One identity whose rows contradict each other; its neighbours are unaffected."""

    identity: AgentIdentity
    reason: str
    detail: str


@frozen(kw_only=True)
class IdentityRow:
    """One identity as a store lists it."""

    identity: AgentIdentity
    kind: str
    generation: Generation
    version: CheckpointVersion
    message_count: int
