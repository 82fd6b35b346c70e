"""Stores that break one rule of committing, of beginning or of ending: a memory store with a veil before it."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from meerkat_actors.errors import StoreFailedError
from meerkat_actors.records.activation import Opening
from meerkat_actors.records.commits import CommitOutcome, Committed, DuplicateInput, RefusalReason, Refused
from meerkat_actors.records.continuity_effects import SaveSnapshot
from meerkat_actors.records.effects import (
    AppendTurn,
    Claim,
    CreateIdentity,
    Effect,
    InsertInput,
    SendMail,
    TakeMail,
    Unit,
)
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.standing import Authority, Standing
from meerkat_actors.store import MemoryStore
from meerkat_actors.testing.conformance.writing import changed, new_input_id


class Veiled(MemoryStore):
    """Sees units one by one, each as ``seen`` shows it."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes: list[CommitOutcome] = []
        for unit in units:
            outcomes += super().commit([self.seen(unit)])
        return outcomes

    def seen(self, unit: Unit) -> Unit:
        return unit

    def current(self, unit: Unit) -> Authority | None:
        """Where the unit's identity stands."""
        (standing,) = self.read_standings((unit.fence.identity,), snapshots="unread")
        return standing.authority if isinstance(standing, Standing) else None


class IgnoresTheToken(Veiled):
    def seen(self, unit: Unit) -> Unit:
        now = self.current(unit)
        if now is None or any(isinstance(effect, Claim | CreateIdentity) for effect in unit.effects):
            return unit
        return evolve(unit, fence=evolve(unit.fence, token=now.token))


class IgnoresTheGeneration(Veiled):
    def seen(self, unit: Unit) -> Unit:
        now = self.current(unit)
        return unit if now is None else evolve(unit, fence=evolve(unit.fence, generation=now.generation))


class IgnoresTheVersion(Veiled):
    def seen(self, unit: Unit) -> Unit:
        now = self.current(unit)
        if now is None or any(isinstance(effect, AppendTurn) for effect in unit.effects):
            return unit
        return evolve(unit, fence=evolve(unit.fence, version=now.version))


class IgnoresTheSession(Veiled):
    def seen(self, unit: Unit) -> Unit:
        now = self.current(unit)
        if now is None:
            return unit
        effects = (
            evolve(effect, session_id=now.session_id) if isinstance(effect, SaveSnapshot) else effect
            for effect in unit.effects
        )
        return evolve(unit, effects=tuple(effects))


class TakesBoolsForNumbers(Veiled):
    def seen(self, unit: Unit) -> Unit:
        return evolve(unit, fence=changed(unit.fence, token=int(unit.fence.token)))


class ForgetsTheIdempotencyKey(Veiled):
    def seen(self, unit: Unit) -> Unit:
        effects = (
            evolve(effect, idempotency_key=None) if isinstance(effect, InsertInput) else effect
            for effect in unit.effects
        )
        return evolve(unit, effects=tuple(effects))


class LooksAtTheVersionFirst(MemoryStore):
    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        return [
            evolve(outcome, reason=RefusalReason.STALE_CHECKPOINT_VERSION)
            if isinstance(outcome, Refused) and outcome.reason is RefusalReason.STALE_FENCING_TOKEN
            else outcome
            for outcome in super().commit(units)
        ]


class CommitsHalves(MemoryStore):
    """What comes before the refused effect stays."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes = super().commit(units)
        for unit, outcome in zip(units, outcomes, strict=True):
            if isinstance(outcome, Refused | DuplicateInput) and outcome.effect > 0:
                super().commit([evolve(unit, effects=unit.effects[: outcome.effect])])
        return outcomes


class StopsAtTheFirstRefusal(MemoryStore):
    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes: list[CommitOutcome] = []
        for unit in units:
            if any(not isinstance(outcome, Committed) for outcome in outcomes):
                outcomes.append(Refused(reason=RefusalReason.STORE_FULL, effect=-1, current="stopped"))
            else:
                outcomes += super().commit([unit])
        return outcomes


class CommitsBackwards(MemoryStore):
    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        return super().commit(units[::-1])[::-1]


class SaysYes(MemoryStore):
    """Where others refuse for one reason, it says that it committed."""

    def __init__(self, to: RefusalReason) -> None:
        super().__init__()
        self._to = to

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        return [
            Committed(unit.fence.version) if isinstance(outcome, Refused) and outcome.reason is self._to else outcome
            for unit, outcome in zip(units, super().commit(units), strict=True)
        ]


class RaisesWhatItRefuses(MemoryStore):
    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes = super().commit(units)
        if any(isinstance(outcome, Refused) for outcome in outcomes):
            raise StoreFailedError(path=self.location, problem="a unit was refused")
        return outcomes


class TakesAnyContentForTheSame(MemoryStore):
    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        return [
            evolve(outcome, same_content=True) if isinstance(outcome, DuplicateInput) else outcome
            for outcome in super().commit(units)
        ]


class AlwaysBeginsClean(MemoryStore):
    def begin(self) -> Opening:
        return evolve(super().begin(), was_clean=True)


class NeverAges(MemoryStore):
    def begin(self) -> Opening:
        return evolve(super().begin(), incarnation=1)


class Forgets(MemoryStore):
    """Closing it is the end of all that it held."""

    def close(self) -> None:
        MemoryStore.__init__(self)


class ClosesOnce(MemoryStore):
    _is_closed = False

    def close(self) -> None:
        assert not self._is_closed
        self._is_closed = True


class ChecksTheClaimInItsPlace(MemoryStore):
    """Effects before a claim are tried under the former token."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        no = Refused(reason=RefusalReason.STALE_FENCING_TOKEN, effect=0, current="a former token")
        late = any(isinstance(effect, Claim) for unit in units for effect in unit.effects[1:])
        return [no for _ in units] if late else super().commit(units)


class KnowsEveryKeyOnce(MemoryStore):
    """Whoever used an idempotency key, nobody uses it again."""

    def __init__(self) -> None:
        super().__init__()
        self._users: dict[str, AgentIdentity] = {}

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        for unit in units:
            for effect in unit.effects:
                key = effect.idempotency_key if isinstance(effect, InsertInput) else None
                if key is not None and self._users.setdefault(key, unit.fence.identity) != unit.fence.identity:
                    return [Refused(reason=RefusalReason.REVISION_CONFLICT, effect=0, current=key) for _ in units]
        return super().commit(units)


class LooksAtTheKeyFirst(Veiled):
    """An input whose key is known is a duplicate by that key, whatever its id."""

    def __init__(self) -> None:
        super().__init__()
        self._known: set[str] = set()

    def seen(self, unit: Unit) -> Unit:
        return evolve(unit, effects=tuple(map(self._by_key, unit.effects)))

    def _by_key(self, effect: Effect) -> Effect:
        key = effect.idempotency_key if isinstance(effect, InsertInput) else None
        if not isinstance(effect, InsertInput) or key is None:
            return effect
        if key in self._known:
            return evolve(effect, input_id=new_input_id())
        self._known.add(key)
        return effect


class TakesSentForAdmitted(MemoryStore):
    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        return [
            evolve(outcome, admission=max(outcome.admission, 1)) if isinstance(outcome, DuplicateInput) else outcome
            for outcome in super().commit(units)
        ]


class StagesLater(Veiled):
    """What is admitted for a run is queued."""

    def seen(self, unit: Unit) -> Unit:
        effects = (
            evolve(effect, run_id=None) if isinstance(effect, InsertInput | TakeMail) else effect
            for effect in unit.effects
        )
        return evolve(unit, effects=tuple(effects))


class KeepsFromTalkingToOneself(Veiled):
    def seen(self, unit: Unit) -> Unit:
        effects = (
            effect
            for effect in unit.effects
            if not (isinstance(effect, SendMail) and effect.recipient == unit.fence.identity)
        )
        return evolve(unit, effects=tuple(effects))
