"""Everybody who asks something of one identity: callers, other agents, its turns, operators, the clock."""

from __future__ import annotations

from itertools import count
from typing import Final, Literal, TypeAlias, get_args

from meerkat_actors.machines.state import IdentityState, journal_of
from meerkat_actors.records.agenda_codec import encode_schedule
from meerkat_actors.records.agenda_effects import CountSends
from meerkat_actors.records.codec import content_digest, encode_header
from meerkat_actors.records.commands import (
    CancelInput,
    ChangeOperation,
    Checkpoint,
    CollectOperations,
    Command,
    Create,
    DropLetter,
    DropSchedule,
    EndTurn,
    FireDue,
    GetStatus,
    Govern,
    Interrupt,
    JournalStep,
    ListOperations,
    ProbationOver,
    Redrive,
    ResolveIntent,
    Send,
    SetSchedule,
    StartOperation,
    TakePending,
    Wait,
    WatchOperation,
    Yield,
)
from meerkat_actors.records.effects import SendMail, Unit
from meerkat_actors.records.facts import Emitted
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.headers import Durability, Header, Mode, ResponseStatus
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, InputId, OperationId, RunId
from meerkat_actors.records.inputs import InputKind, Letter
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.operation import Operation, OperationChange, OperationKind
from meerkat_actors.records.runs import (
    CHECKPOINT,
    Sending,
    TimerSetting,
    TurnCancelled,
    TurnCompleted,
    TurnExtras,
    TurnFailed,
    TurnNeverBegan,
)
from meerkat_actors.records.schedules import Cron, Every, Once, Overlap, Plan
from meerkat_actors.records.status import Verb
from meerkat_actors.store.memory import MemoryStore
from tests.machines.mailbag import lane_of_kind
from tests.machines.model import Model
from tests.machines.rows import Rows

LIMITS: Final = Limits(
    backlog_max=7, attempts_max=2, interruptions_max=4, suspect_from=2, pull_max=3, run_inputs_max=3, backoff_seconds=1,
    operations_max=3, operations_kept=2,
)  # fmt: skip
LEAD: Final = AgentIdentity("team/lead")
WRITER: Final = AgentIdentity("team/writer")

Turn: TypeAlias = Literal[
    "return", "set state", "send out", "raise", "be cancelled", "never begin", "late end", "step", "late step",
    "intend", "resolve", "withdraw", "checkpoint", "respond", "respond to one", "defer", "babble", "set agenda",
]  # fmt: skip
Caller: TypeAlias = Literal[
    "prompt", "message", "keyed", "progress", "silent", "steer", "ephemeral", "note", "wait", "status", "create",
    "redrive", "drop letter", "ask from outside",
]  # fmt: skip
Peer: TypeAlias = Literal["mail", "request", "steered request", "keyed request", "ephemeral request", "silent request"]
Agenda: TypeAlias = Literal[
    "schedule", "unschedule", "due", "start", "wait for all", "complete", "fail", "watch", "list", "collect",
]  # fmt: skip
Operator: TypeAlias = Literal[
    "interrupt", "yield", "interrupt softly", "cancel", "probation over", "pause", "resume", "retire", "stop", "reset",
    "recycle", "destroy",
]  # fmt: skip
Ask: TypeAlias = Turn | Caller | Peer | Agenda | Operator
TURN: Final[tuple[Turn, ...]] = get_args(Turn)
CALLER: Final[tuple[Caller, ...]] = get_args(Caller)
PEER: Final[tuple[Peer, ...]] = get_args(Peer)
AGENDA: Final[tuple[Agenda, ...]] = get_args(Agenda)
OPERATOR: Final[tuple[Operator, ...]] = get_args(Operator)

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
    "ask from outside": (InputKind.PEER_REQUEST, Header(correlation_id="outside")),
}
_MAILED: Final[dict[str, tuple[InputKind, Header | None]]] = {
    "mail": (InputKind.PEER_MESSAGE, None),
    "request": (InputKind.PEER_REQUEST, None),
    "steered request": (InputKind.PEER_REQUEST, Header(mode=Mode.STEER, correlation_id="steered")),
    "keyed request": (InputKind.PEER_REQUEST, Header(supersession_key="price", correlation_id="keyed")),
    "ephemeral request": (InputKind.PEER_REQUEST, Header(durability=Durability.EPHEMERAL)),
    "silent request": (InputKind.PEER_REQUEST, Header(intent="ping")),
}
SILENT: Final = frozenset({"ping"})


class Asking:
    """Makes the commands that somebody asks now, of an identity as it is now."""

    store: MemoryStore
    rows: Rows
    state: IdentityState
    writer: IdentityFence

    def __init__(self) -> None:
        self.numbers = count(1)
        self.model = Model()
        self.now_ms = 1_700_000_000_000
        self.letters = 0
        self.timers = 0
        self.checkpoints = 0
        self.intents: list[tuple[str, int]] = []

    def commit(self, unit: Unit) -> None:
        raise NotImplementedError

    def new_id(self) -> str:
        return f"00000000-0000-7000-8000-{next(self.numbers):012d}"

    def command(self, ask: Ask) -> Command:
        """What somebody asks now. A turn that is told to end says how it ended, and nothing else."""
        if ask in TURN:
            return self._from_turn(ask)
        if ask in AGENDA:
            return self._of_agenda(ask)
        if ask in _SENT:
            return self._sent(*_SENT[ask])
        if ask in _MAILED:
            return self._arriving(*_MAILED[ask])
        match ask:
            case "create":
                return Create("agent", b'{"a":1}', recreates=True)
            case "wait":
                admission = self._any_admission()
                return Wait(self._input_id(admission), admission)
            case "redrive":
                kind, header = InputKind.PEER_MESSAGE, Header(redrives=InputId(self.new_id()))
                return Redrive(self.dead_letter(), self._sent(kind, header))
            case "drop letter":
                return DropLetter(self.dead_letter())
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
            case "return" | "respond" | "respond to one" | "defer" | "babble" | "set agenda" | "set state" | "send out":
                return EndTurn(run_id, self._returned(ask, number))
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

    def _returned(self, ask: Ask, number: int) -> TurnCompleted:
        """What a turn leaves. It knows what it was asked and what is owed, and nothing of what came in since."""
        asked = self._requests()
        match ask:
            case "set state":
                return TurnCompleted(None, (), b'{"count":%d}' % number, (), 0)
            case "send out":
                message = Sending(WRITER, InputId(self.new_id()), b"2")
                return TurnCompleted(None, (), None, (message,), self.checkpoints)
            case "respond" | "respond to one":
                over = {**asked, **{each.input_id: each.correlation_id for each in self.state.owed.values()}}
                told = [*over][:1] if ask == "respond to one" else [*over]
                sendings = [self._telling(each, over[each], is_over=is_over) for each in told for is_over in (0, 1)]
                extras = TurnExtras(answered=frozenset(told))
                return TurnCompleted("said", (), None, tuple(sendings), self.checkpoints, extras)
            case "defer":
                extras = TurnExtras(deferred=frozenset(asked))
                return TurnCompleted("later", (), None, (), self.checkpoints, extras)
            case "babble":
                # About every request there ever was: what has its answer is heard of no more.
                sendings = [self._telling(each, said, is_over=0) for each, said in self.model.asked.items()]
                return TurnCompleted(None, (), None, tuple(sendings), self.checkpoints)
            case "set agenda":
                return TurnCompleted(None, (), None, (), self.checkpoints, self._extras(number))
            case _:
                entries = (b'{"content":"done","role":"assistant"}',)
                return TurnCompleted("done", entries, None, (), self.checkpoints)

    def _requests(self) -> dict[InputId, str | None]:
        members = () if self.state.run is None else self.state.run.members
        return {
            each.input_id: None if each.header is None else each.header.correlation_id
            for each in members
            if each.kind is InputKind.PEER_REQUEST and each.sender is not None and each.position <= self.checkpoints
        }

    def _telling(self, request_id: InputId, correlation_id: str | None, *, is_over: int) -> Sending:
        status = ResponseStatus.COMPLETED if is_over else ResponseStatus.IN_PROGRESS
        kind = InputKind.PEER_RESPONSE_TERMINAL if is_over else InputKind.PEER_RESPONSE_PROGRESS
        header = Header(request_id=request_id, status=status, correlation_id=correlation_id)
        return Sending(WRITER, InputId(self.new_id()), b"4", kind, header)

    def _extras(self, number: int) -> TurnExtras:
        timer = self._timer(number)
        return TurnExtras(
            timers=(TimerSetting(timer.name, timer.due_ms, timer.body),),
            dropped_timers=frozenset({self._timer(number + 1).name}),
            emitted=(Emitted("told", b"%d" % number),),
            operations=(self._operation(number),),
            seen_completions=self.state.completions,
        )

    def _of_agenda(self, ask: Ask) -> Command:
        number = next(self.numbers)
        running = [each.operation_id for each in self.state.operations.values() if not each.sequence]
        some = running[number % len(running)] if running else OperationId(self.new_id())
        match ask:
            case "schedule":
                return self._timer(number)
            case "unschedule":
                return DropSchedule(self._timer(number).name)
            case "due":
                return FireDue(self.store.due_timers_of(self.state.key, now_ms=self.now_ms, limit=3))
            case "start":
                return StartOperation(self._operation(number))
            case "wait for all":
                members = tuple(sorted(running))
                operation_id = OperationId(self.new_id())
                return StartOperation(Operation(operation_id, "all", OperationKind.BARRIER, members=members))
            case "complete" | "fail":
                return ChangeOperation(some, OperationChange(ask), b"%d" % number)
            case "watch":
                return WatchOperation(some)
            case "collect":
                return CollectOperations()
            case _:
                return ListOperations()

    def _timer(self, number: int) -> SetSchedule:
        self.timers += 1
        at_ms = self.now_ms + (number % 3) * 2_000
        rule, due_ms = (
            (Once(at_ms), at_ms), (Every(at_ms, 1_500), at_ms), (Cron("* * * * *", "UTC"), at_ms // 60_000 * 60_000)
        )[self.timers % 3]  # fmt: skip
        plan = Plan(
            rule=rule,
            kind=InputKind.EXTERNAL_EVENT,
            content=b"5",
            input_id=InputId(self.new_id()) if isinstance(rule, Once) else None,
            catch_up=self.timers % 4,
            overlap=Overlap.SKIP if self.timers % 5 < 2 else Overlap.QUEUE,
        )
        return SetSchedule(f"timer-{number % 2}", due_ms, encode_schedule(plan))

    def _operation(self, number: int) -> Operation:
        return Operation(OperationId(self.new_id()), "work", is_external=number % 2 == 0)

    def _sent(self, kind: InputKind, header: Header | None) -> Send:
        return Send(InputId(self.new_id()), kind, b"1", content_digest(b"1"), None, header)

    def _arriving(self, kind: InputKind, header: Header | None) -> TakePending:
        self.letters += 1
        encoded = None if header is None else encode_header(header, kind)
        letter = SendMail(
            LEAD, InputId(self.new_id()), kind, b"3", content_digest(b"3"), self.letters, encoded,
            lane_of_kind(kind, header),
        )  # fmt: skip
        self.commit(Unit(self.writer, (letter, CountSends(self.letters))))
        waiting = self.store.pending_mail(self.state.key, limit=LIMITS.pull_max)
        self.rows.mail.sent = {mail.sequence: mail for mail in waiting}
        return TakePending(waiting)

    def _run_id(self) -> RunId:
        return RunId(self.new_id()) if self.state.run is None else self.state.run.run_id

    def _any_admission(self) -> AdmissionSequence:
        still_open = [admission for admission in self.rows.inputs if admission <= len(self.model.admitted)]
        chosen = [AdmissionSequence(0), *still_open]
        return chosen[self.now_ms % len(chosen)]

    def _input_id(self, admission: AdmissionSequence) -> InputId:
        return InputId(self.new_id()) if admission == 0 else self.model.admitted[admission - 1]

    def dead_letter(self) -> AdmissionSequence:
        """The oldest one that nobody looked after; 0 for none."""
        rows = self.store.page_inputs(LEAD, after=None, limit=1_000, newest_first=False)
        dead = [row.admission for row in rows if row.letter is Letter.DEAD and row.admission is not None]
        return dead[0] if dead else AdmissionSequence(0)
