"""What a refused unit means for the one command it was made of."""

from __future__ import annotations

from typing import Final

from meerkat_actors.errors import (
    DestroyedError,
    IdempotencyConflictError,
    InvalidValueError,
    MeerkatError,
    OwnerStoppedError,
    StoreFullError,
    UnknownIdentityError,
    UsageError,
)
from meerkat_actors.records.commands import Command, DropLetter, Redrive, Send
from meerkat_actors.records.commits import CommitOutcome, DuplicateInput, HeldElsewhere, RefusalReason, Refused
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity
from meerkat_actors.records.outcomes import Admission

_NO_LETTER: Final = frozenset({RefusalReason.NOT_FOUND, RefusalReason.INPUT_STATE_CONFLICT})
_FENCE_LOST: Final = frozenset(
    {
        RefusalReason.STALE_OWNER,
        RefusalReason.STALE_FENCING_TOKEN,
        RefusalReason.STALE_GENERATION,
        RefusalReason.STALE_CHECKPOINT_VERSION,
        RefusalReason.DELETED,
    }
)


def is_fence_lost(refused: Refused) -> bool:
    """Whether somebody else owns the identity now."""
    return refused.reason in _FENCE_LOST


def answer_refusal(
    identity: AgentIdentity, command: Command, outcome: Refused | DuplicateInput | HeldElsewhere
) -> object:
    """The answer for the one command whose unit was refused.

    Raises:
        AssertionError: the refusal of something we ourselves decided: our own bug, which ends the owner.
    """
    if isinstance(command, Redrive):
        if isinstance(outcome, DuplicateInput):
            return _duplicate(identity, command.send, outcome)
        command = (
            command.send if isinstance(outcome, Refused) and outcome.effect == 0 else DropLetter(command.admission)
        )
    if isinstance(outcome, DuplicateInput) and isinstance(command, Send):
        return _duplicate(identity, command, outcome)
    if isinstance(command, DropLetter) and isinstance(outcome, Refused) and outcome.reason in _NO_LETTER:
        return UsageError(problem=f"{identity}: that input is no dead letter, or was looked after already")
    if isinstance(outcome, Refused) and outcome.reason is RefusalReason.OUT_OF_RANGE and isinstance(command, Send):
        return InvalidValueError(problem=f"{identity}: {outcome.current}")
    msg = f"{identity}: {type(command).__name__} refused: {outcome}"
    raise AssertionError(msg)


def answer_posting(
    path: str, identity: AgentIdentity, command: Send, outcome: CommitOutcome
) -> Admission | MeerkatError:
    """What a refused posting for an agent that another runtime holds means to its sender."""
    match outcome:
        case DuplicateInput():
            return _duplicate(identity, command, outcome)
        case Refused(reason=RefusalReason.NOT_FOUND):
            return UnknownIdentityError(identity=identity)
        case Refused(reason=RefusalReason.STORE_FULL):
            problem = f"disk full, nothing of {identity} was written; make room, then retry"
            return StoreFullError(path=path, problem=problem)
        case Refused(reason=RefusalReason.STALE_OWNER):
            return OwnerStoppedError(identity=identity)
        case Refused(reason=RefusalReason.DELETED):
            return DestroyedError(identity=identity)
        case Refused(reason=RefusalReason.OUT_OF_RANGE):
            return InvalidValueError(problem=f"{identity}: {outcome.current}")
        case _:
            msg = f"{identity}: posting refused: {outcome}"
            raise AssertionError(msg)


def _duplicate(identity: AgentIdentity, command: Send, outcome: DuplicateInput) -> Admission | MeerkatError:
    if outcome.identity != identity:
        return UsageError(
            problem=f"{identity}: input id {command.input_id} belongs to {outcome.identity}; use runtime.new_id()"
        )
    if not outcome.same_content:
        return IdempotencyConflictError(
            identity=identity,
            key=command.input_id if outcome.first == command.input_id else command.idempotency_key or command.input_id,
            first_input_id=outcome.first,
        )
    return Admission(outcome.first, AdmissionSequence(outcome.admission), duplicate=True, durable=True)
