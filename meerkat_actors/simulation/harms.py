"""The faults that are in force at this moment, for whoever has to suffer them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import cast

import trio
from attrs import define, field, frozen

from meerkat_actors.actors.turn import AgentKind, Turn
from meerkat_actors.simulation.plan import Moment
from meerkat_actors.simulation.processes import Life


class SimulatedError(Exception):
    """What a turn raises that was told to."""


@frozen
class CallHarm:
    """What the next call of a client suffers."""

    steps: int = 0
    """It is cancelled after so many steps of a task beside it; 0: it is not."""
    is_doubled: bool = False
    delay: float = 0.0


@frozen
class Death:
    """How the next process dies that comes to that moment."""

    moment: Moment
    comes: Callable[[Life], object]


@define(eq=False)
class Harms:
    """What the plan has begun and not ended."""

    random: Random
    raising: int = 0
    hanging: float = 0.0
    steps: int = 0
    is_doubled: bool = False
    delay: float = 0.0
    slow_until: float = 0.0
    slow_seconds: float = 0.0
    stalled_until: float = 0.0
    death: Death | None = None
    fired: Counter[str] = field(factory=Counter[str])
    """How often each kind of fault hurt somebody."""

    def of_next_call(self) -> CallHarm:
        """Taken by the call that asks first."""
        harm = CallHarm(self.steps, self.is_doubled, self.delay)
        for name, is_hurt in (
            ("CallerCancelled", harm.steps), ("SentTwice", harm.is_doubled), ("Delayed", harm.delay)
        ):  # fmt: skip
            if is_hurt:
                self.fired[name] += 1
        self.steps, self.is_doubled, self.delay = 0, False, 0.0
        return harm

    def delays(self) -> tuple[float, float]:
        """What the next call to a store takes, before and after it is made."""
        if trio.current_time() >= self.slow_until:
            return 0.0, 0.0
        self.fired["SlowCommits"] += 1
        return self.slow_seconds * self.random.random(), self.slow_seconds * self.random.random()

    def meets(self, moment: Moment) -> Death | None:
        """The death of this moment, which is met once."""
        death = self.death
        if death is None or death.moment is not moment:
            return None
        self.death = None
        return death

    def end(self) -> None:
        """Nothing more goes wrong than did."""
        self.raising, self.hanging, self.steps, self.is_doubled, self.delay = 0, 0.0, 0, False, 0.0
        self.slow_until = self.stalled_until = 0.0
        self.death = None


def hurt(kind: AgentKind, harms: Harms) -> Callable[[Turn], Awaitable[str | None]]:
    """The agent's function, in which a turn may hang or raise."""
    function = cast("Callable[[Turn], Awaitable[str | None]]", kind.fn)

    async def turn_of(turn: Turn) -> str | None:
        if harms.hanging:
            seconds, harms.hanging = harms.hanging, 0.0
            harms.fired["TurnsHang"] += 1
            await trio.sleep(seconds)
        raises, harms.raising = harms.raising > 0, max(0, harms.raising - 1)
        if raises and harms.random.random() < 0.5:
            harms.fired["TurnsRaise"] += 1
            raise SimulatedError
        returned = await function(turn)
        if raises:
            harms.fired["TurnsRaise"] += 1
            raise SimulatedError
        return returned

    return turn_of
