"""Edges of turns: what they are given, what becomes of it, and who hears of that."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
import trio.testing

from meerkat_actors.actors.turn import Turn, TurnInput
from meerkat_actors.errors import StoreFailedError, TurnAbandonedError, UsageError
from meerkat_actors.records.headers import Header, Origin, ResponseStatus
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, Answer, Consumed, ReceiptOutcome, Superseded
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, consumed, echo, gathered, hang, running, said, told
from tests.edges.world import Place

REQUEST = InputId("00000000-0000-7000-8000-000000000001")


@pytest.mark.parametrize("is_killed", [False, True])
async def test_edge_3_a_batch_is_the_same_whatever_way_its_members_came(
    place: Place, is_killed: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """Sent, mailed, driven again after a failure, or found by a restart: one turn, in the order of admission."""
    turns: list[list[object]] = []

    async def reader(turn: Turn) -> None:
        turns.append([each.content for each in turn.inputs])
        if turn.text == "poison":
            message = "no"
            raise ValueError(message)

    async def writer(turn: Turn) -> str:
        for number in range(2):
            turn.send("reader", f"mail {number}")
        return "sent"

    agents = {"reader": reader, "writer": writer}
    limits = Limits(attempts_max=1)
    async with place.life(agents, limits=limits, is_killed=is_killed) as runtime:
        agent = await runtime.agent("reader", kind="reader")
        letter = await agent.send("poison", kind="peer_message")
        await agent.wait(letter.input_id)
        await agent.pause()
        await agent.send("sent", kind="peer_message")
        await (await runtime.agent("writer", kind="writer")).ask("go")
        await trio.sleep(1)
        await runtime.redrive(letter.input_id)
    async with place.life(agents, limits=limits) as runtime:
        turns.clear()
        await (await runtime.agent("reader")).resume()
        await runtime.wait_idle()
    assert turns == [["sent", "mail 0", "mail 1", "poison"]]


async def test_edge_6_each_member_of_a_batch_says_of_itself_what_its_sender_said(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[tuple[TurnInput, ...]] = []

    async def agent(turn: Turn) -> None:
        seen.append(turn.inputs)

    async with place.life({"agent": agent}, is_killed=True) as runtime:
        handle = await runtime.agent("a", kind="agent")
        await handle.pause()
        await handle.send("plain", kind="peer_message")
        await handle.send("asked", kind="peer_request", intent="review", correlation_id="c-1", origin="external")
        await handle.send("event", kind="external_event", source="hook")
    async with place.life({"agent": agent}) as runtime:
        handle = await runtime.agent("a")
        await handle.resume()
        await handle.send("failed", kind="peer_response_terminal", request_id=REQUEST, status="failed")
        await runtime.wait_idle()
    plain, asked, event, failed = (each.header for turn in seen for each in turn)
    assert [len(turn) for turn in seen] == [3, 1]
    assert plain == Header(origin=Origin.PEER)
    assert (asked.intent, asked.correlation_id, asked.origin) == ("review", "c-1", Origin.EXTERNAL)
    assert (event.source, event.origin) == ("hook", Origin.EXTERNAL)
    assert (failed.request_id, failed.status) == (REQUEST, ResponseStatus.FAILED)


async def test_edge_17_a_final_response_is_one_piece_of_work(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    """Also while the agent works, and where its sender tells it twice; and with no words it still stands there."""
    turns: list[list[str]] = []

    async def agent(turn: Turn) -> None:
        turns.append([str(each.kind) for each in turn.inputs])
        await turn.rest(10)

    async with place.life({"agent": agent}) as runtime:
        handle = await runtime.agent("a", kind="agent")
        await handle.send("work")
        await trio.sleep(1)
        for _ in range(2):
            await handle.send(
                "",
                kind="peer_response_terminal",
                request_id=REQUEST,
                status="completed",
                idempotency_key="answer",
            )
        await runtime.wait_idle()
        assert turns == [["prompt"], ["peer_response_terminal"]]
        assert await told(handle) == ["work", ""]


@pytest.mark.parametrize("fails", [False, True])
async def test_edge_22_one_bad_input_holds_up_nobody_for_ever(
    place: Place, fails: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """In its own lane others wait until it is given up; in the other lane they don't wait at all."""

    async def picky(turn: Turn) -> str:
        if turn.text == "bad":
            message = "no"
            raise ValueError(message)
        return turn.text

    limits = Limits(backoff_seconds=100, backoff_seconds_max=100)
    async with place.life({"picky": picky}, limits=limits) as runtime:
        agent = await runtime.agent("a", kind="picky")
        await agent.send("bad" if fails else "good")
        behind = await agent.send("behind")
        await trio.sleep(1)
        steered = await agent.steer("steered")
        assert isinstance(await agent.wait(steered.input_id), Consumed)
        assert trio.current_time() < 10
        assert isinstance(await agent.wait(behind.input_id), Consumed)
        assert (trio.current_time() > 150) == fails
        assert await said(agent) == (["steered", "behind"] if fails else ["good", "behind", "steered"])


async def test_edges_31_29_a_turn_is_steered_and_interrupted_while_it_works(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    """To steer is not to cancel: the turn goes on, and what arrives meanwhile is admitted at once."""
    gate = Gate()
    async with place.life({"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        working = await agent.send("works")
        await trio.sleep(1)
        steered = await agent.steer("look")
        message = await agent.send("by the way", kind="peer_message")
        status = await agent.status()
        assert (status.steered, status.backlog) == (1, 2)
        assert gate.begun == 1
        gate.open()
        for admission in (working, steered, message):
            assert isinstance(await agent.wait(admission.input_id), Consumed)
        # It passed no checkpoint: what was steered begins a turn of its own, ahead of the queue.
        assert await said(agent) == ["works", "look", "by the way"]


async def test_edge_32_a_turn_always_has_something_to_say_to_a_model(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    """What is kept out of the transcript is there for the turn all the same."""
    texts: list[str] = []

    async def agent(turn: Turn) -> None:
        texts.append(turn.text)

    async with place.life({"agent": agent}) as runtime:
        handle = await runtime.agent("a", kind="agent")
        await handle.ask("go on", kind="continuation")
        await handle.ask("privately", kind="peer_message", in_transcript=False)
        assert texts == ["go on", "privately"]
        assert await told(handle) == []


@pytest.mark.parametrize("is_written", [False, True])
async def test_edges_43_53_60_an_attempt_that_could_not_be_committed_leaves_nothing_to_the_next(
    is_written: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """State, messages and mail are those of one attempt, whether its boundary was lost or only its answer."""
    inner = MemoryStore()
    store = FaultyStore(inner)
    attempts: list[object] = []

    async def counting(turn: Turn) -> str:
        attempts.append(turn.state)
        turn.set_state((turn.state or 0) + 1)
        turn.append("thinking")
        turn.send("b", "counted")
        if len(attempts) == 1:
            store.fail_next(is_written=is_written)
        return "counted"

    agents = {"counting": counting, "echo": echo}
    admitted: list[InputId] = []

    async def first_life() -> None:
        async with running(store, agents) as runtime:
            agent = await runtime.agent("a", kind="counting")
            admitted.append((await agent.send("x")).input_id)
            await runtime.wait_idle()

    with pytest.raises(StoreFailedError):
        await first_life()
    async with running(inner, agents) as runtime:
        agent, other = await runtime.agent("a"), await runtime.agent("b", kind="echo")
        assert isinstance(await agent.wait(admitted[0]), Consumed)
        await runtime.wait_idle()
        assert attempts == ([None] if is_written else [None, None])
        assert await told(other) == ["counted"]
        assert await said(agent) == ["thinking", "counted"]
        assert await consumed(agent) == admitted


async def test_edge_52_what_is_steered_to_an_agent_at_rest_is_part_of_the_conversation(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    async with place.life({"echo": echo}, is_killed=True) as runtime:
        agent = await runtime.agent("a", kind="echo")
        await agent.pause()
        for number in range(3):
            await agent.steer(f"steer {number}")
    async with place.life({"echo": echo}) as runtime:
        agent = await runtime.agent("a")
        await agent.resume()
        await runtime.wait_idle()
        assert await told(agent) == ["steer 0", "steer 1", "steer 2"]
        assert len([receipt async for receipt in agent.receipts()]) == 1


async def test_edge_61_who_interrupts_one_run_and_who_interrupts_the_next_each_hear_of_their_own(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    async with place.life({"hang": hang}) as runtime:
        agent = await runtime.agent("a", kind="hang")
        inputs = [await agent.send(f"job {number}") for number in range(3)]
        await trio.sleep(1)
        assert await agent.interrupt() is True
        first = await agent.wait(inputs[0].input_id)
        await trio.sleep(1)
        # Both are asked in one fold, and end the second run; the third goes on.
        answers = await gathered(agent.interrupt, agent.interrupt, lambda: agent.cancel(inputs[1].input_id))
        assert answers[:2] == [True, True]
        assert isinstance(first, Abandoned)
        await trio.sleep(1)
        status = await agent.status()
        assert (status.backlog, status.run_id is None) == (0, False)
        assert [receipt.outcome async for receipt in agent.receipts()] == [ReceiptOutcome.INTERRUPTED] * 2
        assert [receipt.contributors async for receipt in agent.receipts()] == [
            (inputs[1].input_id,),
            (inputs[0].input_id,),
        ]


async def test_defect_2_what_is_displaced_has_its_outcome_and_everybody_hears_it(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    async with place.life({"hang": hang}) as runtime:
        agent = await runtime.agent("a", kind="hang")
        await agent.send("busy")
        await trio.sleep(1)
        answers: list[object] = []

        async def ask() -> None:
            with suppress(TurnAbandonedError):
                answers.append(await agent.ask("old", kind="external_event", supersession_key="price"))
            answers.append("ended")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(1)
            newer = await agent.send("new", kind="external_event", supersession_key="price")
        assert answers == ["ended"]
        older = [record async for record in agent.inputs()][1]
        assert older.outcome == Superseded(newer.input_id)
        assert await agent.wait(older.input_id) == older.outcome


async def test_defect_4_who_waits_through_a_failure_hears_the_one_outcome(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    async def second_time(turn: Turn) -> str:
        if turn.attempt == 1:
            message = "not yet"
            raise ValueError(message)
        return "done"

    async with place.life({"agent": second_time}) as runtime:
        agent = await runtime.agent("a", kind="agent")
        admission = await agent.send("x")
        answers = await gathered(
            *[lambda: agent.wait(admission.input_id)] * 2,
            lambda: agent.ask("x", input_id=admission.input_id),
        )
        assert isinstance(answers[0], Consumed)
        assert answers[1] == answers[0]
        assert isinstance(answers[2], Answer)
        assert answers[2].text == "done"


async def test_edge_62_what_was_admitted_before_the_end_may_still_be_committed(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    """A turn that is under way when the block is left has its time; what is behind it waits for the next life."""
    gate = Gate()
    async with place.life({"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        under_way, queued = await agent.send("under way"), await agent.send("queued")
        await trio.sleep(1)
        gate.open()
    with pytest.raises(UsageError):
        await agent.status()
    later = Gate()
    async with place.life({"gate": later}) as runtime:
        agent = await runtime.agent("a")
        assert isinstance(await agent.wait(under_way.input_id), Consumed)
        await trio.sleep(1)
        assert later.begun == 1
        later.open()
        assert isinstance(await agent.wait(queued.input_id), Consumed)
        assert await said(agent) == ["under way", "queued"]
