"""Plain functions are agents in threads, within their limit."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import trio

from meerkat_actors.actors.turn import AgentFunction, Turn
from meerkat_actors.errors import (
    TurnAbandonedError,
    UnknownInputError,
    UsageError,
)
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.world import echo, passes, until


def plain(turn: Turn) -> str:
    """An agent that blocks, as plain functions do."""
    number = (turn.state or 0) + 1
    turn.set_state(number)
    turn.append({"thread": threading.current_thread() is threading.main_thread()}, role="notice")
    turn.send("peer", f"{number} of {turn.text}")
    return f"{number}"


async def test_a_plain_function_is_an_agent_in_a_thread() -> None:
    async with open_runtime(agents={"plain": plain, "echo": echo}) as runtime:
        agent, peer = await runtime.agent("a", kind="plain"), await runtime.agent("peer", kind="echo")
        assert [(await agent.ask("x")).text, (await agent.ask("y")).text] == ["1", "2"]
        await runtime.wait_idle()
        assert [message.content async for message in agent.history()] == [
            "2", {"thread": False}, "y", "1", {"thread": False}, "x",
        ]  # fmt: skip
        assert [record.content async for record in peer.inputs(order="oldest")] == ["1 of x", "2 of y"]


async def test_plain_functions_run_beside_each_other_within_their_limit() -> None:
    together = threading.Barrier(3)

    def meet(_: Turn) -> str:
        return str(together.wait(20) >= 0)

    async with open_runtime(agents={"meet": meet}, limits=Limits(threads_max=3)) as runtime:
        agents = [await runtime.agent(f"a-{number}", kind="meet") for number in range(6)]
        inputs = [(agent, (await agent.send("x")).input_id) for agent in agents]
        outcomes = [await agent.wait(input_id) for agent, input_id in inputs]
    assert [isinstance(outcome, Consumed) and outcome.text for outcome in outcomes] == ["True"] * 6


async def test_a_plain_function_may_give_a_coroutine() -> None:
    async with open_runtime(agents={"later": lambda turn: echo(turn)}) as runtime:
        assert (await (await runtime.agent("a", kind="later")).ask("hello")).text == "hello"


def divide(_: Turn) -> str:
    return str(1 / 0)


def say_a_number(_: Turn) -> Any:  # noqa: ANN401 - that is what is wrong with it
    return 7


def keep_an_object(turn: Turn) -> None:
    turn.set_state(object())


def stop_iterating(_: Turn) -> str:
    return next(iter(()))


def run_a_step(turn: Turn) -> str:
    return trio.run(turn.step, "s", str)


def forget_a_step(turn: Turn) -> str:
    turn.step("s", str)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    return "done"


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        (divide, "ZeroDivisionError"),
        (say_a_number, "returns str or None"),
        (keep_an_object, "InvalidValueError"),
        (stop_iterating, "StopIteration"),
        (run_a_step, "make the agent async"),
        (forget_a_step, "make the agent async"),
    ],
)
async def test_what_a_plain_function_does_wrong_is_its_own(fails: AgentFunction, told: str) -> None:
    async with open_runtime(agents={"fails": fails, "echo": echo}, limits=Limits(attempts_max=1)) as runtime:
        with pytest.raises(TurnAbandonedError, match=told):
            await (await runtime.agent("a", kind="fails")).ask("x")
        assert (await (await runtime.agent("b", kind="echo")).ask("x")).text == "x"


async def test_a_plain_function_that_is_left_behind_changes_nothing_any_more() -> None:
    """The runtime doesn't wait for its thread; what it still does is refused, and it runs again next time."""
    begun, may_go = threading.Event(), threading.Event()
    late: list[str] = []

    def slow(turn: Turn) -> str:
        begun.set()
        assert may_go.wait(20)
        try:
            turn.set_state("late")
        except UsageError as error:
            late.append(str(error))
        return "late"

    store = MemoryStore()
    async with open_runtime(store, agents={"slow": slow}, limits=Limits(shutdown_seconds=0)) as runtime:
        admission = await (await runtime.agent("a", kind="slow")).send("x")
        await trio.to_thread.run_sync(begun.wait)
    may_go.set()
    await until(lambda: bool(late))
    assert "this turn is over" in late[0]
    async with open_runtime(store, agents={"slow": echo}) as runtime:
        agent = await runtime.agent("a")
        outcome = await agent.wait(admission.input_id)
        assert isinstance(outcome, Consumed)
        assert outcome.text == "x"
        assert (await agent.status()).checkpoint_version == 1


async def test_one_turn_is_not_another_threads_either() -> None:
    told: list[str] = []

    def borrow(turn: Turn) -> None:
        def lent() -> None:
            try:
                turn.set_state(1)
            except UsageError as error:
                told.append(str(error))

        thread = threading.Thread(target=lent)
        thread.start()
        thread.join()

    async with open_runtime(agents={"borrow": borrow}) as runtime:
        await (await runtime.agent("a", kind="borrow")).ask("x")
    assert ["used from its own task only" in line for line in told] == [True]


async def test_a_hanging_thread_leaves_the_rest_alone() -> None:
    may_go = threading.Event()
    async with open_runtime(
        agents={"hang": lambda _: str(may_go.wait(20)), "echo": echo}, limits=Limits(threads_max=1, shutdown_seconds=0)
    ) as runtime:
        hanging = await runtime.agent("a", kind="hang")
        stuck = (await hanging.send("x")).input_id
        await passes(20)
        assert (await (await runtime.agent("b", kind="echo")).ask("x")).text == "x"
        # The host's own threads are not ours to use up.
        assert await trio.to_thread.run_sync(lambda: 7) == 7
        states = [record.state async for record in hanging.inputs()]
        assert states == [InputState.STAGED]
        with pytest.raises(UnknownInputError):
            await hanging.wait(runtime.new_id())
        may_go.set()
        outcome = await hanging.wait(stuck)
        assert isinstance(outcome, Consumed)
