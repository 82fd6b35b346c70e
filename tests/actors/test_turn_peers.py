"""What a turn says to other agents: messages, requests, answers, and answers that it owes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, cast

import pytest
from attrs import evolve

from meerkat_actors.actors.turn import Turn, TurnInput
from meerkat_actors.errors import InvalidValueError, NotWiredError, RejectedInputError, UsageError
from meerkat_actors.records.codec import decode_json
from meerkat_actors.records.headers import DEFAULT_HEADERS, Header, Mode, Origin, ResponseStatus
from meerkat_actors.records.ids import AdmissionSequence, AgentIdentity, InputId, parse_identity
from meerkat_actors.records.inputs import InputKind, OpenInput
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.mail import Owed
from meerkat_actors.records.runs import NO_EXTRAS, Sending, TurnCompleted
from tests.actors.stub_owner import StubOwner, member
from tests.actors.turn_ends import ended

ASKER: Final = AgentIdentity("asker")
CLOSED: Final = {"completed", "failed"}
PROGRESS: Final = {"accepted", "in_progress", "partial_result"}


def asked(number: int, *, correlation_id: str | None = None) -> OpenInput:
    """A request of another agent."""
    header = None
    if correlation_id is not None:
        header = evolve(DEFAULT_HEADERS[InputKind.PEER_REQUEST], correlation_id=correlation_id)
    return evolve(member(number, f"request {number}", kind=InputKind.PEER_REQUEST, header=header), sender=ASKER)


def debt(number: int, admission: int, *, correlation_id: str | None = None) -> Owed:
    """A request that an earlier turn put off."""
    return Owed(AdmissionSequence(admission), asked(number).input_id, AgentIdentity(f"asker-{number}"), correlation_id)


def owing(*debts: Owed) -> dict[InputId, Owed]:
    return {each.input_id: each for each in debts}


def header_of(sending: Sending) -> Header:
    return DEFAULT_HEADERS[sending.kind] if sending.header is None else sending.header


# -- messages and requests ----------------------------------------------------------------


@pytest.mark.parametrize("is_plain", [False, True])
async def test_a_message_without_options_is_stored_without_a_header_and_leaves_no_extras(is_plain: bool) -> None:
    def send(turn: Turn) -> str:
        return turn.send("b", {"n": 1})

    async def send_async(turn: Turn) -> str:
        return send(turn)

    ending = await ended(send if is_plain else send_async)
    assert ending.text is not None
    assert ending.sendings == (
        Sending(AgentIdentity("b"), InputId(ending.text), b'{"n":1}', InputKind.PEER_MESSAGE, None),
    )
    assert ending.extras is NO_EXTRAS


async def test_what_a_message_says_of_itself_is_in_its_header() -> None:
    async def send(turn: Turn) -> None:
        turn.send("b", 1, mode="steer", correlation_id="job-1", supersession_key="latest", wakes=False)
        turn.send("b", 2, mode=Mode.QUEUE)
        turn.send("b", 3, mode=None, correlation_id=None, supersession_key=None, wakes=True)

    first, second, third = (await ended(send)).sendings
    assert first.header == Header(
        origin=Origin.PEER, mode=Mode.STEER, correlation_id="job-1", supersession_key="latest", wakes=False
    )
    assert second.header == Header(origin=Origin.PEER, mode=Mode.QUEUE)
    assert third.header is None


async def test_a_request_is_known_by_the_id_of_its_input() -> None:
    async def ask(turn: Turn) -> str:
        turn.request("c", "plain")
        return turn.request("b", "how?", intent="review", mode="steer", correlation_id="job-1", wakes=False)

    ending = await ended(ask)
    plain, request = ending.sendings
    assert (plain.kind, plain.header) == (InputKind.PEER_REQUEST, None)
    assert (request.recipient, request.input_id, request.kind) == ("b", ending.text, InputKind.PEER_REQUEST)
    assert request.header == Header(
        origin=Origin.PEER, intent="review", mode=Mode.STEER, correlation_id="job-1", wakes=False
    )


JUNK_SENDS: Final[Mapping[str, tuple[Callable[[Turn], object], type[BaseException], str]]] = {
    "no-name": (lambda turn: turn.send("a b", 1), InvalidValueError, "no agent identity"),
    "no-json": (lambda turn: turn.request("b", float("nan")), InvalidValueError, "message"),
    "no-mode": (lambda turn: turn.send("b", 1, mode="later"), InvalidValueError, "mode='later': use one of"),
    "mode-of-no-text": (lambda turn: turn.send("b", 1, mode=cast("Any", [])), InvalidValueError, "mode=a list"),
    "no-flag": (lambda turn: turn.send("b", 1, wakes=cast("Any", 0)), InvalidValueError, "wakes=0"),
    "no-key": (lambda turn: turn.send("b", 1, supersession_key=""), InvalidValueError, "supersession key"),
    "no-id": (lambda turn: turn.send("b", 1, correlation_id="\n"), InvalidValueError, "correlation id"),
    "no-intent": (lambda turn: turn.request("b", 1, intent="x" * 300), InvalidValueError, "intent"),
    "intent-of-a-message": (lambda turn: cast("Any", turn).send("b", 1, intent="x"), TypeError, "'intent'"),
    "key-of-a-request": (
        lambda turn: cast("Any", turn).request("b", 1, supersession_key="x"),
        TypeError,
        "'supersession_key'",
    ),
}


@pytest.mark.parametrize("way", JUNK_SENDS)
async def test_what_nobody_would_admit_is_refused_where_it_is_sent(way: str) -> None:
    send, error, told = JUNK_SENDS[way]

    async def careless(turn: Turn) -> None:
        with pytest.raises(error, match=told):
            send(turn)

    assert (await ended(careless)).sendings == ()


async def test_messages_requests_and_answers_are_counted_together() -> None:
    async def talk(turn: Turn) -> None:
        turn.send("b", 1)
        turn.request("b", 2)
        turn.respond(turn.inputs[0], "soon", status="accepted")
        for one_more in (turn.send, turn.request):
            with pytest.raises(UsageError, match="at most 3 messages"):
                one_more("b", 3)
        with pytest.raises(UsageError, match="at most 3 messages"):
            turn.respond(turn.inputs[0], "done")

    ending = await ended(talk, asked(1), limits=Limits(messages_max=3))
    assert len(ending.sendings) == 3
    assert ending.extras.answered == frozenset()


@pytest.mark.parametrize("is_plain", [False, True])
async def test_a_wiring_says_whom_a_name_means_and_who_may_not_be_spoken_to(is_plain: bool) -> None:
    def wiring(sender: AgentIdentity, to: str) -> AgentIdentity:
        if to == "stranger":
            raise NotWiredError(problem=f"{sender}: not wired to {to}")
        return parse_identity(f"mob/{to}")

    def talk(turn: Turn) -> None:
        turn.send("b", 1)
        turn.request("c", 2)
        for speak in (turn.send, turn.request):
            with pytest.raises(NotWiredError, match="a: not wired to stranger") as refused:
                speak("stranger", 3)
            assert isinstance(refused.value, UsageError)
        # Whoever asked is answered, wired or not.
        turn.respond(turn.inputs[0], "yes")

    async def talk_async(turn: Turn) -> None:
        talk(turn)

    ending = await ended(talk if is_plain else talk_async, asked(1), wiring=wiring)
    assert [sending.recipient for sending in ending.sendings] == ["mob/b", "mob/c", ASKER]


# -- answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [*ResponseStatus, *ResponseStatus.__members__, "done", None])
async def test_a_response_has_the_kind_that_its_status_is_of_and_names_its_request(status: str | None) -> None:
    known = status in CLOSED | PROGRESS

    async def answer(turn: Turn) -> None:
        if known:
            turn.respond(turn.inputs[0], "so", status=cast("str", status))
        else:
            with pytest.raises(UsageError, match="status"):
                turn.respond(turn.inputs[0], "so", status=cast("str", status))

    request = asked(1, correlation_id="job-1")
    ending = await ended(answer, request)
    if not known:
        assert (ending.sendings, ending.extras) == ((), NO_EXTRAS)
        return
    [response] = ending.sendings
    closes = status in CLOSED
    kind = InputKind.PEER_RESPONSE_TERMINAL if closes else InputKind.PEER_RESPONSE_PROGRESS
    assert (response.recipient, response.kind, response.content) == (ASKER, kind, b'"so"')
    assert response.header == evolve(
        DEFAULT_HEADERS[kind],
        request_id=request.input_id,
        correlation_id="job-1",
        status=ResponseStatus(status or ""),
    )
    assert response.input_id != request.input_id
    assert ending.extras.answered == ({request.input_id} if closes else set())


async def test_a_request_gets_progress_first_then_one_answer_and_nothing_after_it() -> None:
    async def answer(turn: Turn) -> None:
        [request] = turn.inputs
        turn.respond(request, 0, status="accepted")
        turn.respond(request.input_id, 1, status="in_progress")
        turn.respond(request, 2, status=ResponseStatus.FAILED, mode="steer")
        for status in CLOSED | PROGRESS:
            with pytest.raises(UsageError, match="has its answer"):
                turn.respond(request, 3, status=status)
        with pytest.raises(UsageError, match="has its answer"):
            turn.defer(request)

    ending = await ended(answer, asked(1))
    assert [decode_json(sending.content) for sending in ending.sendings] == [0, 1, 2]
    assert [header_of(sending).mode for sending in ending.sendings] == [None, None, Mode.STEER]


async def test_progress_has_no_mode() -> None:
    async def answer(turn: Turn) -> None:
        with pytest.raises(RejectedInputError, match="mode='queue'"):
            turn.respond(turn.inputs[0], 0, status="accepted", mode="queue")

    assert (await ended(answer, asked(1))).sendings == ()


async def test_a_refused_answer_leaves_the_request_unanswered() -> None:
    async def answer(turn: Turn) -> None:
        turn.defer(turn.inputs[0])
        with pytest.raises(InvalidValueError):
            turn.respond(turn.inputs[0], float("inf"))

    extras = (await ended(answer, asked(1))).extras
    assert not extras.answered
    assert extras.deferred == {asked(1).input_id}


async def test_only_requests_of_agents_that_this_turn_was_given_are_answered() -> None:
    async def answer(turn: Turn) -> None:
        prompt, from_outside, request = turn.inputs
        for one, told in (
            (prompt, "is a peer_message; only a peer_request is answered"),
            (from_outside, "came from no agent"),
            (asked(9).input_id, "is no request of this turn"),
        ):
            for use in (turn.defer, partial(turn.respond, content="x")):
                with pytest.raises(UsageError, match=told):
                    use(one)
        with pytest.raises(InvalidValueError, match="no input id"):
            turn.respond(InputId("r"), "x")
        turn.respond(request, "x")

    message = evolve(member(1, "m", kind=InputKind.PEER_MESSAGE), sender=ASKER)
    from_outside = member(2, "r", kind=InputKind.PEER_REQUEST)
    ending = await ended(answer, message, from_outside, asked(3))
    assert ending.extras.answered == {asked(3).input_id}


async def test_what_a_checkpoint_gave_is_answered_and_what_it_did_not_give_yet_is_not() -> None:
    steered = asked(7, correlation_id="late")

    async def answer(turn: Turn) -> None:
        with pytest.raises(UsageError, match="is no request of this turn"):
            turn.respond(steered.input_id, "too early")
        [given] = await turn.checkpoint()
        turn.respond(given, "in time")

    owner = StubOwner()
    owner.steer.append(steered)
    # The second attempt is given the same by the same checkpoint, and no sooner either.
    for ending in [await owner.attempt(answer), await owner.attempt(answer)]:
        assert isinstance(ending, TurnCompleted)
        assert ending.extras.answered == {steered.input_id}
        assert [header_of(sending).correlation_id for sending in ending.sendings] == ["late"]


# -- answers that are owed ----------------------------------------------------------------


async def test_a_deferred_request_is_left_to_a_later_turn_and_may_be_told_how_it_gets_on() -> None:
    async def put_off(turn: Turn) -> None:
        first, second = turn.inputs
        turn.defer(first)
        turn.defer(first.input_id)
        turn.defer(second)
        turn.respond(first, "soon", status="accepted")
        turn.respond(second, "after all")
        assert turn.owed == ()  # from this turn on

    extras = (await ended(put_off, asked(1), asked(2))).extras
    assert extras.deferred == {asked(1).input_id}
    assert extras.answered == {asked(2).input_id}


async def test_what_is_owed_is_told_oldest_first_and_settled_by_its_answer() -> None:
    debts = [debt(5, 3), debt(6, 1, correlation_id="job-6"), debt(4, 2)]

    async def answer(turn: Turn) -> None:
        oldest, middle, newest = turn.owed
        assert [oldest, middle, newest] == [asked(number).input_id for number in (6, 4, 5)]
        turn.respond(middle, "working", status="in_progress")
        turn.respond(oldest, "done")
        turn.defer(newest)
        assert turn.owed == (middle, newest)
        with pytest.raises(UsageError, match="has its answer"):
            turn.respond(oldest, "again")

    ending = await ended(answer, owed=owing(*debts))
    assert [sending.recipient for sending in ending.sendings] == ["asker-4", "asker-6"]
    assert [header_of(sending).correlation_id for sending in ending.sendings] == [None, "job-6"]
    assert ending.extras.answered == {asked(6).input_id}
    assert ending.extras.deferred == frozenset()


async def test_an_agent_owes_no_more_than_it_may() -> None:
    async def put_off(turn: Turn) -> None:
        first, second, third = turn.inputs
        turn.defer(first)
        with pytest.raises(UsageError, match="it owes 2 answers"):
            turn.defer(second)
        turn.respond(turn.owed[0], "done")
        turn.defer(second)
        with pytest.raises(UsageError, match="it owes 2 answers"):
            turn.defer(third)

    ending = await ended(put_off, asked(1), asked(2), asked(3), owed=owing(debt(4, 1)), limits=Limits(owed_max=2))
    assert ending.extras.deferred == {asked(1).input_id, asked(2).input_id}


async def test_nothing_of_it_is_possible_when_the_turn_is_over() -> None:
    kept: list[tuple[Turn, TurnInput]] = []

    async def keep(turn: Turn) -> None:
        kept.append((turn, turn.inputs[0]))

    await ended(keep, asked(1))
    [(turn, request)] = kept
    for use in (partial(turn.respond, request, 1), partial(turn.defer, request), partial(turn.request, "b", 1)):
        with pytest.raises(UsageError, match="this turn is over"):
            use()
    assert turn.owed == ()
