"""Edges of waking: what may disturb an agent, what may not, and that nobody spins while there is nothing to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.commands import Interrupt
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.runtime import Runtime
from tests.actors.world import echo, hang, passes, told, until
from tests.edges.world import Place
from tests.machines.laws import decided
from tests.machines.states import busy, run_of


class Steps(trio.abc.Instrument):
    """How often a task of anybody else runs."""

    def __init__(self) -> None:
        self.count = 0
        self._own = trio.lowlevel.current_task()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += task is not self._own


async def steps_of_others() -> int:
    """How often others run while the loop goes round a thousand times, once they have settled."""
    steps = Steps()
    await passes(500)  # not a sleep: beside who spins, virtual time stands still
    trio.lowlevel.add_instrument(steps)
    await passes(1_000)
    trio.lowlevel.remove_instrument(steps)
    return steps.count


async def test_edge_1_an_agent_that_merely_waits_is_woken_by_the_mail_of_another(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    async def patient(turn: Turn) -> str:
        return "woken" if await turn.rest(3_000) else "slept"

    async def peer(turn: Turn) -> str:
        turn.send("patient", "look")
        return "sent"

    async with place.life({"patient": patient, "peer": peer}) as runtime:
        agent = await runtime.agent("patient", kind="patient")
        waiting = await agent.send("wait")
        await trio.sleep(1)
        await (await runtime.agent("peer", kind="peer")).ask("go")
        await agent.wait(waiting.input_id)
        assert trio.current_time() < 10
        await runtime.wait_idle()
        # The mail itself is worked on after the turn that it woke.
        assert await told(agent) == ["wait", "look"]


async def test_edge_1_a_soft_interruption_ends_a_rest_on_the_way_to_its_checkpoint(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    async def patient(turn: Turn) -> str:
        while True:
            await turn.rest(3_000)
            await turn.checkpoint()

    async with place.life({"patient": patient}) as runtime:
        agent = await runtime.agent("patient", kind="patient")
        admission = await agent.send("wait")
        await trio.sleep(1)
        assert await agent.interrupt(at_checkpoint=True)
        assert trio.current_time() < 10
        outcome = await agent.wait(admission.input_id)
        assert isinstance(outcome, Abandoned)
        assert outcome.reason is AbandonReason.CANCELLED


def test_edge_1_only_an_interruption_that_waits_for_a_checkpoint_ends_a_rest() -> None:
    """The other kind cancels the turn, rest and all."""
    assert decided(busy(run_of(9)), Interrupt(at_checkpoint=True)).stirs
    assert not decided(busy(run_of(9)), Interrupt()).stirs


@pytest.mark.parametrize("is_killed", [False, True])
async def test_edges_2_4_28_what_was_only_queued_starts_nothing_and_goes_first_when_something_does(
    place: Place, is_killed: bool, autojump_clock: trio.testing.MockClock
) -> None:
    begun: list[str] = []

    async def agent(turn: Turn) -> None:
        begun.append(turn.text)

    async with place.life({"agent": agent}, is_killed=is_killed) as runtime:
        handle = await runtime.agent("a", kind="agent")
        for number in range(3):
            await handle.send(f"event {number}", kind="external_event", wakes=False)
        await trio.sleep(100)
    async with place.life({"agent": agent}) as runtime:
        handle = await runtime.agent("a")
        await trio.sleep(100)
        assert begun == []
        assert (await handle.status()).backlog == 3
        await handle.ask("now", kind="external_event")
        assert begun == ["event 0\n\nevent 1\n\nevent 2\n\nnow"]


async def wait_paused(runtime: Runtime) -> None:
    agent = await runtime.agent("paused", kind="echo")
    await agent.pause()
    await agent.send("later")


async def wait_silent(runtime: Runtime) -> None:
    agent = await runtime.agent("silent", kind="echo")
    await agent.send("some time", kind="external_event", wakes=False)


async def wait_for_an_attempt(runtime: Runtime) -> None:
    agent = await runtime.agent("failing", kind="failing")
    await agent.send("again")
    await agent.steer("again")


async def wait_full(runtime: Runtime) -> None:
    """A full backlog, with mail in front of it."""
    agent = await runtime.agent("full", kind="hang")
    for _ in range(4):
        await agent.send("x")
    await (await runtime.agent("writer", kind="writer")).ask("full")


async def wait_stopped(runtime: Runtime) -> None:
    """Nobody takes its mail."""
    agent = await runtime.agent("stopped", kind="echo")
    await agent.stop()
    await (await runtime.agent("writer", kind="writer")).ask("stopped")


@pytest.mark.parametrize("wait", [wait_paused, wait_silent, wait_for_an_attempt, wait_full, wait_stopped])
async def test_edges_9_47_who_can_not_go_on_does_not_spin(
    place: Place, wait: Callable[[Runtime], Awaitable[None]], autojump_clock: trio.testing.MockClock
) -> None:
    async def failing(_: Turn) -> str:
        message = "not yet"
        raise ValueError(message)

    async def writer(turn: Turn) -> str:
        for _ in range(3):
            turn.send(turn.text, "mail")
        return "sent"

    agents = {"echo": echo, "hang": hang, "failing": failing, "writer": writer}
    limits = Limits(backlog_max=4, backoff_seconds=1_000, backoff_seconds_max=1_000, attempts_max=2)
    async with place.life(agents, limits=limits, is_killed=True) as runtime:
        await wait(runtime)
        assert await steps_of_others() < 30
    async with place.life(agents, limits=limits) as runtime:
        assert await steps_of_others() < 30
        for identity in [record.identity async for record in runtime.identities()]:
            # A question is answered, and then they rest again.
            await (await runtime.agent(identity)).status()
        assert await steps_of_others() < 30


async def test_edge_14_what_ends_a_rest_also_begins_a_run_of_an_agent_at_rest(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    async with place.life({"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        await agent.send("hello", kind="peer_message")
        await agent.steer("you", kind="continuation")
        await runtime.wait_idle()
        assert [record.state async for record in agent.inputs()] == ["consumed", "consumed"]


async def test_edges_40_55_a_suspect_that_does_not_use_its_turn_leaves_it_to_the_next(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    """Who is paused while it waits for being watched would else be watched for ever, and nobody after it."""
    begun: list[str] = []

    async def agent(turn: Turn) -> None:
        begun.append(str(turn.identity))
        await trio.sleep_forever()

    limits = Limits(suspect_from=1)
    for _ in range(2):
        begun.clear()
        async with place.life({"agent": agent}, limits=limits, is_killed=True) as runtime:
            for name in "abc":
                handle = await runtime.agent(name, kind="agent")
                await handle.send("x", idempotency_key="x")
                await handle.resume()
            await until(lambda: len(begun) == 3)
            for name in "bc":
                await (await runtime.agent(name)).pause()
    begun.clear()
    async with place.life({"agent": agent}, limits=limits) as runtime:
        await until(lambda: begun == ["a"])
        for name in "bc":
            await (await runtime.agent(name)).resume()
        await (await runtime.agent("b")).pause()
        await trio.sleep(100)
        assert begun == ["a", "c"]
        await (await runtime.agent("b")).resume()
        await trio.sleep(100)
        assert begun == ["a", "c", "b"]
