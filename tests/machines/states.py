"""States, commands and stamps by hand, and what a decision is asked about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

import attrs
from immutables import Map

from meerkat_actors.machines.lap import Decision, Stamp
from meerkat_actors.machines.line import EMPTY, Line, line_of
from meerkat_actors.machines.policy import resolve
from meerkat_actors.machines.state import IdentityState, key_of, was_tried
from meerkat_actors.records.agenda_effects import RecordEvents
from meerkat_actors.records.codec import DIGEST_ZERO, content_digest
from meerkat_actors.records.commands import EndTurn, JournalStep, Send
from meerkat_actors.records.effects import Effect
from meerkat_actors.records.headers import Header, Mode
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
STEER: Final = Header(mode=Mode.STEER)
SENDER: Final = AgentIdentity("team/writer")
SENDER_KEY: Final = IdentityKey(9)


def input_id(number: int) -> InputId:
    return InputId(f"1a000000-0000-7000-8000-{number:012d}")


def content(number: int) -> bytes:
    return b'"text %d"' % number


def waiting_input(number: int, sender: AgentIdentity | None = None) -> OpenInput:
    """The input with that admission sequence: a prompt, or mail."""
    return an_input(number, InputKind.PROMPT if sender is None else InputKind.PEER_MESSAGE, sender=sender)


def an_input(
    number: int,
    kind: InputKind = InputKind.PEER_MESSAGE,
    header: Header | None = None,
    *,
    sender: AgentIdentity | None = None,
    position: int = 0,
    attempts: int = 0,
    interruptions: int = 0,
) -> OpenInput:
    """The input with that admission sequence, as admission resolves it."""
    policy = resolve(kind, header, is_silent=False)
    return OpenInput(
        AdmissionSequence(number), input_id(number), kind, content(number), sender, header, policy.number, policy.lane,
        position, attempts, interruptions,
    )  # fmt: skip


def steered(number: int, *, position: int = 0) -> OpenInput:
    """A prompt in the steer lane, or bound by that checkpoint."""
    return an_input(number, InputKind.PROMPT, STEER, position=position)


def line(*items: OpenInput) -> Line:
    """A lane that was never touched."""
    return line_of(items)


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
        lane=EMPTY,
        run=None,
        recorded=None,
        is_executing=False,
    )


def idle(lane: Iterable[int | OpenInput] = (), **changes: object) -> IdentityState:
    """A created identity with nothing in progress; ``lane`` holds what is queued, prompts by their admissions."""
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
    queued = tuple(each if isinstance(each, OpenInput) else waiting_input(each) for each in lane)
    state.lane = line(*queued)
    state.admissions = queued[-1].admission if queued else 10
    for name, value in changes.items():
        assert hasattr(state, name)
        setattr(state, name, value)
    waiting = (*state.steer, *state.lane)
    state.keyed = Map(
        (key, each.admission) for each in waiting if (key := key_of(each)) is not None and not was_tried(each)
    )
    state.is_awake = changes.get("is_awake", state.has_open_input) is True
    return state


def run_of(
    *members: int | OpenInput,
    run_id: RunId = OLD_RUN,
    is_unclean: bool = False,
    attempts: int = 0,
    interruptions: int = 0,
    not_before_ms: int = 0,
    journal: Mapping[tuple[str, int], JournalEntry] | None = None,
) -> Run:
    """The old run, of those inputs, prompts by their admissions."""
    return Run(
        run_id,
        tuple(each if isinstance(each, OpenInput) else waiting_input(each) for each in members),
        attempts,
        interruptions,
        not_before_ms,
        {} if journal is None else journal,
        is_unclean,
    )


def busy(run: Run, lane: Iterable[int | OpenInput] = (), **changes: object) -> IdentityState:
    """An identity whose turn is in progress."""
    return idle(lane, run=run, is_executing=True, **changes)


def stamp(
    *,
    now_ms: int = NOW,
    run_id: RunId = NEW_RUN,
    jitter: float = 0.5,
    starts_nothing: bool = False,
    silent: frozenset[str] = frozenset(),
    may_suspect: bool = False,
) -> Stamp:
    return Stamp(now_ms, run_id, NEW_SESSION, jitter, starts_nothing, silent, may_suspect)


def send(
    number: int, key: str | None = None, *, kind: InputKind = InputKind.PROMPT, header: Header | None = None
) -> Send:
    return Send(input_id(number), kind, content(number), content_digest(content(number)), key, header)


def steer(number: int) -> Send:
    return send(number, header=STEER)


def mail(number: int, kind: InputKind = InputKind.PEER_MESSAGE, header: Header | None = None) -> Mail:
    """A letter whose store sequence is its number plus 1,000."""
    return Mail(1000 + number, SENDER_KEY, SENDER, input_id(number), kind, content(number), header)


def end(ending: TurnEnding, run_id: RunId = OLD_RUN) -> EndTurn:
    return EndTurn(run_id, ending)


def step(name: str = "fetch", nth: int = 1, run_id: RunId = OLD_RUN) -> JournalStep:
    return JournalStep(run_id, name, nth, content_digest(b"[]"), b'{"result":1}')


def effects_of(decision: Decision) -> tuple[Effect, ...]:
    return () if decision.unit is None else decision.unit.effects


def deeds_of(decision: Decision) -> tuple[Effect, ...]:
    """The effects, but for the row of its own that tells of them."""
    return tuple(effect for effect in effects_of(decision) if not isinstance(effect, RecordEvents))


def the(kind: type[T], decision: Decision) -> T:
    """The one effect of that kind."""
    [found] = all_of(kind, decision)
    return found


def all_of(kind: type[T], decision: Decision) -> list[T]:
    return [effect for effect in effects_of(decision) if isinstance(effect, kind)]


def snapshot(value: object) -> object:
    """A deep copy in plain tuples: equal if and only if nothing that can be reached differs."""
    if isinstance(value, Line):
        return ("Line", tuple(snapshot(item) for item in value))
    if attrs.has(type(value)):
        fields = attrs.fields(cast("Any", type(value)))
        return (type(value).__name__, *((each.name, snapshot(getattr(value, each.name))) for each in fields))
    if isinstance(value, Exception):
        return (type(value).__name__, tuple((name, snapshot(inner)) for name, inner in sorted(vars(value).items())))
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        return ("mapping", *sorted(((key, snapshot(inner)) for key, inner in members.items()), key=repr))
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        return (type(items).__name__, *(snapshot(item) for item in items))
    if isinstance(value, frozenset):
        return ("frozenset", *sorted(map(str, cast("frozenset[object]", value))))
    assert value is None or isinstance(value, str | bytes | int | float)
    return value
