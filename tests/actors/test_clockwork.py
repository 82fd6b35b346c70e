"""Timers of agents: each fires at its time and once, whatever becomes of the agent or the clock."""

from __future__ import annotations

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.schedules import Every, Once
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import MemoryStore
from tests.actors.clock_world import HOUR_MS, LOOK, WHOLE, SetEnv, clocked, drop_timer, listen, set_timer
from tests.actors.faulty import FaultyStore
from tests.actors.world import LONG, Gate, told


async def reminded(turn: Turn) -> None:
    """Be reminded of what a prompt says, after so many seconds."""
    for each in turn.inputs:
        if isinstance(each.content, list):
            seconds, text = each.content
            assert isinstance(seconds, int | float)
            turn.after(seconds, text)


async def test_a_timer_wakes_an_agent_that_left_memory(autojump_clock: trio.testing.MockClock) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), {"reminded": reminded}, env, limits=Limits(passivate_seconds=1)) as runtime:
        agent = await runtime.agent("a", kind="reminded")
        await agent.ask([60, "wake"])
        await trio.sleep(59)
        assert runtime.statistics().live == 0
        assert await told(agent) == [[60, "wake"]]
        await trio.sleep(1 + LOOK)
        await runtime.wait_idle()
        assert await told(agent) == [[60, "wake"], "wake"]
        await trio.sleep(30)
        assert runtime.statistics().live == 0


async def test_a_timer_that_is_not_due_is_no_work(autojump_clock: trio.testing.MockClock) -> None:
    async with clocked(MemoryStore(), {"reminded": reminded}, SetEnv()) as runtime:
        agent = await runtime.agent("a", kind="reminded")
        await agent.ask([60, "wake"])
        with trio.fail_after(1):
            await runtime.wait_idle()


async def test_a_timer_that_is_due_at_once_is_work(autojump_clock: trio.testing.MockClock) -> None:
    async with clocked(MemoryStore(), {"reminded": reminded}, SetEnv()) as runtime:
        agent = await runtime.agent("a", kind="reminded")
        await agent.ask([0, "now"])
        await runtime.wait_idle()
        assert await told(agent) == [[0, "now"], "now"]


async def test_what_is_due_when_a_runtime_begins_is_work_at_once(autojump_clock: trio.testing.MockClock) -> None:
    store, env = MemoryStore(), SetEnv()
    async with clocked(store, {"listen": listen}, env) as runtime:
        agents = [await runtime.agent(f"a{number}", kind="listen") for number in range(50)]
        for later, agent in enumerate(agents):
            for number in range(50):  # in all more than two pages of the clockwork, each of other agents
                await set_timer(agent, f"t{number}", Once(env.after(60 + later)))
    await trio.sleep(200)
    heard: list[tuple[str, str]] = []

    async def note(turn: Turn) -> None:
        heard.extend((turn.identity, str(each.content)) for each in turn.inputs)

    async with clocked(store, {"listen": note}, env) as runtime:
        await runtime.wait_idle()
        assert sorted(heard) == sorted((f"a{number}", f"t{timer}") for number in range(50) for timer in range(50))


async def test_a_timer_that_repeats_fires_at_each_of_its_times(autojump_clock: trio.testing.MockClock) -> None:
    env = SetEnv()
    times: list[int] = []

    async def note(_: Turn) -> None:
        times.append(env.wall_ms())

    async with clocked(MemoryStore(), {"note": note}, env) as runtime:
        agent = await runtime.agent("a", kind="note")
        start = env.after(10)
        await set_timer(agent, "tick", Every(start, 7_000))
        await trio.sleep(10 + 7 * 100 + 1)
        assert len(times) == 101
        assert all(0 <= time - start - 7_000 * number <= 1000 for number, time in enumerate(times))
        await drop_timer(agent, "tick")
        await trio.sleep(100)
        assert len(times) == 101


async def test_a_clock_that_is_set_forward_lets_what_is_due_by_it_fire_within_a_second(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), {"listen": listen}, env) as runtime:
        agent = await runtime.agent("a", kind="listen")
        await set_timer(agent, "soon", Once(env.after(0.9 * 3600)))
        await set_timer(agent, "late", Once(env.after(1.1 * 3600)))
        await trio.sleep(1)
        env.ahead_ms += HOUR_MS
        await trio.sleep(1)
        assert await told(agent) == ["soon"]
        await trio.sleep(0.1 * 3600)
        assert await told(agent) == ["soon", "late"]


async def test_a_clock_that_is_set_back_delays_what_is_not_due_any_more_and_repeats_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), {"listen": listen}, env, seconds_max=3 * LONG) as runtime:
        agent = await runtime.agent("a", kind="listen")
        await set_timer(agent, "before", Once(env.after(1)))
        await set_timer(agent, "after", Once(env.after(10)))
        await trio.sleep(2)
        env.ahead_ms -= HOUR_MS
        await trio.sleep(3590)
        assert await told(agent) == ["before"]
        await trio.sleep(30)
        assert await told(agent) == ["before", "after"]


@pytest.mark.parametrize("due_seconds", [0, 1])
@pytest.mark.parametrize("passed_seconds", [0.1, 4.0])
async def test_what_was_told_to_a_full_agent_and_is_due_later_again_fires_then(
    due_seconds: int, passed_seconds: float, autojump_clock: trio.testing.MockClock
) -> None:
    """The clock is set back between the look that told of the timer and the read of its owner."""
    env, gate = SetEnv(), Gate()
    limits = Limits(backlog_max=1)
    async with clocked(MemoryStore(), {"gate": gate}, env, limits=limits) as runtime:
        agent = await runtime.agent("a", kind="gate")
        await agent.send("first")
        await set_timer(agent, "t", Once(env.after(due_seconds)))
        await trio.sleep(2)
        env.ahead_ms -= 4_000  # now it is not due for another two or three seconds
        gate.open()
        await trio.sleep(passed_seconds)
        assert await told(agent) == (["first"] if passed_seconds < 1 else ["first", "t"])


async def test_a_full_agent_fires_what_is_due_as_it_gets_room(autojump_clock: trio.testing.MockClock) -> None:
    env, gate = SetEnv(), Gate()
    limits = Limits(backlog_max=2, pull_max=3)
    async with clocked(MemoryStore(), {"gate": gate}, env, limits=limits) as runtime:
        agent = await runtime.agent("a", kind="gate")
        await agent.send("first")
        for number in range(10):
            await set_timer(agent, f"t{number}", Once(env.after(1)))
        await set_timer(agent, "tick", Every(env.after(1), 1_000), catch_up=5)
        await trio.sleep(4)
        assert (await agent.status()).backlog <= 2
        gate.open()
        await drop_timer(agent, "tick")
        await runtime.wait_idle()
        first, *heard = await told(agent)
        assert first == "first"
        assert sorted(each for each in map(str, heard) if each != "tick") == [f"t{number}" for number in range(10)]


async def test_more_timers_than_one_pull_fire_one_pull_after_the_other(autojump_clock: trio.testing.MockClock) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), {"listen": listen}, env, limits=Limits(pull_max=3)) as runtime:
        agent = await runtime.agent("a", kind="listen")
        for number in range(10):
            await set_timer(agent, f"t{number}", Once(env.after(1)))
        await trio.sleep(1 + LOOK)
        await runtime.wait_idle()
        assert sorted(map(str, await told(agent))) == [f"t{number}" for number in range(10)]


async def test_timers_of_a_stopped_agent_wait_for_it_to_be_resumed(autojump_clock: trio.testing.MockClock) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), {"listen": listen}, env, limits=Limits(passivate_seconds=1)) as runtime:
        agent = await runtime.agent("a", kind="listen")
        await set_timer(agent, "t", Once(env.after(10)))
        await agent.stop()
        await trio.sleep(60)
        await runtime.wait_idle()
        assert runtime.statistics().live == 0
        assert await told(agent) == []
        await agent.resume()
        await runtime.wait_idle()
        assert await told(agent) == ["t"]


async def test_what_a_full_agent_had_no_room_for_when_it_was_stopped_waits_for_it_to_be_resumed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env, gate = SetEnv(), Gate()
    limits = Limits(backlog_max=1, passivate_seconds=1)
    async with clocked(MemoryStore(), {"gate": gate}, env, limits=limits) as runtime:
        agent = await runtime.agent("a", kind="gate")
        await agent.send("first")
        await set_timer(agent, "t", Once(env.after(1)))
        await trio.sleep(2)
        await agent.stop()
        gate.open()
        await trio.sleep(10)
        await runtime.wait_idle()
        assert runtime.statistics().live == 0
        await agent.resume()
        await runtime.wait_idle()
        assert await told(agent) == ["first", "t"]


async def test_a_timer_that_comes_due_beside_the_stop_of_its_agent_is_not_lost(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The bit is set while the agent takes nothing, in memory and without a restart of its owner."""
    env = SetEnv()
    async with clocked(MemoryStore(), {"listen": listen}, env) as runtime:
        agent = await runtime.agent("a", kind="listen")
        await set_timer(agent, "t", Once(env.after(10)))
        await trio.sleep(9)
        await agent.retire()
        await trio.sleep(2)
        await agent.resume()
        await runtime.wait_idle()
        assert await told(agent) == ["t"]


async def test_a_paused_agent_is_told_and_works_when_it_is_resumed(autojump_clock: trio.testing.MockClock) -> None:
    env = SetEnv()
    async with clocked(MemoryStore(), {"listen": listen}, env) as runtime:
        agent = await runtime.agent("a", kind="listen")
        await agent.pause()
        await set_timer(agent, "t", Once(env.after(10)))
        await trio.sleep(11)
        assert (await agent.status()).backlog == 1
        await agent.resume()
        await runtime.wait_idle()
        assert await told(agent) == ["t"]


async def reads_in(store: FaultyStore, runtime: Runtime, seconds: float) -> int:
    """How often the clockwork looked."""
    reads: list[str] = []
    store.before_read = lambda method, _: reads.append(method)
    await trio.sleep(seconds)
    store.before_read = lambda _, __: None
    assert runtime.statistics().live <= 1
    return reads.count("due_timers")


async def test_without_a_timer_the_clockwork_asks_nobody(autojump_clock: trio.testing.MockClock) -> None:
    store, env = FaultyStore(MemoryStore()), SetEnv()
    async with clocked(store, {"listen": listen}, env) as runtime:
        agent = await runtime.agent("a", kind="listen")
        assert await reads_in(store, runtime, 1000) == 0
        await set_timer(agent, "t", Once(env.after(1000)))
        # A look from the beginning now and then: what a lost hint left is found.
        assert 100 <= await reads_in(store, runtime, 900) <= 900 / WHOLE + 1
        await drop_timer(agent, "t")
        await trio.sleep(2 * WHOLE)
        assert await reads_in(store, runtime, 1000) == 0


async def test_no_timer_is_missed_that_is_set_while_the_clockwork_looks(autojump_clock: trio.testing.MockClock) -> None:
    store, env = FaultyStore(MemoryStore()), SetEnv()
    async with clocked(store, {"listen": listen}, env) as runtime:
        agents = [await runtime.agent(f"a{number}", kind="listen") for number in range(4)]
        async with trio.open_nursery() as nursery:

            def set_more(method: str, _: AgentIdentity | None) -> None:
                if method == "due_timers" and more:
                    agent, name = more.pop()
                    nursery.start_soon(set_timer, agent, name, Once(env.after(0.01)))

            more = [(agent, f"t{number}") for number in range(10) for agent in agents]
            store.before_read = set_more
            await set_timer(agents[0], "first", Once(env.after(0.1)))
            await trio.sleep(60)
        assert not more
        for agent in agents:
            heard = sorted(map(str, await told(agent)))
            assert [each for each in heard if each != "first"] == sorted(f"t{number}" for number in range(10))


@pytest.mark.parametrize("is_left_first", [False, True])
async def test_in_a_shared_store_a_timer_that_another_runtime_set_fires_once(
    is_left_first: bool, autojump_clock: trio.testing.MockClock
) -> None:
    env = SetEnv()
    store = MemoryStore(env=env, ownership="shared", lease_seconds=1.0)
    limits = Limits(lease_seconds=1.0, passivate_seconds=2)
    heard: list[str] = []

    async def note(turn: Turn) -> None:
        heard.append(turn.text)

    async with clocked(store, {"note": note}, env, limits=limits):
        async with clocked(store.beside(), {"note": note}, env, limits=limits) as second:
            await set_timer(await second.agent("a", kind="note"), "t", Once(env.after(20)))
            await trio.sleep(10)
            if not is_left_first:
                await trio.sleep(10 + 3 * LOOK)
        await trio.sleep(15)
        assert heard == ["t"]
