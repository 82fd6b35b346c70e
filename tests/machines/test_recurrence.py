"""When rules come: intervals, cron, and what clocks that are put forward or back do to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, example, given
from hypothesis import strategies as st

from meerkat_actors.machines.recurrence import missed, next_due_ms
from meerkat_actors.records.ids import COUNTER_MAX
from meerkat_actors.records.schedules import Cron, Every, Once, Rule

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
ZONES: Final = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "America/Sao_Paulo",  # at midnight, until 2019
    "Africa/Cairo",  # at midnight, since 2023
    "Asia/Kathmandu",  # never, and no whole hours from UTC
    "UTC",
)
# Around each of them every zone above has a change, if it has any.
CHANGES: Final = {
    "Europe/Berlin": ((2026, 3, 29), (2026, 10, 25)),
    "America/New_York": ((2026, 3, 8), (2026, 11, 1)),
    "Australia/Lord_Howe": ((2026, 10, 4), (2026, 4, 5)),
    "America/Sao_Paulo": ((2018, 11, 4), (2018, 2, 18)),
    "Africa/Cairo": ((2026, 4, 24), (2026, 10, 30)),
    "Asia/Kathmandu": ((2026, 4, 24), (2026, 10, 30)),
    "UTC": ((2026, 3, 29), (2026, 10, 25)),
}


def at(zone: str, *when: int, fold: int = 0) -> int:
    year, month, day, *time = when
    hour, minute = (*time, 0, 0)[:2]
    return int(datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone), fold=fold).timestamp()) * 1000


def times_of(rule: Rule, after_ms: int, until_ms: int) -> Iterator[int]:
    while (due := next_due_ms(rule, after_ms)) is not None and due <= until_ms:
        assert due > after_ms
        yield due
        after_ms = due


def shown(zone: str, times: Iterator[int]) -> list[str]:
    """What clocks of the zone show, with the distance from UTC."""
    return [datetime.fromtimestamp(time / 1000, ZoneInfo(zone)).strftime("%d %H:%M %z") for time in times]


def on(zone: str, expression: str, day: tuple[int, int, int]) -> list[str]:
    """When the job comes on that day, as clocks show it, from midnight to midnight."""
    begin = datetime(*day, tzinfo=UTC) - timedelta(days=1)
    around = times_of(
        Cron(expression, zone), round(begin.timestamp()) * 1000, round(begin.timestamp()) * 1000 + 3 * DAY
    )
    prefix = f"{day[2]:02d} "
    return [text.removeprefix(prefix) for text in shown(zone, around) if text.startswith(prefix)]


def minutes_of(zone: str, since_ms: int, until_ms: int) -> Iterator[tuple[int, datetime]]:
    """Each minute beyond the first, and what clocks show."""
    for time in range(since_ms, until_ms, MINUTE):
        yield time, datetime.fromtimestamp(time / 1000, ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def expected(rule: Cron, since_ms: int, until_ms: int) -> list[int]:
    """By watching a clock: minute by minute, with no arithmetic on zones."""
    minute, hour, *_ = rule.expression.split()
    is_fixed = not minute.startswith("*") and not hour.startswith("*")
    job = CronSim(rule.expression, datetime(2026, 1, 1))  # noqa: DTZ001 - read, and never run
    found: list[int] = []
    latest: datetime | None = None
    for time, local in minutes_of(rule.timezone, since_ms - DAY // 2, until_ms):
        if not is_fixed:
            matches = fits(job, local)
        else:
            # What the clock was never seen to pass before, it passes now.
            passed = [] if latest is None or local <= latest else between(latest, local)
            matches = any(fits(job, each) for each in passed)
            latest = local if latest is None else max(latest, local)
        if matches and time >= since_ms:
            found.append(time)
    return found


def between(earlier: datetime, later: datetime) -> list[datetime]:
    return [earlier + timedelta(minutes=nth) for nth in range(1, (later - earlier) // timedelta(minutes=1) + 1)]


def fits(job: CronSim, local: datetime) -> bool:
    is_time = local.minute in job.minutes and local.hour in job.hours
    return is_time and local.month in job.months and job.match_day(local)


def numbers(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    return st.one_of(
        st.just("*"),
        st.integers(1, most).map(lambda step: f"*/{step}"),
        number.map(str),
        st.lists(number, min_size=1, max_size=4).map(lambda some: ",".join(map(str, some))),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"),
    )


EXPRESSIONS: Final = st.tuples(
    numbers(0, 59),
    numbers(0, 23),
    st.one_of(st.just("*"), st.just("*"), numbers(1, 31), st.just("L"), st.just("LW")),
    st.one_of(st.just("*"), st.just("*"), numbers(1, 12)),
    st.one_of(st.just("*"), st.just("*"), numbers(0, 7), st.sampled_from(["MON-FRI", "SUN#1", "6L", "WED"])),
).map(" ".join)
JOBS: Final = st.builds(Cron, EXPRESSIONS, st.sampled_from(ZONES))


# -- clocks that are put forward and back --------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "expression", "forward", "back"),
    [
        ("Europe/Berlin", "30 2 * * *", ["03:00 +0200"], ["02:30 +0200"]),
        ("America/New_York", "30 2 * * *", ["03:00 -0400"], ["02:30 -0500"]),
        ("America/New_York", "30 1 * * *", ["01:30 -0500"], ["01:30 -0400"]),
        ("Australia/Lord_Howe", "15 2 * * *", ["02:30 +1100"], ["02:15 +1030"]),
        ("Australia/Lord_Howe", "45 1 * * *", ["01:45 +1030"], ["01:45 +1100"]),
        ("America/Sao_Paulo", "0 0 * * *", ["01:00 -0200"], ["00:00 -0300"]),
        ("Africa/Cairo", "30 0 * * *", ["01:00 +0300"], ["00:30 +0200"]),
        ("Europe/Berlin", "0,15,30,45 2 * * *", ["03:00 +0200"], [f"02:{m:02d} +0200" for m in (0, 15, 30, 45)]),
        ("Europe/Berlin", "0 0-3 * * *", [f"0{h}:00 +0{o}00" for h, o in ((0, 1), (1, 1), (3, 2))],
         [f"0{h}:00 +0{o}00" for h, o in ((0, 2), (1, 2), (2, 2), (3, 1))]),
    ],
)  # fmt: skip
def test_a_job_at_a_fixed_time_runs_once_on_the_day_of_the_change(
    zone: str, expression: str, forward: list[str], back: list[str]
) -> None:
    assert [on(zone, expression, day) for day in CHANGES[zone]] == [forward, back]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("expression", "every_minutes"), [("* * * * *", 1), ("*/5 * * * *", 5), ("*/30 * * * *", 30)])
def test_a_job_of_every_few_minutes_runs_at_every_real_one(zone: str, expression: str, every_minutes: int) -> None:
    for day in CHANGES[zone]:
        begin = at("UTC", *day) - DAY
        found = list(times_of(Cron(expression, zone), begin, begin + 2 * DAY))
        assert len(found) == 2 * 24 * 60 // every_minutes
        assert {later - earlier for earlier, later in pairwise(found)} == {every_minutes * MINUTE}


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Africa/Cairo", "UTC"])
def test_an_hourly_job_runs_at_every_real_hour(zone: str) -> None:
    for day in CHANGES[zone]:
        begin = at("UTC", *day) - DAY
        found = list(times_of(Cron("10 * * * *", zone), begin, begin + 2 * DAY))
        assert {later - earlier for earlier, later in pairwise(found)} == {HOUR}


def test_where_half_an_hour_is_shown_twice_an_hourly_job_in_it_runs_twice() -> None:
    forward, back = (on("Australia/Lord_Howe", "45 * * * *", day) for day in CHANGES["Australia/Lord_Howe"])
    assert forward[:4] == ["00:45 +1030", "01:45 +1030", "02:45 +1100", "03:45 +1100"]
    assert back[:4] == ["00:45 +1100", "01:45 +1100", "01:45 +1030", "02:45 +1030"]


def test_the_second_of_two_alike_times_is_no_reason_to_run_a_fixed_job_again() -> None:
    second = at("Europe/Berlin", 2026, 10, 25, 2, 10, fold=1)
    due = next_due_ms(Cron("30 2 * * *", "Europe/Berlin"), second)
    assert due == at("Europe/Berlin", 2026, 10, 26, 2, 30)
    assert missed(Cron("30 2 * * *", "Europe/Berlin"), second - HOUR, second, 5) == (
        at("Europe/Berlin", 2026, 10, 25, 2, 30),
    )


@given(JOBS, st.integers(0, 1))
@example(Cron("45 * * * *", "Australia/Lord_Howe"), 1)
@example(Cron("*/10 2 * * *", "Australia/Lord_Howe"), 1)
@example(Cron("*/10 3 * * *", "Australia/Lord_Howe"), 0)
@example(Cron("*/5 0 * * SUN", "America/Sao_Paulo"), 0)
@example(Cron("*/5 23 * * *", "America/Sao_Paulo"), 1)
@example(Cron("0,30 0,1 * * *", "Africa/Cairo"), 0)
def test_a_job_comes_when_somebody_who_watches_the_clock_says_so(rule: Cron, change: int) -> None:
    begin = at("UTC", *CHANGES[rule.timezone][change]) - DAY // 2
    end = begin + DAY
    try:
        found = list(times_of(rule, begin - 1, end - 1))
    except ValueError:
        assume(False)  # no month has that day
    assert found == expected(rule, begin, end)
    assert missed(rule, begin, end - 1, 10_000) == tuple(found)


@given(JOBS, st.integers(at("UTC", 2026, 1, 1), at("UTC", 2027, 12, 31)))
def test_backwards_and_forwards_tell_the_same_times(rule: Cron, since_ms: int) -> None:
    try:
        found = list(islice(times_of(rule, since_ms, since_ms + 2 * 365 * DAY), 60))
    except ValueError:
        assume(False)
    if found:
        assert missed(rule, since_ms + 1, found[-1], 10_000) == tuple(found)
        assert missed(rule, since_ms + 1, found[-1] + 999, 3) == tuple(found[-3:])
        assert missed(rule, found[-1], found[-1], 5) == (found[-1],)
    else:
        assert missed(rule, since_ms + 1, since_ms + 365 * DAY, 5) == ()


# -- rules ---------------------------------------------------------------------------------


def test_a_rule_for_once_has_one_time() -> None:
    assert next_due_ms(Once(1_000), 999) == 1_000
    assert next_due_ms(Once(1_000), 1_000) is None
    assert missed(Once(1_000), 1_000, 1_000, 1) == (1_000,)
    assert missed(Once(1_000), 1_000, 999, 1) == ()


@given(
    start=st.integers(0, 10**6),
    every=st.integers(1, 5_000),
    after=st.integers(-(10**6), 10**6),
    length=st.integers(0, 20_000),
    count=st.integers(1, 7),
)
def test_an_interval_comes_at_its_beginning_and_after_each_interval(
    start: int, every: int, after: int, length: int, count: int
) -> None:
    rule = Every(start, every)
    brute = [time for time in range(start, max(start, after + length) + every + 1, every) if time > after]
    assert next_due_ms(rule, after) == brute[0]
    assert missed(rule, after + 1, after + length, count) == tuple(t for t in brute if t <= after + length)[-count:]


def test_the_times_that_were_missed_are_told_at_a_cost_that_does_not_grow_with_them() -> None:
    # 16 years of every minute: one by one they would take minutes.
    now = at("UTC", 2026, 1, 1)
    assert missed(Cron("* * * * *", "Europe/Berlin"), 0, now, 3) == (now - 2 * MINUTE, now - MINUTE, now)
    assert missed(Every(0, 1), 0, COUNTER_MAX, 2) == (COUNTER_MAX - 1, COUNTER_MAX)


def test_what_comes_only_on_a_leap_day_is_found() -> None:
    rule = Cron("0 12 29 2 *", "UTC")
    assert next_due_ms(rule, at("UTC", 2026, 1, 1)) == at("UTC", 2028, 2, 29, 12)
    assert missed(rule, 0, at("UTC", 2026, 1, 1), 2) == (at("UTC", 2020, 2, 29, 12), at("UTC", 2024, 2, 29, 12))


@pytest.mark.parametrize("expression", ["*/5 2 * 3 0L", "0 0 LW * */6"])
def test_what_never_comes_has_no_time(expression: str) -> None:
    rule = Cron(expression, "Europe/Berlin")
    assert next_due_ms(rule, at("UTC", 2026, 1, 1)) is None
    assert missed(rule, at("UTC", 2000, 1, 1), at("UTC", 2026, 1, 1), 1) == ()


@pytest.mark.parametrize("far", [10**15, 253_402_300_800_000, 2**63 - 1, 10**40])
def test_beyond_the_years_of_the_calendar_no_cron_job_comes(far: int) -> None:
    rule = Cron("0 0 1 1 *", "Pacific/Kiritimati")
    assert next_due_ms(rule, far) is None
    last = at("Pacific/Kiritimati", 9999, 1, 1)
    assert missed(rule, last, far, 5) == (last,)
    assert next_due_ms(rule, last) is None


@pytest.mark.parametrize("zone", ZONES)
def test_before_1970_nothing_comes(zone: str) -> None:
    assert next_due_ms(Cron("* * * * *", zone), -(10**20)) == 0
    assert missed(Cron("* * * * *", zone), -(10**20), MINUTE, 9) == (0, MINUTE)
    assert missed(Cron("* * * * *", zone), -(10**20), -1, 9) == ()


def test_no_time_is_beyond_what_a_store_counts() -> None:
    assert next_due_ms(Every(0, 2**62), 2**62) is None
    assert next_due_ms(Every(COUNTER_MAX, 1), 0) == COUNTER_MAX
    assert next_due_ms(Every(COUNTER_MAX, 1), COUNTER_MAX) is None


@pytest.mark.parametrize(
    "expression",
    [
        "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "0 0 31 2 *", "0 0 30,31 2 *", "@daily", "a b c d e",
        "*/0 * * * *", "5-1 * * * *", "\u0661 * * * *", "* * * * \ud800", "1" * 5_000 + " * * * *",
        f"{'1,' * 200}1 * * * *",        "1-L * * * *", "* * * * L", "* * 0 * *", "-1 * * * *",
    ],
)  # fmt: skip
def test_what_is_no_cron_expression_is_refused_with_its_reason(expression: str) -> None:
    for ask in (
        lambda: next_due_ms(Cron(expression, "UTC"), 0),
        lambda: missed(Cron(expression, "UTC"), 0, 1, 1),
    ):
        with pytest.raises(ValueError, match="is no cron expression"):
            ask()


@given(st.one_of(st.text(max_size=20), st.lists(st.text("0123456789*,-/L#W ", min_size=1), min_size=5).map(" ".join)))
def test_any_text_is_an_expression_or_a_value_error(expression: str) -> None:
    try:
        due = next_due_ms(Cron(expression, "Europe/Berlin"), 0)
    except ValueError as error:
        assert "cron expression" in str(error)  # noqa: PT017 - it may also be one
    else:
        assert due is None or due > 0


@pytest.mark.parametrize(
    "zone", ["", ".", "America", "Mars/Olympus", "../UTC", "/etc/passwd", "UTC\0", "\ud800", "tzdata.zi", "x" * 65]
)
def test_what_is_no_time_zone_is_refused_with_its_reason(zone: str) -> None:
    with pytest.raises(ValueError, match="is no time zone here"):
        next_due_ms(Cron("* * * * *", zone), 0)


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="use 1 or more"):
        next_due_ms(Every(0, 0), 5)
    with pytest.raises(ValueError, match="use 1 or more"):
        missed(Every(0, -1), 0, 5, 1)
