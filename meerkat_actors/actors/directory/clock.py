"""What a runtime knows of when timers are due, so that it need not ask the store again and again."""

from __future__ import annotations

import trio


class Clock:
    """Told of every timer that this runtime sets. Never waits; times are of the wall clock, in milliseconds."""

    def __init__(self) -> None:
        self.next_due_ms: int | None = None
        """When the next timer is due that was not due at the last look, as far as this runtime knows."""
        self.may_be_left: bool = True
        """Whether an owner that was told may not have taken it: it was full, or quarantined."""
        self._news = trio.Event()

    def note(self, due_ms: int) -> None:
        """A timer was set to be due then, which is later than now."""
        if self.next_due_ms is None or due_ms < self.next_due_ms:
            self.next_due_ms = due_ms
            self._news.set()

    def note_told(self) -> None:
        """A timer was set that is due already, and its owner was told."""
        if not self.may_be_left:
            self.may_be_left = True
            self._news.set()

    def begin_look(self, *, is_whole: bool) -> None:
        """Whoever asks the store now finds everything that was noted so far; the rest is for the next look."""
        self.next_due_ms = None
        if is_whole:
            self.may_be_left = False

    def end_look(self, next_due_ms: int | None, *, was_due: bool) -> None:
        """The store told when the next one is due, None for never, and whether any was."""
        self.may_be_left = self.may_be_left or was_due
        if next_due_ms is not None and (self.next_due_ms is None or next_due_ms < self.next_due_ms):
            self.next_due_ms = next_due_ms

    def fresh_news(self) -> trio.Event:
        """Set when something is noted from now on that may be due before ``next_due_ms``."""
        self._news = trio.Event()
        return self._news
