"""Leaving the block: in good order, by an error, by cancellation; everyone is answered, and nothing is lost."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    NotReadyError,
    OwnerStoppedError,
    UnknownOutcomeError,
    UsageError,
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
from tests.actors.world import consumed, count, echo, gathered, hang, passes, running, told, until


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
