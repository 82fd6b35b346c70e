"""Inputs for later: admitted at their time, waited for before, cancelled as any other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
import trio

from meerkat_actors.errors import (
    NotReadyError,
    UnknownInputError,
    UsageError,
    WaitEndedError,
)
from meerkat_actors.handles.waiting import cancel_input, wait_for
from meerkat_actors.records.headers import DEFAULT_HEADERS
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed
from meerkat_actors.records.schedules import Once
from meerkat_actors.store import MemoryStore
from tests.actors.clock_world import SetEnv, clocked, reach_of
from tests.actors.world import Gate, gathered, told
from tests.test_schedules import AGENTS, agent_of, clock, inputs_of, listed


async def test_an_input_for_later_is_admitted_then_and_waited_for_before(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        agent = await agent_of(runtime)
        later = await agent.send("later", at=clock(env, 100))
        due_ms = env.after(100)
        assert (later.admission_sequence, later.duplicate, later.durable) == (0, False, True)
        [listing] = await listed(agent)
        assert (listing.name, listing.rule, listing.kind) == (later.input_id, Once(due_ms), InputKind.PROMPT)
        began = trio.current_time()
        outcomes = await gathered(*[lambda: agent.wait(later.input_id)] * 3)
        assert 100 <= trio.current_time() - began < 101
        assert all(isinstance(outcome, Consumed) and outcome.text == "later" for outcome in outcomes)
        assert await agent.wait(later.input_id) == outcomes[0]
        [record] = await inputs_of(agent)
        assert (record.input_id, record.header) == (later.input_id, DEFAULT_HEADERS[InputKind.PROMPT])


async def test_an_input_for_a_time_in_the_past_is_admitted_at_once(autojump_clock: trio.testing.MockClock) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        agent = await agent_of(runtime)
        for past in (
            clock(env, -5),
            clock(env, -86_400),
            datetime(1969, 1, 1, tzinfo=UTC),
            datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        ):
            began = trio.current_time()
            outcome = await agent.wait((await agent.send("now", at=past)).input_id)
            assert isinstance(outcome, Consumed)
            assert trio.current_time() - began < 1


async def test_who_waits_for_an_input_whose_timer_is_dropped_hears_of_that(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        agent = await agent_of(runtime)
        # Below the handle, where the invariants listen: by them an outcome is a row's, and this input has none.
        reach, name = reach_of(agent), agent.identity

        async def dropped(how: str) -> None:
            later = await agent.send("later", at=clock(env, 1_000))

            async def drop() -> None:
                await trio.sleep(10)
                if how == "unscheduled":
                    await agent.unschedule(later.input_id)
                elif how == "cancelled":
                    assert (await cancel_input(reach, name, later.input_id)) == outcome
                else:
                    await agent.reset()

            outcome = Abandoned(AbandonReason.CANCELLED, "its timer was dropped before its time")
            began = trio.current_time()
            found = await gathered(lambda: wait_for(reach, name, later.input_id), drop)
            assert found == [outcome, None]
            assert trio.current_time() - began <= 15
            with pytest.raises(UnknownInputError):
                await agent.wait(later.input_id)

        for how in ("unscheduled", "cancelled", "reset"):
            await dropped(how)
        await trio.sleep(1_000)
        assert await inputs_of(agent) == []


async def test_an_input_for_later_that_came_is_cancelled_like_any_other(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env, gate = SetEnv(), Gate()
    async with clocked(MemoryStore(), {"gate": gate}, env) as runtime:
        agent = await agent_of(runtime, kind="gate")
        await agent.send("first")
        later = await agent.send("later", at=clock(env, 1))
        await trio.sleep(3)
        outcome = await agent.cancel(later.input_id)
        assert isinstance(outcome, Abandoned)
        assert outcome.reason is AbandonReason.CANCELLED
        assert len(await inputs_of(agent)) == 2


async def test_whoever_waits_for_an_input_of_later_hears_when_the_runtime_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env, store = SetEnv(), MemoryStore()
    async with trio.open_nursery() as nursery, clocked(store, AGENTS, env) as runtime:
        agent = await agent_of(runtime)
        later = await agent.send("later", at=clock(env, 1_000))

        async def wait() -> None:
            with pytest.raises((WaitEndedError, UsageError)):
                await agent.wait(later.input_id)

        nursery.start_soon(wait)
        await trio.sleep(1)
    async with clocked(store, AGENTS, env) as runtime:
        env.ahead_ms += 1_000_000
        outcome = await (await agent_of(runtime)).wait(later.input_id)
        assert isinstance(outcome, Consumed)


async def test_an_id_that_was_given_out_for_later_and_sent_at_once_is_one_input(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        agent = await agent_of(runtime)
        later = await agent.send("x", at=clock(env, 5))
        await agent.send("x", input_id=later.input_id)
        await trio.sleep(30)
        await agent.ask("y")
        assert await told(agent) == ["x", "y"]
        assert await listed(agent) == []


async def test_an_agent_that_neither_admits_nor_is_resetting_takes_schedules_for_when_it_is_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        agent = await agent_of(runtime)
        await agent.retire()
        with pytest.raises(NotReadyError):
            await agent.send("x")
        later = await agent.send("x", at=clock(env, 1))
        await trio.sleep(20)
        assert await inputs_of(agent) == []
        await agent.resume()
        assert isinstance(await agent.wait(later.input_id), Consumed)
