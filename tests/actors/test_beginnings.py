"""A turn that is started and does not begin: told of, and given up in the end."""

from __future__ import annotations

import threading

import trio
from trio.testing import MockClock

from meerkat_actors import Abandoned, Limits, Turn, open_runtime
from meerkat_actors.records.events import Event, TurnWaits
from meerkat_actors.records.outcomes import AbandonReason
from meerkat_actors.store import MemoryStore


async def test_a_turn_that_waits_for_a_thread_is_told_of_and_given_up(mock_clock: MockClock) -> None:
    has_begun, may_end, events = threading.Event(), threading.Event(), list[Event]()

    def slow(turn: Turn) -> str:
        has_begun.set()
        may_end.wait()
        return turn.text

    limits = Limits(threads_max=1, begin_notice_seconds=10, begin_seconds_max=35)
    agents = {"slow": slow}
    async with open_runtime(MemoryStore(), agents=agents, limits=limits, observers=[events.append]) as runtime:
        first, second = [await runtime.agent(name, kind="slow") for name in ("first", "second")]
        ahead = await first.send("ahead")
        await trio.to_thread.run_sync(has_begun.wait)
        behind = await second.send("behind")
        for _ in range(20):
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(2.5)
        outcome = await second.wait(behind.input_id)
        assert isinstance(outcome, Abandoned)
        assert outcome.reason is AbandonReason.NEVER_EXECUTED
        told = [event for event in events if isinstance(event, TurnWaits)]
        assert [event.identity for event in told] == ["second"] * 3
        assert [int(event.seconds) for event in told] == [10, 20, 30]
        [letter] = [letter async for letter in runtime.dead_letters()]
        assert (letter.identity, letter.input_id) == ("second", behind.input_id)
        may_end.set()
        assert "Consumed" in type(await first.wait(ahead.input_id)).__name__
