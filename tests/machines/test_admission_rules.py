"""Which inputs no agent admits: every origin, kind and durability, every mode, every response, and the order of it."""

from __future__ import annotations

from itertools import product
from typing import Any, Final

import pytest
from attrs import evolve

from meerkat_actors import InputRejection, RejectedInputError, UsageError
from meerkat_actors.machines.admission import refusal
from meerkat_actors.records.headers import DEFAULT_HEADERS, Durability, Header, Mode, Origin, ResponseStatus
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.inputs import InputKind

K, R, Q = InputKind, InputRejection, ResponseStatus
REQUEST: Final = InputId("1a000000-0000-7000-8000-000000000001")

CONVERSATION: Final = {"prompt", "peer_message", "peer_request", "peer_response_terminal", "flow_step"}
"""Kinds that can't be derived: the first column of ``reference/runtime.md`` section 2.4."""
OTHERS: Final = {"peer_response_progress", "external_event", "continuation", "operation"}

STATUSES: Final = {
    "peer_response_progress": {"accepted", "in_progress", "partial_result"},
    "peer_response_terminal": {"completed", "failed"},
}


def sound(kind: InputKind, **changes: object) -> Header:
    """A header of which nothing but the changes can be wrong."""
    response: dict[str, Any] = {}
    if kind is K.PEER_RESPONSE_PROGRESS:
        response = {"request_id": REQUEST, "status": Q.IN_PROGRESS}
    if kind is K.PEER_RESPONSE_TERMINAL:
        response = {"request_id": REQUEST, "status": Q.COMPLETED}
    return evolve(DEFAULT_HEADERS[kind], **(response | changes))


def reason(kind: InputKind, header: Header | None) -> InputRejection | None:
    refused = refusal(kind, header)
    return None if refused is None else refused.reason


def test_the_kinds_are_those_of_the_matrix() -> None:
    assert {kind.value for kind in K} == CONVERSATION | OTHERS
    assert not CONVERSATION & OTHERS


@pytest.mark.parametrize(("origin", "kind", "durability"), list(product(Origin, K, Durability)))
def test_every_cell_of_the_durability_matrix(origin: Origin, kind: InputKind, durability: Durability) -> None:
    is_outside = origin.value in {"operator", "peer", "external"}
    refused = durability.value == "derived" and (is_outside or kind.value in CONVERSATION)
    header = sound(kind, origin=origin, durability=durability)
    assert reason(kind, header) is (R.DURABILITY_VIOLATION if refused else None)


@pytest.mark.parametrize(("kind", "mode"), list(product(K, (None, *Mode))))
def test_every_mode_of_every_kind(kind: InputKind, mode: Mode | None) -> None:
    refused = mode is not None and kind.value in {"peer_response_progress", "operation"}
    assert reason(kind, sound(kind, mode=mode)) is (R.HANDLING_MODE_INVALID if refused else None)


@pytest.mark.parametrize(("kind", "status", "request_id"), list(product(K, (None, *Q), (None, REQUEST))))
def test_every_response(kind: InputKind, status: ResponseStatus | None, request_id: InputId | None) -> None:
    header = evolve(DEFAULT_HEADERS[kind], status=status, request_id=request_id)
    if kind.value in STATUSES:
        is_sound = request_id is not None and status is not None and status.value in STATUSES[kind.value]
    else:
        is_sound = request_id is None and status is None
    assert reason(kind, header) is (None if is_sound else R.RESPONSE_INVALID)


@pytest.mark.parametrize("kind", list(K))
def test_no_header_is_admitted_unless_a_response_needs_one(kind: InputKind) -> None:
    assert reason(kind, None) is (R.RESPONSE_INVALID if kind.value in STATUSES else None)
    assert reason(kind, None) is reason(kind, DEFAULT_HEADERS[kind])


@pytest.mark.parametrize("kind", list(K))
def test_only_a_request_has_an_intent(kind: InputKind) -> None:
    expected = None if kind is K.PEER_REQUEST else R.HEADER_INVALID
    assert reason(kind, sound(kind, intent="review")) is expected


@pytest.mark.parametrize("kind", list(K))
@pytest.mark.parametrize("said", [{"redrives": REQUEST}, {"coalesces": (REQUEST,)}])
def test_what_the_runtime_says_nobody_else_says(kind: InputKind, said: dict[str, object]) -> None:
    assert reason(kind, sound(kind, **said)) is R.HEADER_INVALID


@pytest.mark.parametrize("kind", list(K))
def test_what_is_free_to_say_is_admitted(kind: InputKind) -> None:
    header = sound(
        kind,
        source="a webhook",
        in_transcript=False,
        for_operators=False,
        supersession_key="key",
        correlation_id="id",
        wakes=False,
    )
    assert reason(kind, header) is None


def test_the_first_rule_that_is_broken_is_told() -> None:
    header = evolve(
        DEFAULT_HEADERS[K.PEER_RESPONSE_PROGRESS],
        durability=Durability.DERIVED,
        mode=Mode.STEER,
        intent="review",
    )
    told: list[InputRejection | None] = []
    for mended in (
        {},
        {"durability": Durability.EPHEMERAL},
        {"mode": None},
        {"request_id": REQUEST, "status": Q.ACCEPTED},
        {"intent": None},
    ):
        header = evolve(header, **mended)
        told.append(reason(K.PEER_RESPONSE_PROGRESS, header))
    assert told == [R.DURABILITY_VIOLATION, R.HANDLING_MODE_INVALID, R.RESPONSE_INVALID, R.HEADER_INVALID, None]


NOTHING: Final = "; nothing was written"


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (
            K.EXTERNAL_EVENT,
            {"durability": Durability.DERIVED},
            "external_event: only inputs of origin flow or system can be derived, and this one is of origin external;"
            " declare it durable or ephemeral",
        ),
        (
            K.FLOW_STEP,
            {"durability": Durability.DERIVED},
            "flow_step: such inputs can't be derived: what they say is said once; declare it durable or ephemeral",
        ),
        (K.OPERATION, {"mode": Mode.QUEUE}, "operation: such inputs have no mode; leave out mode='queue'"),
        (
            K.PROMPT,
            {"request_id": REQUEST},
            "prompt: such inputs are no responses; leave out request_id and status, or send a response",
        ),
        (
            K.PEER_RESPONSE_TERMINAL,
            {"request_id": None},
            "peer_response_terminal: a response names its request; give the request's input id as request_id",
        ),
        (
            K.PEER_RESPONSE_TERMINAL,
            {"status": Q.CANCELLED},
            "peer_response_terminal: its status has to be completed or failed, and is 'cancelled'",
        ),
        (
            K.PEER_RESPONSE_PROGRESS,
            {"status": None},
            "peer_response_progress: its status has to be accepted or in_progress or partial_result, and is none",
        ),
        (K.PROMPT, {"intent": "review"}, "prompt: only a peer_request has an intent; leave it out"),
        (
            K.PROMPT,
            {"redrives": REQUEST},
            "prompt: redrives and coalesces are the runtime's to say; leave them out",
        ),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_to_do(kind: InputKind, changes: dict[str, object], message: str) -> None:
    refused = refusal(kind, sound(kind, **changes))
    assert isinstance(refused, RejectedInputError)
    assert isinstance(refused, UsageError)
    assert str(refused) == refused.problem == message + NOTHING
