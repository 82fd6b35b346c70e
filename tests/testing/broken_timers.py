"""Stores that break one rule of timers."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from meerkat_actors.records.agenda_effects import DropTimer, FireTimer, SetTimer
from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.effects import BeginGeneration, Effect, Unit
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, IdentityKey
from meerkat_actors.records.status import Desired
from meerkat_actors.records.timers import DueLook, Timer, TimerCursor
from meerkat_actors.store import MemoryStore
from meerkat_actors.store.memory_tables import TimerRow
from tests.testing.broken_inputs import Altered
from tests.testing.broken_reading import names_in
from tests.testing.broken_writing import Veiled


def timers_in(store: MemoryStore, key: IdentityKey) -> dict[str, TimerRow]:
    """The timers of an identity by their names."""
    line = store._tables.timers.get(key)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return {} if line is None else line.rows


class FiresTwice(Veiled):
    """Whenever it is said to be due; what the unit inserts is inserted."""

    def seen(self, unit: Unit) -> Unit:
        timers = timers_in(self, unit.fence.key)
        kept = (
            effect
            for effect in unit.effects
            if not isinstance(effect, FireTimer)
            or (effect.name in timers and timers[effect.name].due_ms == effect.was_due_ms)
        )
        return evolve(unit, effects=tuple(kept))


class FiresForEver(Altered):
    def other(self, effect: Effect) -> Effect:
        if isinstance(effect, FireTimer) and effect.due_ms is None:
            return evolve(effect, due_ms=effect.was_due_ms + 1)
        return effect


class FiresNothingLast(Altered):
    def other(self, effect: Effect) -> Effect:
        return evolve(effect, last=AdmissionSequence(0)) if isinstance(effect, FireTimer) else effect


class SetsANameOnce(Veiled):
    def seen(self, unit: Unit) -> Unit:
        timers = timers_in(self, unit.fence.key)
        kept = (effect for effect in unit.effects if not (isinstance(effect, SetTimer) and effect.name in timers))
        return evolve(unit, effects=tuple(kept))


class DropsOnlyWhatIsThere(MemoryStore):
    """And refuses the rest."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        no = Refused(reason=RefusalReason.NOT_FOUND, effect=0, current="no such timer")
        return [outcome for unit in units for outcome in ([no] if self._is_odd(unit) else super().commit([unit]))]

    def _is_odd(self, unit: Unit) -> bool:
        timers = timers_in(self, unit.fence.key)
        return any(isinstance(effect, DropTimer) and effect.name not in timers for effect in unit.effects)


class EndsTimersWithTheGeneration(MemoryStore):
    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes = super().commit(units)
        for unit, outcome in zip(units, outcomes, strict=True):
            if isinstance(outcome, Committed) and any(isinstance(effect, BeginGeneration) for effect in unit.effects):
                self._tables.timers.pop(unit.fence.key, None)
        return outcomes


class ShowsTimersOfAll(MemoryStore):
    def page_timers(self, identity: AgentIdentity, *, after: str | None, limit: int) -> tuple[Timer, ...]:
        found = (
            timer
            for name in names_in(self)
            for timer in super(ShowsTimersOfAll, self).page_timers(name, after=after, limit=limit)
        )
        return tuple(sorted(found, key=lambda timer: timer.name))


class PagesTimersByTheirTimes(MemoryStore):
    def page_timers(self, identity: AgentIdentity, *, after: str | None, limit: int) -> tuple[Timer, ...]:
        found = super().page_timers(identity, after=after, limit=limit)
        return tuple(sorted(found, key=lambda timer: timer.due_ms))


class FiresByNames(MemoryStore):
    def due_timers_of(self, key: IdentityKey, *, now_ms: int, limit: int) -> tuple[Timer, ...]:
        found = super().due_timers_of(key, now_ms=now_ms, limit=limit)
        return tuple(sorted(found, key=lambda timer: timer.name))


class FiresEarly(MemoryStore):
    """By a millisecond."""

    def due_timers_of(self, key: IdentityKey, *, now_ms: int, limit: int) -> tuple[Timer, ...]:
        return super().due_timers_of(key, now_ms=now_ms + 1, limit=limit)


class LooksOnce(MemoryStore):
    def due_timers(self, *, now_ms: int, after: TimerCursor | None, limit: int) -> DueLook:
        return evolve(super().due_timers(now_ms=now_ms, after=after, limit=limit), cursor=None)


class LooksAgainAtTheSame(MemoryStore):
    def due_timers(self, *, now_ms: int, after: TimerCursor | None, limit: int) -> DueLook:
        return super().due_timers(now_ms=now_ms, after=None, limit=limit)


class LooksByNames(MemoryStore):
    def due_timers(self, *, now_ms: int, after: TimerCursor | None, limit: int) -> DueLook:
        look = super().due_timers(now_ms=now_ms, after=after, limit=99)
        return evolve(look, identities=tuple(sorted(look.identities)))


class KnowsNoNextTime(MemoryStore):
    def due_timers(self, *, now_ms: int, after: TimerCursor | None, limit: int) -> DueLook:
        return evolve(super().due_timers(now_ms=now_ms, after=after, limit=limit), next_due_ms=None)


class KnowsANextTimeOfNobody(MemoryStore):
    def due_timers(self, *, now_ms: int, after: TimerCursor | None, limit: int) -> DueLook:
        look = super().due_timers(now_ms=now_ms, after=after, limit=limit)
        return evolve(look, next_due_ms=look.next_due_ms or now_ms + 1)


class WakesWhoFiresNothing(MemoryStore):
    """Who is stopped, retired or dead."""

    def due_timers(self, *, now_ms: int, after: TimerCursor | None, limit: int) -> DueLook:
        heads = self._tables.heads
        before = dict(heads)
        heads.update({key: evolve(head, desired=Desired.OPEN, is_deleted=False) for key, head in before.items()})
        look = super().due_timers(now_ms=now_ms, after=after, limit=limit)
        heads.update(before)
        return look
