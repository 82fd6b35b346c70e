"""What a refused write of the continuity facade is raised as."""

from __future__ import annotations

from meerkat_actors.errors import (
    CounterExhaustedError,
    FenceConflictError,
    GenerationConflictError,
    InvalidValueError,
    MeerkatError,
    MixedSessionError,
    RecordDeletedError,
    RecordNotFoundError,
    SessionBoundError,
    StaleCheckpointVersionError,
    StaleFencingTokenError,
    SupersededError,
)
from meerkat_actors.records.commits import RefusalReason
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.store.continuity_deciding import Conflict


def error_of(identity: AgentIdentity, conflict: Conflict) -> MeerkatError:
    """The one error for a conflict: whose it is, what was presented, and what is current."""
    presented, current = conflict.presented, conflict.current
    match conflict.reason:
        case RefusalReason.NOT_FOUND:
            return RecordNotFoundError(identity=identity)
        case RefusalReason.STALE_FENCING_TOKEN:
            return StaleFencingTokenError(identity=identity, presented=presented, current=current)
        case RefusalReason.FENCE_CONFLICT:
            return FenceConflictError(identity=identity, presented=presented, current=current)
        case RefusalReason.DELETED:
            return RecordDeletedError(identity=identity, presented=presented, current=current)
        case RefusalReason.STALE_GENERATION | RefusalReason.SUPERSEDED_SESSION:
            return SupersededError(identity=identity, presented=presented, current=current)
        case RefusalReason.GENERATION_CONFLICT:
            return GenerationConflictError(identity=identity, presented=presented, current=current)
        case RefusalReason.STALE_CHECKPOINT_VERSION:
            return StaleCheckpointVersionError(identity=identity, presented=presented, current=current)
        case RefusalReason.SESSION_BOUND:
            return SessionBoundError(identity=identity, presented=presented, current=current)
        case RefusalReason.MIXED_SESSION:
            return MixedSessionError(identity=identity, presented=presented, current=current)
        case RefusalReason.COUNTER_EXHAUSTED:
            return CounterExhaustedError(identity=identity, presented=presented, current=current)
        case _:
            return InvalidValueError(problem=f"{identity}: {conflict.reason}: {current}")
