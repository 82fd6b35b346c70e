"""One lap of a decision: what is being concluded, while commands are folded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from meerkat_actors.errors import MeerkatError
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.codec import encode_abandoned
from meerkat_actors.records.commands import Send
from meerkat_actors.records.effects import (
    BeginGeneration,
    Bury,
    ChargeRun,
    Claim,
    DropJournal,
    Effect,
    EndInput,
    InsertInput,
    RecordStep,
    Recreate,
    ResolveStep,
    SetDesired,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AdmissionSequence, RunId, SessionId
from meerkat_actors.records.inputs import InputState, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, Admission, Outcome
from meerkat_actors.records.runs import Run
from meerkat_actors.records.runtime_effects import MoveInput
from meerkat_actors.records.status import IdentityStatus


@hot
class Later:
    """The answer comes with what ``Decision.told`` says under this key, in this lap or a later one."""

    key: str
    is_input: bool = True
    """Whether the key is an input's id, whose outcome can be read back; else what a verb asked for."""


Reply = Admission | IdentityStatus | Later | MeerkatError | Outcome | tuple[OpenInput, ...] | bool | None
"""What a command is answered: an error is raised at the asker."""

Told = tuple[tuple[str, object], ...]


@hot
class Stamp:
    """What a lap may know of the world outside."""

    now_ms: int
    run_id: RunId
    """For the run that this lap may stage; empty when it can't stage one."""
    session_id: SessionId
    """For the identity that this lap may create, or begin anew; empty when it can't."""
    jitter: float
    """In 0..1."""
    starts_nothing: bool
    """Whether the runtime is leaving, or the disk is full: nothing is staged or started."""
    silent_intents: frozenset[str] = frozenset()
    """Requests of these intents don't wake the agent."""
    may_suspect: bool = False
    """Whether this identity's turn is the one that is watched now, see ``machines.settling``."""


@hot
class Decision:
    """What to commit, and what holds once it is committed."""

    state: IdentityState
    unit: Unit | None
    replies: list[Reply]
    told: Told
    """What is known with this unit: the outcomes of inputs by their ids, the answers to verbs by their keys."""
    failed: str | None
    """What the turn raised that this lap counted."""
    starts: Run | None
    """The run whose turn begins."""
    wake_at_ms: int
    """Wall clock at which a waiting run wants to be looked at again; 0 for never."""
    halts: bool = False
    """Whether the turn in progress is to be cancelled."""
    stirs: bool = False
    """Whether a cooperative wait of the turn in progress is over."""
    asks_to_suspect: bool = False
    """Whether a run waits for being the one that is watched."""
    recycles: bool = False
    """Whether the owner is to begin anew from what is stored."""


_SETTING: Final = frozenset({BeginGeneration, Bury, Recreate})
"""The effects that say by themselves what is wanted from then on."""


class Lap:
    """Collects effects and consequences. Lives inside one call of ``decide``."""

    # What most laps never touch is the class's: to set it in each of them takes half a microsecond.
    told: Told = ()
    failed: str | None = None
    starts: Run | None = None
    wake_at_ms: int = 0
    halts: bool = False
    stirs: bool = False
    asks_to_suspect: bool = False
    recycles: bool = False
    has_boundary: bool = False
    has_new_run: bool = False
    """Whether the stamp's run id is some run's."""
    moved: frozenset[AdmissionSequence] = frozenset()
    """What went from a run to its lane, or to another run."""
    _fresh: tuple[tuple[AdmissionSequence, int], ...] = ()
    _probable: int = -1
    _steps: tuple[RecordStep | ResolveStep, ...] = ()
    _unbound: frozenset[AdmissionSequence] = frozenset()

    def __init__(self, state: IdentityState, stamp: Stamp, limits: Limits) -> None:
        self._before = state
        self.state: IdentityState = state.fork()
        self.stamp: Stamp = stamp
        self.limits: Limits = limits
        self.effects: list[Effect] = []

    def next_admission(self) -> AdmissionSequence:
        """The admission sequence of the input that is admitted next."""
        self.state.admissions = admission = self.state.admissions + 1
        return AdmissionSequence(admission)

    def run_if_first(self) -> RunId | None:
        """The run that the input admitted next will probably begin: then it is staged as it is inserted."""
        state = self.state
        if state.has_open_input or self.stamp.starts_nothing or self._fresh:
            return None
        self._probable = len(self.effects)
        return self.stamp.run_id

    def insert(self, effect: InsertInput | TakeMail) -> None:
        """Admit an input, or mail, at the admission sequence that was asked for last."""
        self._fresh += ((effect.admission, len(self.effects)),)
        self.effects.append(effect)

    def earlier(self, command: Send) -> InsertInput | None:
        """The input that this very lap admits under the same id or key, if there is one."""
        for _, index in self._fresh:
            effect = self.effects[index]
            if isinstance(effect, InsertInput) and (
                effect.input_id == command.input_id
                or (command.idempotency_key is not None and effect.idempotency_key == command.idempotency_key)
            ):
                return effect
        return None

    def stage(self, members: tuple[OpenInput, ...], run_id: RunId) -> None:
        """Bind inputs to a run: those that this very lap admits at no statement of their own."""
        if self._probable >= 0 and len(members) == 1 and self._fresh[0][0] == members[0].admission:
            self._probable = -1
            return
        fresh = dict(self._fresh) if self._fresh else {}
        for member in members:
            index = fresh.get(member.admission)
            if index is None:
                self.effects.append(Stage(member.admission, run_id))
            elif index == self._probable:
                self._probable = -1
            else:
                self.effects[index] = _staged(self.effects[index], run_id)

    def move(
        self,
        item: OpenInput,
        was: RunId | None,
        *,
        to: RunId | None = None,
        attempts: int = 0,
        interruptions: int = 0,
        not_before_ms: int = 0,
    ) -> None:
        """Give an input of the run ``was`` back to its lane, or to another run."""
        self.moved |= {item.admission}
        self.has_new_run = self.has_new_run or to is not None
        if any(type(effect) is Stage and effect.admission == item.admission for effect in self.effects):
            # It was bound in this very lap, and moves come before that: then it never left its lane.
            self._unbound |= {item.admission}
            return
        state = InputState.QUEUED if to is None else InputState.STAGED
        self.effects.append(
            MoveInput(
                item.admission, InputState.STAGED, was, state, to, attempts, interruptions, not_before_ms, None
            )
        )  # fmt: skip

    def displace(self, item: OpenInput, state: InputState, ending: bytes, outcome: Outcome) -> None:
        """End an input that waits in its lane, and tell its outcome."""
        self.effects.append(
            MoveInput(
                item.admission, InputState.QUEUED, None, state, None, item.attempts, item.interruptions, 0, ending
            )
        )  # fmt: skip
        self.told += ((item.input_id, outcome),)

    def abandon_queued(self, item: OpenInput, ending: Abandoned) -> None:
        """End an input that waits in its lane without a result."""
        self.displace(item, InputState.ABANDONED, encode_abandoned(ending), ending)

    def abandon_staged(self, members: Iterable[OpenInput], run_id: RunId, ending: Abandoned) -> None:
        """End inputs of a run without a result."""
        for member in members:
            self.effects.append(EndInput(member.admission, run_id, ending))
            self.told += ((member.input_id, ending),)

    def record(self, step: RecordStep | ResolveStep) -> None:
        """Record a step of the run in progress, unless the run ends in this very lap."""
        self._steps += (step,)

    def start(self, run: Run) -> None:
        """Let a run's turn begin once the unit is committed."""
        state = self.state
        state.run = run
        state.recorded = None
        state.is_executing = True
        self.starts = run

    def drop_journal(self, run: Run) -> None:
        """Forget the steps of a run that is over."""
        before = self._before
        # Only what is durable is dropped: a unit touches a key once.
        self._steps = tuple(step for step in self._steps if step.run_id != run.run_id)
        is_recorded = before.recorded is not None and before.run is not None and before.run.run_id == run.run_id
        if run.journal or is_recorded:
            self.effects.append(DropJournal(run.run_id))

    def end_run(self, *, is_interrupted: bool = False) -> None:
        """The run in progress is over: forget its journal, and look at the one that waits."""
        state = self.state
        run = state.run
        assert run is not None
        self.drop_journal(run)
        if state.halting is not None:
            self.told += ((run.run_id, is_interrupted),)
        self._leave(None)

    def end_waiting(self, run: Run) -> None:
        """A run that waits for its time is over."""
        self.drop_journal(run)
        state = self.state
        if state.parked is run:
            state.parked = None
        else:
            state.run, state.parked = state.parked, None

    def suspend(self, run: Run) -> None:
        """The turn in progress is over, and ``run`` is what is to be tried again."""
        self._leave(run)

    def decision(self, replies: list[Reply]) -> Decision:
        """What was concluded. A claim that is not durable yet rides on whatever is committed."""
        state, effects = self.state, self.effects
        if self._probable >= 0:
            effects[self._probable] = _staged(effects[self._probable], None)
        self._charge()
        if state.desired is not self._before.desired and not any(type(effect) in _SETTING for effect in effects):
            effects.append(SetDesired(state.desired))
        effects += self._steps
        if self._unbound:
            effects = [each for each in effects if type(each) is not Stage or each.admission not in self._unbound]
        unit: Unit | None = None
        if effects:
            if state.previous_token is not None:
                if not any(type(effect) is Recreate for effect in effects):
                    effects.insert(0, Claim(state.previous_token))
                state.previous_token = None
            # A boundary moves the version; its unit presents the one before.
            fence = self._before.fence
            if state.token != fence.token:
                fence = IdentityFence(fence.identity, fence.key, state.token, fence.generation, fence.version)
            unit = Unit(fence, tuple(effects))
        return Decision(
            state, unit, replies, self.told, self.failed, self.starts, self.wake_at_ms, self.halts, self.stirs,
            self.asks_to_suspect, self.recycles,
        )  # fmt: skip

    def _leave(self, run: Run | None) -> None:
        state = self.state
        state.run, state.recorded, state.is_executing = run, None, False
        state.halting, state.unheard, state.suspect = None, (), False
        if run is None:
            state.run, state.parked = state.parked, None

    def _charge(self) -> None:
        # Once, whatever moved the counters in this lap: a step may reset them and the turn fail behind it.
        old_run, old_parked = self._before.run, self._before.parked
        if old_run is None or (self.state.run is old_run and self.state.parked is old_parked):
            return
        before = {run.run_id: run for run in (old_run, old_parked) if run is not None}
        for run in (self.state.run, self.state.parked):
            if run is None:
                continue
            old = before.get(run.run_id)
            if old is None or _counters(old) == _counters(run):
                continue
            for member in run.members:
                if any(member.admission == each.admission for each in old.members):
                    self.effects.append(
                        ChargeRun(member.admission, run.run_id, run.attempts, run.interruptions, run.not_before_ms)
                    )


def _counters(run: Run) -> tuple[int, int, int]:
    return run.attempts, run.interruptions, run.not_before_ms


def _staged(effect: Effect, run_id: RunId | None) -> InsertInput | TakeMail:
    # By hand: attrs.evolve takes 8 us.
    if isinstance(effect, InsertInput):
        return InsertInput(
            effect.admission, effect.input_id, effect.kind, effect.content, effect.digest, effect.idempotency_key,
            run_id, effect.header, effect.policy, effect.lane,
        )  # fmt: skip
    assert isinstance(effect, TakeMail)
    return TakeMail(effect.sequence, effect.sender_key, effect.admission, run_id, effect.policy, effect.lane)
