"""Whose hands do the work of a store: those of a thread, or the event loop's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import outcome
import trio

T = TypeVar("T")


class Hands(Protocol):
    """Does one call at a time."""

    @property
    def is_apart(self) -> bool:
        """Whether the event loop goes on meanwhile, on a processor of its own."""
        ...

    async def call(self, fn: Callable[[], T]) -> T:
        """Do it, and wait for it; the wait can't be cancelled."""
        ...

    def submit(self, fn: Callable[[], T], done: Callable[[outcome.Outcome[T]], object]) -> None:
        """Do it, then tell ``done`` on the event loop, where it may not raise, what came of it."""
        ...

    def submit_alone(self, fn: Callable[[], T], done: Callable[[outcome.Outcome[T]], object]) -> None:
        """As ``submit``, for a call that all others wait for."""
        ...


class InlineHands:
    """The loop's own: no thread, so that a virtual clock knows when nobody works."""

    is_apart: bool = False

    @trio.lowlevel.enable_ki_protection
    async def call(self, fn: Callable[[], T]) -> T:
        """See ``Hands.call``. A schedule point, as a call to a thread is."""
        await trio.lowlevel.cancel_shielded_checkpoint()
        return fn()

    def submit(self, fn: Callable[[], T], done: Callable[[outcome.Outcome[T]], object]) -> None:
        """See ``Hands.submit``. It is done on return."""
        done(outcome.capture(fn))

    def submit_alone(self, fn: Callable[[], T], done: Callable[[outcome.Outcome[T]], object]) -> None:
        """See ``Hands.submit_alone``."""
        self.submit(fn, done)
