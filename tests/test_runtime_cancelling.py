"""Whoever gives up asking withdraws nothing, and leaves nothing behind."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio

from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.limits import Limits
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, consumed, count, hang, passes, running, told


async def cancelled_after(moment: int, job: Callable[[], Awaitable[object]]) -> bool:
    """Cancel ``job`` after so many passes of the loop; whether it was."""
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await job()

        nursery.start_soon(run)
        await passes(moment)
        scope.cancel()
    return scope.cancelled_caught


@pytest.mark.parametrize("moment", range(8))
async def test_cancelling_a_caller_withdraws_nothing_and_its_fate_is_found_by_key(
    moment: int, autojump_clock: trio.testing.MockClock
) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"count": count}) as runtime:
        agent = await runtime.agent("a", kind="count")
        keys: list[str] = []
        for attempt in range(10):
            for verb in (agent.send, agent.ask):
                key = f"{verb.__name__} {attempt}"
                await cancelled_after(moment, partial(verb, key, idempotency_key=key))
                keys.append(key)
        await runtime.wait_idle()
        # What was posted was admitted; the rest never was: the same key tells, and makes it so.
        known = set(await told(agent))
        for key in keys:
            admission = await agent.send(key, idempotency_key=key)
            assert admission.duplicate is (key in known)
        await runtime.wait_idle()
        assert sorted(map(str, await told(agent))) == sorted(keys)
        assert runtime.statistics().turns == len(keys)


@pytest.mark.parametrize("moment", range(8))
async def test_cancelling_who_creates_waits_or_looks_leaks_nothing(
    moment: int, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(MemoryStore(), {"gate": Gate(), "count": count}) as runtime:
        busy = await runtime.agent("busy", kind="gate")
        admission = await busy.send("x")
        tasks = trio.lowlevel.current_statistics().tasks_living
        for attempt in range(5):
            name = f"a{attempt}"
            await cancelled_after(moment, partial(runtime.agent, name, kind="count"))
            await cancelled_after(moment, partial(busy.wait, admission.input_id))
            await cancelled_after(moment, busy.status)
            await cancelled_after(moment, partial(told, busy))
            await cancelled_after(moment, runtime.wait_idle)
            # The name is free or made, and can be had either way.
            assert (await (await runtime.agent(name, kind="count")).ask("x")).text == "1"
        assert trio.lowlevel.current_statistics().tasks_living == tasks + 5


@pytest.mark.parametrize("moment", range(0, 40, 3))
async def test_cancelling_everything_around_a_runtime_leaves_a_store_that_goes_on(
    moment: int, autojump_clock: trio.testing.MockClock
) -> None:
    """Also while it opens, and also while it closes."""
    for _ in range(3):
        inner = MemoryStore()
        store = FaultyStore(inner)
        acknowledged: list[InputId] = []

        async def work(store: FaultyStore, acknowledged: list[InputId]) -> None:
            async with running(store, {"count": count}) as runtime:
                agent = await runtime.agent("a", kind="count")
                for number in range(4):
                    admission = await agent.send(number, idempotency_key=str(number))
                    acknowledged.append(admission.input_id)

        tasks = trio.lowlevel.current_statistics().tasks_living
        await cancelled_after(moment, partial(work, store, acknowledged))
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert store.closings <= 1
        assert store.ends in ([], [True])
        async with running(inner, {"count": count}) as runtime:
            agent = await runtime.agent("a", kind="count")
            for number in range(4):
                await agent.send(number, idempotency_key=str(number))
            await runtime.wait_idle()
            assert await told(agent) == [0, 1, 2, 3]
            assert set(acknowledged) <= set(await consumed(agent))
            assert [record.interruptions async for record in agent.inputs()] == [0] * 4


async def test_a_caller_that_gave_up_leaves_no_waiter_behind_that_could_fail(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gate = Gate()
    async with running(MemoryStore(), {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        for _ in range(20):
            with trio.move_on_after(1):
                await agent.ask("x", idempotency_key="k")
        gate.open()
        assert (await agent.ask("x", idempotency_key="k")).text == "x"
        assert gate.begun == 1


async def test_callers_that_give_up_again_and_again_leave_nothing_behind(
    autojump_clock: trio.testing.MockClock,
) -> None:
    def slots() -> int:
        gc.collect()
        return sum(isinstance(each, ReplySlot) for each in gc.get_objects())

    async with running(MemoryStore(), {"hang": hang}, limits=Limits(shutdown_seconds=0)) as runtime:
        agent = await runtime.agent("a", kind="hang")
        admission = await agent.send("x")
        before = slots()
        for _ in range(500):
            with trio.move_on_after(1):
                await agent.wait(admission.input_id)
        assert slots() - before < 20
