"""Ten thousand timers in a file, and crowds that are due at once: each fires once, and nobody waits for all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import WaitEndedError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import MemoryStore, open_sqlite
from tests.actors.clock_world import HOUR_MS, SetEnv, clocked
from tests.actors.faulty import FaultyStore
from tests.actors.world import until

TIMERS: Final = 10_000
OVERDUE_SECONDS: Final = 5
"""Half of the timers are due within so many seconds, and nobody is there then."""
LATER_SECONDS: Final = 100
SPREAD_SECONDS: Final = 10


class Listeners:
    """What agents were told, and when."""

    def __init__(self, env: SetEnv) -> None:
        self.env = env
        self.heard: Counter[tuple[str, int]] = Counter()
        self.late_seconds: dict[int, float] = {}
        """By the number of a timer."""

    def have(self, count: int) -> bool:
        return len(self.heard) >= count

    async def __call__(self, turn: Turn) -> None:
        for each in turn.inputs:
            if isinstance(each.content, list):
                number, due_ms = each.content
                assert isinstance(number, int)
                assert isinstance(due_ms, int)
                self.heard[turn.identity, number] += 1
                self.late_seconds[number] = (self.env.wall_ms() - due_ms) / 1000
            else:
                begin, end, count = map(int, turn.text.split())
                set_some(turn, range(begin, end), count, self.env)


def set_some(turn: Turn, numbers: range, count: int, env: SetEnv) -> None:
    """Of so many timers every second one will be due soon, the others later, over some seconds."""
    for number in numbers:
        share = number / count
        seconds = share * OVERDUE_SECONDS if number % 2 else LATER_SECONDS + share * SPREAD_SECONDS
        turn.after(seconds, [number, env.after(seconds)], name=f"t{number}")


async def set_all(agent: AgentHandle, count: int) -> None:
    most = Limits().messages_max
    for begin in range(0, count, most):
        await agent.ask(f"{begin} {min(begin + most, count)} {count}")


@pytest.mark.parametrize("agents", [1_000, 1])
async def test_ten_thousand_timers_in_a_file_fire_once_each(
    agents: int, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    env = SetEnv()
    listeners, each, path = Listeners(env), TIMERS // agents, tmp_path / "timers.db"

    def opened() -> FaultyStore:
        return FaultyStore(open_sqlite(path, synchronous="normal"))

    async with clocked(opened(), {"listen": listeners}, env) as runtime, trio.open_nursery() as nursery:
        for number in range(agents):
            agent = await runtime.agent(f"a{number}", kind="listen")
            nursery.start_soon(set_all, agent, each)
    await trio.sleep(2 * OVERDUE_SECONDS)
    numbers = {(f"a{agent}", number) for agent in range(agents) for number in range(each)}
    overdue = {(agent, number) for agent, number in numbers if number % 2}
    async with clocked(opened(), {"listen": listeners}, env) as runtime:
        await runtime.wait_idle()
        assert listeners.heard == Counter(overdue)
        await trio.sleep(LATER_SECONDS + SPREAD_SECONDS)
        await runtime.wait_idle()
        assert listeners.heard == Counter(numbers)
        assert max(late for number, late in listeners.late_seconds.items() if number % 2 == 0) < 1


async def schedule(agent: AgentHandle, number: int, due_ms: int) -> None:
    await agent.schedule(f"t{number}", [number, due_ms], at=datetime.fromtimestamp(due_ms / 1000, UTC))


async def crowd(
    store: MemoryStore, env: SetEnv, names: range, *, gone: int = 0, seconds: Callable[[int], float] = lambda _: 60
) -> None:
    """Agents with a timer each, which are overdue when this returns; so many are of a kind that will be gone."""
    begin = env.wall_ms()
    async with clocked(store, {"listen": Listeners(env), "gone": Listeners(env)}, env) as runtime:
        for number in names:
            agent = await runtime.agent(f"a{number:04d}", kind="gone" if number < gone else "listen")
            await schedule(agent, number, begin + round(1000 * seconds(number)))
    env.ahead_ms += HOUR_MS


async def test_the_first_of_a_crowd_begin_while_others_are_still_to_be_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env, store = SetEnv(), MemoryStore()
    await crowd(store, env, range(1_000))
    listeners, faulty = Listeners(env), FaultyStore(store)
    heard_at_reads: list[int] = []

    def read(method: str, _: AgentIdentity | None) -> None:
        if method == "activate":
            heard_at_reads.append(len(listeners.heard))

    faulty.before_read = read
    async with clocked(faulty, {"listen": listeners}, env) as runtime:
        await runtime.wait_idle()
        assert sorted(listeners.heard.values()) == [1] * 1_000
    assert len(heard_at_reads) == 1_000
    # Not more than some hundreds are on their way at once.
    assert all(number - heard <= 600 for number, heard in enumerate(heard_at_reads))
    assert heard_at_reads[99] == 0  # and no fewer, or storage would work for one at a time


async def test_those_who_are_due_the_longest_begin_first(autojump_clock: trio.testing.MockClock) -> None:
    env, store = SetEnv(), MemoryStore()
    await crowd(store, env, range(600), seconds=lambda number: 100 + number // 200)
    listeners = Listeners(env)
    async with clocked(store, {"listen": listeners}, env) as runtime:
        await runtime.wait_idle()
    ranks = [number // 200 for _, number in listeners.heard]
    assert len(ranks) == 600
    # Turns that begin together begin in any order.
    assert all(ranks[200 * rank : 200 * rank + 200].count(rank) >= 100 for rank in range(3))


async def test_a_crowd_that_can_not_be_served_keeps_nobody_from_being_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """More than one telling of them goes to agents of a kind that nobody registered: they are quarantined at once."""
    env, store = SetEnv(), MemoryStore()
    await crowd(store, env, range(400), gone=350, seconds=lambda number: 100 + number)
    listeners = Listeners(env)
    async with clocked(store, {"listen": listeners}, env) as runtime:
        await runtime.wait_idle()
        assert sorted(number for _, number in listeners.heard) == list(range(350, 400))
        assert len(runtime.statistics().broken) == 350
    async with clocked(store, {"listen": listeners, "gone": listeners}, env) as runtime:
        await runtime.wait_idle()
        assert sorted(number for _, number in listeners.heard.elements()) == list(range(400))


async def test_a_runtime_that_leaves_amid_a_crowd_loses_and_repeats_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    env, store = SetEnv(), MemoryStore()
    await crowd(store, env, range(600))
    listeners = Listeners(env)
    ends: list[str] = []

    async def wait(runtime: Runtime) -> None:
        try:
            await runtime.wait_idle()
            ends.append("idle")
        except WaitEndedError:
            ends.append("ended")

    lives = 0
    while len(listeners.heard) < 600:
        lives += 1
        enough = min(len(listeners.heard) + 150, 600)
        async with trio.open_nursery() as nursery, clocked(store, {"listen": listeners}, env) as runtime:
            nursery.start_soon(wait, runtime)  # noqa: ASYNC111 - it is to hear of the runtime's end
            await until(partial(listeners.have, enough))
        assert ends.pop() == ("ended" if len(listeners.heard) < 600 else "idle")
    assert lives > 1
    assert sorted(number for _, number in listeners.heard.elements()) == list(range(600))


async def test_a_quarantined_holder_of_many_due_timers_delays_nobody(autojump_clock: trio.testing.MockClock) -> None:
    env, store = SetEnv(), MemoryStore()
    async with clocked(store, {"gone": Listeners(env)}, env) as runtime:
        holder = await runtime.agent("holder", kind="gone")
        for number in range(1_000):
            await schedule(holder, number, env.after(60))
    env.ahead_ms += HOUR_MS
    listeners, faulty = Listeners(env), FaultyStore(store)
    activations: list[AgentIdentity | None] = []
    faulty.before_read = lambda method, who: activations.append(who) if method == "activate" else None
    async with clocked(faulty, {"listen": listeners}, env, limits=Limits(passivate_seconds=1)) as runtime:
        for number in range(2_000, 2_030):
            agent = await runtime.agent(f"a{number}", kind="listen")
            await schedule(agent, number, env.after(number - 1_995))
        await trio.sleep(60)
        assert sorted(listeners.heard.values()) == [1] * 30
        assert max(listeners.late_seconds.values()) < 1
        assert activations.count(AgentIdentity("holder")) == 1
    async with clocked(store, {"listen": listeners, "gone": listeners}, env) as runtime:
        await runtime.wait_idle()
        assert sum(listeners.heard.values()) == len(listeners.heard) == 1_030
