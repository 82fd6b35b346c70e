"""One lap of a decision: what is being concluded, while commands are folded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from meerkat_actors.machines.boundary import Boundary, response_header
from meerkat_actors.machines.decision import Decision as Decision
from meerkat_actors.machines.decision import Later as Later
from meerkat_actors.machines.decision import Reply as Reply
from meerkat_actors.machines.decision import Stamp as Stamp
from meerkat_actors.machines.decision import Told as Told
from meerkat_actors.machines.policy import DEFAULT_POLICIES, resolve
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.agenda_codec import encode_facts
from meerkat_actors.records.agenda_effects import CountSends, RecordEvents
from meerkat_actors.records.codec import content_digest, encode_abandoned, encode_header, encode_json
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
    SendMail,
    SetDesired,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.facts import (
    DesiredChanged,
    Fact,
    InputAbandoned,
    InputCoalesced,
    InputSuperseded,
)
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.headers import ResponseStatus
from meerkat_actors.records.ids import COUNTER_MAX, AdmissionSequence, AgentIdentity, InputId, RunId
from meerkat_actors.records.inputs import InputKind, InputState, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.mail import derived_id
from meerkat_actors.records.outcomes import Abandoned, Coalesced, Outcome, Superseded
from meerkat_actors.records.runs import Run, Sending
from meerkat_actors.records.runtime_effects import MoveInput

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
    boundary: Boundary | None = None
    has_new_run: bool = False
    """Whether the stamp's run id is some run's."""
    moved: frozenset[AdmissionSequence] = frozenset()
    """What went from a run to its lane, or to another run."""
    _fresh: tuple[tuple[AdmissionSequence, int], ...] = ()
    _probable: int = -1
    _steps: tuple[RecordStep | ResolveStep, ...] = ()
    _unbound: frozenset[AdmissionSequence] = frozenset()
    _facts: tuple[Fact, ...] = ()

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
        self._end(item, outcome)

    def abandon_queued(self, item: OpenInput, ending: Abandoned) -> None:
        """End an input that waits in its lane without a result."""
        self.displace(item, InputState.ABANDONED, encode_abandoned(ending), ending)

    def abandon_staged(self, members: Iterable[OpenInput], run_id: RunId, ending: Abandoned) -> None:
        """End inputs of a run without a result."""
        for member in members:
            self.effects.append(EndInput(member.admission, run_id, ending))
            self._end(member, ending)

    def send(self, sending: Sending) -> None:
        """Send a message in this unit."""
        state = self.state
        state.sends += 1
        kind, header, content = sending.kind, sending.header, sending.content
        # A silent intent changes whom it wakes, never the lane.
        policy = DEFAULT_POLICIES[kind] if header is None else resolve(kind, header, is_silent=False)
        self.effects.append(
            SendMail(
                sending.recipient,
                sending.input_id,
                kind,
                content,
                content_digest(content),
                state.sends,
                None if header is None else encode_header(header, kind),
                policy.lane,
            )
        )

    def fail_request(
        self, request_id: InputId, sender: AgentIdentity, correlation_id: str | None, ending: Outcome
    ) -> None:
        """Answer a request that nobody will answer any more."""
        said = f"the request failed: {ending}"
        content = encode_json(said, what="response", bytes_max=COUNTER_MAX, depth_max=1)
        header = response_header(request_id, correlation_id, ResponseStatus.FAILED)
        answer = derived_id(self.stamp.now_ms, request_id, "failed")
        self.send(Sending(sender, answer, content, InputKind.PEER_RESPONSE_TERMINAL, header))

    def tell(self, fact: Fact) -> None:
        """Tell observers, in the unit that makes it true."""
        self._facts += (fact,)

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
            self.tell(DesiredChanged(state.desired))
        effects += self._steps
        if self._unbound:
            effects[:] = [each for each in effects if type(each) is not Stage or each.admission not in self._unbound]
        self._tell()
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

    def _tell(self) -> None:
        """One row says what the unit did: its boundary, or else one of its own."""
        boundary, state = self.boundary, self.state
        if boundary is not None:
            self.effects.append(boundary.effect(state.sends, self._facts))
            return
        if self._facts:
            self.effects.append(RecordEvents(encode_facts(self._facts)))
        if state.sends != self._before.sends:
            self.effects.append(CountSends(state.sends))

    def _end(self, item: OpenInput, outcome: Outcome) -> None:
        self.told += ((item.input_id, outcome),)
        if isinstance(outcome, Abandoned):
            self.tell(InputAbandoned(item.input_id, outcome.reason, outcome.detail))
        elif isinstance(outcome, Superseded):
            self.tell(InputSuperseded(item.input_id, outcome.by))
        elif isinstance(outcome, Coalesced):
            self.tell(InputCoalesced(item.input_id, outcome.into))
        if item.kind is InputKind.PEER_REQUEST and item.sender is not None:
            correlation_id = None if item.header is None else item.header.correlation_id
            self.fail_request(item.input_id, item.sender, correlation_id, outcome)

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
