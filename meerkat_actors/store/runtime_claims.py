"""Claims of the runtime-store facade: it takes a runtime at its first write, and presents that token from then on.

Why a facade may read, decide and then write: a unit goes through only while its token is the highest,
so whatever was read since the claim is still what the store holds. Nobody else can have written.
"""

from __future__ import annotations

from typing import Final, NoReturn

from attrs import define, evolve

from meerkat_actors.errors import (
    AlreadyOwnedError,
    CounterExhaustedError,
    DuplicateReceiptError,
    GenerationConflictError,
    IdempotencyConflictError,
    IdentityBrokenError,
    IllegalTransitionError,
    InvalidValueError,
    MixedSessionError,
    OwnershipLostError,
    ReceiptGapError,
    RecordDeletedError,
    SessionBoundError,
    StaleFencingTokenError,
    StoreFullError,
    UnsupportedError,
)
from meerkat_actors.records.activation import Broken
from meerkat_actors.records.commits import Committed, DuplicateInput, HeldElsewhere, RefusalReason, Refused
from meerkat_actors.records.effects import Claim, CreateIdentity, Effect, InsertInput, Unit
from meerkat_actors.records.env import Env
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import (
    COUNTER_MAX,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    SessionId,
)
from meerkat_actors.records.runtime_effects import RecordReceipt
from meerkat_actors.records.standing import Standing
from meerkat_actors.store.port import Store

KIND: Final = "@runtime-store"
"""The kind of identities that this facade serves. No agent kind is spelled so."""


@define(eq=False)
class Holding:
    """A runtime that this facade claimed. It is small, and kept as long as the facade."""

    identity: AgentIdentity
    fence: IdentityFence
    admissions: int
    """The last admission sequence given out."""


class Claims:
    """The runtimes of one facade."""

    def __init__(self, store: Store, env: Env) -> None:
        self._store = store
        self._env = env
        self._holdings: dict[AgentIdentity, Holding] = {}

    def hold(self, identity: AgentIdentity) -> Holding:
        """The claim, made now if this is the first use.

        Raises:
            MixedSessionError: the identity is an agent's of the runtime, or the continuity facade's.
            RecordDeletedError: it was deleted.
            IdentityBrokenError: its rows contradict each other.
            OwnershipLostError: somebody claimed it in between.
            AlreadyOwnedError: another process that shares the store holds it.
        """
        holding = self._holdings.get(identity)
        if holding is None:
            holding, effect = self._wished(identity)
            self.commit(holding, (effect,), operation="claim")
            self._holdings[identity] = holding
        return holding

    def is_known(self, identity: AgentIdentity) -> bool:
        """Whether anything was ever written under this runtime's fence."""
        if identity in self._holdings:
            return True
        return self._standing(identity).authority is not None

    def commit(self, holding: Holding, effects: tuple[Effect, ...], *, operation: str) -> None:
        """Write one unit under the claim; without effects only the claim is checked.

        Raises:
            MeerkatError: nothing was written; the type says why.
        """
        (outcome,) = self._store.commit([Unit(holding.fence, effects)])
        if not isinstance(outcome, Committed):
            self._refuse(holding, effects, outcome, operation)
        holding.fence = evolve(holding.fence, version=outcome.version)

    def _wished(self, identity: AgentIdentity) -> tuple[Holding, Effect]:
        found = self._standing(identity)
        head = found.authority
        if head is None:
            born = IdentityFence(identity, found.key, FencingToken(1), Generation(0), CheckpointVersion(0))
            return Holding(identity, born, 0), CreateIdentity(KIND, SessionId(self._env.new_id()))
        if head.kind != KIND:
            raise MixedSessionError(identity=identity, presented="a write of the runtime store", current=head.kind)
        if head.is_deleted:
            raise RecordDeletedError(identity=identity, presented="a write", current=f"generation {head.generation}")
        if head.token >= COUNTER_MAX:
            raise CounterExhaustedError(identity=identity, presented="a claim", current=head.token)
        token = FencingToken(head.token + 1)
        newest = self._store.page_inputs(identity, after=None, limit=1, newest_first=True)
        admissions = (newest[0].admission or 0) if newest else 0
        fence = IdentityFence(identity, found.key, token, head.generation, head.version)
        return Holding(identity, fence, admissions), Claim(head.token)

    def _standing(self, identity: AgentIdentity) -> Standing:
        (found,) = self._store.read_standings((identity,), snapshots="unread")
        if isinstance(found, Broken):
            raise IdentityBrokenError(identity=identity, reason=found.reason, detail=found.detail)
        return found

    def _refuse(
        self,
        holding: Holding,
        effects: tuple[Effect, ...],
        outcome: Refused | DuplicateInput | HeldElsewhere,
        operation: str,
    ) -> NoReturn:
        identity, effect = holding.identity, effects[outcome.effect] if outcome.effect >= 0 else None
        if isinstance(outcome, HeldElsewhere):
            holder = outcome.holder
            raise AlreadyOwnedError(identity=identity, holder=holder.name, expires_in=holder.expires_in)
        if isinstance(outcome, DuplicateInput):
            assert isinstance(effect, InsertInput)
            raise IdempotencyConflictError(
                identity=identity, key=effect.idempotency_key or effect.input_id, first_input_id=outcome.first
            )
        reason, current = outcome.reason, outcome.current
        match reason:
            case RefusalReason.STALE_FENCING_TOKEN:
                raise StaleFencingTokenError(identity=identity, presented=holding.fence.token, current=current)
            case RefusalReason.DELETED:
                raise RecordDeletedError(identity=identity, presented=operation, current=current)
            case RefusalReason.SESSION_BOUND:
                raise SessionBoundError(
                    identity=identity, presented=getattr(effect, "session_id", operation), current=current
                )
            case RefusalReason.GENERATION_CONFLICT:
                raise GenerationConflictError(identity=identity, presented=operation, current=current)
            case RefusalReason.DUPLICATE_RECEIPT | RefusalReason.RECEIPT_GAP:
                kind = DuplicateReceiptError if reason is RefusalReason.DUPLICATE_RECEIPT else ReceiptGapError
                presented = effect.sequence if isinstance(effect, RecordReceipt) else operation
                raise kind(identity=identity, presented=presented, current=current)
            case RefusalReason.INPUT_STATE_CONFLICT:
                raise IllegalTransitionError(machine="input", state=current, event=operation)
            case RefusalReason.UNSUPPORTED:
                raise UnsupportedError(operation=operation, path=self._store.location)
            case RefusalReason.STORE_FULL:
                raise StoreFullError(path=self._store.location, problem=f"{current}; nothing was written, make room")
            case RefusalReason.OUT_OF_RANGE:
                raise InvalidValueError(problem=f"{identity}: {operation} can't be stored: {current}")
            case _:
                raise OwnershipLostError(identity=identity, reason=reason.value)
