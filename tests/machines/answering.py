"""Requests, and turns that answer them or put their answers off, by hand."""

from __future__ import annotations

import orjson
from immutables import Map

from meerkat_actors.machines.lap import Decision
from meerkat_actors.records.agenda_effects import CountSends
from meerkat_actors.records.effects import AppendTurn
from meerkat_actors.records.headers import Header, ResponseStatus
from meerkat_actors.records.ids import AdmissionSequence, InputId
from meerkat_actors.records.inputs import InputKind, OpenInput
from meerkat_actors.records.mail import Owed
from meerkat_actors.records.runs import (
    Sending,
    TurnCompleted,
    TurnExtras,
    TurnFailed,
)
from meerkat_actors.records.status import Verb
from tests.machines.agenda_laws import answers_of
from tests.machines.laws import outcomes_of
from tests.machines.states import (
    SENDER,
    an_input,
    effects_of,
    input_id,
)

K, V = InputKind, Verb
COMPLETED, FAILED = ResponseStatus.COMPLETED, ResponseStatus.FAILED
RAISED = TurnFailed("ValueError: no")


def request(number: int, header: Header | None = None, *, position: int = 0) -> OpenInput:
    return an_input(number, K.PEER_REQUEST, header, sender=SENDER, position=position)


def owing(*numbers: int) -> Map[InputId, Owed]:
    return Map(
        (input_id(number), Owed(AdmissionSequence(number), input_id(number), SENDER, None)) for number in numbers
    )


def response(number: int, status: ResponseStatus = COMPLETED) -> Sending:
    kind = K.PEER_RESPONSE_TERMINAL if status in {COMPLETED, FAILED} else K.PEER_RESPONSE_PROGRESS
    header = Header(request_id=input_id(number), status=status)
    return Sending(SENDER, input_id(500 + number), b'"said"', kind, header)


def responding(*numbers: int, deferred: tuple[int, ...] = ()) -> TurnCompleted:
    extras = TurnExtras(
        answered=frozenset(map(input_id, numbers)), deferred=frozenset(map(input_id, deferred))
    )  # fmt: skip
    return TurnCompleted("done", (), None, tuple(map(response, numbers)), 0, extras)


def deferring(*numbers: int) -> TurnCompleted:
    return responding(deferred=numbers)


def told(decision: Decision) -> list[tuple[InputId | None, ResponseStatus | None, object]]:
    """The answers that the unit gives: to what, how it went, and in what words."""
    return [(header.request_id, header.status, orjson.loads(sent.content)) for sent, header in answers_of(decision)]


def failed(decision: Decision, *numbers: int) -> None:
    """The unit answers those requests with failures, tells of their ends, and counts what it sends."""
    assert sorted(told(decision), key=str) == sorted(
        ((input_id(each), FAILED, f"the request failed: {outcomes_of(decision)[input_id(each)]}") for each in numbers),
        key=str,
    )
    sends = [each.sends for each in effects_of(decision) if isinstance(each, CountSends | AppendTurn)]
    assert sends == [decision.state.sends]
