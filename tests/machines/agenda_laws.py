"""What is true of every decision about requests, what it tells, and what an identity has yet to do."""

from __future__ import annotations

from collections import Counter
from typing import Final

import orjson
from attrs import define

from meerkat_actors.machines.lap import Decision
from meerkat_actors.machines.state import IdentityState
from meerkat_actors.records.agenda_codec import decode_facts
from meerkat_actors.records.agenda_effects import (
    DropOperation,
    DropTimer,
    DropTimers,
    FireTimer,
    PutOperation,
    RecordEvents,
    SetTimer,
    SettleRequest,
)
from meerkat_actors.records.codec import decode_header
from meerkat_actors.records.commands import Command, TakePending
from meerkat_actors.records.effects import (
    AppendTurn,
    BeginGeneration,
    Bury,
    CreateIdentity,
    EndInput,
    Recreate,
    SendMail,
    SetConfig,
    SetDesired,
    SettleLetter,
    TakeMail,
)
from meerkat_actors.records.facts import (
    Configured,
    Created,
    DesiredChanged,
    Destroyed,
    Emitted,
    Fact,
    GenerationBegan,
    InputAbandoned,
    InputCoalesced,
    InputNoted,
    InputSuperseded,
    LetterSettled,
    MailTaken,
    OperationEnded,
    OperationStarted,
    RunFailed,
    TimerDropped,
    TimerFired,
    TimerSet,
)
from meerkat_actors.records.headers import Header, ResponseStatus
from meerkat_actors.records.ids import AgentIdentity, InputId
from meerkat_actors.records.inputs import InputKind, Mail, OpenInput
from meerkat_actors.records.outcomes import Abandoned, Coalesced, Consumed, Noted, Superseded
from tests.machines.states import all_of, effects_of


@define
class Asked:
    """A request of an agent that is open, owed, or arrives."""

    sender: AgentIdentity
    correlation_id: str | None


def check_answers(state: IdentityState, given: list[Command], decision: Decision) -> None:
    """Whatever ends a request of an agent answers it in the same unit, unless its answer is put off."""
    asked, owed = _asked(state, given), {each.admission: each.input_id for each in state.owed.values()}
    ids = owed | {item.admission: item.input_id for item in _open(state)}
    put_off = {ids[each.admission] for each in all_of(EndInput, decision) if each.owes}
    settled = Counter(ids[each.admission] for each in all_of(SettleRequest, decision))
    assert max(settled.values(), default=1) == 1, "settled twice"
    assert {*decision.state.owed} == ({*state.owed} | put_off) - {*settled}, "an answer that is owed was lost"
    ended = {InputId(key): outcome for key, outcome in decision.told if key in asked}
    closed = ({*ended} | {*settled}) - {*decision.state.owed}
    answers = answers_of(decision)
    assert Counter(header.request_id for _, header in answers) == Counter(closed), "not answered once"
    for sent, header in answers:
        assert header.request_id is not None
        request = asked[header.request_id]
        assert (sent.recipient, header.correlation_id) == (request.sender, request.correlation_id)
        is_consumed = isinstance(ended.get(header.request_id), Consumed | None)
        assert is_consumed or header.status is ResponseStatus.FAILED
    _check_order(decision)


def answers_of(decision: Decision) -> list[tuple[SendMail, Header]]:
    """The terminal responses that the unit sends."""
    return [(sent, header) for sent, header in responses_of(decision) if sent.kind is InputKind.PEER_RESPONSE_TERMINAL]


def responses_of(decision: Decision) -> list[tuple[SendMail, Header]]:
    """What the unit sends about requests, in order: progress and answers."""
    sent = [each for each in all_of(SendMail, decision) if each.header is not None]
    headed = [(each, decode_header(each.header or b"", each.kind)) for each in sent]
    return [(each, header) for each, header in headed if header.request_id is not None]


def _check_order(decision: Decision) -> None:
    over = set[InputId | None]()
    for sent, header in responses_of(decision):
        assert header.request_id not in over, "said after the end"
        if sent.kind is InputKind.PEER_RESPONSE_TERMINAL:
            over.add(header.request_id)


def _asked(state: IdentityState, given: list[Command]) -> dict[InputId, Asked]:
    arriving = [mail for command in given if isinstance(command, TakePending) for mail in command.mail]
    asked = {each.input_id: Asked(each.sender, each.correlation_id) for each in state.owed.values()}
    items: list[OpenInput | Mail] = [*_open(state), *arriving]
    for each in items:
        if each.kind is InputKind.PEER_REQUEST and each.sender is not None:
            asked[each.input_id] = Asked(each.sender, None if each.header is None else each.header.correlation_id)
    return asked


def _open(state: IdentityState) -> list[OpenInput]:
    members = [member for run in (state.run, state.parked) if run is not None for member in run.members]
    return [*state.steer, *state.lane, *state.lost, *members]


def facts_of(decision: Decision) -> tuple[Fact, ...]:
    """What the unit tells: in its boundary, or else in a row of its own."""
    appended, recorded = all_of(AppendTurn, decision), all_of(RecordEvents, decision)
    assert len(appended) + len(recorded) <= 1, "two rows tell what one unit did"
    if recorded:
        assert decision.unit is not None
        assert len(decision.unit.effects) > 1, "a row tells of a unit that did nothing"
        return decode_facts(recorded[0].body)
    events = orjson.loads(appended[0].body).get("events") if appended else None
    assert events != [], "a boundary with an empty list"
    return () if events is None else decode_facts(orjson.dumps(events))


def check_facts(state: IdentityState, given: list[Command], decision: Decision) -> None:
    """Each thing that the unit did and no other row of it says is told once."""
    facts = facts_of(decision)
    told = Counter(fact for fact in facts if isinstance(fact, _SAID))
    assert told == Counter(_expected(decision)), "told otherwise than done"
    mail = {
        each.sequence: each.input_id for command in given if isinstance(command, TakePending) for each in command.mail
    }
    taken = [mail[each.sequence] for each in all_of(TakeMail, decision)]
    assert [each for fact in facts if isinstance(fact, MailTaken) for each in fact.input_ids] == taken
    assert sum(isinstance(fact, RunFailed) for fact in facts) == (decision.failed is not None)
    assert all_of(AppendTurn, decision) or not any(isinstance(fact, Emitted) for fact in facts)
    ends = [fact.sequence for fact in facts if isinstance(fact, OperationEnded)]
    assert ends == list(range(state.completions + 1, decision.state.completions + 1))
    begun = {fact.operation_id for fact in facts if isinstance(fact, OperationStarted)}
    assert {each.operation_id for each in all_of(PutOperation, decision)} <= begun | {*state.operations}
    _check_timers(decision, facts)


_SAID: Final = (
    Created, Configured, DesiredChanged, GenerationBegan, Destroyed, InputNoted, InputSuperseded, InputCoalesced,
    InputAbandoned, LetterSettled,
)  # fmt: skip
"""What is told of exactly what the unit does, whatever else it tells."""


def _expected(decision: Decision) -> list[Fact]:
    after, expected = decision.state, list[Fact]()
    for key, outcome in decision.told:
        input_id = InputId(key)
        match outcome:
            case Abandoned():
                expected.append(InputAbandoned(input_id, outcome.reason, outcome.detail))
            case Superseded():
                expected.append(InputSuperseded(input_id, outcome.by))
            case Coalesced():
                expected.append(InputCoalesced(input_id, outcome.into))
            case Noted():
                expected.append(InputNoted(input_id))
            case _:
                pass
    for effect in effects_of(decision):
        match effect:
            case CreateIdentity() | Recreate():
                expected.append(Created(effect.kind, after.generation))
            case SetConfig():
                expected.append(Configured(effect.version))
            case SetDesired():
                expected.append(DesiredChanged(effect.desired))
            case BeginGeneration():
                expected.append(GenerationBegan(after.generation))
            case Bury():
                expected.append(Destroyed())
            case SettleLetter():
                expected.append(LetterSettled(effect.admission))
            case _:
                pass
    return expected


def _check_timers(decision: Decision, facts: tuple[Fact, ...]) -> None:
    """What was told of a timer last is what the unit does to it."""
    last = {fact.name: type(fact) for fact in facts if isinstance(fact, TimerSet | TimerFired | TimerDropped)}
    timers = [each for each in effects_of(decision) if isinstance(each, SetTimer | FireTimer | DropTimer)]
    assert {each.name: _TIMER_FACTS[type(each)] for each in timers} == last


_TIMER_FACTS: Final = {SetTimer: TimerSet, FireTimer: TimerFired, DropTimer: TimerDropped}


def check_agenda(decision: Decision) -> None:
    """A unit touches a timer or an operation once, and what ends a life ends its timers."""
    effects = effects_of(decision)
    timers = Counter(each.name for each in effects if isinstance(each, SetTimer | FireTimer | DropTimer))
    operations = Counter(each.operation_id for each in effects if isinstance(each, PutOperation | DropOperation))
    assert max([*timers.values(), *operations.values()], default=1) == 1, "touched twice"
    endings = [each for each in effects if isinstance(each, BeginGeneration | Bury)]
    assert len(all_of(DropTimers, decision)) == len(endings)
