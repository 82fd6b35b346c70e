"""What random histories found, each as a story of its own."""

from __future__ import annotations

import trio
import trio.testing

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.limits import Limits
from meerkat_actors.store import MemoryStore
from tests.actors.world import Gate, echo, running, told


async def test_an_agent_that_is_recycled_while_work_waits_has_one_turn_at_a_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """To recycle ends a pause: what begins by that begins with what is stored, and not beside it."""
    at_work = most = 0

    async def work(turn: Turn) -> str:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await trio.sleep(1)
        at_work -= 1
        return turn.text

    async with running(MemoryStore(), {"k": work}) as runtime:
        agent = await runtime.agent("a", kind="k")
        await agent.pause()
        first = await agent.send("first")
        await agent.recycle()
        await agent.wait(first.input_id)
        await runtime.wait_idle()
        assert (most, at_work, (await agent.status()).checkpoint_version) == (1, 0, 1)


async def test_a_paused_agent_without_room_for_its_mail_is_idle(autojump_clock: trio.testing.MockClock) -> None:
    """All of its work waits for an operator, also what is in the mail: ``wait_idle`` would wait for ever."""
    gate = Gate()

    async def tell(turn: Turn) -> None:
        turn.send("b", turn.text)

    limits = Limits(backlog_max=2)
    async with running(MemoryStore(), {"gate": gate, "tell": tell}, limits=limits) as runtime:
        teller = await runtime.agent("a", kind="tell")
        paused = await runtime.agent("b", kind="gate")
        await paused.pause()
        for text in ("one", "two", "three"):
            await teller.ask(text)
        with trio.fail_after(60):
            await runtime.wait_idle()
        assert (await paused.status()).backlog == 2
        gate.open()
        await paused.resume()
        await runtime.wait_idle()
        assert ((await paused.status()).backlog, gate.begun) == (0, 2)


async def test_an_agent_that_is_full_of_what_does_not_wake_it_wakes(autojump_clock: trio.testing.MockClock) -> None:
    """Nothing else could: whoever wants to wake it is refused for want of room, and mail is not even taken."""

    async def tell(turn: Turn) -> None:
        turn.send("b", turn.text)

    store, limits = MemoryStore(), Limits(backlog_max=3)
    async with running(store, {"echo": echo, "tell": tell}, limits=limits) as runtime:
        sleeper = await runtime.agent("b", kind="echo")
        for text in ("one", "two"):
            await sleeper.send(text, kind="external_event", wakes=False)
        await runtime.wait_idle()
        assert (await sleeper.status()).backlog == 2
    # A release with a smaller bound finds it full.
    async with running(store, {"echo": echo, "tell": tell}, limits=Limits(backlog_max=2)) as runtime:
        await (await runtime.agent("a", kind="tell")).ask("wake up")
        await runtime.wait_idle()
        sleeper = await runtime.agent("b")
        assert await told(sleeper) == ["one", "two", "wake up"]
        for text in ("three", "four"):
            await sleeper.send(text, kind="external_event", wakes=False)
        await runtime.wait_idle()
        assert await told(sleeper) == ["one", "two", "wake up", "three", "four"]
