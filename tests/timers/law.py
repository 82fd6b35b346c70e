"""What timers are to do, said again in a few lines that share nothing with the code under test."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import frozen

LATE_MS: Final = 60_000
"""What is no later than that was not missed."""


@frozen
class Policy:
    """What becomes of times that were missed, and of those that come while the last input is open."""

    misfire: int | str
    overlap: str

    @property
    def catch_up(self) -> int:
        return {"skip": 0, "once": 1}.get(str(self.misfire), self.misfire if isinstance(self.misfire, int) else 0)


def begins(
    times: Sequence[int], looks: Iterable[tuple[float, int]], policy: Policy, *, busy_seconds: float = 0.001
) -> list[float]:
    """At which second each input of a timer is there.

    Its ``times``, ascending; ``looks``: at which second the wall clock showed what. What it once showed is done with,
    whatever it shows later. An input is open for ``busy_seconds``.
    """
    begun: list[float] = []
    done, open_until, catch_up = 0, 0.0, policy.catch_up
    for second, wall_ms in looks:
        passed = bisect_right(times, wall_ms, lo=done)
        missed, done = times[done:passed], passed
        kept = missed[-catch_up:] if catch_up else [at for at in missed if wall_ms - at <= LATE_MS]
        for _ in kept:
            if policy.overlap == "queue" or second >= open_until:
                begun.append(second)
                open_until = second + busy_seconds
    return begun


def require_begun(begun: Sequence[float], lawful: Sequence[float], what: object) -> None:
    """Each once, none before its time, and none more than a second after it."""
    told = f"{what}: began at {list(begun)}, by the law at {list(lawful)}"
    assert len(begun) == len(lawful), told
    assert all(0 <= seen - due <= 1 for seen, due in zip(sorted(begun), lawful, strict=True)), told
