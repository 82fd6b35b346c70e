"""What the owner of an identity holds in memory, and how it begins from what a store tells."""

from __future__ import annotations

from typing import TypeAlias

from attrs import define

from meerkat_actors.machines.fifo import Fifo
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import (
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    SessionId,
)
from meerkat_actors.records.inputs import OpenInput
from meerkat_actors.records.runs import JournalEntry, Run

Recorded: TypeAlias = "tuple[tuple[str, int], JournalEntry, Recorded] | None"
"""Steps recorded since the run was read, newest first: a decision never copies a journal."""


@define
class IdentityState:
    """One identity in its owner's hands. ``decide`` works on a ``fork`` and never on this."""

    # The hot path's exception to frozen records: forking costs 1 us, attrs.evolve 8.
    identity: AgentIdentity
    key: IdentityKey
    kind: str
    """Empty until the identity is created."""
    token: FencingToken
    previous_token: FencingToken | None
    """The token that is still durable while our claim is not; None once ours is."""
    generation: Generation
    version: CheckpointVersion
    session_id: SessionId
    digest: bytes
    message_count: int
    admissions: int
    sends: int
    state: bytes | None
    """Canonical JSON of the agent's own state."""
    config: AgentConfig | None
    """None when none was ever given."""
    lane: Fifo[OpenInput]
    run: Run | None
    recorded: Recorded
    is_executing: bool
    """Whether the run's turn is in progress; else the run waits for its time."""
    is_charged: bool
    """Whether the next start of the run must first count the unclean end before it."""

    def fork(self) -> IdentityState:
        """A copy to change; every value in it is immutable."""
        return IdentityState(
            self.identity, self.key, self.kind, self.token, self.previous_token, self.generation, self.version,
            self.session_id, self.digest, self.message_count, self.admissions, self.sends, self.state, self.config,
            self.lane, self.run, self.recorded, self.is_executing, self.is_charged,
        )  # fmt: skip

    @property
    def fence(self) -> IdentityFence:
        """The fence for the next unit."""
        return IdentityFence(self.identity, self.key, self.token, self.generation, self.version)

    @property
    def is_created(self) -> bool:
        """Whether the identity exists, or is created by the unit in preparation."""
        return self.kind != ""

    @property
    def has_open_input(self) -> bool:
        """Whether any input is without an outcome."""
        return self.run is not None or len(self.lane) > 0


def begin(activation: Activation, *, charges_interruption: bool, is_claimed: bool = False) -> IdentityState:
    """The state of a new owner: it holds a higher token than any before, which its first unit claims.

    ``charges_interruption``: the process, or the owner, before this one ended uncleanly. ``is_claimed``: the token
    that was read is the owner's already, claimed by a unit of its own, as in a store that others share.
    """
    head = activation.head
    claimed = is_claimed or head is None
    return IdentityState(
        identity=activation.identity,
        key=activation.key,
        kind="" if head is None else head.kind,
        token=FencingToken(1 if head is None else head.token if claimed else head.token + 1),
        previous_token=None if head is None or claimed else head.token,
        generation=Generation(0) if head is None else head.generation,
        version=CheckpointVersion(0) if head is None else head.version,
        session_id=SessionId("") if head is None else head.session_id,
        digest=DIGEST_ZERO if head is None else head.digest,
        message_count=0 if head is None else head.message_count,
        admissions=activation.admissions,
        sends=0 if head is None else head.sends,
        state=activation.state,
        config=activation.config,
        lane=Fifo(activation.queued),
        run=activation.run,
        recorded=None,
        is_executing=False,
        is_charged=charges_interruption and activation.run is not None,
    )


def journal_of(state: IdentityState) -> dict[tuple[str, int], JournalEntry]:
    """Every recorded step of the run, as its next attempt replays them."""
    assert state.run is not None
    journal = dict(state.run.journal)
    recorded = state.recorded
    while recorded is not None:
        key, entry, recorded = recorded
        journal[key] = entry
    return journal
