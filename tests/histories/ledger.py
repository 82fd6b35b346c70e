"""What the store holds, looked at behind every commit: each input in one place, moved by the rules, ended once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import Factory, define, frozen

from meerkat_actors.machines.policy import policy_of
from meerkat_actors.records.activation import Activation, Broken
from meerkat_actors.records.codec import decode_header
from meerkat_actors.records.effects import AppendTurn, EndInput, RecordStep, ResolveStep, Unit
from meerkat_actors.records.endings import outcome_of
from meerkat_actors.records.headers import Durability
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, InputId, RunId
from meerkat_actors.records.inputs import InputRow, Lane, Letter, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import (
    DEAD_LETTERS,
    Abandoned,
    AbandonReason,
    Coalesced,
    Consumed,
    Noted,
    Outcome,
    ReceiptOutcome,
    Superseded,
)
from meerkat_actors.records.runs import CHECKPOINT, Run
from meerkat_actors.store import Store
from tests.histories.outside import Outside

ALL: Final = 1_000_000
_ASKED: Final = {
    AbandonReason.CANCELLED: ("cancel", "interrupt", "reset"),
    AbandonReason.RESET: ("reset",),
    AbandonReason.STOPPED: ("stop",),
    AbandonReason.DESTROYED: ("destroy",),
}
"""What somebody must have asked for."""


@frozen(kw_only=True)
class Place:
    """Where an open input is."""

    input_id: InputId
    lane: Lane
    run_id: RunId | None
    position: int


@define
class Found:
    """A run that a new process found staged."""

    may_begin: bool
    """Whether it is due and above suspicion, and no other one has begun."""
    interruptions: int
    """On its record when it begins."""


@define(eq=False)
class Page:
    """One agent."""

    last: int = 0
    """The last admission that was seen."""
    ids: dict[AdmissionSequence, InputId] = Factory(dict[AdmissionSequence, InputId])
    open: dict[AdmissionSequence, Place] = Factory(dict[AdmissionSequence, Place])
    ended: dict[AdmissionSequence, Outcome] = Factory(dict[AdmissionSequence, Outcome])
    tried: set[AdmissionSequence] = Factory(set[AdmissionSequence])
    """Those that were ever in a run."""
    runs: set[RunId] = Factory(set[RunId])


@define(eq=False)
class Ledger:
    """What is durable, as far as it was looked at."""

    outside: Outside
    limits: Limits
    store: Store
    pages: dict[AgentIdentity, Page] = Factory(dict[AgentIdentity, Page])
    keys: dict[tuple[AgentIdentity, str], InputId] = Factory(dict[tuple[AgentIdentity, str], InputId])
    endings: list[str] = Factory(list[str])
    """How inputs ended, for the tally."""
    found: dict[AgentIdentity, dict[RunId, Found]] = Factory(dict[AgentIdentity, dict[RunId, Found]])
    """The runs that a new process found, and did not begin yet."""

    def page(self, identity: AgentIdentity) -> Page:
        return self.pages.setdefault(identity, Page())

    def find(self, identity: AgentIdentity, input_id: InputId) -> InputRow | None:
        """An input, now."""
        return self.store.find_input(identity, input_id)

    def activation(self, identity: AgentIdentity) -> Activation | None:
        """Everything of an agent, now."""
        found = self.store.activate(identity)
        if isinstance(found, Broken):
            self.outside.complain("rows that contradict each other", f"{identity}: {found.reason}: {found.detail}")
            return None
        return found

    def note(self, unit: Unit) -> None:
        """Look at what a unit that was committed says and leaves."""
        outside, identity = self.outside, unit.fence.identity
        for effect in unit.effects:
            if (isinstance(effect, RecordStep) and effect.result and effect.name != CHECKPOINT) or (
                isinstance(effect, ResolveStep) and effect.result is not None
            ):
                key = (effect.run_id, effect.name)
                outside.require(key not in outside.recorded, "a step was recorded twice", key)
                outside.recorded.add(key)
        self._check_boundary(unit)
        self.look(identity)

    def look(self, identity: AgentIdentity) -> None:
        """Compare what is there with what was there before."""
        found = self.activation(identity)
        if found is None:
            return
        page, now = self.page(identity), self._places(found)
        new_runs = [run for run in (found.run, found.parked) if run is not None and run.run_id not in page.runs]
        for run in new_runs:
            self._check_order(page, run, found)
        page.runs.update(run.run_id for run in new_runs)
        rows = self.store.page_inputs(identity, after=page.last, limit=ALL, newest_first=False)
        for admission in (*page.open, *[self._enter(identity, page, row) for row in rows]):
            if admission not in now:
                self._end(identity, page, admission)
        again = [admission for admission in now if admission in page.ended]
        self.outside.require(not again, "what had ended is open", f"{identity}: {again}")
        page.open = now
        page.tried.update(admission for admission, place in now.items() if place.run_id is not None)

    def check_beginning(self, identity: AgentIdentity, run_id: RunId, ids: Iterable[InputId], attempts: int) -> None:
        """A turn began: all of that is durable."""
        found = self.activation(identity)
        if found is None:
            return
        staged = [run for run in (found.run, found.parked) if run is not None]
        self._check_found(self.found.get(identity, {}), run_id, staged)
        runs = [run for run in staged if run.run_id == run_id]
        members = [member.input_id for run in runs for member in run.base]
        self.outside.require(members == list(ids), "a turn began that is not staged", f"{run_id}: {members}")
        for run in runs:
            self.outside.require(run.attempts == attempts, "a turn's attempt is not as stored", run)

    def begin(self, identity: AgentIdentity, now_ms: int, *, is_unclean: bool) -> None:
        """A process begins; ``is_unclean``: the one before it was killed."""
        found = self.activation(identity)
        staged = [] if found is None else [run for run in (found.run, found.parked) if run is not None]
        self.found[identity] = {
            run.run_id: Found(
                may_begin=run.not_before_ms <= now_ms and run.interruptions < self.limits.suspect_from,
                interruptions=run.interruptions + is_unclean,
            )
            for run in staged
        }

    def _check_found(self, found: dict[RunId, Found], run_id: RunId, staged: list[Run]) -> None:
        """What a process finds goes on before anything new begins, charged for an unclean end once."""
        was = found.pop(run_id, None)
        is_ahead = was is None and any(run.run_id in found and found[run.run_id].may_begin for run in staged)
        self.outside.require(not is_ahead, "begun ahead of what was found", f"{run_id} of {staged}")
        for each in found.values():
            each.may_begin = False
        for run in staged:
            if was is not None and run.run_id == run_id:
                self.outside.require(run.interruptions == was.interruptions, "an interruption miscounted", run)

    def check_ends(self) -> None:
        """Whatever had ended is as it was told; whatever was admitted is there."""
        for identity, page in self.pages.items():
            rows = {row.admission: row for row in self.store.page_inputs(
                identity, after=None, limit=ALL, newest_first=False
            )}  # fmt: skip
            self.outside.require(list(rows) == list(page.ids), "an input is gone", identity)
            for admission, outcome in page.ended.items():
                row = rows.get(admission)
                now = None if row is None else outcome_of(row)
                self.outside.require(now == outcome, "an outcome changed", f"{identity}: {outcome} is {now}")

    def _places(self, found: Activation) -> dict[AdmissionSequence, Place]:
        now: dict[AdmissionSequence, Place] = {}
        waiting = [(None, item) for item in found.queued]
        staged = [(run, item) for run in (found.run, found.parked) if run is not None for item in run.members]
        for run, item in (*waiting, *staged):
            run_id = None if run is None else run.run_id
            self.outside.require(item.admission not in now, "an input is in two places", item)
            now[item.admission] = Place(
                input_id=item.input_id, lane=item.lane, run_id=run_id, position=item.position
            )  # fmt: skip
            self._check_counters(found.identity, run, item)
        return now

    def _check_counters(self, identity: AgentIdentity, run: Run | None, item: OpenInput) -> None:
        outside = self.outside
        attempts, interruptions = (
            (item.attempts, item.interruptions) if run is None else (run.attempts, run.interruptions)
        )
        told = f"{identity}: {item.input_id}: {attempts} attempts, {interruptions} interruptions"
        is_bound = item.position > 0
        outside.require(
            is_bound or attempts <= outside.failed[item.input_id], "an attempt was charged for nothing", told
        )
        outside.require(attempts < self.limits.attempts_max, "an attempt too many", told)
        # The start of a suspect is charged, and an end in good order before it has proved itself takes nothing back.
        may_be = outside.kills + (interruptions > self.limits.suspect_from)
        outside.require(interruptions <= may_be, "an interruption was charged for nothing", told)
        outside.require(interruptions <= self.limits.interruptions_max, "an interruption too many", told)

    def _check_order(self, page: Page, run: Run, found: Activation) -> None:
        """A run that begins is the beginning of its lane, as far as that was never tried."""
        base = [item.admission for item in run.base]
        self.outside.require(base == sorted(base), "a run out of order", run)
        if any(admission in page.tried for admission in base):
            return
        lane, queued = run.base[0].lane, found.queued
        holds_steer = any(each is not None and each.base[0].lane is Lane.STEER for each in (found.run, found.parked))
        overtaken = [
            item.admission
            for item in queued
            if item.lane is lane and item.admission < base[-1] and item.admission not in page.tried
        ]
        self.outside.require(not overtaken, "an input was overtaken in its lane", f"{base} before {overtaken}")
        is_passed_over = any(item.lane is Lane.STEER for item in queued) and lane is Lane.QUEUE and not holds_steer
        self.outside.require(not is_passed_over, "what steers was passed over", run)
        is_alone = any(policy_of(item.policy, item.kind).is_alone for item in run.base)
        self.outside.require(not is_alone or len(base) == 1, "a prompt is not alone", run)
        self.outside.require(len(base) <= self.limits.run_inputs_max, "a run of too many", run)

    def _check_boundary(self, unit: Unit) -> None:
        """What is consumed is what the attempt that returned was given, in order."""
        appended = [effect for effect in unit.effects if isinstance(effect, AppendTurn)]
        if not appended:
            return
        identity, run_id = unit.fence.identity, appended[0].run_id
        ended = [effect.admission for effect in unit.effects if isinstance(effect, EndInput) and not effect.abandoned]
        ids = tuple(self.page(identity).ids.get(admission) for admission in ended)
        if ids:
            given = self.outside.returned.get(run_id)
            self.outside.require(ids == given, "a boundary consumed something else", f"{run_id}: {ids}, given {given}")

    def _enter(self, identity: AgentIdentity, page: Page, row: InputRow) -> AdmissionSequence:
        admission = row.admission
        assert admission is not None
        self.outside.require(admission == page.last + 1, "an admission number was left out", row)
        self.outside.require(row.input_id not in page.ids.values(), "an input was admitted twice", row)
        page.last = admission
        page.ids[admission] = row.input_id
        if row.idempotency_key is not None:
            self.keys[identity, row.idempotency_key] = row.input_id
        return admission

    def _end(self, identity: AgentIdentity, page: Page, admission: AdmissionSequence) -> None:
        row = self.find(identity, page.ids[admission])
        outcome = None if row is None else outcome_of(row)
        if row is None or outcome is None:
            self.outside.complain("an input is in no place", f"{identity}: {page.ids[admission]}: {row}")
            return
        page.ended[admission] = outcome
        self._check_ending(identity, page, admission, row, outcome)

    def _check_ending(
        self, identity: AgentIdentity, page: Page, admission: AdmissionSequence, row: InputRow, outcome: Outcome
    ) -> None:
        require, told = self.outside.require, f"{identity}: {row.input_id}: {outcome}"
        reason = outcome.reason.value if isinstance(outcome, Abandoned) else type(outcome).__name__.lower()
        self.endings.append(reason)
        is_letter = isinstance(outcome, Abandoned) and outcome.reason in DEAD_LETTERS
        require((row.letter is Letter.DEAD) == is_letter, "a dead letter, or not", told)
        match outcome:
            case Consumed(receipt=receipt):
                require(row.input_id in receipt.contributors, "a receipt without its input", told)
                require(receipt.outcome is ReceiptOutcome.COMPLETED, "consumed by an interruption", told)
            case Noted():
                require(row.lane is Lane.NONE, "noted, and of a lane", told)
            case Superseded(by=by) | Coalesced(into=by):
                later = {input_id: number for number, input_id in page.ids.items()}.get(by, 0)
                require(later > admission, "displaced by an older one", told)
            case Abandoned(reason=reason):
                self._check_abandoned(identity, row, reason, told)

    def _check_abandoned(self, identity: AgentIdentity, row: InputRow, reason: AbandonReason, told: str) -> None:
        outside, limits = self.outside, self.limits
        asked = _ASKED.get(reason)
        if asked is not None:
            is_asked = any(outside.asked[identity, verb] for verb in asked)
            outside.require(is_asked, f"{reason}, and nobody asked for it", told)
        elif reason is AbandonReason.EPHEMERAL_LOST:
            durability = decode_header(row.header, row.kind).durability
            outside.require(durability is Durability.EPHEMERAL and outside.ends, "lost, and not ephemeral", told)
        elif reason is AbandonReason.CRASH_LOOP:
            outside.require(outside.kills >= limits.interruptions_max, "a crash loop without its crashes", told)
        elif reason is AbandonReason.ATTEMPTS_EXHAUSTED:
            failed = outside.failed[row.input_id]
            outside.require(failed >= limits.attempts_max, "exhausted without its attempts", f"{told}, {failed}")
        else:
            outside.complain("an ending that can't be", told)
