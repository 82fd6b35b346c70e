"""What the crash of one owner means for its group.

=============  =========================================
strategy       who begins anew when one crashed
=============  =========================================
one_for_one    the one
one_for_all    all members
rest_for_one   the one, and the members behind it
=============  =========================================

Rule 1: a group whose members crashed more than ``restarts_max`` times within the last ``window_seconds``, the crash in
        question included, is given up as a whole, whatever its strategy.
Rule 2: the wait doubles with each crash in that window, up to a bound.

Reference: Erlang/OTP, ``supervisor``: restart strategies, maximum restart intensity.
"""

from __future__ import annotations

from typing import Final, assert_never

from attrs import frozen

from meerkat_actors.records.supervision import SECONDS_MAX, SupervisionGroup

_DOUBLINGS_MAX: Final = 64
"""2.0**1024 overflows; anything beyond 64 doublings is at the bound anyway."""


@frozen
class Restart:
    """Members that begin anew, in the group's order."""

    crashes: tuple[float, ...]
    """Those of the group that still count: what the next decision begins with."""
    members: tuple[str, ...]
    after_seconds: float


@frozen
class GiveUp:
    """The group crashes too often."""

    crashes: tuple[float, ...]
    members: tuple[str, ...]
    """All of it."""


Verdict = Restart | GiveUp


def on_crash(group: SupervisionGroup, crashes: tuple[float, ...], member: str, now: float) -> Verdict:
    """Decide, without doing. ``crashes``: when members crashed before, the oldest first, as the last verdict says."""
    crashes = recent(crashes, now, group.window_seconds)
    if len(crashes) > group.restarts_max:
        return GiveUp(crashes, group.members)
    seconds = backoff_seconds(len(crashes), first=group.backoff_seconds, longest=group.backoff_seconds_max)
    return Restart(crashes, _affected(group, member), seconds)


def recent(crashes: tuple[float, ...], now: float, window_seconds: float) -> tuple[float, ...]:
    """The crashes that count at ``now``, when there was one more; each a time in seconds, the oldest first."""
    return (*(crash for crash in crashes if crash >= now - window_seconds), now)


def backoff_seconds(crashes: int, *, first: float, longest: float = SECONDS_MAX) -> float:
    """How long to wait after that many crashes, from 1."""
    return min(first * 2.0 ** min(crashes - 1, _DOUBLINGS_MAX), longest)


def _affected(group: SupervisionGroup, member: str) -> tuple[str, ...]:
    match group.strategy:
        case "one_for_one":
            return (member,)
        case "one_for_all":
            return group.members
        case "rest_for_one":
            return group.members[group.members.index(member) :]
        case _ as unknown:
            assert_never(unknown)
