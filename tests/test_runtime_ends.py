"""Whoever waits or asks when the runtime ends gets an answer of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import pytest
import trio

from meerkat_actors.actors.turn import AgentFunction
from meerkat_actors.errors import (
    NotReadyError,
    OwnerStoppedError,
    UnknownInputError,
    UnknownOutcomeError,
    UsageError,
    WaitEndedError,
)
from meerkat_actors.handles.waiting import wait_for
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.store import MemoryStore
from tests.actors.clock_world import reach_of
from tests.actors.world import Gate, count, echo, gathered, hang, passes, running, told


@pytest.mark.parametrize("way", ["leave", "error", "cancel"])
async def test_every_waiter_is_told_when_the_runtime_ends(way: str, autojump_clock: trio.testing.MockClock) -> None:
    """Also those outside of the block: their input is durable, and the error says which it is."""
    for _ in range(10):
        store = MemoryStore()
        ended: dict[str, str] = {}

        async with trio.open_nursery() as outside:
            with trio.CancelScope() as scope, suppress(KeyError):
                async with running(store, {"hang": hang}, limits=Limits(shutdown_seconds=1)) as runtime:
                    agent = await runtime.agent("a", kind="hang")
                    x, y = runtime.new_id(), runtime.new_id()
                    await agent.send("x", input_id=x)
                    await agent.send("y", input_id=y)
                    outside.start_soon(_note_the_end, ended, "wait for the run", partial(agent.wait, x))
                    outside.start_soon(_note_the_end, ended, "wait for the queue", partial(agent.wait, y))
                    outside.start_soon(_note_the_end, ended, "ask again", partial(agent.ask, "x", input_id=x))
                    outside.start_soon(_note_the_end, ended, "ask", partial(agent.ask, "z"))
                    await passes(20)
                    assert ended == {}
                    if way == "error":
                        raise KeyError(way)
                    if way == "cancel":
                        scope.cancel()
                        await trio.sleep_forever()
        assert len(ended) == 4
        # What they were told is true.
        async with running(store, {"hang": echo}) as runtime:
            agent = await runtime.agent("a")
            for name, text in {
                "wait for the run": "x",
                "ask again": "x",
                "wait for the queue": "y",
                "ask": "z",
            }.items():
                outcome = await agent.wait(InputId(ended[name]))
                assert isinstance(outcome, Consumed)
                assert outcome.text == text


async def _note_the_end(ended: dict[str, str], name: str, job: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(WaitEndedError) as caught:
        await job()
    assert caught.value.input_id is not None
    ended[name] = caught.value.input_id


async def test_a_runtime_that_was_left_says_so(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"count": count}) as runtime:
        agent = await runtime.agent("a", kind="count")
        answer = await agent.ask("x")
        [input_id] = answer.receipt.contributors
        history = agent.history()
        assert (await anext(history)).content == "1"
    for refused in (
        partial(agent.send, "x"),
        partial(agent.ask, "x"),
        partial(agent.wait, input_id),
        agent.status,
        partial(runtime.agent, "a"),
        partial(anext, agent.history()),
        partial(anext, agent.receipts()),
        partial(anext, agent.inputs()),
        partial(anext, runtime.identities()),
        runtime.wait_idle,
    ):
        with pytest.raises(UsageError, match="the runtime is closed"):
            await refused()
    # What is no question has its answer.
    assert agent.identity == "a"
    assert runtime.statistics().live == 0
    assert (await anext(history)).content == "x"


@pytest.mark.parametrize("moment", range(12))
async def test_whoever_asks_while_the_runtime_ends_gets_an_answer_of_ours(
    moment: int, autojump_clock: trio.testing.MockClock
) -> None:
    """At every schedule point of the way out: never a library's error, never for ever."""
    agents: dict[str, AgentFunction] = {"gate": Gate(), "count": count}
    for _ in range(5):
        async with (
            trio.open_nursery() as outside,
            running(MemoryStore(), agents, limits=Limits(shutdown_seconds=0)) as runtime,
        ):
            busy, idle = await runtime.agent("busy", kind="gate"), await runtime.agent("idle", kind="count")
            admission = await busy.send("x")
            done = await idle.send("x")
            await idle.wait(done.input_id)
            for job in (
                busy.status,
                idle.status,
                partial(busy.send, "y"),
                partial(idle.ask, "y"),
                partial(busy.wait, admission.input_id),
                partial(idle.wait, done.input_id),
                partial(runtime.agent, "new", kind="count"),
                partial(told, idle),
            ):
                outside.start_soon(_ask_late, moment, job)


async def _ask_late(moment: int, job: Callable[[], Awaitable[object]]) -> None:
    await passes(moment)
    [result] = await gathered(job)
    assert not isinstance(result, BaseException) or isinstance(
        result, NotReadyError | UsageError | OwnerStoppedError | UnknownOutcomeError
    )
    assert not isinstance(result, UnknownInputError)


async def test_who_knows_that_an_input_is_durable_hears_that_the_wait_ended() -> None:
    """The runtime may close between the answer to a repeated ``ask`` and its look for the outcome."""
    async with running(MemoryStore(), {"count": count}) as runtime:
        agent = await runtime.agent("a", kind="count")
        admission = await agent.send("x")
        reach = reach_of(agent)
    with pytest.raises(WaitEndedError) as ended:
        await wait_for(reach, agent.identity, admission.input_id, is_durable=True)
    assert ended.value.input_id == admission.input_id
    with pytest.raises(UsageError, match="the runtime is closed"):
        await wait_for(reach, agent.identity, admission.input_id)
