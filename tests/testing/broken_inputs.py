"""Stores that break one rule of headers, lanes, places in a run, journals or letters: a memory store with a veil."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from meerkat_actors.records.activation import Activation, Broken
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import (
    AppendTurn,
    Effect,
    EndInput,
    InsertInput,
    ResolveStep,
    SendMail,
    SettleLetter,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.ids import AgentIdentity, InputId
from meerkat_actors.records.inputs import InputKind, InputRow, InputState, Lane, Letter, Letterhead
from meerkat_actors.records.runs import JournalEntry
from meerkat_actors.records.runtime_effects import MoveInput
from meerkat_actors.store import MemoryStore
from meerkat_actors.store.memory_tables import ProgressRow
from tests.testing.broken_reading import names_in
from tests.testing.broken_writing import Veiled


class Altered(Veiled):
    """Sees effects one by one, each as ``other`` shows it."""

    def seen(self, unit: Unit) -> Unit:
        return evolve(unit, effects=tuple(map(self.other, unit.effects)))

    def other(self, effect: Effect) -> Effect:
        return effect


class TakesEverythingForAPrompt(Altered):
    def other(self, effect: Effect) -> Effect:
        return evolve(effect, kind=InputKind.PROMPT) if isinstance(effect, InsertInput | SendMail) else effect


class SpeaksForThem(Altered):
    """Whoever says nothing of itself."""

    def other(self, effect: Effect) -> Effect:
        if isinstance(effect, InsertInput) and effect.header is None:
            return evolve(effect, header=b'{"wakes":false}')
        return effect


class ForgetsWhatInputsSay(Altered):
    def other(self, effect: Effect) -> Effect:
        return evolve(effect, header=None) if isinstance(effect, InsertInput) else effect


class ForgetsWhatMailSays(Altered):
    def other(self, effect: Effect) -> Effect:
        return evolve(effect, header=None) if isinstance(effect, SendMail) else effect


class ForgetsTheRule(Altered):
    def other(self, effect: Effect) -> Effect:
        return evolve(effect, policy=0) if isinstance(effect, InsertInput | TakeMail) else effect


class HasOneLane(Altered):
    def other(self, effect: Effect) -> Effect:
        if isinstance(effect, InsertInput | TakeMail) and effect.lane is Lane.STEER:
            return evolve(effect, lane=Lane.QUEUE)
        return effect


class StagesOnlyFromTheQueue(Altered):
    """What is steered begins no run as it is admitted."""

    def other(self, effect: Effect) -> Effect:
        if isinstance(effect, InsertInput | TakeMail) and effect.lane is Lane.STEER:
            return evolve(effect, run_id=None)
        return effect


class QueuesWhatNeedsNoTurn(Altered):
    def other(self, effect: Effect) -> Effect:
        if isinstance(effect, InsertInput) and effect.lane is Lane.NONE:
            return evolve(effect, lane=Lane.QUEUE)
        return effect


class QueuesMailThatNeedsNoTurn(Altered):
    def other(self, effect: Effect) -> Effect:
        if isinstance(effect, TakeMail) and effect.lane is Lane.NONE:
            return evolve(effect, lane=Lane.QUEUE)
        return effect


class WithdrawsNothing(Altered):
    """An intent that came to nothing is recorded as a result."""

    def other(self, effect: Effect) -> Effect:
        if isinstance(effect, ResolveStep) and effect.result is None:
            return evolve(effect, result=b"null")
        return effect


class PlacesByAdmission(Altered):
    def other(self, effect: Effect) -> Effect:
        return evolve(effect, position=0) if isinstance(effect, Stage) else effect


class ForgivesWhatIsDissolved(Altered):
    """Back in its lane, an input has no failures."""

    def other(self, effect: Effect) -> Effect:
        return evolve(effect, attempts=0) if isinstance(effect, MoveInput) else effect


class TakesCoalescedForSuperseded(Altered):
    def other(self, effect: Effect) -> Effect:
        if isinstance(effect, MoveInput) and effect.state is InputState.COALESCED:
            return evolve(effect, state=InputState.SUPERSEDED)
        return effect


class ConsumesWhatWasInterrupted(Veiled):
    """A boundary is a boundary: what it ends was consumed."""

    def seen(self, unit: Unit) -> Unit:
        if not any(isinstance(effect, AppendTurn) for effect in unit.effects):
            return unit
        effects = (
            evolve(effect, abandoned=None) if isinstance(effect, EndInput) else effect for effect in unit.effects
        )
        return evolve(unit, effects=tuple(effects))


class SteersFirst(MemoryStore):
    """An owner gets one lane behind the other."""

    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        found = super().activate(identity)
        if isinstance(found, Broken):
            return found
        return evolve(found, queued=tuple(sorted(found.queued, key=lambda held: -held.lane)))


class HasOneRun(MemoryStore):
    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        found = super().activate(identity)
        return found if isinstance(found, Broken) else evolve(found, parked=None)


class ForgetsWhatRunsOnce(MemoryStore):
    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        found = super().activate(identity)
        if isinstance(found, Broken) or found.run is None:
            return found
        journal = {
            step: JournalEntry(entry.arguments, entry.result, is_once=False)
            for step, entry in found.run.journal.items()
        }
        return evolve(found, run=evolve(found.run, journal=journal))


class Rewritten(MemoryStore):
    """Each row that a unit changed is as ``row`` shows it."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes: list[CommitOutcome] = []
        rows = self._tables.progress
        for unit in units:
            before = dict(rows)
            outcomes += super().commit([unit])
            rows.update({at: self.row(before[at], now) for at, now in rows.items() if before.get(at, now) != now})
        return outcomes

    def row(self, before: ProgressRow, now: ProgressRow) -> ProgressRow:
        return now


class KeepsThePlace(Rewritten):
    """An input that leaves its run stands where it stood."""

    def row(self, before: ProgressRow, now: ProgressRow) -> ProgressRow:
        leaves = before.run_id is not None and before.run_id != now.run_id
        return evolve(now, position=before.position) if leaves else now


class LosesThePlace(Rewritten):
    """An input that is counted anew stands where a run begins."""

    def row(self, before: ProgressRow, now: ProgressRow) -> ProgressRow:
        return evolve(now, position=0) if before.run_id == now.run_id else now


class TakesEveryEndingForALetter(Rewritten):
    def row(self, before: ProgressRow, now: ProgressRow) -> ProgressRow:
        is_new = now.state is InputState.ABANDONED and before.state is not now.state
        return evolve(now, letter=Letter.DEAD) if is_new else now


class KnowsNoLetters(Rewritten):
    def row(self, before: ProgressRow, now: ProgressRow) -> ProgressRow:
        return evolve(now, letter=Letter.NONE)


class ForgetsThatItWasALetter(Rewritten):
    def row(self, before: ProgressRow, now: ProgressRow) -> ProgressRow:
        return evolve(now, letter=Letter.NONE) if now.letter is Letter.SETTLED else now


class SettlesNothing(Altered):
    """And says that it did."""

    def seen(self, unit: Unit) -> Unit:
        effects = tuple(effect for effect in unit.effects if not isinstance(effect, SettleLetter))
        return evolve(unit, effects=effects)


class ListsEverybodysLetters(MemoryStore):
    def page_letters(self, identity: AgentIdentity | None, *, after: int, limit: int) -> tuple[Letterhead, ...]:
        return super().page_letters(None, after=after, limit=limit)


class ListsTheLastLetterAgain(MemoryStore):
    def page_letters(self, identity: AgentIdentity | None, *, after: int, limit: int) -> tuple[Letterhead, ...]:
        return super().page_letters(identity, after=after - 1, limit=limit)


class ListsLettersOfTheLiving(MemoryStore):
    def page_letters(self, identity: AgentIdentity | None, *, after: int, limit: int) -> tuple[Letterhead, ...]:
        found, there = super().page_letters(identity, after=after, limit=limit), names_in(self)
        return tuple(each for each in found if each.identity in there)


class ListsLettersUnderTheirSenders(MemoryStore):
    def page_letters(self, identity: AgentIdentity | None, *, after: int, limit: int) -> tuple[Letterhead, ...]:
        found = super().page_letters(identity, after=after, limit=limit)
        return tuple(evolve(each, identity=each.row.sender or each.identity) for each in found)


class ListsNoHeaders(MemoryStore):
    """Owners get them."""

    def find_input(self, identity: AgentIdentity, input_id: InputId) -> InputRow | None:
        found = super().find_input(identity, input_id)
        return None if found is None else evolve(found, header=None)
