"""One lap of a decision: what is being concluded, while commands are folded."""

from __future__ import annotations

from attrs import evolve

from meerkat_actors.errors import MeerkatError
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.commands import Send
from meerkat_actors.records.effects import (
    ChargeRun,
    Claim,
    DropJournal,
    Effect,
    InsertInput,
    RecordStep,
    TakeMail,
    Unit,
)
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AdmissionSequence, InputId, RunId, SessionId
from meerkat_actors.records.inputs import Mail
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Admission, Outcome
from meerkat_actors.records.runs import Run
from meerkat_actors.records.status import IdentityStatus

Reply = Admission | IdentityStatus | MeerkatError | bool | None
"""What a command is answered: an error is raised at the asker."""

Endings = tuple[tuple[InputId, Outcome], ...]


@hot
class Stamp:
    """What a lap may know of the world outside."""

    now_ms: int
    run_id: RunId
    """For the run that this lap may stage; empty when it can't stage one."""
    session_id: SessionId
    """For the identity that this lap may create; empty when it exists."""
    jitter: float
    """In 0..1."""
    starts_nothing: bool
    """Whether the runtime is leaving, or the disk is full: nothing is staged or started."""


@hot
class Decision:
    """What to commit, and what holds once it is committed."""

    state: IdentityState
    unit: Unit | None
    replies: list[Reply]
    ended: Endings
    """Inputs that have their outcome with this unit."""
    failed: str | None
    """What the turn raised that this lap counted."""
    starts: Run | None
    """The run whose turn begins."""
    wake_at_ms: int
    """Wall clock at which a waiting run wants to be looked at again; 0 for never."""


class Lap:
    """Collects effects and consequences. Lives inside one call of ``decide``."""

    __slots__ = (
        "_before", "_fresh", "_steps", "effects", "ended", "failed", "limits", "stamp", "starts", "state", "wake_at_ms",
    )  # fmt: skip

    def __init__(self, state: IdentityState, stamp: Stamp, limits: Limits) -> None:
        self._before = state
        self.state: IdentityState = state.fork()
        self.stamp: Stamp = stamp
        self.limits: Limits = limits
        self.effects: list[Effect] = []
        self.ended: Endings = ()
        self.failed: str | None = None
        self.starts: Run | None = None
        self.wake_at_ms: int = 0
        self._fresh: list[tuple[AdmissionSequence, int]] = []
        self._steps: list[RecordStep] = []

    def admit(self, command: Send) -> AdmissionSequence:
        """Insert an input at the next admission sequence, staged at once when nothing is before it."""
        run_id = self._run_if_next()
        admission = self._next_admission()
        self.effects.append(
            InsertInput(
                admission,
                command.input_id,
                command.kind,
                command.content,
                command.digest,
                command.idempotency_key,
                run_id,
            )
        )
        return admission

    def take(self, mail: Mail) -> AdmissionSequence:
        """Take mail in at the next admission sequence, staged at once when nothing is before it."""
        run_id = self._run_if_next()
        admission = self._next_admission()
        self.effects.append(TakeMail(mail.sequence, mail.sender_key, admission, run_id))
        return admission

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

    def stage_fresh(self, admission: AdmissionSequence) -> bool:
        """Stage an input that this very lap admits, at no statement of its own; False if it is older."""
        for fresh, index in self._fresh:
            if fresh == admission:
                effect = self.effects[index]
                assert isinstance(effect, InsertInput | TakeMail)
                if effect.run_id is None:
                    self.effects[index] = evolve(effect, run_id=self.stamp.run_id)
                return True
        return False

    def record(self, step: RecordStep) -> None:
        """Record a step of the run in progress, unless the run ends in this very lap."""
        self._steps.append(step)

    def start(self) -> None:
        """Let the run's turn begin once the unit is committed."""
        self.state.is_executing = True
        self.starts = self.state.run

    def end_run(self, ended: Endings) -> None:
        """The run is over: forget its journal, and tell the outcomes of its inputs."""
        state = self.state
        assert state.run is not None
        # Only what is durable is dropped: a unit touches a key once.
        self._steps.clear()
        if state.run.journal or self._before.recorded is not None:
            self.effects.append(DropJournal(state.run.run_id))
        state.run = None
        state.recorded = None
        state.is_executing = False
        self.ended += ended

    def decision(self, replies: list[Reply]) -> Decision:
        """What was concluded. A claim that is not durable yet rides on whatever is committed."""
        state, effects = self.state, self.effects
        self._charge()
        effects += self._steps
        unit: Unit | None = None
        if effects:
            if state.previous_token is not None:
                effects.insert(0, Claim(state.previous_token))
                state.previous_token = None
            # A boundary moves the version; its unit presents the one before.
            unit = Unit(self._before.fence, tuple(effects))
        return Decision(state, unit, replies, self.ended, self.failed, self.starts, self.wake_at_ms)

    def _charge(self) -> None:
        # Once, whatever moved the counters in this lap: a step may reset them and the turn fail behind it.
        before, run = self._before.run, self.state.run
        if run is before or run is None or before is None or run.run_id != before.run_id:
            return
        for member in run.members:
            self.effects.append(
                ChargeRun(member.admission, run.run_id, run.attempts, run.interruptions, run.not_before_ms)
            )

    def _run_if_next(self) -> RunId | None:
        state = self.state
        if state.run is None and not len(state.lane) and not self.stamp.starts_nothing:
            return self.stamp.run_id
        return None

    def _next_admission(self) -> AdmissionSequence:
        self.state.admissions += 1
        admission = AdmissionSequence(self.state.admissions)
        self._fresh.append((admission, len(self.effects)))
        return admission
