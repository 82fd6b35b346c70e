"""Virtual time: it costs nothing, goes only while everybody waits, and knows when nobody will ever go on."""

from __future__ import annotations

import gc
from random import Random

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from meerkat_actors.simulation.clock import StuckError, VirtualClock

WEEK = 7 * 24 * 3600.0


def test_ten_thousand_sleep_for_weeks_and_wake_in_the_order_of_their_deadlines() -> None:
    clock, woken = VirtualClock(), list[float]()
    random = Random(1)
    weeks = [round(random.uniform(1, 50), 3) * WEEK for _ in range(10_000)]

    async def sleep(seconds: float) -> None:
        await trio.sleep(seconds)
        assert trio.current_time() == seconds
        woken.append(seconds)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for seconds in weeks:
                nursery.start_soon(sleep, seconds)

    trio.run(main, clock=clock)
    assert woken == sorted(weeks)
    assert clock.now == max(weeks)


def test_no_time_passes_while_somebody_works() -> None:
    seen: list[float] = []

    async def work() -> None:
        for _ in range(1_000):
            await trio.lowlevel.checkpoint()
            seen.append(trio.current_time())

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            await trio.sleep(1)

    clock = VirtualClock()
    trio.run(main, clock=clock)
    assert set(seen) == {0.0}
    assert clock.now == 1.0


def test_time_never_goes_back() -> None:
    async def main() -> None:
        await trio.sleep(10)
        with trio.move_on_at(trio.current_time() - 7) as scope:
            await trio.sleep(100)
        assert scope.cancelled_caught
        assert trio.current_time() == 10

    trio.run(main, clock=VirtualClock())


def test_who_waits_beside_others_that_wait_for_time_is_no_deadlock() -> None:
    news = trio.Event()

    async def tell() -> None:
        await trio.sleep(WEEK)
        news.set()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tell)
            await news.wait()

    trio.run(main, clock=VirtualClock(lambda: pytest.fail("nobody is stuck")))


def test_a_deadlock_is_told_once_and_whoever_hears_of_it_can_end_it() -> None:
    clock, told, scope = VirtualClock(), list[float](), trio.CancelScope()

    def stuck() -> None:
        told.append(clock.now)
        scope.cancel()

    clock.on_stuck = stuck

    async def main() -> None:
        await trio.sleep(5)
        with scope:
            await trio.Event().wait()

    trio.run(main, clock=clock)
    assert scope.cancelled_caught
    assert told == [5.0]


# What Trio leaves behind when it ends so complains as it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_deadlock_that_nobody_can_end_ends_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meerkat_actors.simulation.clock._LOOKS_MAX", 25)

    async def main() -> None:
        await trio.sleep(2)
        with trio.CancelScope(shield=True):
            await trio.Event().wait()

    clock = VirtualClock()
    with pytest.raises(trio.TrioInternalError) as raised:
        trio.run(main, clock=clock)
    assert isinstance(raised.value.__cause__, StuckError)
    assert "at 2.0 s everybody waits" in str(raised.value.__cause__)
    raised.value.__cause__ = None
    del raised
    gc.collect()


def test_deadlocks_that_were_ended_are_not_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meerkat_actors.simulation.clock._LOOKS_MAX", 25)
    scopes: list[trio.CancelScope] = []

    async def main() -> None:
        for _ in range(10):
            with trio.CancelScope() as scope:
                scopes.append(scope)
                await trio.Event().wait()
            await trio.sleep(1)

    trio.run(main, clock=VirtualClock(lambda: scopes[-1].cancel()))
    assert len(scopes) == 10


def test_waiting_until_all_are_blocked_is_no_way_to_wait_for_time() -> None:
    """As its docstring says: time is never short enough for it, unless nobody waits for any."""
    ended: list[float] = []

    async def wait() -> None:
        await wait_all_tasks_blocked()
        ended.append(trio.current_time())

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            for _ in range(5):
                await trio.sleep(1)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=VirtualClock())
    assert ended == []
