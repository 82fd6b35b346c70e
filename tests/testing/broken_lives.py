"""Stores that break one rule of what is wanted of an identity, its generations, its burial or its return."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from meerkat_actors.records.activation import Activation, Broken
from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.effects import AppendTurn, BeginGeneration, Bury, Recreate, SetConfig, SetDesired, Unit
from meerkat_actors.records.ids import AgentIdentity, CheckpointVersion, FencingToken
from meerkat_actors.records.status import Desired
from meerkat_actors.store import MemoryStore
from meerkat_actors.store.memory_tables import HeadRow
from tests.testing.broken_writing import Veiled


class Governed(MemoryStore):
    """Where a unit governs an identity, the authority row is as ``head`` shows it."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes: list[CommitOutcome] = []
        for unit in units:
            before = self._tables.heads.get(unit.fence.key)
            outcomes += super().commit([unit])
            if before is not None and isinstance(outcomes[-1], Committed):
                now = self._tables.heads[unit.fence.key]
                self._tables.heads[unit.fence.key] = self.head(unit, before, now)
        return outcomes

    def head(self, unit: Unit, before: HeadRow, now: HeadRow) -> HeadRow:
        return now


class Restarted(Governed):
    """Where a generation begins, the authority row is as ``begun`` shows it."""

    def head(self, unit: Unit, before: HeadRow, now: HeadRow) -> HeadRow:
        return self.begun(before, now) if now.generation > before.generation else now

    def begun(self, before: HeadRow, now: HeadRow) -> HeadRow:
        return now


class KeepsTheState(Restarted):
    def begun(self, before: HeadRow, now: HeadRow) -> HeadRow:
        return evolve(now, last_state=before.last_state)


class KeepsTheCount(Restarted):
    def begun(self, before: HeadRow, now: HeadRow) -> HeadRow:
        return evolve(now, message_count=before.message_count)


class KeepsTheDigest(Restarted):
    def begun(self, before: HeadRow, now: HeadRow) -> HeadRow:
        return evolve(now, digest=before.digest)


class KeepsTheVersion(Restarted):
    def begun(self, before: HeadRow, now: HeadRow) -> HeadRow:
        return evolve(now, version=before.version)


class KeepsTheWord(Restarted):
    def begun(self, before: HeadRow, now: HeadRow) -> HeadRow:
        return evolve(now, desired=before.desired)


class LosesThePast(Restarted):
    """What comes after is the first boundary."""

    def begun(self, before: HeadRow, now: HeadRow) -> HeadRow:
        return evolve(now, last_turn=0)


class CountsSendsAnew(Restarted):
    def begun(self, before: HeadRow, now: HeadRow) -> HeadRow:
        return evolve(now, sends=0)


class RaisesTheTokenToo(Restarted):
    def begun(self, before: HeadRow, now: HeadRow) -> HeadRow:
        return evolve(now, token=FencingToken(before.token + 1))


class ComesBackAsItWas(Restarted):
    def begun(self, before: HeadRow, now: HeadRow) -> HeadRow:
        return evolve(now, kind=before.kind)


class ForgetsTheLivesBefore(Restarted):
    """Whatever was sent is sent again."""

    def begun(self, before: HeadRow, now: HeadRow) -> HeadRow:
        self._tables.by_idempotency_key.clear()
        return now


class ForgetsTheWord(MemoryStore):
    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        found = super().activate(identity)
        if isinstance(found, Broken) or found.head is None:
            return found
        return evolve(found, head=evolve(found.head, desired=Desired.OPEN))


class TakesAClaimForAWord(Governed):
    """Whoever claims an identity wants it open."""

    def head(self, unit: Unit, before: HeadRow, now: HeadRow) -> HeadRow:
        return evolve(now, desired=Desired.OPEN) if now.token > before.token else now


class HearsNothingBesideABoundary(Veiled):
    def seen(self, unit: Unit) -> Unit:
        if not any(isinstance(effect, AppendTurn) for effect in unit.effects):
            return unit
        return evolve(unit, effects=tuple(effect for effect in unit.effects if not isinstance(effect, SetDesired)))


class BuriesNobody(Veiled):
    def seen(self, unit: Unit) -> Unit:
        return evolve(unit, effects=tuple(effect for effect in unit.effects if not isinstance(effect, Bury)))


class LosesTheLastBoundary(Veiled):
    """Of the dead."""

    def seen(self, unit: Unit) -> Unit:
        if not any(isinstance(effect, Bury) for effect in unit.effects):
            return unit
        return evolve(unit, effects=tuple(effect for effect in unit.effects if not isinstance(effect, AppendTurn)))


class ConfiguresNobodyAnew(Veiled):
    """Who comes back is as it was configured."""

    def seen(self, unit: Unit) -> Unit:
        if not any(isinstance(effect, Recreate) for effect in unit.effects):
            return unit
        return evolve(unit, effects=tuple(effect for effect in unit.effects if not isinstance(effect, SetConfig)))


class ResetsEvenABoundary(MemoryStore):
    """In two units, where one is asked for."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes: list[CommitOutcome] = []
        for unit in units:
            resets = tuple(effect for effect in unit.effects if isinstance(effect, BeginGeneration))
            if len(resets) == 1 and any(isinstance(effect, AppendTurn) for effect in unit.effects):
                rest = tuple(effect for effect in unit.effects if not isinstance(effect, BeginGeneration))
                outcomes += super().commit([evolve(unit, effects=rest)])
                version = CheckpointVersion(unit.fence.version + 1)
                super().commit([Unit(evolve(unit.fence, version=version), resets)])
            else:
                outcomes += super().commit([unit])
        return outcomes


class TellsTheVersionBefore(MemoryStore):
    """A reset tells what it ended."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        return [
            Committed(unit.fence.version)
            if isinstance(outcome, Committed) and any(isinstance(effect, BeginGeneration) for effect in unit.effects)
            else outcome
            for unit, outcome in zip(units, super().commit(units), strict=True)
        ]
