"""The situations that a host puts a runtime into: threads, forks, asyncio, several at once, cancellation."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from textwrap import dedent

import outcome
import pytest
import trio
import trio.testing

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import UsageError, WaitEndedError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.world import Gate, count, echo

Call = Callable[[Runtime, AgentHandle], Awaitable[object]]


async def first_of(rows: object) -> object:
    return await anext(rows)  # type: ignore[call-overload]  # one helper for every listing


CALLS: dict[str, Call] = {
    "send": lambda _, agent: agent.send("x"),
    "ask": lambda _, agent: agent.ask("x"),
    "wait": lambda runtime, agent: agent.wait(runtime.new_id()),
    "status": lambda _, agent: agent.status(),
    "history": lambda _, agent: first_of(agent.history()),
    "receipts": lambda _, agent: first_of(agent.receipts()),
    "inputs": lambda _, agent: first_of(agent.inputs()),
    "identities": lambda runtime, _: first_of(runtime.identities()),
    "agent": lambda runtime, _: runtime.agent("b", kind="echo"),
    "wait_idle": lambda runtime, _: runtime.wait_idle(),
}


# -- threads ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "sqlite"])
async def test_a_handle_is_of_no_use_in_another_threads_loop(name: str, on_disk: bool, tmp_path: Path) -> None:
    async with open_runtime(tmp_path / "a.db" if on_disk else ":memory:", agents={"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")

        def elsewhere() -> None:
            with pytest.raises(UsageError, match="lives in another thread"):
                trio.run(CALLS[name], runtime, agent)

        await trio.to_thread.run_sync(elsewhere)
        assert (await agent.ask("y")).text == "y"
        assert [record.content async for record in agent.inputs()] == ["y"]


async def test_another_thread_calls_through_the_token_of_the_loop() -> None:
    async with open_runtime(agents={"count": count}) as runtime:
        agent = await runtime.agent("a", kind="count")
        token = trio.lowlevel.current_trio_token()
        texts: list[str | None] = []

        def elsewhere() -> None:
            for _ in range(20):
                texts.append(trio.from_thread.run(partial(agent.ask, "x"), trio_token=token).text)  # noqa: PERF401

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(trio.to_thread.run_sync, elsewhere)
    assert sorted(map(int, filter(None, texts))) == list(range(1, 81))


def test_runtimes_in_several_threads_share_nothing(tmp_path: Path) -> None:
    async def work(number: int) -> list[str | None]:
        async with open_runtime(tmp_path / f"{number}.db", agents={"count": count}) as runtime:
            agent = await runtime.agent("a", kind="count")
            return [(await agent.ask("x")).text for _ in range(20)]

    results: dict[int, list[str | None]] = {}

    def run(number: int) -> None:
        results[number] = trio.run(work, number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: [str(turn) for turn in range(1, 21)] for number in range(4)}


# -- after the end ------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
async def test_a_handle_is_of_no_use_after_the_end(name: str) -> None:
    async with open_runtime(agents={"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
    with pytest.raises(UsageError, match="closed"):
        await CALLS[name](runtime, agent)


async def test_waiting_for_idleness_tells_when_the_runtime_ended_before() -> None:
    """Not idle, only gone: what was left goes on next time."""
    store, told = MemoryStore(), list[BaseException]()

    async def wait(runtime: Runtime) -> None:
        try:
            await runtime.wait_idle()
        except WaitEndedError as error:
            told.append(error)

    limits = Limits(shutdown_seconds=0)
    async with trio.open_nursery() as nursery, open_runtime(store, agents={"gate": Gate()}, limits=limits) as runtime:
        agent = await runtime.agent("a", kind="gate")
        sent = (await agent.send("x")).input_id
        nursery.start_soon(wait, runtime)  # noqa: ASYNC111 - that it outlives the runtime is the point
        await trio.testing.wait_all_tasks_blocked()
    (error,) = told
    assert isinstance(error, WaitEndedError)
    assert (error.identity, error.input_id) == ("a", None)
    assert "goes on next time" in str(error)
    async with open_runtime(store, agents={"gate": echo}) as runtime:
        assert isinstance(await (await runtime.agent("a")).wait(sent), Consumed)


# -- forks --------------------------------------------------------------------------------

FORK = dedent(
    """
    import os, sys, trio
    import meerkat_actors as meerkat

    async def echo(turn):
        return turn.text

    async def call(runtime, agent):
        others = [agent.status(), anext(agent.inputs()), runtime.agent("b", kind="echo")]
        calls = [agent.send("x"), agent.ask("x"), *others]
        for awaitable in calls:
            try:
                await awaitable
            except meerkat.UsageError as error:
                print(error)

    async def main(path):
        async with meerkat.open_runtime(path, agents={"echo": echo}) as runtime:
            agent = await runtime.agent("a", kind="echo")
            await agent.ask("before")
            child = os.fork()
            if not child:
                await call(runtime, agent)
                sys.stdout.flush()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            await agent.ask("after")
            print([record.content async for record in agent.inputs(order="oldest")])

    trio.run(main, sys.argv[1])
    """
)


def test_a_forked_child_can_not_use_its_parents_runtime(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", FORK, str(tmp_path / "a.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    *refusals, last = done.stdout.splitlines()
    assert last == "['before', 'after']"
    assert len(refusals) == 5
    assert all("belongs to the parent of this forked process" in line for line in refusals)


# -- inside asyncio -----------------------------------------------------------------------


def as_guest(job: Callable[[], Awaitable[object]]) -> object:
    """Run a Trio job inside an asyncio loop that has work of its own."""

    async def host() -> object:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[outcome.Outcome[object]] = loop.create_future()
        trio.lowlevel.start_guest_run(
            job, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=done.set_result
        )
        while not done.done():  # noqa: ASYNC110 - a loop that never idles is the point
            await asyncio.sleep(0)
        return (await done).unwrap()

    return asyncio.run(host())


def test_a_runtime_lives_as_a_guest_in_an_asyncio_loop_that_never_idles(tmp_path: Path) -> None:
    async def job() -> list[str | None]:
        async with open_runtime(tmp_path / "a.db", agents={"count": count}) as runtime:
            agents = [await runtime.agent(f"a-{number}", kind="count") for number in range(5)]
            return [(await agent.ask("x")).text for _ in range(10) for agent in agents]

    assert as_guest(job) == [str(number) for number in range(1, 11) for _ in range(5)]


class _HostError(Exception):
    """The host's own."""


@pytest.mark.parametrize("name", CALLS)
def test_asyncios_own_tasks_beside_a_guest_are_refused_and_nothing_is_done(name: str) -> None:
    """In the loop's thread, and yet no task of Trio's: half a call would do its work and fail all the same."""
    told: list[str] = []

    async def host() -> list[str]:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[tuple[Runtime, AgentHandle, trio.Event, trio.lowlevel.TrioToken]] = loop.create_future()
        done: asyncio.Future[outcome.Outcome[list[str]]] = loop.create_future()

        async def guest() -> list[str]:
            async with open_runtime(agents={"echo": echo}) as runtime:
                agent = await runtime.agent("a", kind="echo")
                may_end = trio.Event()
                ready.set_result((runtime, agent, may_end, trio.lowlevel.current_trio_token()))
                await may_end.wait()
                await runtime.wait_idle()
                return [str(record.content) async for record in agent.inputs()]

        trio.lowlevel.start_guest_run(
            guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=done.set_result
        )
        runtime, agent, may_end, token = await ready
        try:
            with pytest.raises(UsageError) as caught:
                await CALLS[name](runtime, agent)
        finally:
            token.run_sync_soon(may_end.set)
        told.append(str(caught.value))
        return (await done).unwrap()

    assert asyncio.run(host()) == []
    assert "only Trio's tasks can wait for an agent" in told[0]


def test_a_guest_that_fails_tells_its_host() -> None:
    async def job() -> None:
        async with open_runtime(agents={"echo": echo}):
            raise _HostError

    with pytest.raises(_HostError):
        as_guest(job)


# -- a host that is cancelled --------------------------------------------------------------


async def test_a_host_nursery_cancelled_at_any_moment_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """Again and again, the host is cancelled while the runtime works; then everything acknowledged is there, once."""
    path = tmp_path / "a.db"
    acknowledged: set[str] = set()
    for passes in range(0, 60, 3):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as host:

                async def work(number: int) -> None:
                    async with open_runtime(path, agents={"echo": echo}, limits=Limits(shutdown_seconds=0)) as runtime:
                        agent = await runtime.agent("a", kind="echo")
                        for item in range(5):
                            key = f"{number}-{item}"
                            await agent.send(key, idempotency_key=key)
                            acknowledged.add(key)

                host.start_soon(work, passes)
                for _ in range(passes):
                    await trio.lowlevel.checkpoint()
                scope.cancel()
    async with open_runtime(path, agents={"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        await runtime.wait_idle()
        inputs = [record async for record in agent.inputs()]
        said = [message.content async for message in agent.history() if message.role == "assistant"]
    admitted = [str(record.content) for record in inputs]
    assert acknowledged <= set(admitted)
    assert sorted(map(str, said)) == sorted(set(admitted)) == sorted(admitted)


async def test_a_turn_may_not_touch_a_handle_of_its_runtime_from_another_thread() -> None:
    told: list[str] = []

    async with open_runtime(agents={}) as empty:
        holder: list[Runtime] = [empty]

        async def meddle(_: Turn) -> None:
            def elsewhere() -> None:
                try:
                    trio.run(partial(holder[0].agent, "b", kind="meddle"))
                except UsageError as error:
                    told.append(str(error))

            await trio.to_thread.run_sync(elsewhere)

        async with open_runtime(agents={"meddle": meddle}) as runtime:
            holder[0] = runtime
            await (await runtime.agent("a", kind="meddle")).ask("x")
    assert len(told) == 1
