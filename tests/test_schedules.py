"""Schedules, as users set them: at their times, once each, also across restarts and clocks that are set."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import trio

from meerkat_actors.errors import (
    AlreadyOwnedError,
    DestroyedError,
)
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.headers import Mode, Origin
from meerkat_actors.records.inputs import InputKind, InputRecord, Lane
from meerkat_actors.records.schedules import Cron, Every, Overlap, ScheduleRecord
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import MemoryStore
from tests.actors.clock_world import HOUR_MS, SetEnv, clocked
from tests.actors.test_sharing import serving, shared_store
from tests.actors.world import Gate, echo, told

AGENTS: Final = {"echo": echo}


def clock(env: SetEnv, seconds: float = 0) -> datetime:
    """What the wall clock shows so many seconds from now."""
    return datetime.fromtimestamp(env.after(seconds) / 1000, UTC)


async def agent_of(runtime: Runtime, name: str = "a", *, kind: str = "echo") -> AgentHandle:
    return await runtime.agent(name, kind=kind)


async def listed(agent: AgentHandle) -> list[ScheduleRecord]:
    return [schedule async for schedule in agent.schedules()]


async def inputs_of(agent: AgentHandle) -> list[InputRecord]:
    return [record async for record in agent.inputs(order="oldest")]


# -- schedules -----------------------------------------------------------------------------


async def test_a_schedule_is_listed_as_it_was_returned_and_comes_at_its_times(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        agent = await agent_of(runtime)
        begin_ms = env.wall_ms()
        record = await agent.schedule("tick", {"n": 1}, every=10, misfire=5, overlap="skip")
        assert record == ScheduleRecord(
            identity=agent.identity,
            name="tick",
            due_ms=begin_ms + 10_000,
            fired=0,
            rule=Every(begin_ms + 10_000, 10_000),
            kind=InputKind.EXTERNAL_EVENT,
            content={"n": 1},
            catch_up=5,
            overlap=Overlap.SKIP,
        )
        assert await listed(agent) == [record]
        await trio.sleep(35)
        assert await told(agent) == [{"n": 1}] * 3
        [now] = await listed(agent)
        assert (now.due_ms, now.fired) == (begin_ms + 40_000, 3)
        header = (await inputs_of(agent))[0].header
        assert (header.origin, header.source) == (Origin.SYSTEM, "timer:tick")


async def test_a_schedule_of_the_same_name_replaces_the_one_before(autojump_clock: trio.testing.MockClock) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        agent = await agent_of(runtime)
        await agent.schedule("tick", "old", every=10)
        await trio.sleep(15)
        record = await agent.schedule("tick", "new", at=clock(env, 20))
        assert await listed(agent) == [record]
        await trio.sleep(60)
        assert await told(agent) == ["old", "new"]
        assert await listed(agent) == []


async def test_an_unscheduled_one_comes_no_more(autojump_clock: trio.testing.MockClock) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        agent = await agent_of(runtime)
        await agent.schedule("tick", "x", every=timedelta(seconds=10))
        await agent.schedule("tock", "y", every=25)
        await trio.sleep(15)
        for _ in range(2):
            await agent.unschedule("tick")
        await agent.unschedule("never set")
        await trio.sleep(15)
        assert await told(agent) == ["x", "y"]
        assert [record.name for record in await listed(agent)] == ["tock"]


async def test_schedules_are_listed_by_name_page_by_page(autojump_clock: trio.testing.MockClock) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        agent, other = await agent_of(runtime), await agent_of(runtime, "b")
        await other.schedule("mine", 0, every=60)
        names = [f"job {number:03d}" for number in range(230)]
        for name in reversed(names):
            await agent.schedule(name, name, every=3600)
        assert [record.name for record in await listed(agent)] == names
        listing = agent.schedules()
        assert (await anext(listing)).name == names[0]
        await listing.aclose()
        assert [record async for record in listing] == []


@pytest.mark.parametrize(
    ("zone", "expression", "shown", "first"),
    [
        ("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00", "2026-03-29T03:00+02:00"),
        ("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00", "2026-10-25T02:30+02:00"),
        ("America/New_York", "30 2 * * *", "2026-03-07T12:00", "2026-03-08T03:00-04:00"),
        ("America/New_York", "30 1 * * *", "2026-10-31T12:00", "2026-11-01T01:30-04:00"),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00", "2026-10-04T02:30+11:00"),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T12:00", "2026-04-05T01:45+11:00"),
    ],
)
async def test_a_cron_job_comes_once_on_the_day_that_clocks_change(
    zone: str, expression: str, shown: str, first: str, autojump_clock: trio.testing.MockClock
) -> None:
    env = SetEnv()
    noon = datetime.fromisoformat(shown).replace(tzinfo=ZoneInfo(zone))
    due, minute = datetime.fromisoformat(first), timedelta(minutes=1)
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        env.ahead_ms += round(noon.timestamp() * 1000) - env.wall_ms()
        agent = await agent_of(runtime)
        record = await agent.schedule("daily", "good morning", cron=expression, timezone=zone)
        assert (record.due_ms, record.rule) == (round(due.timestamp() * 1000), Cron(expression, zone))
        for shows, times in ((due - minute, 0), (due + minute, 1), (due + 60 * minute, 1), (due + 1_510 * minute, 2)):
            env.ahead_ms += round(shows.timestamp() * 1000) - env.wall_ms()
            await trio.sleep(1)
            assert await told(agent) == ["good morning"] * times


async def test_what_fires_says_of_itself_what_the_schedule_said(autojump_clock: trio.testing.MockClock) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        agent = await agent_of(runtime)
        await agent.schedule("a", 1, at=clock(env), kind="prompt", mode="steer", source="ops", origin="operator")
        await agent.schedule("b", 2, at=clock(env), durability="derived", correlation_id="c-1")
        await trio.sleep(1)
        first, second = await inputs_of(agent)
        assert (first.kind, first.lane, first.header.mode) == (InputKind.PROMPT, Lane.STEER, Mode.STEER)
        assert (first.header.origin, first.header.source) == (Origin.OPERATOR, "ops")
        assert (second.header.origin, second.header.source) == (Origin.SYSTEM, "timer:b")
        assert second.header.correlation_id == "c-1"


async def test_while_the_last_input_is_open_a_schedule_may_skip(autojump_clock: trio.testing.MockClock) -> None:
    env, gate = SetEnv(), Gate()
    async with clocked(MemoryStore(), {"gate": gate}, env) as runtime:
        agent = await agent_of(runtime, kind="gate")
        await agent.schedule("skips", "s", every=10, overlap="skip")
        await agent.schedule("queues", "q", every=10)
        await trio.sleep(35)
        contents = [record.content for record in await inputs_of(agent)]
        assert sorted(map(str, contents)) == ["q", "q", "q", "s"]
        gate.open()
        await trio.sleep(10)
        contents = [record.content for record in await inputs_of(agent)]
        assert sorted(map(str, contents)) == ["q", "q", "q", "q", "s", "s"]


# -- across restarts and other clocks ------------------------------------------------------


@pytest.mark.parametrize(("misfire", "times"), [("skip", 0), ("once", 1), (1, 1), (3, 3), (100, 12)])
async def test_what_was_missed_while_no_runtime_was_there_is_made_up_for_as_the_schedule_says(
    misfire: int | str, times: int, autojump_clock: trio.testing.MockClock
) -> None:
    env, store = SetEnv(), MemoryStore()
    async with clocked(store, AGENTS, env) as runtime:
        await (await agent_of(runtime)).schedule("five", "x", every=300, misfire=misfire)
    env.ahead_ms += HOUR_MS + 120_000
    async with clocked(store, AGENTS, env) as runtime:
        await trio.sleep(1)
        agent = await agent_of(runtime)
        assert await told(agent) == ["x"] * times
        await trio.sleep(300)
        assert await told(agent) == ["x"] * (times + 1)


async def test_each_time_fires_once_over_kills_and_clocks_that_are_set(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """An agent with two schedules, killed every 7 seconds; the clock is set ahead, and back."""
    env, store = SetEnv(), MemoryStore()
    async with clocked(store, AGENTS, env) as runtime:
        agent = await agent_of(runtime)
        begin_ms = env.wall_ms()
        await agent.schedule("fast", "f", every=5, misfire=100)
        await agent.schedule("slow", "s", every=15, misfire=100)
        await trio.sleep(7)
    for lap in range(12):
        async with clocked(store, AGENTS, env):
            await trio.sleep(3.5)
            if lap == 4:
                env.ahead_ms += 400_000
            if lap == 8:
                env.ahead_ms -= 390_000
            await trio.sleep(3.5)
            # What a process that is killed now leaves behind; this one goes on, and nobody sees what it writes.
            left = deepcopy(store)
        store = left
    latest_ms = begin_ms + 400_000 + 9 * 7_000
    async with clocked(store, AGENTS, env) as runtime:
        agent = await agent_of(runtime)
        env.ahead_ms += latest_ms - env.wall_ms() + 10_000
        await trio.sleep(1)
        await runtime.wait_idle()
        passed = env.wall_ms() - begin_ms
        texts = await told(agent)
        assert (texts.count("f"), texts.count("s")) == (passed // 5_000, passed // 15_000)
        assert [record.fired for record in await listed(agent)] != [0, 0]


async def test_a_stopped_agent_misses_its_times_and_a_reset_ends_its_schedules(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        agent = await agent_of(runtime)
        await agent.schedule("tick", "x", every=10)
        await agent.stop()
        await trio.sleep(35)
        assert await told(agent) == []
        await agent.resume()
        await trio.sleep(1)
        assert await told(agent) == ["x"]
        await agent.reset()
        assert await listed(agent) == []
        await trio.sleep(30)
        assert await told(agent) == []
        await agent.destroy()
        for ask in (lambda: agent.schedule("tick", 1, every=10), lambda: agent.unschedule("tick")):
            with pytest.raises(DestroyedError):
                await ask()


async def test_schedules_of_an_agent_that_another_runtime_holds_are_its_own_to_set(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = shared_store()
    async with serving(store, AGENTS) as first, serving(store.beside(), AGENTS) as second:
        await (await first.agent("a", kind="echo")).schedule("tick", "x", every=60)
        there = await second.agent("a", kind="echo")
        calls: list[Any] = [
            lambda: there.schedule("tick", 1, every=10),
            lambda: there.unschedule("tick"),
            lambda: there.send(1, at=datetime.now(UTC)),
        ]
        for call in calls:
            with pytest.raises(AlreadyOwnedError):
                await call()
        assert [record.name for record in await listed(there)] == ["tick"]
