"""One boundary as a store returns it: the row of a turn."""

from __future__ import annotations

from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AgentIdentity, CheckpointVersion, Generation, RunId


@hot
class TurnRow:
    """One boundary as a store returns it to a reader; with its body, the receipt is complete."""

    sequence: int
    """Its store sequence."""
    previous: int
    """Sequence of the identity's boundary before it; 0 for none."""
    identity: AgentIdentity
    generation: Generation
    version: CheckpointVersion
    """The checkpoint version that it made."""
    run_id: RunId
    digest: bytes
    """The transcript's hash chain after it."""
    body: bytes
    """What ``encode_turn`` wrote."""
