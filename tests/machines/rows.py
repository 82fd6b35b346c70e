"""The rows of one identity, in dicts: what a unit does to them, and what an owner would read of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, get_args

from attrs import Factory, define, evolve

from meerkat_actors.machines.state import IdentityState, journal_of
from meerkat_actors.records.activation import Activation, Head
from meerkat_actors.records.agenda_effects import AgendaEffect, CountSends
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.codec import DIGEST_ZERO, decode_header, decode_state
from meerkat_actors.records.effects import (
    AppendTurn,
    BeginGeneration,
    Bury,
    ChargeRun,
    Claim,
    CreateIdentity,
    DropJournal,
    Effect,
    EndInput,
    InsertInput,
    RecordStep,
    Recreate,
    ResolveStep,
    SendMail,
    SetConfig,
    SetDesired,
    SettleLetter,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import AdmissionSequence, CheckpointVersion, Generation, InputId, RunId, SessionId
from meerkat_actors.records.inputs import InputState, Lane, OpenInput
from meerkat_actors.records.runs import JournalEntry, Run
from meerkat_actors.records.runtime_effects import MoveInput
from meerkat_actors.records.status import Desired
from tests.machines.agenda_rows import Agenda, agenda_of
from tests.machines.mailbag import Mailbag

S = InputState
_ORDER: Final = {effect: place for place, effect in enumerate(get_args(Effect))}


@define
class Row:
    """One input without an outcome."""

    item: OpenInput
    state: InputState = S.QUEUED
    run_id: RunId | None = None
    not_before_ms: int = 0

    def count(self, attempts: int, interruptions: int, not_before_ms: int) -> None:
        self.item = evolve(self.item, attempts=attempts, interruptions=interruptions)
        self.not_before_ms = not_before_ms

    def place(self, position: int) -> None:
        self.item = evolve(self.item, position=position)


@define
class Rows:
    """Everything durable of one identity. ``commit`` asserts what a store guards."""

    fence: IdentityFence
    head: Head | None
    state: bytes | None = None
    config: AgentConfig | None = None
    admissions: int = 0
    inputs: dict[AdmissionSequence, Row] = Factory(dict[AdmissionSequence, Row])
    journals: dict[RunId, dict[tuple[str, int], JournalEntry]] = Factory(
        dict[RunId, dict[tuple[str, int], JournalEntry]]
    )
    mail: Mailbag = Factory(Mailbag)
    ended: list[tuple[InputId, object]] = Factory(list[tuple[InputId, object]])
    """Who ended, and how: a bytes ending, an ``Abandoned``, None for consumed, or a lane for noted."""
    agenda: Agenda = Factory(Agenda)

    def commit(self, unit: Unit) -> None:
        self._check_fence(unit)
        self._check_sends(unit)
        for effect in sorted(unit.effects, key=lambda each: _ORDER[type(each)]):
            self._apply(effect, unit)

    def activation(self) -> Activation:
        """What an owner reads."""
        staged = sorted(
            (row for row in self.inputs.values() if row.state is S.STAGED),
            key=lambda row: (row.item.position, row.item.admission),
        )
        runs = [self._run(run_id, staged) for run_id in dict.fromkeys(row.run_id for row in staged)]
        return Activation(
            identity=self.fence.identity,
            key=self.fence.key,
            head=self.head,
            state=self.state,
            config=self.config,
            run=runs[0] if runs else None,
            queued=tuple(row.item for _, row in sorted(self.inputs.items()) if row.state is S.QUEUED),
            admissions=self.admissions,
            has_mail=bool(self.mail.waiting),
            parked=runs[1] if len(runs) == 2 else None,
            next_due_ms=min((timer.due_ms for timer in self.agenda.timers.values()), default=0),
            owed=tuple(owed for _, owed in sorted(self.agenda.owed.items())),
            operations=tuple(body for _, body in sorted(self.agenda.operations.items())),
        )

    def _run(self, run_id: RunId | None, staged: list[Row]) -> Run:
        members = [row for row in staged if row.run_id == run_id]
        assert run_id is not None
        assert len({_counters(row) for row in members if not row.item.position}) == 1, "charged apart"
        attempts, interruptions, not_before_ms = _counters(members[0])
        most = zip(*map(_counters, members), strict=True)
        assert [max(counts) for counts in most] == [attempts, interruptions, not_before_ms], "a bound input counts more"
        items = tuple(row.item for row in members)
        return Run(run_id, items, attempts, interruptions, not_before_ms, dict(self.journals.get(run_id, {})))

    def _check_fence(self, unit: Unit) -> None:
        fence, head = unit.fence, self.head
        assert (fence.identity, fence.key) == (self.fence.identity, self.fence.key)
        if head is None:
            assert isinstance(unit.effects[0], CreateIdentity)
            return
        claims = [each for each in unit.effects if isinstance(each, Claim | Recreate)]
        assert (claims[0].previous if claims else fence.token) == head.token
        assert (fence.generation, fence.version) == (head.generation, head.version)
        assert head.is_buried == any(isinstance(each, Recreate) for each in unit.effects)

    def _check_sends(self, unit: Unit) -> None:
        before = 0 if self.head is None else self.head.sends
        sent = [each.number for each in unit.effects if isinstance(each, SendMail)]
        assert sent == list(range(before + 1, before + 1 + len(sent))), "a message out of number"
        counted = [each.sends for each in unit.effects if isinstance(each, AppendTurn | CountSends)]
        assert counted == [before + len(sent)] * len(counted)
        assert len(counted) == 1 if sent else len(counted) <= 1, "messages that nobody counts, or twice"

    def _apply(self, effect: Effect, unit: Unit) -> None:
        match effect:
            case InsertInput():
                header = None if effect.header is None else decode_header(effect.header, effect.kind)
                item = OpenInput(
                    effect.admission, effect.input_id, effect.kind, effect.content, None, header, effect.policy,
                    effect.lane,
                )  # fmt: skip
                self._admit(item, effect.run_id)
            case TakeMail():
                mail = self.mail.take(effect)
                item = OpenInput(
                    effect.admission, mail.input_id, mail.kind, mail.content, mail.sender, mail.header, effect.policy,
                    effect.lane,
                )  # fmt: skip
                self._admit(item, effect.run_id)
            case MoveInput():
                self._move(effect)
            case Stage():
                row = self.inputs[effect.admission]
                assert row.state is S.QUEUED
                row.state, row.run_id = S.STAGED, effect.run_id
                row.place(effect.position)
            case ChargeRun():
                row = self._staged(effect.admission, effect.run_id)
                row.count(effect.attempts, effect.interruptions, effect.not_before_ms)
            case EndInput():
                row = self._staged(effect.admission, effect.run_id)
                assert effect.abandoned is not None or any(isinstance(each, AppendTurn) for each in unit.effects)
                if effect.owes:
                    assert effect.abandoned is None
                    self.agenda.owe(row.item)
                self._end(effect.admission, effect.abandoned)
            case SettleLetter():
                assert effect.admission not in self.inputs
            case RecordStep() | ResolveStep() | DropJournal():
                self._journal(effect)
            case SendMail():
                assert self.head is not None
            case CountSends():
                self._change(lambda head: evolve(head, sends=effect.sends))
            case _ if isinstance(effect, AgendaEffect):
                self.agenda.apply(effect)
            case _:
                self._govern(effect, unit)

    def _govern(self, effect: Effect, unit: Unit) -> None:
        match effect:
            case CreateIdentity():
                fence = unit.fence
                assert (fence.token, fence.generation, fence.version) == (1, 0, 0)
                self.head = Head(
                    effect.kind, fence.token, Generation(0), CheckpointVersion(0), effect.session_id, DIGEST_ZERO, 0, 0
                )
            case Claim():
                assert effect.previous < unit.fence.token
                self._change(lambda head: evolve(head, token=unit.fence.token))
            case SetConfig():
                assert effect.version == (1 if self.config is None else self.config.version + 1)
                self.config = AgentConfig(effect.version, effect.body)
            case AppendTurn():
                assert effect.version == unit.fence.version + 1
                self._change(
                    lambda head: evolve(
                        head,
                        version=effect.version,
                        digest=effect.digest,
                        message_count=effect.message_count,
                        sends=effect.sends,
                    )
                )
                if effect.sets_state:
                    self.state = decode_state(effect.body)
            case SetDesired():
                self._change(lambda head: evolve(head, desired=effect.desired))
                if effect.desired is Desired.STOPPED:
                    self.mail.raise_floor()
            case BeginGeneration():
                self._next_life(effect.session_id)
                self.mail.raise_floor()
            case Bury():
                assert not self.inputs, "buried with open inputs"
                assert not self.agenda.owed, "buried with answers owed"
                self.mail.raise_floor()
                self._change(lambda head: evolve(head, is_buried=True, desired=Desired.DESTROYED))
            case Recreate():
                self._next_life(effect.session_id)
                self._change(lambda head: evolve(head, token=unit.fence.token, kind=effect.kind, is_buried=False))
            case _:
                msg = f"no machine decides {effect}"
                raise AssertionError(msg)

    def _next_life(self, session_id: SessionId) -> None:
        assert self.head is not None
        assert session_id not in {"", self.head.session_id}
        assert not self.inputs, "a generation ends with open inputs"
        assert not self.agenda.owed, "a generation ends with answers owed"
        assert not self.agenda.timers, "a generation ends with timers"
        self.state = None
        self._change(
            lambda head: evolve(
                head,
                generation=Generation(head.generation + 1),
                session_id=session_id,
                version=CheckpointVersion(0),
                digest=DIGEST_ZERO,
                message_count=0,
                desired=Desired.OPEN,
            )
        )

    def _change(self, change: Callable[[Head], Head]) -> None:
        assert self.head is not None
        self.head = change(self.head)

    def _admit(self, item: OpenInput, run_id: RunId | None) -> None:
        # Inserts run before takes: of both, the newest counts.
        assert item.admission not in self.inputs
        self.admissions = max(self.admissions, item.admission)
        if item.lane is Lane.NONE:
            assert run_id is None
            self.ended.append((item.input_id, item.lane))
        else:
            self.inputs[item.admission] = Row(item, S.QUEUED if run_id is None else S.STAGED, run_id)

    def _move(self, effect: MoveInput) -> None:
        row = self.inputs[effect.admission]
        assert (row.state, row.run_id) == (effect.was, effect.was_run)
        if effect.run_id != row.run_id:
            row.place(0)
        row.state, row.run_id = effect.state, effect.run_id
        row.count(effect.attempts, effect.interruptions, effect.not_before_ms)
        if effect.ending is not None:
            assert effect.state.is_terminal
            self._end(effect.admission, effect.ending)

    def _staged(self, admission: AdmissionSequence, run_id: RunId) -> Row:
        row = self.inputs[admission]
        assert (row.state, row.run_id) == (S.STAGED, run_id)
        return row

    def _end(self, admission: AdmissionSequence, ending: object) -> None:
        self.ended.append((self.inputs.pop(admission).item.input_id, ending))

    def _journal(self, effect: RecordStep | ResolveStep | DropJournal) -> None:
        if isinstance(effect, DropJournal):
            self.journals.pop(effect.run_id, None)
            return
        key = effect.name, effect.nth
        if isinstance(effect, RecordStep):
            self._staged(effect.admission, effect.run_id)
            steps = self.journals.setdefault(effect.run_id, {})
            assert key not in steps
            steps[key] = JournalEntry(effect.arguments, effect.result, effect.is_once)
            return
        intent = self.journals[effect.run_id][key]
        assert not intent.result
        if effect.result is None:
            del self.journals[effect.run_id][key]
        else:
            self.journals[effect.run_id][key] = JournalEntry(intent.arguments, effect.result, intent.is_once)


def rows_of(state: IdentityState) -> Rows:
    """What is durable when an owner holds this."""
    token = state.token if state.previous_token is None else state.previous_token
    head = Head(
        state.kind, token, state.generation, state.version, state.session_id, state.digest, state.message_count,
        state.sends, 0, state.desired, state.is_buried,
    )  # fmt: skip
    rows = Rows(
        state.fence, head if state.is_created else None, state.state, state.config, state.admissions,
        agenda=agenda_of(state),
    )  # fmt: skip
    for item in (*state.steer, *state.lane, *state.lost):
        rows.inputs[item.admission] = Row(item)
    for run in (state.run, state.parked):
        for member in () if run is None else run.members:
            assert run is not None
            row = Row(member, S.STAGED, run.run_id)
            row.count(run.attempts, run.interruptions, run.not_before_ms)
            rows.inputs[member.admission] = row
        if run is not None:
            steps = journal_of(state) if run is state.run else dict(run.journal)
            if steps:
                rows.journals[run.run_id] = steps
    return rows


def counted(row: Row) -> tuple[OpenInput, int]:
    """An input with its counters, where they are its own: a run counts for what its checkpoints bound."""
    if row.state is S.STAGED and row.item.position:
        return evolve(row.item, attempts=0, interruptions=0), 0
    return row.item, row.not_before_ms


def _counters(row: Row) -> tuple[int, int, int]:
    return row.item.attempts, row.item.interruptions, row.not_before_ms
