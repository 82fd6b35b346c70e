"""States, commands and stamps by hand, and ``decided``, which holds every decision to the laws of all decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

import attrs

from meerkat_actors.machines.fifo import Fifo
from meerkat_actors.machines.identity import decide
from meerkat_actors.machines.lap import Decision, Stamp
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.codec import DIGEST_ZERO, content_digest
from meerkat_actors.records.commands import Command, EndTurn, JournalStep, Send
from meerkat_actors.records.effects import (
    AppendTurn,
    ChargeRun,
    Claim,
    CreateIdentity,
    DropJournal,
    Effect,
    EndInput,
    InsertInput,
    RecordStep,
    SendMail,
    SetConfig,
    Stage,
    TakeMail,
    Unit,
)
from meerkat_actors.records.ids import (
    AdmissionSequence,
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    InputId,
    RunId,
    SessionId,
)
from meerkat_actors.records.inputs import InputKind, Mail, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.runs import JournalEntry, Run, TurnEnding
from meerkat_actors.store.fencing import unit_refusal

T = TypeVar("T")

IDENTITY: Final = AgentIdentity("team/lead")
KEY: Final = IdentityKey(3)
SESSION: Final = SessionId("5e551000-0000-7000-8000-000000000000")
NEW_SESSION: Final = SessionId("5e551000-0000-7000-8000-000000000001")
OLD_RUN: Final = RunId("01d00000-0000-7000-8000-000000000000")
"""The run that a hand-built state is at."""
NEW_RUN: Final = RunId("1e300000-0000-7000-8000-000000000000")
"""The run that a lap may stage."""
NOW: Final = 1_700_000_000_000
LIMITS: Final = Limits()
SENDER: Final = AgentIdentity("team/writer")
SENDER_KEY: Final = IdentityKey(9)


def input_id(number: int) -> InputId:
    return InputId(f"1a000000-0000-7000-8000-{number:012d}")


def content(number: int) -> bytes:
    return b'"text %d"' % number


def waiting_input(number: int, sender: AgentIdentity | None = None) -> OpenInput:
    """The input with that admission sequence."""
    kind = InputKind.PROMPT if sender is None else InputKind.PEER_MESSAGE
    return OpenInput(AdmissionSequence(number), input_id(number), kind, content(number), sender)


def unborn() -> IdentityState:
    """An identity that was never created, in its owner's hands."""
    return IdentityState(
        identity=IDENTITY,
        key=KEY,
        kind="",
        token=FencingToken(1),
        previous_token=None,
        generation=Generation(0),
        version=CheckpointVersion(0),
        session_id=SessionId(""),
        digest=DIGEST_ZERO,
        message_count=0,
        admissions=0,
        sends=0,
        state=None,
        config=None,
        lane=Fifo(),
        run=None,
        recorded=None,
        is_executing=False,
        is_charged=False,
    )


def idle(lane: Iterable[int] = (), **changes: object) -> IdentityState:
    """A created identity with nothing in progress; ``lane`` holds its queued admissions."""
    state = unborn()
    state.kind = "reviewer"
    state.token = FencingToken(5)
    state.generation = Generation(2)
    state.version = CheckpointVersion(7)
    state.session_id = SESSION
    state.digest = bytes(range(32))
    state.message_count = 20
    state.sends = 4
    state.state = b'{"count":1}'
    queued = tuple(waiting_input(number) for number in lane)
    state.lane = Fifo(queued)
    state.admissions = queued[-1].admission if queued else 10
    for name, value in changes.items():
        assert hasattr(state, name)
        setattr(state, name, value)
    return state


def run_of(
    *members: int,
    attempts: int = 0,
    interruptions: int = 0,
    not_before_ms: int = 0,
    journal: Mapping[tuple[str, int], JournalEntry] | None = None,
) -> Run:
    """The old run, of the inputs with those admissions."""
    return Run(
        OLD_RUN,
        tuple(waiting_input(number) for number in members),
        attempts,
        interruptions,
        not_before_ms,
        {} if journal is None else journal,
    )


def busy(run: Run, lane: Iterable[int] = (), **changes: object) -> IdentityState:
    """An identity whose turn is in progress."""
    return idle(lane, run=run, is_executing=True, **changes)


def stamp(*, now_ms: int = NOW, run_id: RunId = NEW_RUN, jitter: float = 0.5, starts_nothing: bool = False) -> Stamp:
    return Stamp(now_ms, run_id, NEW_SESSION, jitter, starts_nothing)


def send(number: int, key: str | None = None) -> Send:
    return Send(input_id(number), InputKind.PROMPT, content(number), content_digest(content(number)), key)


def mail(number: int) -> Mail:
    """A letter whose store sequence is its number plus 1,000."""
    return Mail(1000 + number, SENDER_KEY, SENDER, input_id(number), InputKind.PEER_MESSAGE, content(number))


def end(ending: TurnEnding, run_id: RunId = OLD_RUN) -> EndTurn:
    return EndTurn(run_id, ending)


def step(name: str = "fetch", nth: int = 1, run_id: RunId = OLD_RUN) -> JournalStep:
    return JournalStep(run_id, name, nth, content_digest(b"[]"), b'{"result":1}')


def decided(state: IdentityState, *commands: Command, at: Stamp | None = None, limits: Limits = LIMITS) -> Decision:
    """Decide, twice, and hold the decision to what is true of every decision."""
    lap = stamp() if at is None else at
    given = list(commands)
    before = snapshot((state, given, lap, limits))
    decision = decide(state, given, lap, limits)
    assert snapshot((state, given, lap, limits)) == before, "decide changed its arguments"
    assert snapshot(decide(state, given, lap, limits)) == snapshot(decision), "decide is not deterministic"
    assert snapshot((state, given, lap, limits)) == before
    assert len(decision.replies) == len(given)
    _check_state(state, decision, lap)
    _check_claim(state, decision)
    if decision.unit is not None:
        _check_unit(state, decision, decision.unit)
    else:
        assert decision.ended == ()
        assert (decision.state.admissions, decision.state.version) == (state.admissions, state.version)
    return decision


def effects_of(decision: Decision) -> tuple[Effect, ...]:
    return () if decision.unit is None else decision.unit.effects


def the(kind: type[T], decision: Decision) -> T:
    """The one effect of that kind."""
    [found] = all_of(kind, decision)
    return found


def all_of(kind: type[T], decision: Decision) -> list[T]:
    return [effect for effect in effects_of(decision) if isinstance(effect, kind)]


def snapshot(value: object) -> object:
    """A deep copy in plain tuples: equal if and only if nothing that can be reached differs."""
    if isinstance(value, Fifo):
        return ("Fifo", tuple(snapshot(item) for item in cast("Fifo[object]", value)))
    if attrs.has(type(value)):
        fields = attrs.fields(cast("Any", type(value)))
        return (type(value).__name__, *((each.name, snapshot(getattr(value, each.name))) for each in fields))
    if isinstance(value, Exception):
        return (type(value).__name__, tuple((name, snapshot(inner)) for name, inner in sorted(vars(value).items())))
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        return ("mapping", *((key, snapshot(inner)) for key, inner in members.items()))
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        return (type(items).__name__, *(snapshot(item) for item in items))
    assert value is None or isinstance(value, str | bytes | int | float)
    return value


def _check_state(state: IdentityState, decision: Decision, lap: Stamp) -> None:
    after = decision.state
    assert after is not state
    assert after.run is not None or not (after.is_executing or after.is_charged or after.recorded)
    starts = decision.starts
    if starts is not None:
        assert after.is_executing
        assert starts is after.run
        assert not lap.starts_nothing
        assert decision.wake_at_ms == 0
    else:
        assert not after.is_executing or (state.is_executing and after.run is not None and state.run is not None)
    if decision.wake_at_ms:
        assert after.run is not None
        assert after.run.not_before_ms == decision.wake_at_ms > lap.now_ms
    if not lap.starts_nothing and after.is_created:
        # Settled: nobody is left who could go on and does not.
        assert after.is_executing or decision.wake_at_ms or not after.has_open_input


def _check_claim(state: IdentityState, decision: Decision) -> None:
    claims = all_of(Claim, decision)
    if decision.unit is None:
        assert decision.state.previous_token == state.previous_token
    elif state.previous_token is None:
        assert claims == []
    else:
        assert claims == [Claim(state.previous_token)]
        assert decision.state.previous_token is None
    assert decision.state.token == state.token


def _check_unit(state: IdentityState, decision: Decision, unit: Unit) -> None:
    assert unit.effects
    assert unit.fence == state.fence
    assert unit_refusal(unit) is None, "no store takes the unit"
    keys = [_key(effect) for effect in unit.effects]
    assert len(set(keys)) == len(keys), f"touched twice: {keys}"
    admitted = [effect.admission for effect in unit.effects if isinstance(effect, InsertInput | TakeMail)]
    assert admitted == list(range(state.admissions + 1, decision.state.admissions + 1))
    appended = all_of(AppendTurn, decision)
    assert decision.state.version == state.version + len(appended)
    assert len(all_of(EndInput, decision)) == len(decision.ended)


def _key(effect: Effect) -> tuple[object, ...]:
    match effect:
        case Claim() | CreateIdentity():
            return ("authority",)
        case AppendTurn():
            return ("head",)
        case SetConfig():
            return ("config", effect.version)
        case InsertInput() | TakeMail() | Stage() | ChargeRun() | EndInput():
            return ("input", effect.admission)
        case RecordStep():
            return ("journal", effect.run_id, effect.name, effect.nth)
        case DropJournal():
            # Every step of the run: a step beside it would be touched twice, too.
            return ("journal", effect.run_id, "fetch", 1)
        case SendMail():
            return ("mail", effect.input_id)
        case _:
            msg = f"no machine decides {effect}"
            raise AssertionError(msg)
