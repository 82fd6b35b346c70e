"""What an operator asks of an agent: what becomes of its queue, its turn in progress, its waiters and new work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    AlreadyOwnedError,
    DestroyedError,
    NotReadyError,
    UnknownIdentityError,
    UsageError,
)
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.ids import parse_identity
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed
from meerkat_actors.records.status import Desired, Phase
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.test_sharing import serving, shared_store
from tests.actors.world import Gate, echo, gathered, hang, passes, running, said, told

Ask = Callable[[AgentHandle], Awaitable[None]]

VERBS: Final[dict[str, Ask]] = {
    "pause": AgentHandle.pause,
    "resume": AgentHandle.resume,
    "retire": AgentHandle.retire,
    "stop": AgentHandle.stop,
    "reset": AgentHandle.reset,
    "recycle": AgentHandle.recycle,
    "destroy": AgentHandle.destroy,
}
WANTED: Final = {
    "pause": Desired.PAUSED,
    "resume": Desired.OPEN,
    "retire": Desired.RETIRED,
    "stop": Desired.STOPPED,
    "reset": Desired.OPEN,
    "recycle": Desired.OPEN,
    "destroy": Desired.DESTROYED,
}


def reason_of(outcome: object) -> AbandonReason | None:
    return outcome.reason if isinstance(outcome, Abandoned) else None


async def at_work(runtime: Runtime, kind: str = "gate") -> AgentHandle:
    """An agent with a turn in progress."""
    agent = await runtime.agent("a", kind=kind)
    await agent.send("works")
    await trio.sleep(1)
    return agent


@pytest.mark.parametrize("verb", VERBS)
async def test_what_an_operator_wants_is_durable_and_may_be_asked_again(
    verb: str, autojump_clock: trio.testing.MockClock
) -> None:
    store = MemoryStore()
    async with running(store, {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        for _ in range(2):
            await VERBS[verb](agent)
        assert (await agent.status()).desired is WANTED[verb]
    async with running(store, {"echo": echo}) as runtime:
        if verb == "destroy":
            with pytest.raises(DestroyedError, match="recreate=True"):
                await runtime.agent("a")
            return
        assert (await (await runtime.agent("a")).status()).desired is WANTED[verb]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("before", ["open", "pause", "retire", "stop", "destroy"])
async def test_every_verb_is_done_or_refused_in_every_state(
    before: str, verb: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        if before != "open":
            await VERBS[before](agent)
        unlike = (await agent.status()).desired
        if before == "destroy" and verb != "destroy":
            with pytest.raises(
                DestroyedError, match=r"a: was destroyed.*runtime.agent\('a', kind=..., recreate=True\)"
            ):
                await VERBS[verb](agent)
            assert (await agent.status()).desired is unlike
        elif verb == "pause" and before in {"retire", "stop"}:
            with pytest.raises(UsageError, match="nothing to pause; resume it first"):
                await agent.pause()
            assert (await agent.status()).desired is unlike
        else:
            await VERBS[verb](agent)
            assert (await agent.status()).desired is WANTED[verb]


async def test_a_paused_agent_admits_and_begins_nothing(autojump_clock: trio.testing.MockClock) -> None:
    gate, store = Gate(), MemoryStore()
    async with running(store, {"gate": gate}) as runtime:
        agent = await at_work(runtime)
        queued = await agent.send("queued")
        await agent.pause()
        steered = await agent.steer("steered")
        gate.open()
        await trio.sleep(100)
        # The turn in progress ended by its own rules; nothing followed.
        assert await told(agent) == ["works"]
        status = await agent.status()
        assert (status.phase, status.backlog) == (Phase.IDLE, 2)
    async with running(store, {"gate": gate}) as runtime:
        agent = await runtime.agent("a")
        await trio.sleep(100)
        assert await told(agent) == ["works"]
        waited, _ = await gathered(lambda: agent.wait(queued.input_id), agent.resume)
        assert isinstance(waited, Consumed)
        assert isinstance(await agent.wait(steered.input_id), Consumed)
        assert await told(agent) == ["works", "steered", "queued"]


async def test_a_paused_agent_waits_with_the_next_attempt(autojump_clock: trio.testing.MockClock) -> None:
    attempts: list[int] = []

    async def flaky(turn: Turn) -> None:
        attempts.append(turn.attempt)
        if len(attempts) == 1:
            message = "once"
            raise ValueError(message)

    async with running(MemoryStore(), {"flaky": flaky}) as runtime:
        agent = await runtime.agent("a", kind="flaky")
        admission = await agent.send("x")
        await passes(20)
        await agent.pause()
        await trio.sleep(100)
        assert len(attempts) == 1
        await agent.resume()
        assert isinstance(await agent.wait(admission.input_id), Consumed)
        assert len(attempts) == 2


async def test_a_retired_agent_works_off_what_it_has(autojump_clock: trio.testing.MockClock) -> None:
    gate, store = Gate(), MemoryStore()
    async with running(store, {"gate": gate}) as runtime:
        agent = await at_work(runtime)
        queued = await agent.send("queued")
        await agent.retire()
        for call in (agent.send, agent.ask, agent.steer):
            with pytest.raises(NotReadyError, match=r"a: is retired, nothing was written; its resume\(\)"):
                await call("more")
        gate.open()
        assert isinstance(await agent.wait(queued.input_id), Consumed)
    async with running(store, {"gate": gate}) as runtime:
        agent = await runtime.agent("a")
        with pytest.raises(NotReadyError, match="retired"):
            await agent.send("more")
        await agent.resume()
        assert (await agent.ask("more")).text == "more"


async def test_a_stopped_agent_gives_up_what_is_queued_and_ends_its_turn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gate, store = Gate(), MemoryStore()
    async with running(store, {"gate": gate}) as runtime:
        agent = await at_work(runtime)
        queued, steered = await agent.send("queued"), await agent.steer("steered")
        waited, _ = await gathered(lambda: agent.wait(queued.input_id), agent.stop)
        assert reason_of(waited) is AbandonReason.STOPPED
        assert reason_of(await agent.wait(steered.input_id)) is AbandonReason.STOPPED
        with pytest.raises(NotReadyError, match="stopped"):
            await agent.send("more")
        gate.open()
        await runtime.wait_idle()
        assert await said(agent) == ["works"]
    async with running(store, {"gate": gate}) as runtime:
        agent = await runtime.agent("a")
        with pytest.raises(NotReadyError, match="stopped"):
            await agent.send("more")
        await agent.resume()
        assert (await agent.ask("more")).text == "more"
        assert [letter async for letter in runtime.dead_letters()] == []


@pytest.mark.parametrize(("verb", "reason"), [("stop", AbandonReason.STOPPED), ("destroy", AbandonReason.DESTROYED)])
async def test_a_run_between_two_attempts_ends_with_the_queue(
    verb: str, reason: AbandonReason, autojump_clock: trio.testing.MockClock
) -> None:
    async def fail(_: Turn) -> None:
        message = "no"
        raise ValueError(message)

    async with running(MemoryStore(), {"fail": fail}, limits=Limits(backoff_seconds=60)) as runtime:
        agent = await runtime.agent("a", kind="fail")
        admission = await agent.send("x")
        await trio.sleep(1)
        await VERBS[verb](agent)
        assert reason_of(await agent.wait(admission.input_id)) is reason


async def test_recycling_keeps_pending_work_and_is_refused_while_a_turn_is_in_progress(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gate = Gate()
    async with running(MemoryStore(), {"gate": gate}) as runtime:
        agent = await at_work(runtime)
        queued = await agent.send("queued")
        with pytest.raises(NotReadyError, match="a: a turn is in progress, nothing was written; interrupt it or wait"):
            await agent.recycle()
        await agent.pause()
        gate.open()
        await trio.sleep(1)
        waited, _ = await gathered(lambda: agent.wait(queued.input_id), agent.recycle)
        assert isinstance(waited, Consumed)
        assert await told(agent) == ["works", "queued"]
        assert (await agent.ask("more")).text == "more"


@pytest.mark.parametrize("verb", VERBS)
async def test_nothing_is_asked_of_who_was_never_created(verb: str, autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        # Nobody is given such a handle.
        stranger = AgentHandle(parse_identity("nobody"), agent._reach)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        with pytest.raises(UnknownIdentityError, match="nobody: no such identity"):
            await VERBS[verb](stranger)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("moment", range(3))
async def test_a_caller_that_is_cancelled_withdraws_nothing(
    verb: str, moment: int, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(VERBS[verb], agent)
                # From its first step on the request is posted.
                await passes(1 + moment)
                scope.cancel()
        await passes(20)
        status = await agent.status()
        assert status.desired is WANTED[verb]
        assert status.generation == (1 if verb == "reset" else 0)


@pytest.mark.parametrize("verb", VERBS)
async def test_whom_another_runtime_holds_is_governed_there(verb: str, autojump_clock: trio.testing.MockClock) -> None:
    store, gate = shared_store(), Gate()
    async with serving(store, {"gate": gate}) as holder, serving(store.beside(), {"gate": gate}) as other:
        agent = await holder.agent("a", kind="gate")
        admission = await agent.send("works")
        far = await other.agent("a")
        for ask in (lambda: VERBS[verb](far), far.interrupt, far.stir, lambda: far.cancel(admission.input_id)):
            with pytest.raises(AlreadyOwnedError, match="nothing was written"):
                await ask()
        gate.open()
        assert isinstance(await far.wait(admission.input_id), Consumed)


async def test_a_runtime_that_leaves_still_answers_its_operator(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    told_so: list[object] = []

    async def ask_late(agent: AgentHandle) -> None:
        await trio.sleep(2)
        told_so.extend(await gathered(agent.interrupt, agent.pause))

    async with trio.open_nursery() as nursery, running(store, {"hang": hang}) as runtime:
        agent = await at_work(runtime, "hang")
        nursery.start_soon(ask_late, agent)
        await trio.sleep(1.5)
    assert told_so == [True, None]
    with pytest.raises(UsageError, match="the runtime is closed"):
        await agent.resume()
    async with running(store, {"hang": hang}) as runtime:
        (record,) = [record async for record in (await runtime.agent("a")).inputs()]
        assert record.state is InputState.ABANDONED


@pytest.mark.parametrize("verb", VERBS)
async def test_every_verb_over_sqlite(verb: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    gate = Gate()
    gate.open()
    async with open_runtime(path, agents={"gate": gate}, observers=()) as runtime:
        agent = await runtime.agent("a", kind="gate")
        await agent.ask("x")
        await VERBS[verb](agent)
    async with open_runtime(path, agents={"gate": gate}, observers=()) as runtime:
        agent = await runtime.agent("a", kind="gate", recreate=True)
        if verb != "destroy":
            assert (await agent.status()).desired is WANTED[verb]
            await agent.resume()
        assert (await agent.ask("y")).text == "y"
        texts = [message.content async for message in agent.history()]
        assert texts == (["y", "y"] if verb in {"reset", "destroy"} else ["y", "y", "x", "x"])
        assert [message.content async for message in agent.history(generation=0)][-2:] == ["x", "x"]
