"""Stores that break one rule of answers that are owed, of sends that are counted, of operations or of facts."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from meerkat_actors.records.activation import Activation, Broken
from meerkat_actors.records.agenda_effects import (
    CountSends,
    DropOperation,
    PutOperation,
    RecordEvents,
    SettleRequest,
)
from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.effects import BeginGeneration, EndInput, Unit
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.stored_events import EventBounds, StoredEvent
from meerkat_actors.store import MemoryStore
from meerkat_actors.store.memory_tables import EventRow
from tests.testing.broken_reading import names_in
from tests.testing.broken_writing import Veiled

# -- answers ------------------------------------------------------------------------------


class Without(Veiled):
    """Does not do one kind of effect, and says that it did."""

    kind: type

    def seen(self, unit: Unit) -> Unit:
        kept = tuple(effect for effect in unit.effects if not isinstance(effect, self.kind))
        is_odd = any(isinstance(effect, RecordEvents) for effect in kept) and len(kept) == 1
        return unit if is_odd else evolve(unit, effects=kept)


class Activated(MemoryStore):
    """An activation is as ``shown`` shows it."""

    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        found = super().activate(identity)
        return found if isinstance(found, Broken) else self.shown(found)

    def shown(self, found: Activation) -> Activation:
        return found


class ForgetsWhatItOwes(Activated):
    def shown(self, found: Activation) -> Activation:
        return evolve(found, owed=())


class CorrelatesEverything(Activated):
    def shown(self, found: Activation) -> Activation:
        return evolve(found, owed=tuple(evolve(each, correlation_id=each.correlation_id or "") for each in found.owed))


class OwesForEver(Without):
    kind = SettleRequest


class TakesEveryOperationForFree(Veiled):
    """None of them ends with its process."""

    def seen(self, unit: Unit) -> Unit:
        return evolve(
            unit,
            effects=tuple(
                evolve(effect, is_bound=False) if isinstance(effect, PutOperation) else effect
                for effect in unit.effects
            ),
        )


class SettlesBeforeItEnds(MemoryStore):
    """Where it stands before in the unit."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        no = Refused(reason=RefusalReason.INPUT_STATE_CONFLICT, effect=0, current="nothing is owed yet")
        return [outcome for unit in units for outcome in ([no] if self._is_early(unit) else super().commit([unit]))]

    def _is_early(self, unit: Unit) -> bool:
        kinds = [type(effect) for effect in unit.effects]
        return SettleRequest in kinds and EndInput in kinds[kinds.index(SettleRequest) :]


class OwesOnlyInItsGeneration(MemoryStore):
    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes = super().commit(units)
        for unit in units:
            if any(isinstance(effect, BeginGeneration) for effect in unit.effects):
                self._tables.owed.pop(unit.fence.key, None)
                self._tables.operations.pop(unit.fence.key, None)
        return outcomes


class BreaksWithItsNeighbours(MemoryStore):
    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        found = (super(BreaksWithItsNeighbours, self).activate(name) for name in names_in(self))
        broken = next((each for each in found if isinstance(each, Broken)), None)
        return super().activate(identity) if broken is None else broken


class CountsNoSends(Without):
    kind = CountSends


# -- operations ---------------------------------------------------------------------------


class LosesOperations(Activated):
    def shown(self, found: Activation) -> Activation:
        return evolve(found, operations=())


class TurnsOperationsRound(Activated):
    def shown(self, found: Activation) -> Activation:
        return evolve(found, operations=found.operations[::-1])


class KeepsOperationsAsTheyBegan(Veiled):
    def seen(self, unit: Unit) -> Unit:
        known = self._tables.operations.get(unit.fence.key, {})
        kept = (
            effect for effect in unit.effects if not (isinstance(effect, PutOperation) and effect.operation_id in known)
        )
        return evolve(unit, effects=tuple(kept))


class RemembersEveryOperation(Without):
    kind = DropOperation


# -- facts --------------------------------------------------------------------------------


class LosesFacts(Veiled):
    """Of units that do something else, too."""

    def seen(self, unit: Unit) -> Unit:
        kept = tuple(effect for effect in unit.effects if not isinstance(effect, RecordEvents))
        return evolve(unit, effects=kept) if kept else unit


class TellsNoBodies(MemoryStore):
    def page_events(self, *, after: int, limit: int) -> tuple[StoredEvent, ...]:
        return tuple(evolve(event, body=None) for event in super().page_events(after=after, limit=limit))


class TellsWhatWasRefused(MemoryStore):
    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes = super().commit(units)
        tables = self._tables
        for unit, outcome in zip(units, outcomes, strict=True):
            for effect in unit.effects:
                if isinstance(effect, RecordEvents) and not isinstance(outcome, Committed):
                    tables.sequence += 1
                    tables.events.put(tables, tables.sequence, EventRow(unit.fence.key, effect.body))
        tables.keep()
        return outcomes


class TellsItsBoundsTooHigh(MemoryStore):
    def event_bounds(self) -> EventBounds:
        return evolve(super().event_bounds(), floor=1)


class TellsItsBoundsTooLow(MemoryStore):
    def event_bounds(self) -> EventBounds:
        bounds = super().event_bounds()
        return evolve(bounds, last=max(bounds.last - 1, 0))
