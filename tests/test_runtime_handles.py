"""What users hold: handles that forward to whoever owns the agent now, and listings that page."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import StoreCorruptError, TurnAbandonedError, UsageError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.inputs import InputKind, InputState
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, Consumed
from meerkat_actors.records.status import Phase
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, consumed, count, echo, passes, running, said, silent, told, until


async def test_any_number_of_handles_stand_for_one_agent(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"count": count}) as runtime:
        handles = [await runtime.agent("a", kind="count") for _ in range(3)]
        assert [(await handle.ask("x")).text for handle in handles] == ["1", "2", "3"]
        assert {handle.identity for handle in handles} == {"a"}
        admission = await handles[0].send("y")
        assert isinstance(await handles[1].wait(admission.input_id), Consumed)
        assert await told(handles[2]) == ["x", "x", "x", "y"]


async def test_a_handle_may_be_used_inside_a_turn_to_tell_another_agent(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {}) as outer:
        assert outer.statistics().live == 0
    async with open_runtime(agents={"echo": echo}, observers=()) as runtime:
        other = await runtime.agent("other", kind="echo")

        async def delegate(turn: Turn) -> str:
            # At-least-once, like every effect outside of the turn's own unit: hence the key.
            await other.send(turn.text, idempotency_key=turn.run_id)
            return "delegated"

        async with open_runtime(agents={"delegate": delegate}, observers=()) as second:
            assert (await (await second.agent("a", kind="delegate")).ask("x")).text == "delegated"
        await runtime.wait_idle()
        assert await told(other) == ["x"]


async def test_the_status_says_what_an_agent_does(autojump_clock: trio.testing.MockClock) -> None:
    gate = Gate()
    async with running(MemoryStore(), {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        created = await agent.status()
        assert (created.identity, created.kind, created.phase, created.generation) == ("a", "gate", Phase.IDLE, 0)
        assert (created.checkpoint_version, created.fencing_token, created.message_count) == (0, 1, 0)
        assert (created.backlog, created.run_id, created.attempts, created.interruptions) == (0, None, 0, 0)
        for number in range(3):
            await agent.send(number)
        busy = await agent.status()
        assert (busy.phase, busy.backlog) == (Phase.RUNNING, 2)
        assert busy.run_id is not None
        gate.open()
        await runtime.wait_idle()
        done = await agent.status()
        assert (done.phase, done.backlog, done.checkpoint_version, done.message_count) == (Phase.IDLE, 0, 3, 6)


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 250])
async def test_listings_of_any_length_are_complete_and_in_order(
    number: int, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(MemoryStore(), {"silent": silent}) as runtime:
        agent = await runtime.agent("a", kind="silent")
        for each in range(number):
            await agent.send(each)
        await runtime.wait_idle()
        expected = list(range(number))
        assert [record.content async for record in agent.inputs(order="oldest")] == expected
        assert [record.content async for record in agent.inputs()] == expected[::-1]
        assert [message.content async for message in agent.history()] == expected[::-1]
        versions = [receipt.checkpoint_version async for receipt in agent.receipts()]
        assert versions == list(range(number, 0, -1))


async def test_an_input_record_tells_where_an_input_is(autojump_clock: trio.testing.MockClock) -> None:
    async def picky(turn: Turn) -> str:
        if turn.text == "bad":
            message = "no"
            raise ValueError(message)
        if turn.text == "slow":
            await trio.sleep_forever()
        return turn.text

    limits = Limits(attempts_max=2, shutdown_seconds=0)
    async with running(MemoryStore(), {"picky": picky}, limits=limits) as runtime:
        agent = await runtime.agent("a", kind="picky")
        admissions = [await agent.send(content) for content in ("good", "bad", "slow", "waits")]
        await trio.sleep(10)
        good, bad, slow, waits = [record async for record in agent.inputs(order="oldest")]
    assert [record.input_id for record in (good, bad, slow, waits)] == [each.input_id for each in admissions]
    assert [record.admission_sequence for record in (good, bad, slow, waits)] == [1, 2, 3, 4]
    assert {record.kind for record in (good, bad, slow, waits)} == {InputKind.PROMPT}
    states = [InputState.CONSUMED, InputState.ABANDONED, InputState.STAGED, InputState.QUEUED]
    assert [record.state for record in (good, bad, slow, waits)] == states
    assert [record.state.is_terminal for record in (good, bad, slow, waits)] == [True, True, False, False]
    assert isinstance(good.outcome, Consumed)
    assert good.run_id == good.outcome.receipt.run_id
    assert isinstance(bad.outcome, Abandoned)
    assert (slow.outcome, waits.outcome, waits.run_id) == (None, None, None)


async def test_receipts_prove_a_chain(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        answers = [await agent.ask(str(number)) for number in range(5)]
        receipts = [receipt async for receipt in agent.receipts()][::-1]
        assert receipts == [answer.receipt for answer in answers]
        assert [receipt.message_count for receipt in receipts] == [2, 4, 6, 8, 10]
        assert len({receipt.digest for receipt in receipts}) == len({receipt.run_id for receipt in receipts}) == 5
        assert {receipt.sequence for receipt in receipts} == {1}


async def test_a_listing_is_begun_again_each_time_and_may_be_ended_early(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"silent": silent}) as runtime:
        agent = await runtime.agent("a", kind="silent")
        for number in range(150):
            await agent.send(number)
        await runtime.wait_idle()
        pages: list[str] = []
        store.before_read = lambda name, _: pages.append(name)
        for _ in range(2):
            history = agent.history()
            assert aiter(history) is history
            assert (await anext(history)).content == 149
            await history.aclose()
            with pytest.raises(StopAsyncIteration):
                await anext(history)
            with pytest.raises(StopAsyncIteration):
                await anext(history)
        assert pages == ["read_standings", "page_turns"] * 2


async def test_a_listing_loses_no_row_to_cancellation(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"silent": silent}) as runtime:
        agent = await runtime.agent("a", kind="silent")
        for number in range(230):
            await agent.send(number)
        await runtime.wait_idle()
        found: list[object] = []
        history = agent.history()
        moment = 0
        while True:
            moment = (moment + 1) % 4
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:

                    async def take() -> None:
                        found.append(await anext(history, None))

                    nursery.start_soon(take)
                    await passes(moment)
                    scope.cancel()
            if found and found[-1] is None:
                break
        assert [getattr(message, "content", None) for message in found] == [*range(229, -1, -1), None]


async def test_a_listing_goes_on_while_the_conversation_does(autojump_clock: trio.testing.MockClock) -> None:
    """What was there when it began is listed once, whatever is added meanwhile."""
    async with running(MemoryStore(), {"silent": silent}) as runtime:
        agent = await runtime.agent("a", kind="silent")
        for number in range(150):
            await agent.send(number)
        await runtime.wait_idle()
        newest: list[object] = []
        async for message in agent.history():
            newest.append(message.content)
            if len(newest) % 50 == 0:
                await agent.ask(f"new {len(newest)}")
        assert newest == list(range(149, -1, -1))


async def test_an_order_is_newest_or_oldest(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"silent": silent}) as runtime:
        agent = await runtime.agent("a", kind="silent")
        with pytest.raises(UsageError, match="order='random': use 'newest' or 'oldest'"):
            agent.inputs(order="random")  # type: ignore[arg-type]  # what a caller without types may give


async def test_an_abandoned_ask_says_which_input_and_why(autojump_clock: trio.testing.MockClock) -> None:
    async def fail(_: Turn) -> None:
        message = "no"
        raise ValueError(message)

    async with running(MemoryStore(), {"fail": fail}, limits=Limits(attempts_max=1)) as runtime:
        agent = await runtime.agent("a", kind="fail")
        input_id = runtime.new_id()
        with pytest.raises(
            TurnAbandonedError, match=rf"a: input {input_id} ended without a result: abandoned"
        ) as caught:
            await agent.ask("x", input_id=input_id)
        assert (caught.value.identity, caught.value.input_id) == ("a", input_id)
        assert isinstance(caught.value.outcome, Abandoned)


async def test_everything_works_over_sqlite_and_survives_its_process(tmp_path: Path) -> None:
    """The whole path in real time and through the writer's thread, once."""

    async def relay(turn: Turn) -> str:
        number = turn.state + 1 if isinstance(turn.state, int) else 1
        turn.set_state(number)
        turn.send("reader", await turn.step("upper", str.upper, turn.text))
        return f"{number}"

    limits = Limits(passivate_seconds=0.05, live_max=2)
    path = tmp_path / "team.db"
    for opening in range(3):
        async with open_runtime(
            path, agents={"relay": relay, "echo": echo}, limits=limits, synchronous="normal", observers=()
        ) as runtime:
            senders = [await runtime.agent(f"s{number}", kind="relay") for number in range(5)]
            reader = await runtime.agent("reader", kind="echo")
            async with trio.open_nursery() as nursery:
                for sender in senders:
                    for job in range(4):
                        nursery.start_soon(_ask, sender, f"{sender.identity} job {opening} {job}")
            await runtime.wait_idle()
            await until(lambda: runtime.statistics().running == 0)
            heard = await told(reader)
            assert len(heard) == len(set(map(str, heard))) == 20 * (opening + 1)
            for sender in senders:
                assert await said(sender) == [str(number) for number in range(1, 4 * (opening + 1) + 1)]
                mine = [text for text in heard if str(text).startswith(sender.identity.upper())]
                assert mine == [str(text).upper() for text in await told(sender)]
                assert len(await consumed(sender)) == 4 * (opening + 1)


async def _ask(agent: AgentHandle, text: str) -> None:
    first = await agent.ask(text, idempotency_key=text)
    assert await agent.ask(text, idempotency_key=text) == first


async def test_an_input_tells_the_key_that_it_came_with() -> None:
    async with open_runtime(agents={"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        await agent.ask("x", idempotency_key="order-17")
        await agent.ask("y")
        assert [record.idempotency_key async for record in agent.inputs(order="oldest")] == ["order-17", None]


async def test_a_rotten_row_is_told_each_time_and_hides_nothing_behind_it(tmp_path: Path) -> None:
    async with open_runtime(tmp_path / "a.db", agents={"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        done = [(await agent.ask(str(number))).receipt for number in range(3)]
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("UPDATE turn SET body = ? WHERE version = 2", (b"[]",))
    async with open_runtime(tmp_path / "a.db", agents={"echo": echo}) as runtime:
        agent = await runtime.agent("a")
        for listing in (agent.history(), agent.receipts(), agent.inputs()):
            for _ in range(2):
                with pytest.raises(StoreCorruptError, match="can't be read"):
                    async for _row in listing:
                        pass
        with pytest.raises(StoreCorruptError, match="can't be read"):
            await agent.wait(done[1].contributors[0])
        assert (await agent.ask("more")).text == "more"
