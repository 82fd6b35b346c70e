"""When a rule comes next, and which of its times were missed.

Rule 1: a cron job at fixed times - neither its minutes nor its hours begin with a star - runs once on each of its
        days: at the first of two times that the clocks show alike, and where they skip its time, when they have.
Rule 2: any other cron job goes by what clocks show now: twice where they show it twice, never where they skip it.
Rule 3: a rule has no times before 1970, nor beyond the years of the calendar.

Both cron rules are Debian's. What an expression means is cronsim's to say, of clocks that are never put forward or
back; what that is in real time is ours: cronsim's own steps through a zone lose times where a clock is put back by
half an hour, or at midnight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import islice, takewhile
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from meerkat_actors.records.ids import COUNTER_MAX, shown
from meerkat_actors.records.schedules import Cron, Every, Once, Rule

EXPRESSION_MAX: Final = 256
"""Characters of a cron expression: the longest useful list of minutes has 167."""
_ZONE_MAX: Final = 64
"""Characters of a zone's name; the longest has 32."""
_SECOND: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - clocks of any zone, as they show it
_LAST: Final = 253_402_000_000
"""Seconds from 1970 to a day in the last week of the year 9999, so that every zone's clock still shows it."""
_SEARCH: Final = timedelta(days=50 * 366)
"""What has not come after so long never does; cronsim gives up after as long."""


def next_due_ms(rule: Rule, after_ms: int) -> int | None:
    """The first time strictly after ``after_ms``; None when there is none.

    Raises:
        ValueError: there is no such rule, and why.
    """
    match rule:
        case Once():
            due_ms = rule.at_ms if rule.at_ms > after_ms else None
        case Every():
            passed = max((after_ms - rule.start_ms) // _interval(rule) + 1, 0)
            due_ms = rule.start_ms + passed * rule.every_ms
        case Cron():
            due = next(_cron_times(rule, after_ms // 1000, backwards=False), None)
            due_ms = None if due is None else due * 1000
        case _:
            assert_never(rule)
    return due_ms if due_ms is not None and due_ms <= COUNTER_MAX else None


def missed(rule: Rule, due_ms: int, now_ms: int, count: int) -> tuple[int, ...]:
    """The last ``count`` times from ``due_ms`` to ``now_ms``, ascending; the cost grows with ``count`` only.

    Raises:
        ValueError: there is no such rule, and why.
    """
    match rule:
        case Once():
            # No row is due at 0, or before: a time that is long past may be told as a later one.
            return (rule.at_ms,) if max(due_ms, rule.at_ms) <= now_ms else ()
        case Every():
            last = (now_ms - rule.start_ms) // _interval(rule)
            first = max(-((rule.start_ms - due_ms) // rule.every_ms), last - count + 1, 0)
            return tuple(rule.start_ms + nth * rule.every_ms for nth in range(first, last + 1))
        case Cron():
            times = (due * 1000 for due in _cron_times(rule, now_ms // 1000, backwards=True))
            return tuple(islice(takewhile(lambda time: time >= due_ms, times), count))[::-1]
        case _:
            assert_never(rule)


def _interval(rule: Every) -> int:
    if rule.every_ms < 1:
        problem = f"an interval of {shown(rule.every_ms)} ms: use 1 or more"
        raise ValueError(problem)
    return rule.every_ms


def _cron_times(rule: Cron, since: int, *, backwards: bool) -> Iterator[int]:
    """Its times in seconds since 1970: those after ``since``, or back from it, itself included."""
    zone = _zone(rule.timezone)
    _parsed(rule.expression, _EPOCH)
    return _in_order(rule.expression, zone, since, backwards=backwards)


def _in_order(expression: str, zone: ZoneInfo, since: int, *, backwards: bool) -> Iterator[int]:
    if not backwards and since >= _LAST:
        return
    since = min(max(since, -1), _LAST)
    direction = -1 if backwards else 1
    # A heap: where clocks are put back, what they show in order comes out of order. No time of a later match is
    # before the first of this one's, and backwards none is behind the last.
    waiting: list[int] = []
    latest: int | None = None
    for times in _spread(expression, zone, since, backwards=backwards):
        if backwards and times[-1] < 0:
            break
        for time in times:
            if (time > since) is not backwards and time >= 0:
                heappush(waiting, direction * time)
        edge = direction * times[-1 if backwards else 0]
        while waiting and waiting[0] <= edge:
            time = direction * heappop(waiting)
            if time != latest:
                latest = time
                yield time
    yield from (direction * heappop(waiting) for _ in range(len(waiting)))


def _spread(expression: str, zone: ZoneInfo, since: int, *, backwards: bool) -> Iterator[tuple[int, ...]]:
    """The real times of what clocks show, match by match."""
    local = datetime.fromtimestamp(since, zone)
    start = local.replace(tzinfo=None, fold=0)
    # Where they show this time twice, what they show later may be real earlier.
    start -= (_offset(start, zone, 0) - _offset(start, zone, 1)) * (-1 if backwards else 1)
    if backwards:
        start += _SECOND
    minute, hour = expression.split()[:2]
    is_fixed = not minute.startswith("*") and not hour.startswith("*")
    to_real: Callable[[datetime, ZoneInfo], tuple[int, ...]] = _real_fixed if is_fixed else _real
    matches = _parsed(expression, start, backwards=backwards)
    with suppress(OverflowError, ValueError):  # beyond the years of the calendar
        for shown_time in matches:
            if abs(shown_time - start) > _SEARCH:
                return
            times = to_real(shown_time, zone)
            if times:
                yield times


def _real(time: datetime, zone: ZoneInfo) -> tuple[int, ...]:
    """When clocks of the zone show it: never, once or twice."""
    first, second = _offset(time, zone, 0), _offset(time, zone, 1)
    if first == second:
        return (_seconds(time - first),)
    return (_seconds(time - first), _seconds(time - second)) if first > second else ()


def _real_fixed(time: datetime, zone: ZoneInfo) -> tuple[int, ...]:
    """When clocks of the zone first show it; where they never do, when they have skipped it."""
    before, after = _offset(time, zone, 0), _offset(time, zone, 1)
    if before >= after:
        return (_seconds(time - before),)
    # PEP 495: of a time that is skipped, the offsets are those on either side, so the moment is between the two.
    early, late = _seconds(time - after), _seconds(time - before)
    while late - early > 1:
        middle = (early + late) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == after:
            late = middle
        else:
            early = middle
    return (late,)


def _offset(time: datetime, zone: ZoneInfo, fold: int) -> timedelta:
    offset = zone.utcoffset(time.replace(fold=fold))
    assert offset is not None
    return offset


def _seconds(time: datetime) -> int:
    return (time - _EPOCH) // _SECOND


def _parsed(expression: str, start: datetime, *, backwards: bool = False) -> CronSim:
    if len(expression) > EXPRESSION_MAX or not expression.isascii() or len(expression.split()) != 5:
        problem = f"{shown(expression)} is no cron expression: use five fields, minute hour day month weekday"
        raise ValueError(problem)
    try:
        return CronSim(expression, start, reverse=backwards)
    except (CronSimError, AssertionError, ValueError) as error:
        problem = f"{shown(expression)} is no cron expression: {error}, or one that no month has"
        raise ValueError(problem) from error


def _zone(name: str) -> ZoneInfo:
    try:
        if 0 < len(name) <= _ZONE_MAX:
            return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # no such name; a folder; no relative path
        pass
    problem = f"{shown(name)} is no time zone here: use a name of the IANA database, such as Europe/Berlin"
    raise ValueError(problem)
