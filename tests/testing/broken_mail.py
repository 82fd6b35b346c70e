"""Stores that break one rule of mail: of its lanes, or of the floor under it."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.effects import BeginGeneration, Bury, Effect, SendMail, SetDesired, TakeMail, Unit
from meerkat_actors.records.ids import IdentityKey
from meerkat_actors.records.inputs import InputState, Lane
from meerkat_actors.records.status import Desired
from meerkat_actors.store import MemoryStore
from meerkat_actors.store.memory_tables import HeadRow, ProgressRow
from tests.testing.broken_inputs import Altered, Rewritten
from tests.testing.broken_lives import Governed

# -- lanes --------------------------------------------------------------------------------


class QueuesWhatSteers(Altered):
    """Until it is taken."""

    def other(self, effect: Effect) -> Effect:
        return evolve(effect, lane=Lane.QUEUE) if isinstance(effect, SendMail) else effect


class KeepsTheLaneThatItWaitedIn(Rewritten):
    """What is taken into the queue."""

    def row(self, before: ProgressRow, now: ProgressRow) -> ProgressRow:
        is_taken = before.state is InputState.SENT and now.lane is Lane.QUEUE
        return evolve(now, lane=before.lane) if is_taken else now


class TakesSteeredMailInAnyOrder(MemoryStore):
    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        return [self._taken(unit, outcome) for unit, outcome in zip(units, super().commit(units), strict=True)]

    def _taken(self, unit: Unit, outcome: CommitOutcome) -> CommitOutcome:
        line = self._tables.sent.get((unit.fence.key, Lane.STEER))
        if line is None or not isinstance(outcome, Refused) or outcome.reason is not RefusalReason.NOT_HEAD_OF_PAIR:
            return outcome
        taken = unit.effects[outcome.effect]
        assert isinstance(taken, TakeMail)
        older = {sequence: line.rows.pop(sequence) for sequence in list(line) if sequence < taken.sequence}
        (outcome,) = super().commit([unit])
        line.rows.update(older)
        return outcome


class Choosy(MemoryStore):
    """Refuses to take mail for which ``waits_for`` finds an older one."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        no = Refused(reason=RefusalReason.NOT_HEAD_OF_PAIR, effect=0, current="an older one waits")
        return [outcome for unit in units for outcome in ([no] if self._waits(unit) else super().commit([unit]))]

    def _waits(self, unit: Unit) -> bool:
        mine = [effect for effect in unit.effects if isinstance(effect, TakeMail)]
        taken = {effect.sequence for effect in mine}
        return any(self.waits_for(effect, unit.fence.key, taken) for effect in mine)

    def waits_for(self, effect: TakeMail, key: IdentityKey, taken: set[int]) -> bool:
        return any(
            sequence < effect.sequence and sequence not in taken and self.is_before(effect, sender)
            for lane in Lane
            for sequence, sender in self.rows_of(key, lane).items()
        )

    def rows_of(self, key: IdentityKey, lane: Lane) -> dict[int, IdentityKey | None]:
        line = self._tables.sent.get((key, lane))
        return {} if line is None else line.rows

    def is_before(self, effect: TakeMail, sender: IdentityKey | None) -> bool:
        return sender == effect.sender_key


class HasOneOrderForBothLanes(Choosy):
    """Of a sender."""


class HasOneOrderForAllSenders(Choosy):
    def is_before(self, effect: TakeMail, sender: IdentityKey | None) -> bool:
        return True


# -- the floor ----------------------------------------------------------------------------


class TakesAcrossTheFloor(MemoryStore):
    """Who reads is told nothing of what is below it."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes: list[CommitOutcome] = []
        heads = self._tables.heads
        for unit in units:
            key, before = unit.fence.key, heads.get(unit.fence.key)
            if before is None or not any(isinstance(effect, TakeMail) for effect in unit.effects):
                outcomes += super().commit([unit])
                continue
            heads[key] = evolve(before, mail_floor=0)
            outcomes += super().commit([unit])
            heads[key] = evolve(heads[key], mail_floor=before.mail_floor)
        return outcomes


class HasNoFloor(Governed):
    def head(self, unit: Unit, before: HeadRow, now: HeadRow) -> HeadRow:
        return evolve(now, mail_floor=0)


class LeavesMailToTheNextGeneration(Governed):
    def head(self, unit: Unit, before: HeadRow, now: HeadRow) -> HeadRow:
        is_reset = any(isinstance(effect, BeginGeneration) for effect in unit.effects)
        return evolve(now, mail_floor=before.mail_floor) if is_reset else now


class LeavesMailToTheNextLife(Governed):
    def head(self, unit: Unit, before: HeadRow, now: HeadRow) -> HeadRow:
        is_burial = any(isinstance(effect, Bury) for effect in unit.effects)
        return evolve(now, mail_floor=before.mail_floor) if is_burial else now


class TakesEveryWordForAStop(Governed):
    def head(self, unit: Unit, before: HeadRow, now: HeadRow) -> HeadRow:
        is_word = any(isinstance(effect, SetDesired) for effect in unit.effects)
        return evolve(now, mail_floor=self._tables.sequence) if is_word else now


class OpensTheFloorToo(Governed):
    """With its identity."""

    def head(self, unit: Unit, before: HeadRow, now: HeadRow) -> HeadRow:
        is_opened = before.desired is Desired.STOPPED and now.desired is not Desired.STOPPED
        return evolve(now, mail_floor=0) if is_opened else now


class HasAFloorBelowItsOwnMail(Governed):
    """Of the unit that sets it."""

    def head(self, unit: Unit, before: HeadRow, now: HeadRow) -> HeadRow:
        sends = sum(isinstance(effect, SendMail) for effect in unit.effects)
        return evolve(now, mail_floor=now.mail_floor - sends) if now.mail_floor > before.mail_floor else now


class HasAFloorAboveTheBatch(MemoryStore):
    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        before = dict(self._tables.heads)
        outcomes = super().commit(units)
        for key, now in self._tables.heads.items():
            if key in before and now.mail_floor > before[key].mail_floor:
                self._tables.heads[key] = evolve(now, mail_floor=self._tables.sequence)
        return outcomes


class HasOneFloorForAll(Governed):
    def head(self, unit: Unit, before: HeadRow, now: HeadRow) -> HeadRow:
        for key, row in self._tables.heads.items():
            self._tables.heads[key] = evolve(row, mail_floor=max(row.mail_floor, now.mail_floor))
        return now


class SetsTheFloorOfARefusedUnit(MemoryStore):
    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes = super().commit(units)
        heads = self._tables.heads
        for unit, outcome in zip(units, outcomes, strict=True):
            ends = any(isinstance(effect, SetDesired | BeginGeneration | Bury) for effect in unit.effects)
            if ends and not isinstance(outcome, Committed) and unit.fence.key in heads:
                heads[unit.fence.key] = evolve(heads[unit.fence.key], mail_floor=self._tables.sequence)
        return outcomes


class ForgetsFloors(MemoryStore):
    """As it closes."""

    def close(self) -> None:
        for key, head in self._tables.heads.items():
            self._tables.heads[key] = evolve(head, mail_floor=0)
        super().close()
