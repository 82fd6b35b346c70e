"""``open_runtime``: what it takes, what it refuses, and what a runtime tells of itself."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel

from meerkat_actors.actors.turn import AgentFunction, AgentKind, Turn
from meerkat_actors.errors import (
    BacklogFullError,
    InvalidValueError,
    NotOurStoreError,
    StoreInUseError,
    UnknownKindError,
    UsageError,
)
from meerkat_actors.records.ids import AgentIdentity, parse_input_id
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.store import MemoryStore, Store, open_sqlite
from tests.actors.faulty import FaultyStore
from tests.actors.world import VirtualEnv, count, echo, gathered, hang, running, said, told


async def test_a_runtime_without_a_store_keeps_everything_in_memory() -> None:
    for _ in range(2):
        async with open_runtime(agents={"count": count}) as runtime:
            assert (await (await runtime.agent("a", kind="count")).ask("x")).text == "1"


@pytest.mark.parametrize("made", [str, Path, os.fspath, open_sqlite])
async def test_a_store_is_a_path_or_a_store(made: Callable[[Path], str | Path | Store], tmp_path: Path) -> None:
    for number in range(1, 3):
        async with open_runtime(
            made(tmp_path / "team.db"), agents={"count": count}, synchronous="normal", observers=()
        ) as runtime:
            agent = await runtime.agent("a", kind="count")
            assert (await agent.ask(f"job {number}", idempotency_key=str(number))).text == str(number)
            assert (await agent.ask("job 1", idempotency_key="1")).text == "1"
            assert await told(agent) == ["job 1", "job 2"][:number]
            assert await said(agent) == ["1", "2"][:number]


async def test_a_second_runtime_on_one_file_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "team.db"
    async with open_runtime(path, agents={"echo": echo}) as runtime:
        with pytest.raises(StoreInUseError, match=str(os.getpid())):
            async with open_runtime(path, agents={"echo": echo}):
                pass
        assert (await (await runtime.agent("a", kind="echo")).ask("x")).text == "x"
    async with open_runtime(path, agents={"echo": echo}) as runtime:
        assert [row.identity async for row in runtime.identities()] == ["a"]


async def test_what_is_no_store_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at\n" * 100)
    before = path.read_bytes()
    with pytest.raises(NotOurStoreError):
        async with open_runtime(path):
            pass
    assert path.read_bytes() == before


async def test_several_runtimes_live_in_one_process() -> None:
    async with (
        open_runtime(agents={"count": count}) as first,
        open_runtime(agents={"count": count}) as second,
        open_runtime(agents={"count": count}) as third,
    ):
        runtimes = [first, second, third]
        agents = [await runtime.agent("a", kind="count") for runtime in runtimes]
        for number in range(1, 4):
            answers = await gathered(*(partial(agent.ask, "x") for agent in agents))
            assert [getattr(answer, "text", answer) for answer in answers] == [str(number)] * 3
        assert len({(await agent.status()).session_id for agent in agents}) == 3


@pytest.mark.parametrize(("kind", "agent"), [("Bad Name", echo), ("", echo), ("none", None)])
async def test_an_agent_is_a_function_under_a_proper_kind(kind: str, agent: AgentFunction) -> None:
    with pytest.raises(UsageError):
        async with open_runtime(agents={kind: agent}):
            pass


async def test_an_agent_may_be_an_object_with_an_async_call(autojump_clock: trio.testing.MockClock) -> None:
    class Greeter:
        def __init__(self, greeting: str) -> None:
            self._greeting = greeting

        async def __call__(self, turn: Turn) -> str:
            return f"{self._greeting} {turn.text}"

    async with running(MemoryStore(), {"greeter": Greeter("hello")}) as runtime:
        assert (await (await runtime.agent("a", kind="greeter")).ask("x")).text == "hello x"


@pytest.mark.parametrize("name", ["", "a b", "x" * 161, "a/b/c", "rt:a:1", "mob:m", "ä", "a\n", "\ud800", 7, None])
async def test_a_hostile_name_is_refused(name: object, autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        with pytest.raises(InvalidValueError, match="agent identity"):
            await runtime.agent(name, kind="echo")  # type: ignore[arg-type]  # what a caller without types may give


async def test_an_unknown_kind_is_refused_and_names_the_known(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo, "count": count}) as runtime:
        with pytest.raises(UnknownKindError, match=r"a: unknown kind 'ecko'; .* knows: echo, count"):
            await runtime.agent("a", kind="ecko")


async def test_statistics_count_what_was_done(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo, "hang": hang}) as runtime:
        await (await runtime.agent("a", kind="echo")).ask("x")
        await (await runtime.agent("b", kind="hang")).send("x")
        found = runtime.statistics()
        assert (found.turns, found.inputs, found.live, found.running, found.broken) == (1, 2, 2, 1, ())
        assert (found.units, found.commits) == (5, 5)


async def test_identities_are_listed_in_the_order_of_their_names(autojump_clock: trio.testing.MockClock) -> None:
    names = [f"a{number:03}" for number in range(250)]
    async with running(MemoryStore(), {"count": count}) as runtime:
        await gathered(*(partial(runtime.agent, name, kind="count") for name in reversed(names)))
        await (await runtime.agent("a007")).ask("x")
        rows = [row async for row in runtime.identities()]
        assert [row.identity for row in rows] == names
        assert (rows[7].kind, rows[7].version, rows[7].message_count) == ("count", 1, 2)
        assert (rows[8].version, rows[8].message_count) == (0, 0)


async def test_fresh_input_ids_are_ids(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {}) as runtime:
        ids = [runtime.new_id() for _ in range(100)]
        assert len({parse_input_id(each) for each in ids}) == 100


# -- what a body raises --------------------------------------------------------------------


async def test_what_the_body_raises_comes_out_as_it_was(autojump_clock: trio.testing.MockClock) -> None:
    """One error, the very object, with the cause and context its raiser gave it."""
    cause, error = KeyError("cause"), ValueError("body")

    async def with_a_cause() -> None:
        async with running(MemoryStore(), {"hang": hang}) as runtime:
            await (await runtime.agent("a", kind="hang")).send("x")
            raise error from cause

    async def with_a_context() -> None:
        async with running(MemoryStore(), {}):
            try:
                raise cause
            except KeyError:
                raise error  # noqa: B904 - the context is what is looked at

    with pytest.raises(ValueError, match="body") as caught:
        await with_a_cause()
    assert caught.value is error
    assert error.__cause__ is cause
    assert error.__context__ is None
    error = ValueError("body")
    with pytest.raises(ValueError, match="body") as caught:
        await with_a_context()
    assert caught.value is error
    assert error.__cause__ is None
    assert error.__context__ is cause


async def test_several_errors_of_a_body_come_out_as_a_group(autojump_clock: trio.testing.MockClock) -> None:
    async def fail(error: Exception) -> None:
        raise error

    with pytest.RaisesGroup(KeyError, ValueError, flatten_subgroups=True):
        async with running(MemoryStore(), {}), trio.open_nursery() as nursery:
            nursery.start_soon(fail, KeyError())
            nursery.start_soon(fail, ValueError())


async def test_equal_errors_of_ours_come_out_as_one(autojump_clock: trio.testing.MockClock) -> None:
    limits = Limits(backlog_max=1)

    async def flood() -> None:
        async with running(MemoryStore(), {"hang": hang}, limits=limits) as runtime, trio.open_nursery() as nursery:
            agent = await runtime.agent("a", kind="hang")
            for _ in range(5):
                nursery.start_soon(agent.send, "x")

    with pytest.raises(BacklogFullError, match="1 open inputs, nothing was written"):
        await flood()


# -- Ctrl-C --------------------------------------------------------------------------------


def run_in_virtual_time(main: Callable[[], Awaitable[None]]) -> None:
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_ctrl_c_in_a_turn_ends_the_runtime_and_keeps_what_was_acknowledged() -> None:
    store = MemoryStore()
    acknowledged: list[str] = []

    async def interrupted(turn: Turn) -> str:
        if turn.text == "7":
            signal.raise_signal(signal.SIGINT)
        return turn.text

    async def main() -> None:
        async with running(store, {"a": interrupted}) as runtime:
            agent = await runtime.agent("a", kind="a")
            for number in range(20):
                await agent.send(str(number))
                acknowledged.append(str(number))
            await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        run_in_virtual_time(main)

    async def again() -> None:
        async with running(store, {"a": echo}) as runtime:
            agent = await runtime.agent("a")
            await runtime.wait_idle()
            consumed = await told(agent)
            assert consumed[: len(acknowledged)] == acknowledged
            assert len(consumed) - len(acknowledged) in {0, 1}

    run_in_virtual_time(again)


@pytest.mark.parametrize("in_a_group", [False, True])
def test_ctrl_c_that_is_raised_by_a_turns_own_code_ends_the_runtime(in_a_group: bool) -> None:
    begun = 0

    async def interrupted(_: Turn) -> None:
        nonlocal begun
        begun += 1
        if in_a_group:
            message = "both"
            raise BaseExceptionGroup(message, [KeyboardInterrupt(), ValueError("lost with the turn")])
        raise KeyboardInterrupt

    async def main() -> None:
        async with running(MemoryStore(), {"a": interrupted, "hang": hang}) as runtime:
            await (await runtime.agent("b", kind="hang")).send("x")
            await (await runtime.agent("a", kind="a")).send("x")
            await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        run_in_virtual_time(main)
    assert begun == 1


def test_ctrl_c_in_a_commit_lands_behind_its_replies() -> None:
    """Wherever in the store the signal comes: what was committed was answered."""
    store = FaultyStore(MemoryStore())
    acknowledged: list[int] = []

    async def main() -> None:
        async with running(store, {"hang": hang}, limits=Limits(backlog_max=1_000)) as runtime:
            agent = await runtime.agent("a", kind="hang")

            async def send(first: int) -> None:
                for number in range(first, first + 10):
                    admission = await agent.send(number)
                    acknowledged.append(admission.admission_sequence)

            async with trio.open_nursery() as nursery:
                for first in range(0, 100, 10):
                    nursery.start_soon(send, first)
                await trio.lowlevel.checkpoint()
                store.after_commit = lambda _, __: signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_in_virtual_time(main)
    store.after_commit = lambda _, __: None
    inputs = store.inner.page_inputs(AgentIdentity("a"), after=None, limit=1_000, newest_first=False)
    assert store.ends == [True]
    assert {row.admission for row in inputs} >= set(acknowledged)


async def test_an_environment_of_ones_own_gives_the_ids(autojump_clock: trio.testing.MockClock) -> None:
    class Numbered(VirtualEnv):
        count = 0

        def new_id(self) -> str:
            self.count += 1
            return f"00000000-0000-7000-8000-{self.count:012x}"

    env = Numbered()
    runtime: Runtime
    async with open_runtime(agents={"echo": echo}, env=env, observers=()) as runtime:
        agent = await runtime.agent("a", kind="echo")
        answer = await agent.ask("x")
        used = [*answer.receipt.contributors, answer.receipt.run_id, (await agent.status()).session_id]
        assert all(str(each).startswith("00000000-0000-7000-8000-") for each in used)
        assert len(set(used)) == 3


@pytest.mark.parametrize("wrong", [{"agents": [echo]}, {"limits": 3}, {"agents": {"job": AgentKind}}])
async def test_arguments_of_another_type_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"agents|limits"):
        async with open_runtime(**wrong):
            pass


def test_a_runtime_needs_trio_and_says_so() -> None:
    async def host() -> None:
        async with open_runtime():
            pass

    with pytest.raises(UsageError, match="needs Trio"):
        asyncio.run(host())


async def test_runtimes_and_handles_say_what_they_are() -> None:
    async with open_runtime(agents={"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        assert repr(agent) == "<AgentHandle of a>"
        assert repr(runtime) == "<Runtime of :memory:, 1 agents live>"
