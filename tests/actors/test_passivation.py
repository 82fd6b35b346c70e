"""Leaving memory and coming back: nobody outside can tell, whatever races with it."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Answer
from meerkat_actors.records.status import Phase
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, count, echo, gathered, passes, running, said, told, until

IDLE = 8.0
SWEEP = IDLE / 4


async def forward(turn: Turn) -> None:
    turn.send("reader", turn.text)


async def test_an_idle_agent_leaves_memory_after_a_while(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"count": count}, limits=Limits(passivate_seconds=IDLE)) as runtime:
        for number in range(10):
            await (await runtime.agent(f"a{number}", kind="count")).ask("x")
        assert runtime.statistics().live == 10
        await trio.sleep(IDLE - 1)
        assert runtime.statistics().live == 10
        await trio.sleep(1 + SWEEP + 0.1)
        assert runtime.statistics().live == 0


async def test_an_agent_that_is_spoken_to_stays(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"count": count}, limits=Limits(passivate_seconds=IDLE)) as runtime:
        agent = await runtime.agent("a", kind="count")
        await runtime.agent("b", kind="count")
        for _ in range(20):
            await trio.sleep(IDLE / 2)
            await agent.ask("x")
        assert runtime.statistics().live == 1


async def test_an_agent_comes_back_with_its_state_and_conversation(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"count": count}, limits=Limits(passivate_seconds=IDLE)) as runtime:
        agent = await runtime.agent("a", kind="count")
        session = (await agent.status()).session_id
        for number in range(1, 6):
            assert (await agent.ask(number)).text == str(number)
            await trio.sleep(2 * IDLE)
            assert runtime.statistics().live == 0
        assert await told(agent) == [1, 2, 3, 4, 5]
        assert await said(agent) == ["1", "2", "3", "4", "5"]
        status = await agent.status()
        assert (status.session_id, status.checkpoint_version, status.message_count) == (session, 5, 10)


async def test_asking_for_its_status_costs_a_sleeping_agent_no_commit(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"count": count}, limits=Limits(passivate_seconds=IDLE)) as runtime:
        agent = await runtime.agent("a", kind="count")
        await agent.ask("x")
        await trio.sleep(2 * IDLE)
        before = len(store.batches)
        for _ in range(3):
            assert (await agent.status()).phase is Phase.IDLE
            await trio.sleep(2 * IDLE)
        assert len(store.batches) == before


async def test_each_life_claims_with_a_higher_token(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"count": count}, limits=Limits(passivate_seconds=IDLE)) as runtime:
        agent = await runtime.agent("a", kind="count")
        tokens: list[int] = []
        for _ in range(4):
            await agent.ask("x")
            tokens.append((await agent.status()).fencing_token)
            await trio.sleep(2 * IDLE)
        assert tokens == [1, 2, 3, 4]


async def test_work_keeps_an_agent_in_memory(autojump_clock: trio.testing.MockClock) -> None:
    async def fail(_: Turn) -> None:
        message = "no"
        raise ValueError(message)

    gate = Gate()
    limits = Limits(passivate_seconds=IDLE, backoff_seconds=10 * IDLE, backoff_seconds_max=10 * IDLE)
    async with running(MemoryStore(), {"gate": gate, "fail": fail}, limits=limits) as runtime:
        runs, waits = await runtime.agent("runs", kind="gate"), await runtime.agent("waits", kind="fail")
        await runs.send("x")
        await waits.send("x")
        await trio.sleep(5 * IDLE)
        assert runtime.statistics().live == 2
        assert (await runs.status()).phase is Phase.RUNNING
        assert (await waits.status()).phase is Phase.WAITING


async def test_above_the_live_limit_the_oldest_idle_agents_leave_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gate = Gate()
    async with running(MemoryStore(), {"echo": echo, "gate": gate}, limits=Limits(live_max=10)) as runtime:
        # The limit is soft: who has work stays, and nobody is refused.
        for number in range(15):
            await (await runtime.agent(f"busy{number}", kind="gate")).send("x")
        assert runtime.statistics().live == 15
        for number in range(100):
            await (await runtime.agent(f"a{number}", kind="echo")).ask("x")
            await passes(5)
            assert runtime.statistics().live <= 17
        gate.open()
        await runtime.wait_idle()
        await passes(50)
        assert runtime.statistics().live <= 10
        assert [row.identity async for row in runtime.identities()] == sorted(
            [*(f"a{number}" for number in range(100)), *(f"busy{number}" for number in range(15))]
        )


async def test_an_agent_that_nobody_created_leaves_no_trace_in_memory(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"forward": forward}) as runtime:
        sender = await runtime.agent("sender", kind="forward")
        for number in range(20):
            await sender.ask(number)
        await runtime.wait_idle()
        assert runtime.statistics().live == 1


@pytest.mark.parametrize("moment", range(5))
async def test_a_message_that_races_its_recipients_leaving_is_answered(
    moment: int, autojump_clock: trio.testing.MockClock
) -> None:
    """Posts at each schedule point around the sweep that lets the recipient go."""
    limits = Limits(passivate_seconds=IDLE)
    async with running(MemoryStore(), {"count": count}, limits=limits) as runtime:
        agent = await runtime.agent("a", kind="count")
        tokens: set[int] = set()
        for number in range(1, 31):
            answer = await agent.ask("x")
            assert answer.text == str(2 * number - 1)
            # Parked now; the sweep at which it has been idle for long enough lets it go.
            parked = trio.current_time()
            started = parked - parked % SWEEP
            await trio.sleep_until(started + IDLE + (SWEEP if parked > started else 0))
            await passes(moment)
            assert (await agent.ask("x")).text == str(2 * number)
            tokens.add((await agent.status()).fencing_token)
        assert len(await told(agent)) == 60


@pytest.mark.parametrize("seed", range(20))
async def test_a_crowd_that_comes_and_goes_loses_no_message(seed: int, autojump_clock: trio.testing.MockClock) -> None:
    """Seven agents in a memory for two: each post may meet its recipient on its way out."""
    random = Random(seed)
    limits = Limits(live_max=2, passivate_seconds=IDLE)
    answers: dict[str, list[int]] = {}
    async with running(MemoryStore(), {"count": count, "forward": forward}, limits=limits) as runtime:
        agents = [await runtime.agent(f"a{number}", kind="count") for number in range(5)]
        reader = await runtime.agent("reader", kind="count")
        sender = await runtime.agent("sender", kind="forward")

        async def pause() -> None:
            if random.random() < 0.8:
                await passes(random.randrange(8))
            else:
                await trio.sleep(random.random() * 3 * IDLE)

        async def ask(agent: AgentHandle) -> None:
            for _ in range(15):
                answer = await agent.ask("x")
                assert answer.text is not None
                answers.setdefault(agent.identity, []).append(int(answer.text))
                await pause()

        async def send() -> None:
            for number in range(15):
                await sender.send(number)
                await pause()

        async with trio.open_nursery() as nursery:
            for agent in agents:
                nursery.start_soon(ask, agent)
            nursery.start_soon(send)
        await runtime.wait_idle()
        assert answers == {agent.identity: list(range(1, 16)) for agent in agents}
        assert await told(reader) == [str(number) for number in range(15)]
        await trio.sleep(3 * IDLE)
        assert runtime.statistics().live == 0


# -- wait_idle -----------------------------------------------------------------------------


async def test_an_idle_runtime_is_idle_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        await runtime.wait_idle()
        await (await runtime.agent("a", kind="echo")).ask("x")
        await runtime.wait_idle()


async def test_idle_means_no_mail_on_its_way(autojump_clock: trio.testing.MockClock) -> None:
    async def relay(turn: Turn) -> None:
        await trio.sleep(10)
        number = int(turn.text)
        if number:
            turn.send(f"a{number}", str(number - 1))

    for _ in range(20):
        async with running(MemoryStore(), {"relay": relay}) as runtime:
            for number in range(6):
                await runtime.agent(f"a{number}", kind="relay")
            await (await runtime.agent("a0")).send("5")
            await runtime.wait_idle()
            assert runtime.statistics().turns == 6


async def test_idle_means_no_attempt_to_come(autojump_clock: trio.testing.MockClock) -> None:
    async def fail(_: Turn) -> None:
        message = "no"
        raise ValueError(message)

    async with running(MemoryStore(), {"fail": fail}, limits=Limits(attempts_max=5)) as runtime:
        agent = await runtime.agent("a", kind="fail")
        await agent.send("x")
        await runtime.wait_idle()
        assert [record.attempts async for record in agent.inputs()] == [5]
        assert trio.current_time() > 10


async def test_what_a_restart_finds_pending_is_not_idle(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    async with running(store, {"a": Gate(), "forward": forward}, limits=Limits(shutdown_seconds=0)) as runtime:
        for number in range(5):
            agent = await runtime.agent(f"a{number}", kind="a")
            await agent.send("x")
            await agent.send("y")
    async with running(store, {"a": echo, "forward": forward}) as runtime:
        await runtime.wait_idle()
        assert runtime.statistics().turns == 10


async def test_who_waits_for_idleness_waits_through_new_work(autojump_clock: trio.testing.MockClock) -> None:
    async def busy(turn: Turn) -> None:
        await trio.sleep(float(turn.text))

    async with running(MemoryStore(), {"busy": busy}) as runtime, trio.open_nursery() as nursery:
        agent = await runtime.agent("a", kind="busy")
        await agent.send("10")

        async def more() -> None:
            await trio.sleep(9)
            await agent.send("10")

        nursery.start_soon(more)
        await runtime.wait_idle()
        assert trio.current_time() == pytest.approx(20, abs=0.1)
        with trio.move_on_after(1) as scope:
            await agent.send("10")
            await runtime.wait_idle()
        assert scope.cancelled_caught


async def test_many_agents_may_be_asked_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"count": count}, limits=Limits(live_max=20)) as runtime:
        handles = [await runtime.agent(f"a{number}", kind="count") for number in range(200)]
        for turn in range(1, 4):
            answers = await gathered(*(partial(agent.ask, "x") for agent in handles))
            assert {answer.text for answer in answers if isinstance(answer, Answer)} == {str(turn)}
            assert len(answers) == 200
        await until(lambda: runtime.statistics().live <= 20)


async def test_a_crowd_that_parks_at_once_leaves_as_many_as_may_stay(autojump_clock: trio.testing.MockClock) -> None:
    """Whoever was asked to leave counts no more: else each of a crowd asks one more."""
    gate = Gate()
    async with running(MemoryStore(), {"gate": gate}, limits=Limits(live_max=20)) as runtime:
        agents = [await runtime.agent(f"a{number}", kind="gate") for number in range(60)]
        await gathered(*(partial(agent.send, "x") for agent in agents))
        gate.open()
        await runtime.wait_idle()
        await passes(10)
        assert runtime.statistics().live == 20
