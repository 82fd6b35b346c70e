"""Deciding, over whole lives: any commands, in any folds, with crashes, against a model and against a store."""

from __future__ import annotations

from itertools import count
from typing import Final, Literal, TypeAlias

from attrs import Factory, define, evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from meerkat_actors.errors import BacklogFullError
from meerkat_actors.machines.lap import Decision, Reply, Stamp
from meerkat_actors.machines.state import IdentityState, begin, journal_of
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commands import (
    Command,
    Create,
    EndTurn,
    GetStatus,
    JournalStep,
    Look,
    Send,
    TakePending,
    Wait,
)
from meerkat_actors.records.commits import Committed
from meerkat_actors.records.effects import CreateIdentity, SendMail, Unit
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import (
    AdmissionSequence,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    InputId,
    RunId,
    SessionId,
)
from meerkat_actors.records.inputs import InputKind, InputState
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Admission, Consumed, Outcome
from meerkat_actors.records.runs import Sending, TurnCancelled, TurnCompleted, TurnEnding, TurnFailed
from meerkat_actors.store.memory import MemoryStore
from tests.machines.states import decided, snapshot

LIMITS: Final = Limits(backlog_max=4, attempts_max=2, interruptions_max=1, pull_max=3)
LEAD: Final = AgentIdentity("team/lead")
WRITER: Final = AgentIdentity("team/writer")

Ask: TypeAlias = Literal[
    "send", "mail", "return", "send-out", "raise", "cancel", "late end", "step", "late step", "wait", "status", "create"
]
ASKS: Final[st.SearchStrategy[Ask]] = st.sampled_from(
    ("send", "mail", "step", "step", "return", "send-out", "raise", "cancel", "late end", "late step", "wait", "status",
     "create")
)  # fmt: skip
Happening: TypeAlias = Literal["adopt", "refuse", "crash", "close"]
HAPPENINGS: Final[st.SearchStrategy[Happening]] = st.sampled_from(
    ("adopt", "adopt", "adopt", "adopt", "adopt", "adopt", "adopt", "adopt", "refuse", "close", "crash")
)
LAPS: Final = st.lists(
    st.tuples(st.lists(ASKS, max_size=4), HAPPENINGS, st.sampled_from((5_000, 300, 0, -3_600_000))),
    min_size=12,
    max_size=20,
)


@define
class Model:
    """What anyone may expect: inputs in order of admission, of which a first part has ended."""

    admitted: list[InputId] = Factory(list[InputId])
    ended: list[InputId] = Factory(list[InputId])
    outcomes: dict[InputId, Outcome] = Factory(dict[InputId, Outcome])
    is_running: bool = False
    attempts: int = 0
    """Of the oldest open input."""

    @property
    def open(self) -> list[InputId]:
        return self.admitted[len(self.ended) :]

    def expect(self, command: Command, state: IdentityState, reply: Reply) -> None:
        """Follow one command; ``state`` is the one before the lap."""
        match command:
            case Send():
                self._expect_admission(command, reply)
            case TakePending():
                room = LIMITS.backlog_max - len(self.open)
                self.admitted += [mail.input_id for mail in command.mail[: max(room, 0)]]
                assert reply is None
            case Wait():
                assert reply is (command.input_id in self.open)
            case EndTurn():
                if self.is_running and state.run is not None and state.run.run_id == command.run_id:
                    self._end(command.ending)
                assert reply is None
            case _:
                pass

    def _expect_admission(self, command: Send, reply: Reply) -> None:
        if len(self.open) >= LIMITS.backlog_max:
            assert isinstance(reply, BacklogFullError)
            return
        self.admitted.append(command.input_id)
        sequence = AdmissionSequence(len(self.admitted))
        assert reply == Admission(command.input_id, sequence, duplicate=False, durable=True)

    def _end(self, ending: TurnEnding) -> None:
        self.is_running = False
        self.attempts += isinstance(ending, TurnFailed)
        if isinstance(ending, TurnCompleted) or self.attempts == LIMITS.attempts_max:
            self.attempts = 0
            self.ended.append(self.open[0])

    def agree(self, decision: Decision) -> None:
        """Compare with a decision, all of whose commands were followed."""
        state = decision.state
        for ended_id, outcome in decision.ended:
            assert ended_id not in self.outcomes
            self.outcomes[ended_id] = outcome
            if ended_id not in self.ended:
                # A crash loop ends the run when the lap settles, whatever was asked.
                assert isinstance(outcome, Abandoned)
                assert outcome.reason is AbandonReason.CRASH_LOOP
                self.ended.append(ended_id)
                self.attempts = 0
        assert list(self.outcomes) == self.ended == self.admitted[: len(self.ended)]
        in_run = [] if state.run is None else [member.input_id for member in state.run.members]
        in_lane = [each.input_id for each in state.lane]
        assert in_run + in_lane == self.open
        assert len(in_run) <= 1
        assert state.admissions == len(self.admitted)
        assert self.attempts == (0 if state.run is None else state.run.attempts)
        assert sum(isinstance(outcome, Consumed) for outcome in self.outcomes.values()) == state.version
        self.is_running = state.is_executing


class World:
    """One identity in its owner's hands, the store below, and a writer that sends it mail."""

    def __init__(self) -> None:
        self.store = MemoryStore(env=SystemEnv())
        self.store.begin()
        self.numbers = count(1)
        self.model = Model()
        self.now_ms = 1_700_000_000_000
        self.mail = 0
        self.writer = self._created(WRITER)
        self._created(LEAD)
        self.state = self._activated(charges=False)

    def _created(self, identity: AgentIdentity) -> IdentityFence:
        read = self.store.activate(identity)
        assert isinstance(read, Activation)
        fence = IdentityFence(identity, read.key, FencingToken(1), Generation(0), CheckpointVersion(0))
        self._commit(Unit(fence, (CreateIdentity("agent", SessionId(self.new_id())),)))
        return fence

    def _activated(self, *, charges: bool) -> IdentityState:
        read = self.store.activate(LEAD)
        assert isinstance(read, Activation)
        return begin(read, charges_interruption=charges)

    def _commit(self, unit: Unit) -> None:
        [outcome] = self.store.commit([unit])
        assert isinstance(outcome, Committed), outcome

    def new_id(self) -> str:
        return f"00000000-0000-7000-8000-{next(self.numbers):012d}"

    def command(self, ask: Ask) -> Command:
        run_id = RunId(self.new_id()) if self.state.run is None else self.state.run.run_id
        match ask:
            case "send":
                return Send(InputId(self.new_id()), InputKind.PROMPT, b"1", content_digest(b"1"), None)
            case "mail":
                return self._arriving()
            case "return":
                return EndTurn(run_id, TurnCompleted("done", (b'{"content":"done","role":"assistant"}',), b"1", ()))
            case "send-out":
                message = Sending(WRITER, InputId(self.new_id()), b"2")
                return EndTurn(run_id, TurnCompleted(None, (), None, (message,)))
            case "raise":
                return EndTurn(run_id, TurnFailed("ValueError: no"))
            case "cancel":
                return EndTurn(run_id, TurnCancelled())
            case "late end":
                return EndTurn(RunId(self.new_id()), TurnCompleted(None, (), None, ()))
            case "step":
                return JournalStep(run_id, f"step-{next(self.numbers)}", 1, bytes(32), b"1")
            case "late step":
                return JournalStep(RunId(self.new_id()), "late", 1, bytes(32), b"1")
            case "wait":
                return self._any_wait()
            case "status":
                return GetStatus()
            case "create":
                return Create("agent")

    def _arriving(self) -> TakePending:
        self.mail += 1
        letter = SendMail(LEAD, InputId(self.new_id()), InputKind.PEER_MESSAGE, b"3", content_digest(b"3"), self.mail)
        self._commit(Unit(self.writer, (letter,)))
        return TakePending(self.store.pending_mail(self.state.key, limit=LIMITS.pull_max))

    def _any_wait(self) -> Wait:
        number = self.now_ms % (len(self.model.admitted) + 1)
        if number == 0:
            return Wait(InputId(self.new_id()), AdmissionSequence(0))
        return Wait(self.model.admitted[number - 1], AdmissionSequence(number))

    def lap(self, asks: list[Ask], happening: Happening, passed_ms: int) -> None:
        self.now_ms += passed_ms + 1
        # Mail is read once a lap.
        chosen: list[Ask] = [ask for index, ask in enumerate(asks) if ask != "mail" or "mail" not in asks[:index]]
        commands: list[Command] = [self.command(ask) for ask in chosen] or [Look()]
        stamp = Stamp(self.now_ms, RunId(self.new_id()), SessionId(""), 0.5, happening == "close")
        decision = decided(self.state, *commands, at=stamp, limits=LIMITS)
        if happening == "refuse":
            return
        if decision.unit is not None:
            self._commit(decision.unit)
        for command, reply in zip(commands, decision.replies, strict=True):
            self.model.expect(command, self.state, reply)
        self.model.agree(decision)
        self.state = decision.state
        self.check_what_is_durable()
        if happening in {"crash", "close"}:
            self.state = self._activated(charges=happening == "crash")
            self.model.is_running = False

    def check_what_is_durable(self) -> None:
        """An owner that begins now knows what this one knows."""
        ours, theirs = self.state.fork(), self._activated(charges=False)
        if ours.run is not None:
            assert theirs.run is not None
            assert theirs.run.journal == journal_of(ours)
            ours.run = evolve(ours.run, journal=theirs.run.journal)
        assert theirs.token == ours.token + (ours.previous_token is None)
        for state in (ours, theirs):
            state.token, state.previous_token = FencingToken(1), None
            state.recorded, state.is_executing, state.is_charged = None, False, False
        assert snapshot(theirs) == snapshot(ours)

    def check_listing(self) -> None:
        rows = self.store.page_inputs(LEAD, after=None, limit=1_000, newest_first=False)
        assert [row.input_id for row in rows] == self.model.admitted
        for row in rows:
            match self.model.outcomes.get(row.input_id):
                case None:
                    assert row.state in {InputState.QUEUED, InputState.STAGED}
                case Consumed():
                    assert row.state is InputState.CONSUMED
                case Abandoned():
                    assert row.state is InputState.ABANDONED


@settings(max_examples=60)
@given(LAPS)
def test_every_admitted_input_is_in_one_place_ends_once_and_in_order(
    laps: list[tuple[list[Ask], Happening, int]],
) -> None:
    world = World()
    for asks, happening, passed_ms in laps:
        world.lap(asks, happening, passed_ms)
    world.check_listing()


@settings(max_examples=15)
@given(LAPS)
def test_whatever_happened_before_an_identity_that_is_left_alone_ends_all_its_inputs(
    laps: list[tuple[list[Ask], Happening, int]],
) -> None:
    world = World()
    for asks, happening, passed_ms in laps:
        world.lap(asks, happening, passed_ms)
    for _ in range(2 * LIMITS.backlog_max + 2):
        world.lap(["return"], "adopt", 60_000)
    assert world.model.open == []
    assert not world.state.has_open_input
    world.check_listing()
