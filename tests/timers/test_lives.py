"""What becomes of timers whose agent or runtime ends, rests, or has no room: each time fires once, or ends with it."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Final

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.agenda_effects import FireTimer
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import MemoryStore, open_sqlite
from tests.actors.clock_world import HOUR_MS, SetEnv, clocked, listen
from tests.actors.faulty import FaultyStore
from tests.actors.world import told
from tests.store.sqlite.faults import full, nothing, open_disk
from tests.test_schedules import clock, listed

AGENTS: Final = {"listen": listen}


@pytest.mark.parametrize("step", ["commit", "after"])
async def test_a_kill_amid_catching_up_repeats_and_loses_no_time(
    step: str, autojump_clock: trio.testing.MockClock
) -> None:
    """Thirty times were missed by an agent that has room for seven inputs; it is killed at each commit."""
    env, inner = SetEnv(), MemoryStore()
    limits = Limits(backlog_max=7)
    async with clocked(inner, AGENTS, env, limits=limits) as runtime:
        await (await runtime.agent("a", kind="listen")).schedule("t", 1, every=100, misfire=100)
    env.ahead_ms += 3_050_000
    kills: list[MemoryStore] = []
    store = FaultyStore(inner)
    if step == "commit":
        store.before_commit = lambda _: kills.append(deepcopy(inner))
    else:
        store.after_commit = lambda _, __: kills.append(deepcopy(inner))
    async with clocked(store, AGENTS, env, limits=limits) as runtime:
        await runtime.wait_idle()
    assert len(kills) >= 30 // 7
    for killed in kills:
        async with clocked(killed, AGENTS, env, limits=limits) as runtime:
            await runtime.wait_idle()
            assert await told(await runtime.agent("a")) == [1] * 30


async def test_an_agent_that_leaves_memory_between_its_times_misses_none(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env, begun = SetEnv(), list[int]()

    async def note(_: Turn) -> None:
        begun.append(env.wall_ms())

    async with clocked(MemoryStore(), {"note": note}, env, limits=Limits(passivate_seconds=2)) as runtime:
        agent = await runtime.agent("a", kind="note")
        record = await agent.schedule("t", 1, every=50)
        for time in range(20):
            await trio.sleep_until(50 * time + 45)
            assert runtime.statistics().live == 0
        assert all(0 <= at - record.due_ms - 50_000 * time <= 1_000 for time, at in enumerate(begun))
        assert len(begun) == 19


@pytest.mark.parametrize("halt", ["stop", "retire"])
@pytest.mark.parametrize("due", [20, 60])
async def test_a_timer_of_an_agent_that_is_resumed_fires_at_its_time(
    halt: str, due: int, autojump_clock: trio.testing.MockClock
) -> None:
    """It is resumed after ten seconds; in the case of a minute another agent has a timer, so that time is looked at."""
    env = SetEnv()
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        agent = await runtime.agent("a", kind="listen")
        if due == 60:
            await (await runtime.agent("b", kind="listen")).schedule("t", 1, every=15)
        await agent.schedule("t", 1, at=clock(env, due))
        await (agent.stop() if halt == "stop" else agent.retire())
        await trio.sleep(10)
        await agent.resume()
        await trio.sleep(due - 10 - 0.5)
        assert await told(agent) == []
        await trio.sleep(1.5)
        assert await told(agent) == [1]


@pytest.mark.parametrize("end", ["reset", "destroy"])
@pytest.mark.parametrize("moment", ["before", "read", "commit"])
async def test_a_timer_ends_with_its_generation_even_as_it_fires(
    end: str, moment: str, autojump_clock: trio.testing.MockClock
) -> None:
    """It is told in the old life or not at all; that of the same name in the next life is another, and fires once."""
    env, store = SetEnv(), FaultyStore(MemoryStore())
    async with clocked(store, AGENTS, env) as runtime, trio.open_nursery() as nursery:
        agent = await runtime.agent("a", kind="listen")
        await agent.schedule("t", "old", at=clock(env, 10))
        begun: list[str] = []

        def strike(place: str) -> None:
            if place == moment and not begun:
                begun.append(place)
                nursery.start_soon(end_it, agent, end)

        store.before_read = lambda method, _: strike("read") if method == "due_timers_of" else None
        store.before_commit = lambda units: strike(
            "commit" if any(type(effect) is FireTimer for unit in units for effect in unit.effects) else ""
        )
        await trio.sleep(9)
        strike("before")
        await trio.sleep(11)
        assert begun == [moment]
        agent = await runtime.agent("a", kind="listen", recreate=end == "destroy")
        assert await listed(agent) == []
        await agent.schedule("t", "new", at=clock(env, 10))
        await trio.sleep(30)
        contents = [record.content async for record in agent.inputs()]
        assert contents.count("new") == 1
        assert contents.count("old") <= (0 if moment == "before" else 1)
        assert (await told(agent))[-1] == "new"


async def end_it(agent: AgentHandle, how: str) -> None:
    await (agent.reset() if how == "reset" else agent.destroy())


@pytest.mark.parametrize("jump_ms", [0, HOUR_MS, -100_000])
async def test_a_disk_that_is_full_as_a_timer_fires_delays_it_and_no_more(
    jump_ms: int, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """The clock may be set meanwhile: an hour ahead it has missed nothing, set back it waits for its time again."""
    env = SetEnv()
    with open_disk() as disk:
        store = FaultyStore(open_sqlite(tmp_path / "full.db", vfs=disk.vfs))
        async with clocked(store, AGENTS, env) as runtime:
            agents = [await runtime.agent(f"a{number}", kind="listen") for number in range(5)]
            for agent in agents:
                await agent.schedule("once", 1, at=clock(env, 10))
                await agent.schedule("every", 2, at=clock(env, 10), every=1_000, misfire=100)
            await trio.sleep(9)
            disk.before_write = full
            await trio.sleep(10)
            assert [await heard(agent) for agent in agents] == [[]] * 5
            env.ahead_ms += jump_ms
            await trio.sleep(10)
            disk.before_write = nothing
            await trio.sleep(120)
            expected = [1, 2, 2, 2, 2] if jump_ms == HOUR_MS else [1, 2]
            assert [await heard(agent) for agent in agents] == [expected] * 5


async def heard(agent: AgentHandle) -> list[int]:
    """What it was told, in any order."""
    return sorted(each for each in await told(agent) if isinstance(each, int))


async def test_what_was_missed_while_an_agent_was_stopped_is_made_up_for_by_its_policy(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), AGENTS, env) as runtime:
        times: dict[int | str, int] = {"skip": 0, "once": 1, 3: 3, 100: 20}
        for misfire in times:
            agent = await runtime.agent(f"a{misfire}", kind="listen")
            await agent.schedule("t", 1, every=500, misfire=misfire)
            await agent.stop()
        await trio.sleep(2_000)
        env.ahead_ms += 8_100_000
        await resume_all(runtime, [f"a{misfire}" for misfire in times])
        for misfire, missed in times.items():
            assert await told(await runtime.agent(f"a{misfire}")) == [1] * missed, misfire


async def resume_all(runtime: Runtime, names: list[str]) -> None:
    for name in names:
        await (await runtime.agent(name)).resume()
    await trio.sleep(1)
    await runtime.wait_idle()
