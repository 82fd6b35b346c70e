"""What a store answers to a unit. An exception instead means that the outcome is unknown."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AgentIdentity, CheckpointVersion, InputId
from meerkat_actors.records.leases import Holder


class RefusalReason(StrEnum):
    """Why a unit left nothing behind."""

    OUT_OF_RANGE = "out_of_range"
    STALE_OWNER = "stale_owner"
    """The writer's lease was taken over: nothing that it claimed is its own any more."""
    STALE_FENCING_TOKEN = "stale_fencing_token"
    FENCE_CONFLICT = "fence_conflict"
    DELETED = "deleted"
    STALE_GENERATION = "stale_generation"
    GENERATION_CONFLICT = "generation_conflict"
    SUPERSEDED_SESSION = "superseded_session"
    STALE_CHECKPOINT_VERSION = "stale_checkpoint_version"
    NOT_FOUND = "not_found"
    KEY_MISMATCH = "key_mismatch"
    SESSION_BOUND = "session_bound"
    MIXED_SESSION = "mixed_session"
    COUNTER_EXHAUSTED = "counter_exhausted"
    INPUT_STATE_CONFLICT = "input_state_conflict"
    NOT_HEAD_OF_PAIR = "not_head_of_pair"
    REVISION_CONFLICT = "revision_conflict"
    DUPLICATE_RECEIPT = "duplicate_receipt"
    RECEIPT_GAP = "receipt_gap"
    UNSUPPORTED = "unsupported"
    """The store has no such effect."""
    STORE_FULL = "store_full"


@hot
class Committed:
    """Durable, and ``version`` is the identity's checkpoint version after it."""

    version: CheckpointVersion


@frozen(kw_only=True)
class Refused:
    """Nothing of the unit was written."""

    reason: RefusalReason
    effect: int
    """Index of the refused effect; -1 for the fence."""
    current: str
    """What the store holds instead, for people."""


@frozen(kw_only=True)
class DuplicateInput:
    """An input of that id or idempotency key exists; nothing of the unit was written."""

    effect: int
    identity: AgentIdentity
    """Whose input the first one is: an input id may be another identity's."""
    first: InputId
    admission: int
    """The first one's admission sequence; 0 for mail not yet taken."""
    same_content: bool
    """False is an idempotency conflict."""


@frozen(kw_only=True)
class HeldElsewhere:
    """Another runtime that shares the store holds the identity; nothing of the unit was written."""

    effect: int
    holder: Holder


CommitOutcome = Committed | Refused | DuplicateInput | HeldElsewhere
