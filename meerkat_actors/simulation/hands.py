"""Hands for a store that take time: calls that begin and end as beside a thread, on a clock that may be virtual."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import outcome
import trio

T = TypeVar("T")

Delays = Callable[[], tuple[float, float]]
"""Seconds of the loop's clock until the next call is made, and from then until its end is heard of."""


class SlowHands:
    """The loop's own, with calls that take time of its clock, in which others go on, as beside a thread.

    What waits then are tasks of ``nursery``, which has to outlive whoever submits.
    """

    is_apart: bool = False

    def __init__(self, delays: Delays, nursery: trio.Nursery) -> None:
        self._delays = delays
        self._nursery = nursery

    @trio.lowlevel.enable_ki_protection
    async def call(self, fn: Callable[[], T]) -> T:
        """See ``Hands.call``."""
        before, after = self._delays()
        await _pause(before)
        result = outcome.capture(fn)
        await _pause(after)
        return result.unwrap()

    def submit(self, fn: Callable[[], T], done: Callable[[outcome.Outcome[T]], object]) -> None:
        """See ``Hands.submit``."""
        self._nursery.start_soon(self._work, fn, done)

    def submit_alone(self, fn: Callable[[], T], done: Callable[[outcome.Outcome[T]], object]) -> None:
        """See ``Hands.submit_alone``."""
        self.submit(fn, done)

    async def _work(self, fn: Callable[[], T], done: Callable[[outcome.Outcome[T]], object]) -> None:
        before, after = self._delays()
        if before:  # else it began late enough: others had a step since
            await _pause(before)
        result = outcome.capture(fn)
        await _pause(after)
        done(result)


async def _pause(seconds: float) -> None:
    # Shielded without a deadline of its own: what was begun is finished, as by a thread.
    if not seconds:
        await trio.lowlevel.cancel_shielded_checkpoint()
        return
    with trio.CancelScope(shield=True):
        await trio.sleep(seconds)
