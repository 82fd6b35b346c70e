"""What a writer believes about the authority it writes under."""

from __future__ import annotations

from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import (
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
)

# Fencing tokens: Kleppmann, "Designing Data-Intensive Applications", chapter 8.


@hot
class OwnerFence:
    """The incarnation under which a runtime writes what no identity of its own does."""

    owner: int


@hot
class IdentityFence:
    """The exact token, generation and version under which one identity is written.

    A claim's fence carries the new token; everything that follows presents it unchanged.
    """

    identity: AgentIdentity
    key: IdentityKey
    token: FencingToken
    generation: Generation
    version: CheckpointVersion
