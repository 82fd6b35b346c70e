"""The writer's one thread, and the lender that keeps a busy loop from starving it. In real threads and real time."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import cast

import outcome
import pytest
import trio

from meerkat_actors.actors.writer import GilLender, Writer, lender_of_run
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import echo, passes, running, until


@asynccontextmanager
async def writing() -> AsyncGenerator[Writer, None]:
    writer = Writer(GilLender())
    try:
        yield writer
    finally:
        writer.join()


def writers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "meerkat-writer"]


async def test_a_call_runs_on_the_one_thread_and_returns_its_value() -> None:
    async with writing() as writer:
        names = [await writer.call(lambda: threading.current_thread().name) for _ in range(3)]
        idents = {await writer.call(threading.get_ident) for _ in range(3)}
        assert names == ["meerkat-writer"] * 3
        assert len(idents) == 1
        assert threading.get_ident() not in idents


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
async def test_what_a_call_raises_is_raised_at_the_caller_and_the_thread_goes_on(error: BaseException) -> None:
    def fail() -> None:
        raise error

    async with writing() as writer:
        with pytest.raises(type(error)) as caught:
            await writer.call(fail)
        assert caught.value is error
        assert await writer.call(lambda: 7) == 7


async def test_calls_run_one_after_another_in_the_order_given() -> None:
    ran: list[int] = []
    done: list[int] = []
    all_done = trio.Event()

    def run(number: int) -> int:
        time.sleep(0)  # noqa: TID251 - gives the other thread the GIL on purpose
        ran.append(number)
        return number

    def note(result: outcome.Outcome[int]) -> None:
        done.append(result.unwrap())
        if len(done) == 100:
            all_done.set()

    async with writing() as writer:
        for number in range(100):
            writer.submit(partial(run, number), note)
        await all_done.wait()
    assert ran == done == list(range(100))


async def test_what_follows_a_call_happens_on_the_event_loop() -> None:
    threads: list[int] = []
    results: list[outcome.Outcome[float]] = []
    all_done = trio.Event()

    def done(result: outcome.Outcome[float]) -> None:
        threads.append(threading.get_ident())
        results.append(result)
        if len(results) == 2:
            all_done.set()

    async with writing() as writer:
        writer.submit(lambda: 1, done)
        writer.submit(lambda: 1 / 0, done)
        await all_done.wait()
    assert set(threads) == {threading.get_ident()}
    assert results[0] == outcome.Value(1)
    assert isinstance(results[1], outcome.Error)


async def test_a_call_is_not_cancelled_on_its_way() -> None:
    may_go = threading.Event()
    is_in = threading.Event()

    def slow() -> str:
        is_in.set()
        assert may_go.wait(20)
        return "done"

    results: list[str] = []
    async with writing() as writer:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                async def call() -> None:
                    results.append(await writer.call(slow))

                nursery.start_soon(call)
                await trio.to_thread.run_sync(is_in.wait)
                scope.cancel()
                with trio.CancelScope(shield=True):
                    await passes(10)
                    assert results == []
                    may_go.set()
    assert results == ["done"]
    assert scope.cancel_called


async def test_a_call_that_is_cancelled_before_it_begins_is_made_all_the_same() -> None:
    """There is one kind of call: what was given is done, and whoever gave it learns what came of it."""
    async with writing() as writer:
        with trio.CancelScope() as scope:
            scope.cancel()
            assert await writer.call(lambda: 7) == 7
            with pytest.raises(trio.Cancelled):
                await trio.lowlevel.checkpoint()


async def test_the_loop_goes_on_while_a_call_is_made() -> None:
    may_go = threading.Event()
    async with writing() as writer, trio.open_nursery() as nursery:
        nursery.start_soon(writer.call, partial(may_go.wait, 20))
        await passes(100)
        may_go.set()


async def test_the_thread_is_joined_before_the_runtime_ends() -> None:
    assert writers() == []
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        await (await runtime.agent("a", kind="echo")).ask("x")
    assert writers() == []
    with pytest.raises(KeyError):
        async with running(MemoryStore(), {"echo": echo}):
            raise KeyError
    assert writers() == []


# -- lending the GIL -----------------------------------------------------------------------


def is_installed(lender: GilLender) -> bool:
    try:
        trio.lowlevel.remove_instrument(lender)
    except KeyError:
        return False
    trio.lowlevel.add_instrument(lender)
    return True


async def test_all_runtimes_of_one_run_share_one_lender_which_leaves_with_the_last(tmp_path: Path) -> None:
    lender = lender_of_run()
    assert lender_of_run() is lender
    assert not is_installed(lender)
    async with open_runtime(tmp_path / "one.db", agents={"echo": echo}):
        assert is_installed(lender)
        async with open_runtime(tmp_path / "two.db", agents={"echo": echo}):
            assert is_installed(lender)
        assert is_installed(lender)
    assert not is_installed(lender)


async def test_a_store_that_the_loop_works_itself_is_lent_nothing() -> None:
    async with running(MemoryStore(), {"echo": echo}):
        assert not is_installed(lender_of_run())


async def test_the_lender_is_taken_off_while_calls_are_waited_for_in_place_and_comes_back() -> None:
    lender, done = lender_of_run(), threading.Lock()
    clock, may_go = clock_of_a_waiting_thread()
    lender.install()
    assert is_installed(lender)
    lender.begin(done, clock)
    for _ in range(100):
        lender.rest()
    assert is_installed(lender)
    lender.end(done)
    for _ in range(100):
        lender.rest()
    assert not is_installed(lender)
    lender.begin(done, clock)
    assert is_installed(lender)
    lender.end(done)
    lender.uninstall()
    assert not is_installed(lender)
    may_go.set()


def test_each_run_has_a_lender_of_its_own() -> None:
    async def lend() -> GilLender:
        return lender_of_run()

    assert trio.run(lend) is not trio.run(lend)


async def test_the_lender_leaves_also_when_the_store_can_not_be_opened() -> None:
    store = FaultyStore(MemoryStore())

    def fail(_: str) -> None:
        message = "odd"
        raise KeyError(message)

    store.before_call = fail
    with pytest.raises(KeyError):
        async with running(store, {"echo": echo}):
            pass
    assert not is_installed(lender_of_run())
    assert writers() == []


class CountingLock:
    """A call in progress that counts how often somebody looked whether it ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.asked = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        self.asked += 1
        return self._lock.acquire(blocking, timeout)

    def release(self) -> None:
        self._lock.release()

    def as_lock(self) -> threading.Lock:
        return cast("threading.Lock", self)


def clock_of_a_waiting_thread() -> tuple[int, threading.Event]:
    may_go = threading.Event()
    thread = threading.Thread(target=may_go.wait, args=(20,), daemon=True)
    thread.start()
    assert thread.ident is not None
    return time.pthread_getcpuclockid(thread.ident), may_go


def spin(lender: GilLender, seconds: float, timeout: float = 0) -> None:
    """A busy loop's passes: the lender goes by the real clock."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        lender.before_io_wait(timeout)


@pytest.mark.alone
def test_nothing_is_lent_while_the_loop_is_idle() -> None:
    """An idle loop lets go of the GIL by itself."""
    lender, call = GilLender(), CountingLock()
    clock, may_go = clock_of_a_waiting_thread()
    spin(lender, 0.002)
    lender.begin(call.as_lock(), clock)
    spin(lender, 0.002, timeout=1)
    assert call.asked == 0
    spin(lender, 0.002)
    assert call.asked > 0
    may_go.set()


@pytest.mark.alone
def test_a_writer_that_waits_for_its_disk_is_asked_ever_more_rarely() -> None:
    lender, call = GilLender(), CountingLock()
    clock, may_go = clock_of_a_waiting_thread()
    lender.begin(call.as_lock(), clock)
    spin(lender, 0.05)
    # Every 0.5 ms would be a hundred; with doubled waits it is some fifteen.
    assert 1 <= call.asked <= 30
    may_go.set()


@pytest.mark.alone
def test_a_call_that_ended_is_lent_to_no_more() -> None:
    lender, call, other = GilLender(), CountingLock(), CountingLock()
    clock, may_go = clock_of_a_waiting_thread()
    lender.begin(call.as_lock(), clock)
    lender.begin(other.as_lock(), clock)
    lender.end(call.as_lock())
    other.release()
    spin(lender, 0.003)
    assert call.asked == 0
    assert other.asked > 0
    # Looking leaves the lock as it was.
    assert other.acquire(blocking=False)
    lender.end(other.as_lock())
    may_go.set()


@pytest.mark.alone
def test_a_busy_loop_lets_a_working_writer_finish() -> None:
    """Without lending, a loop that never idles keeps a writer that needs the GIL waiting for many seconds."""

    def work() -> int:
        total = 0
        for number in range(200):
            # Each wait gives the GIL away, and taking it back is what a busy loop prevents.
            time.sleep(0)  # noqa: TID251 - as a call into SQLite does
            total += number
        return total

    async def main() -> float:
        lender = lender_of_run()
        lender.install()
        writer = Writer(lender)
        took: list[float] = []

        async def write() -> None:
            before = time.perf_counter()
            assert await writer.call(work) == 19_900
            took.append(time.perf_counter() - before)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            while not took:
                for _ in range(500):
                    pass
                await trio.lowlevel.checkpoint()
        lender.uninstall()
        writer.join()
        return took[0]

    assert trio.run(main) < 5


async def test_a_crowd_commits_beside_a_loop_that_never_idles() -> None:
    store = FaultyStore(MemoryStore(), inline=False)
    async with running(store, {"echo": echo}, limits=Limits()) as runtime:
        agent = await runtime.agent("a", kind="echo")
        async with trio.open_nursery() as nursery:

            async def spin() -> None:
                while True:
                    for _ in range(1_000):
                        pass
                    await trio.lowlevel.checkpoint()

            nursery.start_soon(spin)
            with trio.fail_after(20):
                for number in range(20):
                    assert (await agent.ask(str(number))).text == str(number)
            nursery.cancel_scope.cancel()
        await until(lambda: runtime.statistics().turns == 20)
