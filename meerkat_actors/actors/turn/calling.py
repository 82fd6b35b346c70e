"""How users' functions are called: async ones here, plain ones in a thread."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

import trio

HAS_THREADS: Final[trio.lowlevel.RunVar[bool]] = trio.lowlevel.RunVar("meerkat_has_threads", default=True)
"""Whether a loop runs users' plain functions in threads. One of a simulation doesn't: nothing may go on beside it."""


async def call(fn: Callable[..., Any], args: tuple[object, ...], threads: trio.CapacityLimiter) -> object:
    """Call what may be async, or plain, or plain and give an awaitable."""
    if inspect.iscoroutinefunction(fn):
        return await fn(*args)
    returned = await in_thread(lambda: fn(*args), threads)
    return await returned if inspect.isawaitable(returned) else returned


async def in_thread(fn: Callable[[], object], threads: trio.CapacityLimiter) -> object:
    """Run a user's plain function in a thread; cancelled, the thread is left to itself."""
    if not HAS_THREADS.get():
        await trio.lowlevel.checkpoint()
        return fn()

    def run() -> tuple[object]:
        # In a tuple, because Trio refuses a coroutine: a lambda, or a callable object, may return one.
        return (fn(),)

    (returned,) = await trio.to_thread.run_sync(run, abandon_on_cancel=True, limiter=threads)
    return returned
