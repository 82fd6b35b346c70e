"""A call that everyone waits for: the loop itself waits a moment for it. In real threads and real time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import outcome
import pytest
import trio

from meerkat_actors.actors.writer import Writer
from meerkat_actors.runtime import open_runtime
from tests.actors.test_writer import writing
from tests.actors.world import echo, passes

DONE = object()


def note(told: list[outcome.Outcome[object]], result: outcome.Outcome[object]) -> None:
    told.append(result)


async def heard(told: Sequence[object], count: int) -> None:
    """Until so many were told, on the event loop, which goes round meanwhile."""
    for _ in range(10_000_000):
        if len(told) >= count:
            return
        await trio.lowlevel.checkpoint()
    pytest.fail("a call was never told of")


async def warm(writer: Writer) -> None:
    """Until a wait in place was worth it: a machine that is busy elsewhere may need more than one try."""
    for _ in range(10_000):
        told: list[outcome.Outcome[object]] = []
        writer.submit_alone(lambda: DONE, partial(note, told))
        if told:
            return
        await heard(told, 1)
    pytest.fail("no call of 10,000 that do nothing ended within 0.2 ms")


async def test_a_quick_call_is_done_on_return() -> None:
    async with writing() as writer:
        await warm(writer)


async def test_what_a_call_raises_is_its_outcome_in_place_as_on_the_way_round() -> None:
    async with writing() as writer:
        for _ in range(50):
            told: list[outcome.Outcome[object]] = []
            writer.submit_alone(lambda: 1 / 0, partial(note, told))
            await heard(told, 1)
            assert len(told) == 1
            assert isinstance(told[0], outcome.Error)
            assert isinstance(told[0].error, ZeroDivisionError)


async def test_a_slow_call_holds_the_loop_for_a_moment_only_and_is_done_later() -> None:
    may_go = threading.Event()
    told: list[outcome.Outcome[object]] = []
    async with writing() as writer:
        await warm(writer)
        writer.submit_alone(partial(may_go.wait, 20), partial(note, told))
        await passes(100)
        assert told == []
        may_go.set()
        await heard(told, 1)
    assert told == [outcome.Value(True)]


async def test_after_slow_calls_others_are_not_waited_for() -> None:
    """Each wait in vain doubles the number of calls that go the way round."""
    async with writing() as writer:
        await warm(writer)
        for skipped in (1, 3, 7):
            may_go = threading.Event()
            told: list[outcome.Outcome[object]] = []
            writer.submit_alone(partial(may_go.wait, 20), partial(note, told))
            assert told == []
            may_go.set()
            for _ in range(skipped):
                writer.submit_alone(lambda: DONE, partial(note, told))
                # Whoever is not waited for is told on the event loop, which we do not let run.
                assert told == []
            await heard(told, skipped + 1)


async def test_calls_that_end_together_with_the_wait_are_told_once_and_in_order() -> None:
    """Calls as long as the wait: the thread and the loop meet in every order there is."""
    told: list[int] = []
    ran: list[int] = []

    def work(number: int) -> int:
        ran.append(number)
        event = threading.Event()
        event.wait(0.0001 + (number % 40) * 0.000005)
        return number

    async with writing() as writer:
        for number in range(2_000):
            writer.submit_alone(partial(work, number), lambda result: told.append(result.unwrap()))
            await heard(told, number + 1)
        # A call told twice would be told after the last one.
        await writer.call(lambda: None)
        await passes(10)
    assert ran == told == list(range(2_000))


async def test_one_agent_alone_lets_other_tasks_run_between_its_commits(tmp_path: Path) -> None:
    """An owner that is answered in place yields all the same."""
    async with open_runtime(tmp_path / "alone.db", agents={"echo": echo}) as runtime, trio.open_nursery() as nursery:
        agent = await runtime.agent("a", kind="echo")
        seen: list[int] = []

        async def watch() -> None:
            while True:
                await trio.lowlevel.checkpoint()
                seen.append(runtime.statistics().turns)

        nursery.start_soon(watch)
        for _ in range(50):
            await agent.ask("x")
        nursery.cancel_scope.cancel()
        # Every turn was seen by itself: nobody was kept out for longer than one.
        assert set(range(1, 50)) <= set(seen)


async def test_where_other_tasks_want_the_loop_nobody_waits_in_place() -> None:
    """They would wait, too. Seen now and then, and for a while."""
    async with writing() as writer, trio.open_nursery() as nursery:
        await warm(writer)

        nursery.start_soon(passes, 10_000_000)
        for _ in range(10_000):
            told: list[outcome.Outcome[object]] = []
            writer.submit_alone(lambda: DONE, partial(note, told))
            if not told:
                break
            await trio.lowlevel.checkpoint()
        else:
            pytest.fail("10,000 calls were waited for in place beside a task that never idles")
        await heard(told, 1)
        nursery.cancel_scope.cancel()
