"""Virtual time: it goes only while everybody waits, straight to the next deadline.

``MockClock``'s autojump waits a real moment for silence, and jumps under a thread that works. Here nothing works
beside the loop, so that whoever waits, waits for time: the clock jumps at once. ``wait_all_tasks_blocked`` waits for
ever under it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isinf
from typing import Final

import trio
from attrs import define

_LOOK_AGAIN_SECONDS: Final = 0.001
"""Of real time, while a loop that nobody wakes is about to hear that."""
_POLLS: Final = 10
"""Looks until nobody will ever go on: Trio wakes itself through a socket as it ends, and looks at that in between."""
_LOOKS_MAX: Final = 1_000
"""At a loop that nobody wakes, though ``on_stuck`` was called again and again."""


class StuckError(Exception):
    """Nobody will ever go on, whatever is tried. Trio ends with it, as with a fault of its own: ``TrioInternalError``.

    Somebody waits for ever, and is shielded from cancellation.
    """


def _nobody() -> None:
    """Nobody wants to know."""


@define(eq=False)
class VirtualClock(trio.abc.Clock):
    """Begins at 0. Use one for each ``trio.run``."""

    on_stuck: Callable[[], object] = _nobody
    """Called when nobody will ever go on: nobody is runnable, and nobody waits for time. It has to wake somebody."""
    now: float = 0.0
    _looks: int = 0

    def start_clock(self) -> None:
        """See ``trio.abc.Clock``."""

    def current_time(self) -> float:
        """See ``trio.abc.Clock``."""
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Go to the deadline: Trio asks when nobody is runnable.

        Raises:
            StuckError: there is none, and ``on_stuck`` doesn't help.
        """
        if isinf(deadline):
            self._looks += 1
            if self._looks > _LOOKS_MAX:
                problem = f"at {self.now} s everybody waits, for no time, and can't be cancelled"
                raise StuckError(problem)
            if self._looks % _POLLS:
                return 0.0
            self.on_stuck()
            return _LOOK_AGAIN_SECONDS
        self._looks = 0
        self.now = max(self.now, deadline)
        return 0.0
