"""What may be said of an input beside its content, what is refused, and how each kind of outcome is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    InputRejection,
    InvalidValueError,
    RejectedInputError,
    TurnAbandonedError,
    UsageError,
)
from meerkat_actors.records.headers import DEFAULT_HEADERS, Durability, Header, Mode, Origin, ResponseStatus
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.inputs import InputKind, InputState, Lane
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Coalesced, Consumed, Noted, Superseded
from meerkat_actors.store import MemoryStore
from tests.actors.test_sharing import serving, shared_store
from tests.actors.world import Gate, echo, gathered, passes, running, said, told

REQUEST = InputId("01234567-89ab-7def-8123-456789abcdef")


async def test_a_plain_input_has_the_header_of_its_kind(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        await agent.ask("x")
        await agent.ask("y", kind="flow_step")
        await agent.ask("z", kind=InputKind.EXTERNAL_EVENT, origin=Origin.EXTERNAL, in_transcript=True)
        records = [record async for record in agent.inputs(order="oldest")]
    kinds = [InputKind.PROMPT, InputKind.FLOW_STEP, InputKind.EXTERNAL_EVENT]
    assert [record.kind for record in records] == kinds
    assert [record.header for record in records] == [DEFAULT_HEADERS[kind] for kind in kinds]
    assert {record.lane for record in records} == {Lane.QUEUE}


async def test_what_is_said_of_an_input_is_kept_with_it(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        await agent.ask(
            {"temperature": 3},
            kind="external_event",
            mode="steer",
            origin="flow",
            source="probe-7",
            durability=Durability.EPHEMERAL,
            supersession_key="temperature",
            correlation_id="c-1",
            in_transcript=True,
            for_operators=False,
            wakes=True,
        )
        await agent.ask("how is it?", kind="peer_request", intent="review", source=None)
        await agent.ask("done", kind="peer_response_terminal", request_id=REQUEST, status="completed")
        event, request, response = [record async for record in agent.inputs(order="oldest")]
    assert event.header == Header(
        mode=Mode.STEER,
        origin=Origin.FLOW,
        source="probe-7",
        durability=Durability.EPHEMERAL,
        supersession_key="temperature",
        correlation_id="c-1",
        for_operators=False,
    )
    assert event.lane is Lane.STEER
    assert request.header == Header(origin=Origin.PEER, intent="review")
    assert response.header == Header(origin=Origin.PEER, request_id=REQUEST, status=ResponseStatus.COMPLETED)
    assert (request.sender, response.sender) == (None, None)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"kind": "promt"}, r"kind='promt': use one of 'prompt', 'peer_message', .*'operation'$"),
        ({"kind": None}, r"kind=None: leave it out for the usual one"),
        ({"kind": 7}, r"kind=7: use one of"),
        ({"mode": "push"}, r"mode='push': use one of 'queue', 'steer'$"),
        ({"origin": "me"}, r"origin='me': use one of 'operator', 'peer', 'flow', 'system', 'external'$"),
        ({"durability": "no"}, r"durability='no': use one of 'durable', 'ephemeral', 'derived'$"),
        ({"status": "fine"}, r"status='fine': use one of 'accepted', .*'cancelled'$"),
        ({"mode": ["steer"]}, r"mode=a list: use one of"),
        ({"source": ""}, r"'' is no source: use printable text of 1 to 256 characters"),
        ({"supersession_key": "a\nb"}, r"is no supersession key"),
        ({"correlation_id": "x" * 257}, r"is no correlation id"),
        ({"intent": 3}, r"3 is no intent"),
        ({"request_id": "r-1"}, r"'r-1' is no input id: use runtime.new_id\(\)"),
        ({"wakes": 1}, r"wakes=1: use True or False"),
        ({"in_transcript": "no"}, r"in_transcript='no': use True or False"),
        ({"idempotency_key": ""}, r"is no idempotency key"),
        ({"input_id": "7"}, r"is no input id"),
    ],
)
async def test_a_value_of_another_form_is_refused_with_the_right_ones(
    options: Mapping[str, Any], problem: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        for call in (agent.send, agent.ask, agent.steer):
            if "mode" in options and call == agent.steer:
                continue
            with pytest.raises(InvalidValueError, match=problem):
                await call("x", **options)
        assert [record async for record in agent.inputs()] == []


async def test_an_option_that_does_not_exist_is_refused(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        wrong: dict[str, Any] = {"redrives": REQUEST, "knid": "prompt"}
        for call in (agent.send, agent.ask, agent.steer):
            with pytest.raises(TypeError, match="unexpected keyword argument 'knid'"):
                await call("x", **wrong)
        steered: dict[str, Any] = {"mode": "queue"}
        await agent.ask("x")
        with pytest.raises(TypeError, match="multiple values for keyword argument 'mode'"):
            await agent.steer("x", **steered)
        assert len([record async for record in agent.inputs()]) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"durability": "derived"}, InputRejection.DURABILITY_VIOLATION),
        ({"kind": "operation", "mode": "steer"}, InputRejection.HANDLING_MODE_INVALID),
        ({"kind": "peer_response_terminal"}, InputRejection.RESPONSE_INVALID),
        ({"kind": "peer_response_progress", "request_id": REQUEST}, InputRejection.RESPONSE_INVALID),
        ({"status": "completed"}, InputRejection.RESPONSE_INVALID),
        ({"intent": "review"}, InputRejection.HEADER_INVALID),
    ],
)
async def test_an_input_that_contradicts_itself_is_rejected_before_it_is_sent(
    options: Mapping[str, Any], reason: InputRejection, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        with pytest.raises(RejectedInputError, match="nothing was written") as caught:
            await agent.send("x", **options)
        assert caught.value.reason is reason
        assert [record async for record in agent.inputs()] == []


async def test_an_ephemeral_input_promises_nothing(autojump_clock: trio.testing.MockClock) -> None:
    gate = Gate()
    store = MemoryStore()
    async with running(store, {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        first = await agent.send("works")
        lost = await agent.send("waits", durability="ephemeral")
        progress = await agent.send("50 %", kind="peer_response_progress", request_id=REQUEST, status="partial_result")
        assert (first.durable, lost.durable, progress.durable) == (True, False, False)
        with trio.CancelScope() as scope:
            scope.cancel()
            await agent.wait(lost.input_id)
        await agent.pause()
    async with running(store, {"gate": gate}) as runtime:
        agent = await runtime.agent("a")
        for admission in (lost, progress):
            outcome = await agent.wait(admission.input_id)
            assert isinstance(outcome, Abandoned)
            assert outcome.reason is AbandonReason.EPHEMERAL_LOST


async def test_an_operation_is_noted_as_it_is_admitted(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    async with running(store, {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        admission = await agent.send({"done": 7}, kind="operation")
        assert await agent.wait(admission.input_id) == Noted()
        assert (await agent.status()).backlog == 0
        for kind in ("operation", InputKind.OPERATION):
            with pytest.raises(UsageError, match="ask of an operation, which has no turn; send it"):
                await agent.ask({"done": 7}, kind=kind)
    async with running(store, {"echo": echo}) as runtime:
        agent = await runtime.agent("a")
        (record,) = [record async for record in agent.inputs()]
        assert (record.state, record.lane, record.outcome) == (InputState.CONSUMED, Lane.NONE, Noted())
        assert [message async for message in agent.history()] == []


async def test_a_newer_input_of_the_same_key_takes_the_place_of_a_queued_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gate = Gate()
    store = MemoryStore()
    async with running(store, {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        await agent.send("first", supersession_key="k")
        asked: list[BaseException | object] = []

        async def ask() -> None:
            asked.extend(await gathered(lambda: agent.ask("old", supersession_key="k")))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await passes(20)
            newer = await agent.send("new", supersession_key="k")
            other = await agent.send("other", supersession_key="l")
            await passes(20)
        (error,) = asked
        assert isinstance(error, TurnAbandonedError)
        assert error.outcome == Superseded(newer.input_id)
        assert str(error) == (
            f"a: input {error.input_id} ended without a result:"
            f" superseded by input {newer.input_id}, which goes on; another key tries anew"
        )
        gate.open()
        await runtime.wait_idle()
        assert await told(agent) == ["first", "new", "other"]
    async with running(store, {"gate": gate}) as runtime:
        agent = await runtime.agent("a")
        assert await agent.wait(InputId(error.input_id)) == Superseded(newer.input_id)
        assert isinstance(await agent.wait(other.input_id), Consumed)


async def test_progress_stands_for_the_progress_before_it(autojump_clock: trio.testing.MockClock) -> None:
    gate = Gate()
    async with running(MemoryStore(), {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        await agent.send("works")

        async def progress(text: str) -> InputId:
            options: dict[str, Any] = {"request_id": REQUEST, "status": "in_progress"}
            return (await agent.send(text, kind="peer_response_progress", **options)).input_id

        first, second = await progress("10 %"), await progress("20 %")
        assert await agent.wait(first) == Coalesced(second)
        records = {record.input_id: record async for record in agent.inputs()}
        assert records[first].state is InputState.COALESCED
        assert records[second].header.coalesces == (first,)
        gate.open()


async def test_the_same_key_is_the_same_input_whatever_else_is_said(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        first = await agent.ask("x", idempotency_key="k", source="one")
        again = await agent.ask("x", idempotency_key="k", source="two", mode="steer")
        assert again == first
        (record,) = [record async for record in agent.inputs()]
        assert record.header.source == "one"


async def test_what_does_not_wake_waits_for_what_does(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        quiet = await agent.send("quiet", wakes=False)
        await trio.sleep(10)
        assert (await agent.status()).backlog == 1
        assert (await agent.ask("loud")).text == "loud"
        assert isinstance(await agent.wait(quiet.input_id), Consumed)
        assert await said(agent) == ["quiet", "loud"]


async def test_what_is_left_for_another_runtime_keeps_what_it_says_of_itself(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, gate = shared_store(), Gate()
    async with serving(store, {"gate": gate}) as holder, serving(store.beside(), {"gate": gate}) as other:
        agent = await holder.agent("a", kind="gate")
        await agent.send("works")
        far = await other.agent("a")
        left = await far.send("plain", kind="external_event", source="probe", durability="ephemeral")
        assert not left.durable
        steered = await far.steer("ahead")
        gate.open()
        for admission in (left, steered):
            assert isinstance(await far.wait(admission.input_id), Consumed)
        records = {record.content: record async for record in agent.inputs(order="oldest")}
        assert records["plain"].header == Header(
            origin=Origin.EXTERNAL, source="probe", durability=Durability.EPHEMERAL
        )
        assert (records["ahead"].header.mode, records["ahead"].lane) == (Mode.STEER, Lane.STEER)
        assert records["works"].lane is Lane.QUEUE


async def test_agents_see_what_kind_of_input_they_work_on(autojump_clock: trio.testing.MockClock) -> None:
    seen: list[InputKind] = []

    async def look(turn: Turn) -> None:
        seen.extend(each.kind for each in turn.inputs)

    async with running(MemoryStore(), {"look": look}) as runtime:
        agent = await runtime.agent("a", kind="look")
        for kind in ("prompt", "peer_message", "external_event"):
            await agent.ask("x", kind=kind)
    assert seen == [InputKind.PROMPT, InputKind.PEER_MESSAGE, InputKind.EXTERNAL_EVENT]
