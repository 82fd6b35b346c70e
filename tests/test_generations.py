"""Generations: a reset begins the next one, an agent that is destroyed has none, and what was said stays readable."""

from __future__ import annotations

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    DestroyedError,
    InvalidValueError,
    NotReadyError,
    UsageError,
)
from meerkat_actors.records.outcomes import AbandonReason, ReceiptOutcome
from meerkat_actors.records.status import Desired, Phase
from meerkat_actors.store import MemoryStore
from tests.actors.world import Gate, count, echo, gathered, running, said, told
from tests.test_governing import at_work, reason_of


async def test_a_reset_begins_the_next_generation(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    async with running(store, {"count": count}) as runtime:
        agent = await runtime.agent("a", kind="count")
        for text in ("one", "two"):
            await agent.ask(text)
        before = await agent.status()
        await agent.pause()
        queued = await agent.send("queued")
        await agent.reset()
        after = await agent.status()
        assert (after.generation, after.checkpoint_version, after.message_count) == (1, 0, 0)
        assert (after.desired, after.phase, after.backlog) == (Desired.OPEN, Phase.IDLE, 0)
        assert after.session_id != before.session_id
        assert reason_of(await agent.wait(queued.input_id)) is AbandonReason.RESET
        assert await told(agent) == []
        assert (await agent.ask("again")).text == "1"
    async with running(store, {"count": count}) as runtime:
        agent = await runtime.agent("a")
        assert (await agent.ask("and again")).text == "2"
        assert await told(agent) == ["again", "and again"]
        old = [message.content async for message in agent.history(generation=0)]
        assert old == ["2", "two", "1", "one"]
        assert [message.content async for message in agent.history(generation=1)][::-1][::2] == ["again", "and again"]
        assert [message async for message in agent.history(generation=2)] == []
        stamps = [(receipt.generation, receipt.checkpoint_version) async for receipt in agent.receipts()]
        assert stamps == [(1, 2), (1, 1), (0, 2), (0, 1)]
        # Keys are for ever, also across generations.
        assert len([record async for record in agent.inputs()]) == 5


async def test_a_key_of_an_old_generation_still_stands_for_its_input(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        first = await agent.ask("x", idempotency_key="k")
        await agent.reset()
        assert await agent.ask("x", idempotency_key="k") == first
        assert (await agent.status()).message_count == 0


async def test_a_reset_interrupts_the_turn_and_admits_nothing_until_it_is_done(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def reluctant(turn: Turn) -> str:
        if turn.text == "works":
            turn.append("so far")
            try:
                await trio.sleep_forever()
            finally:
                with trio.move_on_after(3, shield=True):
                    await trio.sleep_forever()
        return turn.text

    async with running(MemoryStore(), {"reluctant": reluctant}) as runtime:
        agent = await at_work(runtime, "reluctant")
        refusals: list[BaseException | object] = []

        async def knock() -> None:
            await trio.sleep(1)
            assert (await agent.status()).phase is Phase.RESETTING
            for call in (lambda: agent.send("x"), agent.pause, agent.recycle):
                refusals.extend(await gathered(call))

        # Asked twice meanwhile, it is one reset.
        ended = await gathered(agent.reset, agent.reset, knock)
        assert [error for error in ended if error is not None] == []
        assert [type(error) for error in refusals] == [NotReadyError] * 3
        assert "a: is being reset, nothing was written; try again when reset() has returned" in str(refusals[0])
        status = await agent.status()
        assert (status.generation, status.phase) == (1, Phase.IDLE)
        (receipt,) = [receipt async for receipt in agent.receipts()]
        assert (receipt.outcome, receipt.generation) == (ReceiptOutcome.INTERRUPTED, 0)
        assert (await agent.ask("new")).text == "new"
        assert [message.content async for message in agent.history(generation=0)] == ["so far", "works"]
        assert await told(agent) == ["new"]


async def test_the_history_of_a_long_life_is_paged_and_ends_at_its_generation(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        for generation, number in enumerate((130, 0, 120, 1)):
            for each in range(number):
                await agent.send(f"{generation}/{each}")
            await runtime.wait_idle()
            if generation < 3:
                await agent.reset()
        for generation, number in enumerate((130, 0, 120, 1)):
            texts = [each.content async for each in agent.history(generation=generation) if each.role == "user"]
            assert texts == [f"{generation}/{each}" for each in reversed(range(number))]
        assert await told(agent) == ["3/0"]
        assert len([receipt async for receipt in agent.receipts()]) == 251


@pytest.mark.parametrize("generation", [-1, 2**63, True, "0", 1.0])
async def test_a_generation_is_a_number(generation: int, autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        with pytest.raises(InvalidValueError, match="use an int from 0, as a receipt has it"):
            agent.history(generation=generation)


async def test_a_destroyed_agent_is_so_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    gate, store = Gate(), MemoryStore()
    async with running(store, {"gate": gate}) as runtime:
        agent = await at_work(runtime)
        queued = await agent.send("queued")
        waited, _ = await gathered(lambda: agent.wait(queued.input_id), agent.destroy)
        assert reason_of(waited) is AbandonReason.DESTROYED
        for call in (agent.send, agent.ask, agent.steer):
            with pytest.raises(DestroyedError):
                await call("more")
        gate.open()
        await runtime.wait_idle()
        # The turn in progress ended by its own rules.
        assert await said(agent) == ["works"]
        for kind in (None, "gate"):
            with pytest.raises(DestroyedError, match=r"runtime.agent\('a', kind=..., recreate=True\) begins it anew"):
                await runtime.agent("a", kind=kind)
        assert [row.identity async for row in runtime.identities()] == []
        assert reason_of(await agent.wait(queued.input_id)) is AbandonReason.DESTROYED
    async with running(store, {"gate": gate}) as runtime:
        with pytest.raises(DestroyedError):
            await runtime.agent("a", kind="gate")


async def test_a_destroyed_agent_begins_anew_where_that_is_asked_for(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    async with running(store, {"count": count, "echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="count", config={"depth": 1})
        first = await agent.ask("x", idempotency_key="k")
        before = await agent.status()
        await agent.destroy()
        anew = await runtime.agent("a", kind="echo", recreate=True)
        after = await anew.status()
        assert (after.kind, after.generation, after.desired) == ("echo", 1, Desired.OPEN)
        assert after.fencing_token > before.fencing_token
        assert after.session_id != before.session_id
        assert await told(anew) == []
        assert (await anew.ask("y")).text == "y"
        # The first handle reaches whoever has the name.
        assert (await agent.ask("z")).text == "z"
        assert (await agent.ask("x", idempotency_key="k")) == first
    async with running(store, {"count": count, "echo": echo}) as runtime:
        agent = await runtime.agent("a", recreate=True, kind="echo")
        status = await agent.status()
        assert (status.generation, status.message_count) == (1, 4)
        assert [message.content async for message in agent.history(generation=0)] == ["1", "x"]


async def test_to_create_anew_needs_a_kind_and_changes_nothing_for_the_living(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(MemoryStore(), {"count": count}) as runtime:
        with pytest.raises(UsageError, match="recreate= needs kind="):
            await runtime.agent("a", recreate=True)
        agent = await runtime.agent("a", kind="count", recreate=True)
        await agent.ask("x")
        again = await runtime.agent("a", kind="count", recreate=True)
        assert (await again.ask("x")).text == "2"
        assert (await again.status()).generation == 0
