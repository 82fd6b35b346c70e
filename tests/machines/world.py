"""One identity in its owner's hands, and its rows, in a model and in a store."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from attrs import evolve

from meerkat_actors.errors import MeerkatError
from meerkat_actors.machines.lap import Decision, Stamp
from meerkat_actors.machines.state import IdentityState, begin, journal_of
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.agenda_codec import decode_facts
from meerkat_actors.records.commands import CancelInput, Command, Look
from meerkat_actors.records.commits import Committed
from meerkat_actors.records.effects import BeginGeneration, Bury, CreateIdentity, SetDesired, Unit
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import AgentIdentity, CheckpointVersion, FencingToken, Generation, RunId, SessionId
from meerkat_actors.records.inputs import InputKind, InputState, OpenInput
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.records.status import Desired
from meerkat_actors.records.stored_events import StoredEventKind
from meerkat_actors.store.memory import MemoryStore
from tests.machines.asking import LEAD as LEAD
from tests.machines.asking import LIMITS as LIMITS
from tests.machines.asking import PEER, SILENT, WRITER, Ask, Asking
from tests.machines.laws import decided, description
from tests.machines.rows import rows_of
from tests.machines.states import effects_of

Happening: TypeAlias = Literal["adopt", "refuse", "crash", "close"]

_ONCE_A_LAP: Final[frozenset[Ask]] = frozenset({"redrive", "drop letter", "create", "due"})
"""Timers are read once a lap; a letter is settled, and a tombstone lifted, in a lap that does nothing else."""


class World(Asking):
    """One identity, the rows below, and a writer that sends it mail."""

    def __init__(self) -> None:
        super().__init__()
        self.incarnation = 1
        self.store = MemoryStore(env=SystemEnv())
        self.store.begin()
        self.writer = self._created(WRITER)
        self._created(LEAD)
        read = self.store.activate(LEAD)
        assert isinstance(read, Activation)
        self.rows = rows_of(begin(read, charges_interruption=False, is_claimed=True))
        self.state = self._begun(charges=False)

    def commit(self, unit: Unit) -> None:
        self._commit(unit)

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

    def lap(self, asks: list[Ask], happening: Happening, passed_ms: int, *, may_suspect: bool = True) -> None:
        self.now_ms += passed_ms + 1
        commands = self._possible(asks) or [Look()]
        run_id, session_id = RunId(self.new_id()), SessionId(self.new_id())
        stamp = Stamp(
            self.now_ms, run_id, session_id, 0.5, happening == "close", SILENT, may_suspect, self.incarnation
        )  # fmt: skip
        decision = decided(self.state, *commands, at=stamp, limits=LIMITS)
        if happening == "refuse":
            return
        if decision.unit is not None:
            self._commit(decision.unit)
            self.rows.commit(decision.unit)
        self.model.follow(decision, commands)
        self._check_ended(decision, commands)
        self.state = decision.state
        if decision.starts is not None:
            self.checkpoints, self.intents = 0, []
        self.check_what_is_durable()
        self._check_mail(decision)
        if happening in {"crash", "close"}:
            self.incarnation += 1
        if happening in {"crash", "close"} or decision.recycles:
            recycles = happening == "adopt"
            self.state = self._begun(charges=happening == "crash", keeps_ephemeral=recycles)

    def _possible(self, asks: list[Ask]) -> list[Command]:
        commands: list[Command] = []
        for index, ask in enumerate(asks):
            if ask in _ONCE_A_LAP and asks.index(ask) < index:
                continue
            if ask in PEER and (self.state.is_buried or any(each in PEER for each in asks[:index])):
                continue  # mail is read once a lap, too
            if ask in {"redrive", "drop letter"} and (len(asks) > 1 or not self.dead_letter()):
                continue
            if ask == "create" and len(asks) > 1 and (self.state.is_buried or "destroy" in asks):
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

    def _check_mail(self, decision: Decision) -> None:
        """What was sent before an agent was stopped, reset or destroyed reaches nobody."""
        ends = [
            each
            for each in effects_of(decision)
            if isinstance(each, BeginGeneration | Bury) or each == SetDesired(Desired.STOPPED)
        ]
        if ends:
            assert self.store.pending_mail(self.state.key, limit=1_000) == ()

    def check_agenda(self) -> None:
        """The store tells of timers, facts and answers what the decisions did."""
        timers = sorted(self.rows.agenda.timers.values(), key=lambda timer: timer.name)
        assert [*self.store.page_timers(LEAD, after=None, limit=1_000)] == timers
        events = self.store.page_events(after=0, limit=10_000)
        told = [event.body for event in events if event.kind is StoredEventKind.FACTS and event.identity == LEAD]
        assert [fact for body in told for fact in decode_facts(body or b"")] == self.rows.agenda.told
        mail = self.store.pending_mail(self.writer.key, limit=10_000)
        answers = [each.header for each in mail if each.kind is InputKind.PEER_RESPONSE_TERMINAL]
        assert {header.request_id: header for header in answers if header is not None} == self.model.answered
        assert len(answers) == len(self.model.answered)

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
