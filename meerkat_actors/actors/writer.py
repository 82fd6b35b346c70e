"""One thread that makes every call to the store, and the event loop's courtesy to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, TypeVar

import outcome
import trio

T = TypeVar("T")

_LEND_SECONDS: Final = 0.0002
"""The longest that one lend holds the loop."""
_LEND_EVERY_SECONDS: Final = 0.0005
"""The shortest time between the beginnings of two lends."""


class Writer:
    """Runs one call at a time on its own thread. Joined before ``open_writer``'s block ends."""

    def __init__(self, lender: GilLender) -> None:
        self._lender = lender
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="meerkat-writer", daemon=True)
        self._thread.start()

    async def call(self, fn: Callable[[], T]) -> T:
        """Run ``fn`` on the thread. The wait can't be cancelled: what was begun is finished."""
        task = trio.lowlevel.current_task()
        token = trio.lowlevel.current_trio_token()
        done = threading.Lock()
        done.acquire()
        results: list[outcome.Outcome[T]] = []

        def work() -> None:
            results.append(outcome.capture(fn))
            done.release()
            token.run_sync_soon(trio.lowlevel.reschedule, task)

        self._lender.begin(done)
        self._jobs.put(work)
        try:
            await trio.lowlevel.wait_task_rescheduled(_refuse_abort)
        finally:
            self._lender.end(done)
        return results[0].unwrap()

    def join(self) -> None:
        """End the thread; call it only while no call is in progress."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            job()


class GilLender(trio.abc.Instrument):
    """Lends the GIL to writer threads that a busy event loop would starve.

    A loop that never idles releases the GIL for microseconds only, and each release resets
    the waiting thread's claim to it: a writer then makes no progress at all (measured; see
    ``scripts/bench busy``). While a call is in progress and the loop is busy, the loop blocks
    at most 0.2 ms per 0.5 ms on the call's completion, and waits twice as long after each
    lend that brought no completion: a writer that waits for its disk needs no GIL.

    One instrument per Trio run, shared by all runtimes in it.
    """

    def __init__(self) -> None:
        self._pending: list[threading.Lock] = []
        self._next = 0.0
        self._every = _LEND_EVERY_SECONDS
        self._users = 0

    def begin(self, done: threading.Lock) -> None:
        """A call is in progress until ``done`` is released."""
        self._pending.append(done)
        self._every = _LEND_EVERY_SECONDS
        self._next = time.perf_counter() + _LEND_EVERY_SECONDS

    def end(self, done: threading.Lock) -> None:
        """The call that ``done`` stood for is over."""
        self._pending.remove(done)

    def before_io_wait(self, timeout: float) -> None:
        """Trio's hook: called once per pass of the loop, with 0 when tasks are runnable."""
        if not self._pending or timeout > 0:
            return
        now = time.perf_counter()
        if now < self._next:
            return
        done = self._pending[0]
        if done.acquire(timeout=_LEND_SECONDS):
            done.release()
            self._every = _LEND_EVERY_SECONDS
        else:
            self._every *= 2
        self._next = now + self._every

    def install(self) -> None:
        """Count a user of this Trio run; the first one installs the hook."""
        if self._users == 0:
            trio.lowlevel.add_instrument(self)
        self._users += 1

    def uninstall(self) -> None:
        """Count a user less; the last one removes the hook."""
        self._users -= 1
        if self._users == 0:
            trio.lowlevel.remove_instrument(self)


_LENDER: Final[trio.lowlevel.RunVar[GilLender]] = trio.lowlevel.RunVar("meerkat_gil_lender")


def lender_of_run() -> GilLender:
    """The one lender of the Trio run we are in."""
    try:
        return _LENDER.get()
    except LookupError:
        lender = GilLender()
        _LENDER.set(lender)
        return lender


def _refuse_abort(_raise_cancel: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED
