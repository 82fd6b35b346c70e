"""Leaving the block: in good order, by an error, by cancellation; everyone is answered, and nothing is lost."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import pytest
import trio

from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.turn import AgentFunction, Turn
from meerkat_actors.errors import (
    NotReadyError,
    OwnerStoppedError,
    UnknownInputError,
    UnknownOutcomeError,
    UsageError,
    WaitEndedError,
)
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.events import CommitRefused, Event
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, Admission, Answer, Consumed, Outcome
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, consumed, count, echo, gathered, hang, passes, running, told, until


class Slow:
    """A turn takes as many seconds as its input says, in steps of one second."""

    def __init__(self) -> None:
        self.steps = 0
        self.begun = 0

    async def second(self) -> None:
        self.steps += 1
        await trio.sleep(1)

    async def __call__(self, turn: Turn) -> str:
        self.begun += 1
        for _ in range(int(turn.text)):
            await turn.step("second", self.second)
        return turn.text


async def test_running_turns_get_their_time(autojump_clock: trio.testing.MockClock) -> None:
    slow = Slow()
    store = MemoryStore()
    async with running(store, {"slow": slow}) as runtime:
        agent = await runtime.agent("a", kind="slow")
        admission = await agent.send("4")
        await agent.send("1")
        left = trio.current_time()
    assert trio.current_time() - left == pytest.approx(4, abs=0.1)
    # It ended, and what waited behind it did not begin.
    assert slow.begun == 1
    async with running(store, {"slow": slow}) as runtime:
        agent = await runtime.agent("a")
        assert isinstance(await agent.wait(admission.input_id), Consumed)
        await runtime.wait_idle()
        assert await told(agent) == ["4", "1"]
    assert (slow.begun, slow.steps) == (2, 5)


async def test_a_turn_that_takes_too_long_is_cancelled_and_goes_on_from_its_journal(
    autojump_clock: trio.testing.MockClock,
) -> None:
    slow = Slow()
    store = MemoryStore()
    for _ in range(5):
        async with running(store, {"slow": slow}, limits=Limits(shutdown_seconds=3)) as runtime:
            agent = await runtime.agent("a", kind="slow")
            await agent.send("12", idempotency_key="k")
            left = trio.current_time()
        assert trio.current_time() - left <= 3.1
    async with running(store, {"slow": slow}) as runtime:
        agent = await runtime.agent("a")
        await agent.ask("12", idempotency_key="k")
        [record] = [record async for record in agent.inputs()]
        assert (record.attempts, record.interruptions) == (0, 0)
    # Each recorded second was slept once; at most the one under way was lost with each end.
    assert 12 <= slow.steps <= 12 + 5


@pytest.mark.parametrize("seconds", [0, 0.0, 5])
async def test_a_turn_that_was_staged_at_the_very_end_never_keeps_the_block_open(
    seconds: float, autojump_clock: trio.testing.MockClock
) -> None:
    """Left right behind the acknowledgement: the turn's task was made, and may not have run yet."""
    for _ in range(30):
        events: list[Event] = []
        limits = Limits(shutdown_seconds=seconds)
        left = 0.0
        with trio.move_on_after(1_000) as patience:
            async with running(MemoryStore(), {"hang": hang}, limits=limits, events=events) as runtime:
                agent = await runtime.agent("a", kind="hang")
                await agent.send("x")
                left = trio.current_time()
        assert not patience.cancelled_caught
        assert trio.current_time() - left == pytest.approx(seconds, abs=0.01)
        assert events == []


@pytest.mark.parametrize("moment", range(14))
async def test_the_block_may_be_left_at_any_moment_of_any_work(
    moment: int, autojump_clock: trio.testing.MockClock
) -> None:
    """Admissions, takes of mail and boundaries are under way: nothing is lost, nobody crashes, nothing is slow."""
    for _ in range(8):
        store = MemoryStore()
        events: list[Event] = []

        async def chat(turn: Turn) -> None:
            for number in (int(str(each.content)) for each in turn.inputs):
                if number:
                    turn.send("b" if turn.identity == "a" else "a", str(number - 1))

        acknowledged: list[InputId] = []

        async def send(agent: AgentHandle, acknowledged: list[InputId]) -> None:
            # Outside of the block: they may find it closed at any moment.
            for _ in range(5):
                try:
                    acknowledged.append((await agent.send("3")).input_id)
                except (NotReadyError, OwnerStoppedError, UnknownOutcomeError):
                    return
                except UsageError as error:
                    assert "the runtime is closed" in str(error)  # noqa: PT017 - one of several
                    return

        async with trio.open_nursery() as outside:
            async with running(store, {"chat": chat}, events=events) as runtime:
                for name in ("a", "b"):
                    agent = await runtime.agent(name, kind="chat")
                    outside.start_soon(send, agent, acknowledged)  # noqa: ASYNC111 - outliving it is the point
                await passes(moment)
                left = trio.current_time()
            assert trio.current_time() - left < 0.5
        # The second name may have got its key from the first one's mail.
        assert [event for event in events if not isinstance(event, CommitRefused)] == []
        async with running(store, {"chat": chat}) as runtime:
            a, b = await runtime.agent("a"), await runtime.agent("b")
            await runtime.wait_idle()
            inputs = [record for agent in (a, b) async for record in agent.inputs()]
            assert {record.state for record in inputs} <= {InputState.CONSUMED}
            assert {(record.attempts, record.interruptions) for record in inputs} <= {(0, 0)}
            assert set(acknowledged) <= {*await consumed(a), *await consumed(b)}
            assert len([*await told(a), *await told(b)]) == 4 * len(
                [record for record in inputs if record.sender is None]
            )


async def test_an_error_or_a_cancellation_ends_the_block_without_grace(autojump_clock: trio.testing.MockClock) -> None:
    for way in ("error", "cancellation"):
        store = FaultyStore(MemoryStore())
        left = 0.0
        with trio.CancelScope() as scope:
            try:
                async with running(store, {"hang": hang}) as runtime:
                    agent = await runtime.agent("a", kind="hang")
                    await agent.send("x", idempotency_key="k")
                    await trio.sleep(10)
                    left = trio.current_time()
                    if way == "error":
                        raise KeyError(way)
                    scope.cancel()
                    await trio.sleep_forever()
            except KeyError as error:
                assert error.args == ("error",)  # noqa: PT017 - the very one
        assert trio.current_time() == left
        assert (store.ends, store.closings) == ([True], 1)
        async with running(store.inner, {"hang": echo}) as runtime:
            agent = await runtime.agent("a")
            assert (await agent.ask("x", idempotency_key="k")).text == "x"
            [record] = [record async for record in agent.inputs()]
            assert (record.attempts, record.interruptions) == (0, 0)


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


async def test_a_runtime_that_is_leaving_admits_nothing_and_still_answers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = MemoryStore()
    async with trio.open_nursery() as outside:
        async with running(store, {"slow": Slow(), "count": count}) as runtime:
            agent = await runtime.agent("a", kind="slow")
            idle = await runtime.agent("idle", kind="count")
            done = await idle.ask("x", idempotency_key="k")
            admission = await agent.send("4")

            async def meanwhile() -> None:
                await trio.sleep(1)
                for refused in (
                    partial(agent.send, "1"),
                    partial(agent.ask, "1"),
                    partial(idle.send, "x", idempotency_key="k"),
                    partial(runtime.agent, "new", kind="count"),
                    partial(runtime.agent, "idle"),
                ):
                    with pytest.raises(NotReadyError, match="the runtime is closing, nothing was written"):
                        await refused()
                assert (await agent.status()).backlog == 0
                assert (await idle.status()).checkpoint_version == 1
                assert await idle.wait(done.receipt.contributors[0]) == Consumed(done.text, done.receipt)
                assert await told(idle) == ["x"]
                # Whoever ends within the grace is still waited for.
                assert isinstance(await agent.wait(admission.input_id), Consumed)

            outside.start_soon(meanwhile)
        assert trio.current_time() == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("is_live", [True, False])
async def test_asking_a_leaving_runtime_does_not_keep_it_open(
    is_live: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """An owner that a question starts in the last moment ends by itself."""
    limits = Limits(passivate_seconds=1)
    left = ended = 0.0
    async with trio.open_nursery() as outside:
        async with running(MemoryStore(), {"slow": Slow(), "count": count}, limits=limits) as runtime:
            agents = [await runtime.agent(f"a{number}", kind="count") for number in range(5)]
            await trio.sleep(0.5 if is_live else 5)
            slow = await runtime.agent("slow", kind="slow")
            admission = await slow.send("2")

            async def ask(agent: AgentHandle) -> None:
                await slow.wait(admission.input_id)
                # From now on the runtime is on its last steps; the question is asked at each of them.
                with suppress(UsageError):
                    while True:
                        with suppress(OwnerStoppedError, UnknownOutcomeError):
                            assert (await agent.status()).checkpoint_version == 0
                        await trio.lowlevel.checkpoint()

            for agent in agents:
                outside.start_soon(ask, agent)
            left = trio.current_time()
        ended = trio.current_time()
    assert ended - left == pytest.approx(2, abs=0.2)


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


# -- cancellation of whoever asks ----------------------------------------------------------


async def cancelled_after(moment: int, job: Callable[[], Awaitable[object]]) -> bool:
    """Cancel ``job`` after so many passes of the loop; whether it was."""
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await job()

        nursery.start_soon(run)
        await passes(moment)
        scope.cancel()
    return scope.cancelled_caught


@pytest.mark.parametrize("moment", range(8))
async def test_cancelling_a_caller_withdraws_nothing_and_its_fate_is_found_by_key(
    moment: int, autojump_clock: trio.testing.MockClock
) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"count": count}) as runtime:
        agent = await runtime.agent("a", kind="count")
        keys: list[str] = []
        for attempt in range(10):
            for verb in (agent.send, agent.ask):
                key = f"{verb.__name__} {attempt}"
                await cancelled_after(moment, partial(verb, key, idempotency_key=key))
                keys.append(key)
        await runtime.wait_idle()
        # What was posted was admitted; the rest never was: the same key tells, and makes it so.
        known = set(await told(agent))
        for key in keys:
            admission = await agent.send(key, idempotency_key=key)
            assert admission.duplicate is (key in known)
        await runtime.wait_idle()
        assert sorted(map(str, await told(agent))) == sorted(keys)
        assert runtime.statistics().turns == len(keys)


@pytest.mark.parametrize("moment", range(8))
async def test_cancelling_who_creates_waits_or_looks_leaks_nothing(
    moment: int, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(MemoryStore(), {"gate": Gate(), "count": count}) as runtime:
        busy = await runtime.agent("busy", kind="gate")
        admission = await busy.send("x")
        tasks = trio.lowlevel.current_statistics().tasks_living
        for attempt in range(5):
            name = f"a{attempt}"
            await cancelled_after(moment, partial(runtime.agent, name, kind="count"))
            await cancelled_after(moment, partial(busy.wait, admission.input_id))
            await cancelled_after(moment, busy.status)
            await cancelled_after(moment, partial(told, busy))
            await cancelled_after(moment, runtime.wait_idle)
            # The name is free or made, and can be had either way.
            assert (await (await runtime.agent(name, kind="count")).ask("x")).text == "1"
        assert trio.lowlevel.current_statistics().tasks_living == tasks + 5


@pytest.mark.parametrize("moment", range(0, 40, 3))
async def test_cancelling_everything_around_a_runtime_leaves_a_store_that_goes_on(
    moment: int, autojump_clock: trio.testing.MockClock
) -> None:
    """Also while it opens, and also while it closes."""
    for _ in range(3):
        inner = MemoryStore()
        store = FaultyStore(inner)
        acknowledged: list[InputId] = []

        async def work(store: FaultyStore, acknowledged: list[InputId]) -> None:
            async with running(store, {"count": count}) as runtime:
                agent = await runtime.agent("a", kind="count")
                for number in range(4):
                    admission = await agent.send(number, idempotency_key=str(number))
                    acknowledged.append(admission.input_id)

        tasks = trio.lowlevel.current_statistics().tasks_living
        await cancelled_after(moment, partial(work, store, acknowledged))
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert store.closings <= 1
        assert store.ends in ([], [True])
        async with running(inner, {"count": count}) as runtime:
            agent = await runtime.agent("a", kind="count")
            for number in range(4):
                await agent.send(number, idempotency_key=str(number))
            await runtime.wait_idle()
            assert await told(agent) == [0, 1, 2, 3]
            assert set(acknowledged) <= set(await consumed(agent))
            assert [record.interruptions async for record in agent.inputs()] == [0] * 4


async def test_a_caller_that_gave_up_leaves_no_waiter_behind_that_could_fail(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gate = Gate()
    async with running(MemoryStore(), {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        for _ in range(20):
            with trio.move_on_after(1):
                await agent.ask("x", idempotency_key="k")
        gate.open()
        assert (await agent.ask("x", idempotency_key="k")).text == "x"
        assert gate.begun == 1


async def test_callers_that_give_up_again_and_again_leave_nothing_behind(
    autojump_clock: trio.testing.MockClock,
) -> None:
    def slots() -> int:
        gc.collect()
        return sum(isinstance(each, ReplySlot) for each in gc.get_objects())

    async with running(MemoryStore(), {"hang": hang}, limits=Limits(shutdown_seconds=0)) as runtime:
        agent = await runtime.agent("a", kind="hang")
        admission = await agent.send("x")
        before = slots()
        for _ in range(500):
            with trio.move_on_after(1):
                await agent.wait(admission.input_id)
        assert slots() - before < 20


async def test_results_of_a_crowd_are_all_of_the_promised_kinds(autojump_clock: trio.testing.MockClock) -> None:
    async def moody(turn: Turn) -> str:
        if int(turn.text) % 3 == 0:
            message = "no"
            raise ValueError(message)
        return turn.text

    async with running(MemoryStore(), {"moody": moody}, limits=Limits(attempts_max=1)) as runtime:
        agent = await runtime.agent("a", kind="moody")

        async def fate(number: int) -> Outcome:
            admission = await agent.send(str(number))
            assert isinstance(admission, Admission)
            return await agent.wait(admission.input_id)

        outcomes = await gathered(*(partial(fate, number) for number in range(30)))
        assert [type(outcome) for outcome in outcomes] == [
            Abandoned if number % 3 == 0 else Consumed for number in range(30)
        ]
        answers = await gathered(*(partial(agent.ask, str(number)) for number in range(1, 3)))
        assert all(isinstance(answer, Answer) for answer in answers)


async def test_closing_twice_at_once_is_closing_once(autojump_clock: trio.testing.MockClock) -> None:
    """The block is left while what is around it is cancelled."""
    store = FaultyStore(MemoryStore())
    with trio.CancelScope() as scope:
        async with running(store, {"hang": hang}) as runtime:
            agent: AgentHandle = await runtime.agent("a", kind="hang")
            await agent.send("x")
            scope.deadline = trio.current_time() + 2
    assert trio.current_time() == 2
    assert (store.ends, store.closings) == ([True], 1)


async def test_a_runtime_in_a_cancelled_scope_opens_and_closes_in_order(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    entered: list[Runtime] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        async with running(store, {"count": count}) as runtime:
            entered.append(runtime)
            await trio.lowlevel.checkpoint()
    assert len(entered) <= 1
    assert (store.ends, store.closings) == ([True], 1)
    await until(lambda: True)
