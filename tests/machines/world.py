"""One identity in its owner's hands, its rows in a model and in a store, and everybody who asks something of it."""

from __future__ import annotations

from itertools import count
from typing import Final, Literal, TypeAlias, get_args

from attrs import Factory, define, evolve

from meerkat_actors.errors import MeerkatError
from meerkat_actors.machines.lap import Decision, Stamp
from meerkat_actors.machines.state import IdentityState, begin, journal_of
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commands import (
    CancelInput,
    Checkpoint,
    Command,
    Create,
    DropLetter,
    EndTurn,
    GetStatus,
    Govern,
    Interrupt,
    JournalStep,
    Look,
    ProbationOver,
    Redrive,
    ResolveIntent,
    Send,
    TakePending,
    Wait,
    Yield,
)
from meerkat_actors.records.commits import Committed
from meerkat_actors.records.effects import CreateIdentity, SendMail, Unit
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.headers import Durability, Header, Mode, ResponseStatus
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
from meerkat_actors.records.inputs import InputKind, InputState, Letter, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Admission, Consumed, Outcome
from meerkat_actors.records.runs import CHECKPOINT, Sending, TurnCancelled, TurnCompleted, TurnFailed, TurnNeverBegan
from meerkat_actors.records.status import Verb
from meerkat_actors.store.memory import MemoryStore
from tests.machines.laws import decided, description, outcomes_of
from tests.machines.rows import Rows, rows_of

LIMITS: Final = Limits(
    backlog_max=7, attempts_max=2, interruptions_max=4, suspect_from=2, pull_max=3, run_inputs_max=3, backoff_seconds=1
)
LEAD: Final = AgentIdentity("team/lead")
WRITER: Final = AgentIdentity("team/writer")

Turn: TypeAlias = Literal[
    "return", "set state", "send out", "raise", "be cancelled", "never begin", "late end", "step", "late step",
    "intend", "resolve", "withdraw", "checkpoint",
]  # fmt: skip
Caller: TypeAlias = Literal[
    "prompt", "message", "keyed", "progress", "silent", "steer", "ephemeral", "note", "mail", "wait", "status",
    "create", "redrive", "drop letter",
]  # fmt: skip
Operator: TypeAlias = Literal[
    "interrupt", "yield", "interrupt softly", "cancel", "probation over", "pause", "resume", "retire", "stop", "reset",
    "recycle", "destroy",
]  # fmt: skip
Ask: TypeAlias = Turn | Caller | Operator
TURN: Final[tuple[Turn, ...]] = get_args(Turn)
CALLER: Final[tuple[Caller, ...]] = get_args(Caller)
OPERATOR: Final[tuple[Operator, ...]] = get_args(Operator)
Happening: TypeAlias = Literal["adopt", "refuse", "crash", "close"]

_SENT: Final[dict[str, tuple[InputKind, Header | None]]] = {
    "prompt": (InputKind.PROMPT, None),
    "message": (InputKind.PEER_MESSAGE, None),
    "keyed": (InputKind.EXTERNAL_EVENT, Header(supersession_key="price")),
    "progress": (
        InputKind.PEER_RESPONSE_PROGRESS,
        Header(request_id=InputId("9" * 8), status=ResponseStatus.IN_PROGRESS, durability=Durability.DURABLE),
    ),
    "silent": (InputKind.EXTERNAL_EVENT, Header(wakes=False)),
    "steer": (InputKind.PROMPT, Header(mode=Mode.STEER)),
    "ephemeral": (InputKind.PEER_MESSAGE, Header(durability=Durability.EPHEMERAL)),
    "note": (InputKind.OPERATION, None),
}


@define
class Model:
    """What anyone may expect: inputs in order of admission, each with one outcome at most."""

    admitted: list[InputId] = Factory(list[InputId])
    outcomes: dict[InputId, Outcome] = Factory(dict[InputId, Outcome])

    def follow(self, decision: Decision, commands: list[Command], admissions: int) -> None:
        """A decision was committed; ``admissions`` is how many there were before."""
        for command, reply in zip(commands, decision.replies, strict=True):
            if isinstance(reply, Admission) and not reply.duplicate:
                self.admitted.append(reply.input_id)
                assert reply.admission_sequence == len(self.admitted)
            if isinstance(command, TakePending):
                taken = (
                    decision.state.admissions
                    - admissions
                    - sum(isinstance(each, Admission) for each in decision.replies)
                )
                self.admitted += [mail.input_id for mail in command.mail[:taken]]
        for input_id, outcome in outcomes_of(decision).items():
            assert input_id in self.admitted
            assert input_id not in self.outcomes, "a second outcome"
            self.outcomes[input_id] = outcome
        assert decision.state.admissions == len(self.admitted)
        assert sum(1 for _ in self.open) == decision.state.backlog

    @property
    def open(self) -> list[InputId]:
        return [input_id for input_id in self.admitted if input_id not in self.outcomes]


class World:
    """One identity in its owner's hands, the rows below, and a writer that sends it mail."""

    def __init__(self) -> None:
        self.store = MemoryStore(env=SystemEnv())
        self.store.begin()
        self.numbers = count(1)
        self.model = Model()
        self.now_ms = 1_700_000_000_000
        self.letters = 0
        self.checkpoints = 0
        self.intents: list[tuple[str, int]] = []
        self.writer = self._created(WRITER)
        self._created(LEAD)
        read = self.store.activate(LEAD)
        assert isinstance(read, Activation)
        self.rows: Rows = rows_of(begin(read, charges_interruption=False, is_claimed=True))
        self.state: IdentityState = self._begun(charges=False)

    def _created(self, identity: AgentIdentity) -> IdentityFence:
        read = self.store.activate(identity)
        assert isinstance(read, Activation)
        fence = IdentityFence(identity, read.key, FencingToken(1), Generation(0), CheckpointVersion(0))
        self._commit(Unit(fence, (CreateIdentity("agent", SessionId(self.new_id())),)))
        return fence

    def _begun(self, *, charges: bool, keeps_ephemeral: bool = False) -> IdentityState:
        read = self.store.activate(LEAD)
        assert isinstance(read, Activation)
        modelled = begin(self.rows.activation(), charges_interruption=charges, keeps_ephemeral=keeps_ephemeral)
        state = begin(read, charges_interruption=charges, keeps_ephemeral=keeps_ephemeral)
        assert description(rows_of(state)) == description(rows_of(modelled)), "the store holds other rows"
        assert [each.admission for each in state.lane] == [each.admission for each in modelled.lane]
        assert [each.admission for each in state.steer] == [each.admission for each in modelled.steer]
        self.checkpoints, self.intents = 0, []
        return state

    def _commit(self, unit: Unit) -> None:
        [outcome] = self.store.commit([unit])
        assert isinstance(outcome, Committed), (outcome, unit)

    def new_id(self) -> str:
        return f"00000000-0000-7000-8000-{next(self.numbers):012d}"

    def command(self, ask: Ask) -> Command:
        """What somebody asks now. A turn that is told to end says how it ended, and nothing else."""
        if ask in TURN:
            return self._from_turn(ask)
        if ask in _SENT:
            return self._sent(*_SENT[ask])
        match ask:
            case "mail":
                return self._arriving()
            case "create":
                return Create("agent", b'{"a":1}', recreates=True)
            case "wait":
                admission = self._any_admission()
                return Wait(self._input_id(admission), admission)
            case "redrive":
                kind, header = InputKind.PEER_MESSAGE, Header(redrives=InputId(self.new_id()))
                return Redrive(self._dead_letter(), self._sent(kind, header))
            case "drop letter":
                return DropLetter(self._dead_letter())
            case "interrupt" | "interrupt softly":
                return Interrupt(at_checkpoint=ask == "interrupt softly")
            case "yield":
                return Yield()
            case "cancel":
                admission = self._any_admission()
                return CancelInput(self._input_id(admission), admission)
            case "probation over":
                return ProbationOver(self._run_id())
            case "status":
                return GetStatus()
            case _:
                return Govern(Verb(ask))

    def _from_turn(self, ask: Ask) -> Command:
        run_id, number = self._run_id(), next(self.numbers)
        match ask:
            case "return":
                entries = (b'{"content":"done","role":"assistant"}',)
                return EndTurn(run_id, TurnCompleted("done", entries, None, (), self.checkpoints))
            case "set state":
                return EndTurn(run_id, TurnCompleted(None, (), b'{"count":%d}' % number, (), 0))
            case "send out":
                message = Sending(WRITER, InputId(self.new_id()), b"2")
                return EndTurn(run_id, TurnCompleted(None, (), None, (message,), self.checkpoints))
            case "raise":
                return EndTurn(run_id, TurnFailed("ValueError: no"))
            case "be cancelled":
                return EndTurn(run_id, TurnCancelled())
            case "never begin":
                return EndTurn(run_id, TurnNeverBegan())
            case "late end":
                return EndTurn(RunId(self.new_id()), TurnCompleted(None, (), None, ()))
            case "late step":
                return JournalStep(RunId(self.new_id()), "late", 1, bytes(32), b"1")
            case "intend":
                self.intents.append((f"once-{number}", 1))
                return JournalStep(run_id, f"once-{number}", 1, bytes(32), b"", is_once=True)
            case "resolve" | "withdraw":
                name, nth = self.intents.pop() if self.intents else ("nothing", 1)
                return ResolveIntent(run_id, name, nth, b"1" if ask == "resolve" else None)
            case "checkpoint":
                self.checkpoints += 1
                while self.state.run is not None and (CHECKPOINT, self.checkpoints) in journal_of(self.state):
                    self.checkpoints += 1  # it is replayed, and not asked again
                return Checkpoint(run_id, self.checkpoints)
            case _:
                return JournalStep(run_id, f"step-{number}", 1, bytes(32), b"1")

    def _sent(self, kind: InputKind, header: Header | None) -> Send:
        return Send(InputId(self.new_id()), kind, b"1", content_digest(b"1"), None, header)

    def _arriving(self) -> TakePending:
        self.letters += 1
        letter = SendMail(
            LEAD, InputId(self.new_id()), InputKind.PEER_MESSAGE, b"3", content_digest(b"3"), self.letters
        )
        self._commit(Unit(self.writer, (letter,)))
        waiting = self.store.pending_mail(self.state.key, limit=LIMITS.pull_max)
        self.rows.mail = {mail.sequence: mail for mail in waiting}
        return TakePending(waiting)

    def _run_id(self) -> RunId:
        return RunId(self.new_id()) if self.state.run is None else self.state.run.run_id

    def _any_admission(self) -> AdmissionSequence:
        still_open = [admission for admission in self.rows.inputs if admission <= len(self.model.admitted)]
        chosen = [AdmissionSequence(0), *still_open]
        return chosen[self.now_ms % len(chosen)]

    def _input_id(self, admission: AdmissionSequence) -> InputId:
        return InputId(self.new_id()) if admission == 0 else self.model.admitted[admission - 1]

    def _dead_letter(self) -> AdmissionSequence:
        rows = self.store.page_inputs(LEAD, after=None, limit=1_000, newest_first=False)
        dead = [row.admission for row in rows if row.letter is Letter.DEAD and row.admission is not None]
        return dead[0] if dead else AdmissionSequence(0)

    def lap(self, asks: list[Ask], happening: Happening, passed_ms: int, *, may_suspect: bool = True) -> None:
        self.now_ms += passed_ms + 1
        commands = self._possible(asks) or [Look()]
        run_id, session_id = RunId(self.new_id()), SessionId(self.new_id())
        stamp = Stamp(self.now_ms, run_id, session_id, 0.5, happening == "close", may_suspect=may_suspect)
        decision = decided(self.state, *commands, at=stamp, limits=LIMITS)
        if happening == "refuse":
            return
        if decision.unit is not None:
            self._commit(decision.unit)
            self.rows.commit(decision.unit)
        self.model.follow(decision, commands, self.state.admissions)
        self._check_ended(decision, commands)
        self.state = decision.state
        if decision.starts is not None:
            self.checkpoints, self.intents = 0, []
        self.check_what_is_durable()
        if happening in {"crash", "close"} or decision.recycles:
            recycles = happening == "adopt"
            self.state = self._begun(charges=happening == "crash", keeps_ephemeral=recycles)

    def _possible(self, asks: list[Ask]) -> list[Command]:
        commands: list[Command] = []
        for index, ask in enumerate(asks):
            # Mail is read once a lap; a letter is settled, and a tombstone lifted, in a lap that does nothing else.
            if ask in {"mail", "redrive", "drop letter", "create"} and asks.index(ask) < index:
                continue
            if ask in {"redrive", "drop letter"} and (len(asks) > 1 or not self._dead_letter()):
                continue
            if ask == "create" and len(asks) > 1 and (self.state.is_buried or "destroy" in asks):
                continue
            if ask == "mail" and self.state.is_buried:
                continue
            commands.append(self.command(ask))
        return commands

    def _check_ended(self, decision: Decision, commands: list[Command]) -> None:
        for command, reply in zip(commands, decision.replies, strict=True):
            if isinstance(command, CancelInput) and not isinstance(reply, MeerkatError):
                assert command.input_id not in self.model.open or decision.state.halting is not None

    def check_what_is_durable(self) -> None:
        """An owner that begins now knows what this one knows."""
        ours = self.state
        theirs = begin(self.rows.activation(), charges_interruption=False)
        assert description(rows_of(theirs)) == description(rows_of(ours))
        lost = {item.admission for item in theirs.lost}
        for mine, other in ((ours.lane, theirs.lane), (ours.steer, theirs.steer)):
            assert [each for each in mine if each.admission not in lost] == list(other)
        assert _runs(ours) == _runs(theirs)

    def check_listing(self) -> None:
        rows = self.store.page_inputs(LEAD, after=None, limit=1_000, newest_first=False)
        assert [row.input_id for row in rows if row.admission is not None] == self.model.admitted
        for row in rows:
            outcome = self.model.outcomes.get(row.input_id)
            is_open = row.state in {InputState.SENT, InputState.QUEUED, InputState.STAGED}
            assert is_open == (outcome is None)
            name = "Noted" if row.state is InputState.CONSUMED and row.turn is None else row.state.value.capitalize()
            assert outcome is None or type(outcome).__name__ == name
            assert not isinstance(outcome, Consumed) or row.turn is not None


def _runs(state: IdentityState) -> list[tuple[object, ...]]:
    """The runs, by their ids, without what one owner only knows of them."""
    runs: list[tuple[object, ...]] = []
    for run in (state.run, state.parked):
        if run is not None:
            members = tuple(_uncounted(member) for member in run.members)
            journal = journal_of(state) if run is state.run else dict(run.journal)
            counters = run.attempts, run.interruptions, run.not_before_ms
            runs.append((run.run_id, members, counters, journal))
    return sorted(runs, key=lambda run: str(run[0]))


def _uncounted(member: OpenInput) -> OpenInput:
    # A run counts for its members.
    return evolve(member, attempts=0, interruptions=0)
