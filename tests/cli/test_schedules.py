"""``schedules``: the timers of a database, for people and for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest
import trio

import meerkat_actors as meerkat
from tests.cli.command import refused, rows, told

AT = datetime(2040, 5, 6, 7, 8, 9, tzinfo=UTC)


async def echo(turn: meerkat.Turn) -> str:
    return turn.text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    async def write() -> None:
        async with meerkat.open_runtime(tmp_path / "a.db", agents={"echo": echo}) as runtime:
            first, second = await runtime.agent("first", kind="echo"), await runtime.agent("second", kind="echo")
            await first.schedule("report", {"n": 1}, cron="0 9 * * MON", timezone="Europe/Berlin", misfire=3)
            await first.schedule("again", "\x1b[2Jred", every=90, at=AT)
            await second.schedule("once", "x", at=AT, overlap="skip")

    trio.run(write)
    return tmp_path


def test_timers_are_listed_with_their_due_times_and_rules(folder: Path) -> None:
    text = told("schedules", "a.db", cwd=folder)
    assert AT.astimezone().isoformat() in text
    for word in ("first", "second", "report", "0 9 * * MON Europe/Berlin", "every 90 s", "once", "3 timers"):
        assert word in text
    assert "\x1b" not in text
    assert "second" not in told("schedules", "a.db", "first", cwd=folder)


def test_programs_get_every_field(folder: Path) -> None:
    again, report, once = rows("schedules", "a.db", cwd=folder)
    at_ms = round(AT.timestamp() * 1000)
    assert (again["name"], again["rule"]) == ("again", {"start_ms": at_ms, "every_ms": 90_000})
    assert (report["rule"], report["catch_up"]) == ({"cron": "0 9 * * MON", "timezone": "Europe/Berlin"}, 3)
    assert once == {
        "identity": "second",
        "name": "once",
        "due_ms": at_ms,
        "due": AT.astimezone().isoformat(),
        "fired": 0,
        "rule": {"at_ms": at_ms},
        "kind": "external_event",
        "content": "x",
        "catch_up": 1,
        "overlap": "skip",
    }
    assert [row["name"] for row in rows("schedules", "a.db", "second", cwd=folder)] == ["once"]
    assert len(rows("schedules", "a.db", "--limit", 2, cwd=folder)) == 2


def test_a_time_beyond_all_calendars_is_shown_as_it_is(folder: Path) -> None:
    with apsw.Connection(str(folder / "a.db")) as connection:
        connection.execute("UPDATE timer SET due = 9223372036854775807 WHERE name = 'once'")
    assert "9223372036854775807 ms" in told("schedules", "a.db", "second", cwd=folder)


def test_what_is_not_there_is_said(folder: Path) -> None:
    assert "nobody: no such identity" in refused("schedules", "a.db", "nobody", cwd=folder)
    assert "at most 10,000 rows" in refused("schedules", "a.db", "--limit", 10_001, cwd=folder)

    async def drop() -> None:
        async with meerkat.open_runtime(folder / "a.db", agents={"echo": echo}) as runtime:
            await (await runtime.agent("second")).unschedule("once")

    trio.run(drop)
    assert "no timers" in told("schedules", "a.db", "second", cwd=folder)
