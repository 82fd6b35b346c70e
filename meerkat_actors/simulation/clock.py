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
    """Nobody gets anywhere, whatever is tried. Trio ends with it, as with a fault of its own: ``TrioInternalError``.

    Somebody waits for ever, or goes round in circles, and is shielded from cancellation or takes no notice of it.
    """


def _nobody() -> None:
    """Nobody wants to know."""


@define(eq=False)
class VirtualClock(trio.abc.Clock):
    """Begins at 0. Use one for each ``trio.run``."""

    on_stuck: Callable[[], object] = _nobody
    """Called when nobody will ever go on: nobody is runnable, and nobody waits for time. It has to wake somebody."""
    now: float = 0.0
    is_stopped: bool = False
    """Whether the loop is to end as it is: somebody goes round in circles, and nothing else ends that."""
    _looks: int = 0

    def start_clock(self) -> None:
        """See ``trio.abc.Clock``."""

    def stop(self) -> None:
        """End the loop, whoever is in it: the next who asks for the time is told of that, and the loop asks."""
        self.is_stopped = True

    def current_time(self) -> float:
        """See ``trio.abc.Clock``.

        Raises:
            StuckError: it was stopped.
        """
        if self.is_stopped:
            problem = f"at {self.now} s somebody goes round in circles, and takes no notice of cancellation"
            raise StuckError(problem)
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
