"""One thread that makes every call to the store, and the event loop's courtesy to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar, cast

import outcome
import trio
from attrs import define

from meerkat_actors.actors.reply import refuse_abort

T = TypeVar("T")

_LEND_SECONDS: Final = 0.0002
"""The longest that the loop is held, by one lend or by one wait in place."""
_SKIPS_MAX: Final = 1_023
"""Lone calls not waited for in place where the disk was slow for long."""
_QUIET_CALLS: Final = 16
"""Lone calls in a row after which nobody seems to need the GIL."""
_CALLS_PER_LOOK: Final = 4
"""Lone calls between two looks for others who want the loop."""
_CROWDED_SECONDS: Final = 0.05
"""How long after such others were seen nobody waits in place."""
_LEND_EVERY_SECONDS: Final = 0.0005
"""The shortest time between the beginnings of two lends."""
_LEND_EVERY_SECONDS_MAX: Final = 0.004
"""The longest: half of a slow disk's fsync, after which the writer wants the GIL again."""
_PROBE_SECONDS: Final = 0.00005
"""The part of a lend that finds out whether the writer works."""
_PROGRESS_SECONDS: Final = 0.00001
"""CPU time in one probe from which on the writer counts as working rather than waiting."""


class Writer:
    """Runs one call at a time on its own thread. Made on the event loop; ``join`` ends it."""

    is_apart: bool = True

    def __init__(self, lender: GilLender) -> None:
        self._lender = lender
        self._token = trio.lowlevel.current_trio_token()
        self._patience = _Patience()
        self._jobs: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="meerkat-writer", daemon=True)
        self._thread.start()
        assert self._thread.ident is not None
        self._cpu_clock = _cpu_clock_of(self._thread.ident)

    # Ctrl-C between the submission and the wait would let ``done`` wake a task that waits for something else.
    @trio.lowlevel.enable_ki_protection
    async def call(self, fn: Callable[[], T]) -> T:
        """Run ``fn`` on the thread. The wait can't be cancelled: what was begun is finished."""
        task = trio.lowlevel.current_task()
        self.submit(fn, lambda result: trio.lowlevel.reschedule(task, outcome.Value(result)))
        result = await trio.lowlevel.wait_task_rescheduled(refuse_abort)
        return cast("outcome.Outcome[T]", result).unwrap()

    def submit(self, fn: Callable[[], T], done: Callable[[outcome.Outcome[T]], object]) -> None:
        """Run ``fn`` on the thread, then ``done`` with what came of it on the event loop, where it may not raise."""
        call = _Call(fn, done)
        self._lender.begin(call.pending, self._cpu_clock)
        self._jobs.put(call)

    def submit_alone(self, fn: Callable[[], T], done: Callable[[outcome.Outcome[T]], object]) -> None:
        """As ``submit``, for a call that all others wait for: the loop itself waits a moment for it.

        What ends within that moment is done on return. It spares the way through the loop's selector, which
        takes as long as a small commit. A disk that is slower is not waited for again for a while.
        """
        if not self._patience.is_worth_waiting():
            self.submit(fn, done)
            return
        call = _Call(fn, done)
        call.is_awaited = True
        self._jobs.put(call)
        is_done = call.pending.acquire(timeout=_LEND_SECONDS)
        if not is_done:
            # In this order: who ends the call from now on sees that it has to wake the loop.
            call.is_awaited = False
            is_done = call.pending.acquire(blocking=False)
        self._patience.learn(was_worth=is_done)
        if is_done:
            self._lender.rest()
            call.finish()
        else:
            self._lender.begin(call.pending, self._cpu_clock)

    def join(self) -> None:
        """End the thread; call it only while no call is in progress."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            call = self._jobs.get()
            if call is None:
                return
            call.result = outcome.capture(call.fn)
            call.pending.release()
            if not call.is_awaited:
                self._token.run_sync_soon(self._finish, call)
            del call  # or the idle thread would keep the last batch

    def _finish(self, call: _Call[Any]) -> None:
        self._lender.end(call.pending)
        call.finish()


class _Call(Generic[T]):
    """One call to the thread, and what follows it on the event loop."""

    __slots__ = ("_done", "_is_finished", "fn", "is_awaited", "pending", "result")

    def __init__(self, fn: Callable[[], T], done: Callable[[outcome.Outcome[T]], object]) -> None:
        self.fn = fn
        self.result: outcome.Outcome[T] | None = None
        self.is_awaited = False
        """Whether the event loop waits in place for it, and needs no waking."""
        self.pending = threading.Lock()
        """Held until the call has ended."""
        self.pending.acquire()
        self._done = done
        self._is_finished = False

    def finish(self) -> None:
        """Tell what came of it, once: waiting in place may end together with the call."""
        if self._is_finished:
            return
        self._is_finished = True
        assert self.result is not None
        self._done(self.result)


class _Patience:
    """Whether to wait in place for a lone call.

    Not where that was in vain: for twice as many calls each time. And not where other tasks want the loop, which
    would wait, too: they are looked for now and then, because looking costs 3 us and more.
    """

    def __init__(self) -> None:
        self._skips = 0
        self._skipped = 0
        self._looks_in = 0
        self._is_crowded_until = 0.0

    def is_worth_waiting(self) -> bool:
        """Whether the next call is to be waited for; each one is asked about once."""
        if self._is_crowded_until:
            if time.perf_counter() < self._is_crowded_until:
                return False
            self._is_crowded_until, self._looks_in = 0.0, 0
        if self._skipped < self._skips:
            self._skipped += 1
            return False
        if self._looks_in == 0:
            self._looks_in = _CALLS_PER_LOOK
            if trio.lowlevel.current_statistics().tasks_runnable:
                self._is_crowded_until = time.perf_counter() + _CROWDED_SECONDS
                return False
        self._looks_in -= 1
        return True

    def learn(self, *, was_worth: bool) -> None:
        """Note whether the wait saw its call's end."""
        self._skips = 0 if was_worth else min(2 * self._skips + 1, _SKIPS_MAX)
        self._skipped = 0


@define(eq=False)
class _Pending:
    """One call in progress."""

    done: threading.Lock
    cpu_clock: int | None
    """Of the thread that makes the call; None where the system has none."""


class GilLender(trio.abc.Instrument):
    """Lends the GIL to writer threads that a busy event loop would starve.

    A loop that never idles releases the GIL for microseconds only, and each release resets
    the waiting thread's claim to it: a writer then makes no progress at all (measured; see
    ``scripts/bench busy``). While a call is in progress and the loop is busy, the loop blocks
    at most 0.2 ms per 0.5 ms on the call's completion. The first part of a lend is a probe: when
    the writer's thread used no CPU in it, it waits for its disk and needs no GIL, so the lend ends
    there and the next one comes twice as late.

    One instrument per Trio run, shared by all runtimes in it.
    """

    def __init__(self) -> None:
        self._pending: list[_Pending] = []
        self._next = 0.0
        self._every = _LEND_EVERY_SECONDS
        self._users = 0
        self._is_hooked = False
        self._quiet = 0

    def begin(self, done: threading.Lock, cpu_clock: int | None) -> None:
        """A call is in progress until ``done`` is released."""
        self._quiet = 0
        if self._users and not self._is_hooked:
            self._hook()
        self._pending.append(_Pending(done, cpu_clock))
        self._every = _LEND_EVERY_SECONDS
        self._next = time.perf_counter() + _LEND_EVERY_SECONDS

    def end(self, done: threading.Lock) -> None:
        """The call that ``done`` stood for is over."""
        self._pending = [pending for pending in self._pending if pending.done is not done]

    def rest(self) -> None:
        """A call ended that needed no lending. After some of them the hook, 1 us of each pass, is taken off."""
        self._quiet += 1
        if self._quiet >= _QUIET_CALLS and self._is_hooked and not self._pending:
            self._unhook()

    def before_io_wait(self, timeout: float) -> None:
        """Trio's hook: called once per pass of the loop, with 0 when tasks are runnable."""
        if not self._pending or timeout > 0:
            return
        now = time.perf_counter()
        if now < self._next:
            return
        pending = self._pending[0]
        used_before = _cpu_seconds(pending.cpu_clock)
        is_done = pending.done.acquire(timeout=_PROBE_SECONDS)
        is_working = is_done or _cpu_seconds(pending.cpu_clock) - used_before >= _PROGRESS_SECONDS
        if is_working and not is_done:
            is_done = pending.done.acquire(timeout=_LEND_SECONDS - _PROBE_SECONDS)
        if is_done:
            pending.done.release()
        self._every = _LEND_EVERY_SECONDS if is_working else min(2 * self._every, _LEND_EVERY_SECONDS_MAX)
        self._next = now + self._every

    def install(self) -> None:
        """Count a user of this Trio run; the first one installs the hook."""
        if self._users == 0:
            self._hook()
        self._users += 1

    def uninstall(self) -> None:
        """Count a user less; the last one removes the hook."""
        self._users -= 1
        if self._users == 0 and self._is_hooked:
            self._unhook()

    def _hook(self) -> None:
        trio.lowlevel.add_instrument(self)
        self._is_hooked = True

    def _unhook(self) -> None:
        trio.lowlevel.remove_instrument(self)
        self._is_hooked = False


def _cpu_clock_of(thread: int) -> int | None:
    try:
        return time.pthread_getcpuclockid(thread)
    except AttributeError:  # not on every system
        return None


def _cpu_seconds(clock: int | None) -> float:
    # Without such a clock a writer counts as working: it is lent to as if it needed all of it.
    return time.perf_counter() if clock is None else time.clock_gettime(clock)


_LENDER: Final[trio.lowlevel.RunVar[GilLender]] = trio.lowlevel.RunVar("meerkat_gil_lender")


def lender_of_run() -> GilLender:
    """The one lender of the Trio run we are in."""
    try:
        return _LENDER.get()
    except LookupError:
        lender = GilLender()
        _LENDER.set(lender)
        return lender
