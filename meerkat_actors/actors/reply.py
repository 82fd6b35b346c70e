"""Reply slots: every question has one, and every exit path answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class ReplySlot(Generic[T]):
    """Where the answer to one question arrives. The first answer counts."""

    __slots__ = ("_error", "_event", "_value", "is_given_up")

    def __init__(self) -> None:
        self.is_given_up: bool = False
        """Whether nobody waits any more: whoever keeps the slot may drop it."""
        self._event = trio.Event()
        self._value: T | None = None
        self._error: BaseException | None = None

    def resolve(self, value: T) -> None:
        """Answer."""
        if not self._event.is_set():
            self._value = value
            self._event.set()

    def reject(self, error: BaseException) -> None:
        """Answer with an error, which is raised at the asker."""
        if not self._event.is_set():
            self._error = error
            self._event.set()

    async def wait(self) -> T:
        """Wait for the answer. Cancelling the wait withdraws nothing."""
        try:
            await self._event.wait()
        except trio.Cancelled:
            self.is_given_up = True
            raise
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # resolve() gave a T, which may be None


class CommitSlot(Generic[T]):
    """Where storage answers an owner. The wait can't be cancelled: storage answers every slot.

    ``on_value`` is called with the answer in the same synchronous step in which storage gives it,
    one pass of the loop before the owner runs again. What it raises is raised at the owner.
    """

    __slots__ = ("_error", "_is_answered", "_on_value", "_task", "_value")

    def __init__(self, on_value: Callable[[T], None] | None = None) -> None:
        self._on_value = on_value
        self._value: T | None = None
        self._error: BaseException | None = None
        self._is_answered = False
        self._task: trio.lowlevel.Task | None = None

    def resolve(self, value: T) -> None:
        """Answer."""
        self._value = value
        if self._on_value is not None:
            try:
                self._on_value(value)
            except BaseException as error:  # noqa: ASYNC103, BLE001 - we are in storage's hands; it is the owner's to fail
                self._error = error
        self._answer()

    def reject(self, error: BaseException) -> None:
        """Answer with an error, which is raised at the owner."""
        if not self._is_answered:
            self._error = error
            self._answer()

    async def wait(self) -> T:
        """Wait for the answer, whatever is cancelled meanwhile."""
        if self._is_answered:
            await trio.lowlevel.cancel_shielded_checkpoint()
        else:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(refuse_abort)
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # resolve() gave a T, which may be None

    def _answer(self) -> None:
        self._is_answered = True
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)


def refuse_abort(_raise_cancel: object) -> trio.lowlevel.Abort:
    """Let a parked task ignore cancellation until it is rescheduled."""
    return trio.lowlevel.Abort.FAILED
