"""Cron jobs over the days on which clocks change: what fires is what a walk through all minutes of those days says.

The wall clock goes 120 times as fast as Trio's: it is looked at twice a second, so once a minute by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.agenda_effects import FireTimer
from meerkat_actors.records.effects import InsertInput
from meerkat_actors.store import MemoryStore
from tests.actors.clock_world import SetEnv, clocked
from tests.actors.faulty import FaultyStore

RATE: Final = 120
MINUTE: Final = timedelta(minutes=1)
DAYS: Final = 2
CHANGES: Final = {
    # In Berlin 2:00 becomes 3:00, and 3:00 becomes 2:00; on Lord Howe by half an hour, at 2:00.
    "Europe/Berlin": ("2026-03-28T12:00", "2026-10-24T12:00"),
    "America/New_York": ("2026-03-07T12:00", "2026-10-31T12:00"),
    "Australia/Lord_Howe": ("2026-04-04T12:00", "2026-10-03T12:00"),
}
FIXED: Final = (
    "30 2 * * *",
    "0 3 * * *",
    "15 1-3 * * *",
    "45 1 * * *",
    "0,20,40 2 * * *",
    "59 1,2 * * 0",
    "5 14 * * 6",
)
"""Once a day each, or each hour that they name."""
STARRED: Final = ("*/10 * * * *", "7 * * * *", "* 2 * * 0", "*/15 1-2 * * *", "30 */2 * * *")
"""By what clocks show."""


def test_the_walk_knows_the_changes() -> None:
    """Of what the tests below compare with; by hand, of the day in Berlin on which 2:30 is not, and is twice."""
    spring, autumn = _day("Europe/Berlin", 2026, 3, 29), _day("Europe/Berlin", 2026, 10, 25)
    assert _shown(walk("30 2 * * *", *spring), "Europe/Berlin") == ["03:00+0200"]
    assert _shown(walk("30 2 * * *", *autumn), "Europe/Berlin") == ["02:30+0200"]
    assert _shown(walk("30 */2 * * *", *autumn), "Europe/Berlin")[:3] == ["00:30+0200", "02:30+0200", "02:30+0100"]
    assert len(walk("*/10 * * * *", *spring)) == 23 * 6
    assert len(walk("*/10 * * * *", *autumn)) == 25 * 6


@pytest.mark.parametrize("change", [0, 1])
@pytest.mark.parametrize("zone", CHANGES)
async def test_what_fires_over_a_change_is_what_the_calendar_says(
    zone: str, change: int, autojump_clock: trio.testing.MockClock
) -> None:
    begin = datetime.fromisoformat(CHANGES[zone][change]).replace(tzinfo=ZoneInfo(zone))
    env, store = FastEnv(begin), FaultyStore(MemoryStore())
    async with clocked(store, {"silent": silent}, env) as runtime:
        jobs = {f"job-{number}": job for number, job in enumerate((*FIXED, *STARRED))}
        for name, job in jobs.items():
            agent = await runtime.agent(name, kind="silent")
            await agent.schedule("t", job, cron=job, timezone=zone, misfire=100)
        await trio.sleep(DAYS * 86_400 / RATE + 1)
        fired: dict[str, list[datetime]] = {job: [] for job in jobs.values()}
        for unit in store.units:
            times = [effect.was_due_ms for effect in unit.effects if type(effect) is FireTimer]
            inputs = [effect for effect in unit.effects if type(effect) is InsertInput]
            # Nobody looks less than once a minute, and none of these comes more often: each time by itself.
            assert len(inputs) == len(times), unit
            fired[jobs[unit.fence.identity]] += [datetime.fromtimestamp(ms / 1000, UTC) for ms in times]
    end = begin.astimezone(UTC) + timedelta(days=DAYS)
    for job, fires in fired.items():
        assert [at for at in fires if at <= end] == walk(job, zone, begin, end), job
    assert sum(map(len, fired.values())) > 350


class FastEnv(SetEnv):
    """A wall clock that begins somewhere, and is in a hurry."""

    def __init__(self, begin: datetime) -> None:
        super().__init__()
        self._begin_ms = round(1000 * begin.timestamp())

    def wall_ms(self) -> int:
        return self._begin_ms + round(1000 * RATE * trio.current_time())


async def silent(_: Turn) -> None:
    """Take part without a word."""


def walk(job: str, zone: str, begin: datetime, end: datetime) -> list[datetime]:
    """When a job runs, in UTC: a walk through all minutes up to ``end``, with nothing but a zone's clock.

    Debian's rules: a job at fixed times runs at the first of two minutes that are shown alike, and where clocks skip
    its time right after that; another runs at every minute that is shown so.
    """
    minute, hour, day, month, weekday = job.split()
    assert (day, month) == ("*", "*")
    minutes, hours, weekdays = set(_field(minute, 60)), set(_field(hour, 24)), set(_field(weekday, 7))
    is_fixed = not minute.startswith("*") and not hour.startswith("*")

    def matches(clock: datetime) -> bool:
        return clock.minute in minutes and clock.hour in hours and clock.isoweekday() % 7 in weekdays

    times: list[datetime] = []
    latest = begin.replace(tzinfo=None)  # the latest minute that the clock has shown
    for at in _minutes(begin.astimezone(UTC), end):
        clock = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
        passed = list(_minutes(latest, clock)) if is_fixed else [clock]
        if any(map(matches, passed)):
            times.append(at)
        latest = max(latest, clock)
    return times


def _minutes(after: datetime, until: datetime) -> Iterator[datetime]:
    while after < until:
        after += MINUTE
        yield after


def _field(text: str, end: int) -> Iterator[int]:
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        low, high = (0, end - 1) if span == "*" else (int(first), int(last or first))
        yield from range(low, high + 1, int(step or 1))


def _day(zone: str, year: int, month: int, day: int) -> tuple[str, datetime, datetime]:
    midnight, next_midnight = (datetime(year, month, each, tzinfo=ZoneInfo(zone)) for each in (day, day + 1))
    return zone, midnight - MINUTE, next_midnight.astimezone(UTC) - MINUTE


def _shown(times: list[datetime], zone: str) -> list[str]:
    return [at.astimezone(ZoneInfo(zone)).strftime("%H:%M%z") for at in times]
