"""Stores that break one rule of mail that nobody can take any more."""

from __future__ import annotations

from attrs import evolve

from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.effects import OwnerUnit, PostInput, ReturnMail
from meerkat_actors.records.ids import COUNTER_MAX, AgentIdentity, CheckpointVersion
from meerkat_actors.records.inputs import InputState, Letter
from meerkat_actors.records.mail import Recipient, Returnable
from meerkat_actors.records.outcomes import AbandonReason
from meerkat_actors.records.status import Desired
from meerkat_actors.store import MemoryStore
from meerkat_actors.store.returning import RETURNED
from tests.testing.broken_reading import names_in


class Courier(MemoryStore):
    """Returns mail one by one, each as ``carried`` shows it."""

    def post(self, unit: OwnerUnit) -> CommitOutcome:
        if isinstance(unit.effect, PostInput):
            return super().post(unit)
        return super().post(evolve(unit, effect=tuple(map(self.carried, unit.effect))))

    def carried(self, effect: ReturnMail) -> ReturnMail:
        return effect


class ReturnsMailThatMayBeTaken(MemoryStore):
    def post(self, unit: OwnerUnit) -> CommitOutcome:
        heads = self._tables.heads
        before = dict(heads)
        if not isinstance(unit.effect, PostInput):
            heads.update({key: evolve(head, desired=Desired.RETIRED) for key, head in before.items()})
        outcome = super().post(unit)
        heads.update(before)
        return outcome


class ReturnsYoungMail(Courier):
    def carried(self, effect: ReturnMail) -> ReturnMail:
        return evolve(effect, absent_before_ms=COUNTER_MAX)


class ReturnsNothing(MemoryStore):
    """And says that it did."""

    def post(self, unit: OwnerUnit) -> CommitOutcome:
        return super().post(unit) if isinstance(unit.effect, PostInput) else Committed(CheckpointVersion(0))


class ReturnsNoMailOfTheDead(MemoryStore):
    def post(self, unit: OwnerUnit) -> CommitOutcome:
        if isinstance(unit.effect, PostInput):
            return super().post(unit)
        there = names_in(self)
        return super().post(evolve(unit, effect=tuple(each for each in unit.effect if each.recipient in there)))


class TellsNobody(Courier):
    def carried(self, effect: ReturnMail) -> ReturnMail:
        return evolve(effect, answer=None)


class TellsWhateverBecameOfIt(MemoryStore):
    """Also of mail that may be taken."""

    def post(self, unit: OwnerUnit) -> CommitOutcome:
        outcome = super().post(unit)
        if not isinstance(unit.effect, PostInput):
            for effect in unit.effect:
                if effect.answer is not None:
                    super().post(evolve(unit, effect=effect.answer))
        return outcome


class ReturnsOnlyWhatItCanTell(Courier):
    """A recipient that is not there has no mail."""

    def carried(self, effect: ReturnMail) -> ReturnMail:
        is_told = effect.answer is None or effect.answer.recipient in names_in(self)
        return effect if is_told else evolve(effect, sequence=COUNTER_MAX)


class LooksAtNoRecipient(Courier):
    """A sequence is enough."""

    def carried(self, effect: ReturnMail) -> ReturnMail:
        row = self._tables.given.get(effect.sequence)
        return effect if row is None else evolve(effect, recipient=self._tables.identities[row.identity])


class TakesReturnedMailForLetters(MemoryStore):
    def post(self, unit: OwnerUnit) -> CommitOutcome:
        outcome = super().post(unit)
        for sequence, row in self._tables.progress.items():
            if row.state is InputState.ABANDONED and row.admission is None:
                self._tables.progress[sequence] = evolve(row, letter=Letter.DEAD)
        return outcome


class FindsNothing(MemoryStore):
    def undeliverable_mail(
        self, identity: AgentIdentity, *, absent_before_ms: int, limit: int
    ) -> tuple[Returnable, ...]:
        return ()


class FindsWhatMayBeTaken(MemoryStore):
    def undeliverable_mail(
        self, identity: AgentIdentity, *, absent_before_ms: int, limit: int
    ) -> tuple[Returnable, ...]:
        found = super().undeliverable_mail(identity, absent_before_ms=COUNTER_MAX, limit=limit)
        key = self._tables.names.get(identity)
        waiting = () if key is None or not found else self.pending_mail(key, limit=limit)
        return (*found, *(Returnable(mail=mail, abandoned=found[0].abandoned) for mail in waiting))[: max(limit, 0)]


class SaysThatItWasReset(MemoryStore):
    """Whatever it was."""

    def undeliverable_mail(
        self, identity: AgentIdentity, *, absent_before_ms: int, limit: int
    ) -> tuple[Returnable, ...]:
        found = super().undeliverable_mail(identity, absent_before_ms=absent_before_ms, limit=limit)
        return tuple(evolve(each, abandoned=RETURNED[AbandonReason.RESET]) for each in found)


class FindsTheNewestFirst(MemoryStore):
    def undeliverable_mail(
        self, identity: AgentIdentity, *, absent_before_ms: int, limit: int
    ) -> tuple[Returnable, ...]:
        return super().undeliverable_mail(identity, absent_before_ms=absent_before_ms, limit=limit)[::-1]


class KnowsOnlyRecipientsThatExist(MemoryStore):
    def recipients_with_mail(self, *, after: int, limit: int) -> tuple[Recipient, ...]:
        there = names_in(self)
        return tuple(each for each in super().recipients_with_mail(after=after, limit=limit) if each.identity in there)


class NeverForgetsARecipient(MemoryStore):
    def recipients_with_mail(self, *, after: int, limit: int) -> tuple[Recipient, ...]:
        keys = sorted({key for key, _ in self._tables.sent if key > after})
        return tuple(Recipient(key=key, identity=self._tables.identities[key]) for key in keys[: max(limit, 0)])
