"""``schedules``: the timers of a database, and when they are due."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import islice
from typing import Final, assert_never

import click

from meerkat_actors.cli import paging
from meerkat_actors.cli.options import (
    LIMIT_MAX,
    any_identity_argument,
    check_limit,
    database_argument,
    json_option,
    limit_option,
)
from meerkat_actors.cli.output import Column, Kind, Record, count_text, print_json, print_table
from meerkat_actors.cli.records import text_of
from meerkat_actors.records.agenda_codec import schedule_record
from meerkat_actors.records.content import JSON
from meerkat_actors.records.ids import AgentIdentity, parse_identity
from meerkat_actors.records.schedules import Cron, Every, Once, Rule, ScheduleRecord
from meerkat_actors.records.timers import Timer
from meerkat_actors.store import StoreReader, open_reader

_PAGE: Final = 100
"""Timers read at a time."""

_COLUMNS: Final = (
    Column(title="identity", kind=Kind.NAME),
    Column(title="name", kind=Kind.NAME),
    Column(title="due", kind=Kind.WORD),
    Column(title="fired", kind=Kind.NUMBER),
    Column(title="rule", kind=Kind.WORD),
    Column(title="content", kind=Kind.PROSE),
)


@click.command(short_help="List pending timers, with their due times.")
@database_argument
@any_identity_argument
@limit_option
@json_option
def schedules(database: str, identity: str | None, *, limit: int, as_json: bool) -> None:
    """List the pending timers of IDENTITY, or of everybody in DB, in the order of their names.

    Due times are those of this machine's clock and time zone.
    """
    check_limit(limit, as_json=as_json)
    with closing(open_reader(database)) as reader:
        timers = islice(_timers(reader, identity), limit)
        schedules = paging.made(reader, lambda pair: schedule_record(*pair), timers)
        if as_json:
            print_json(map(_record, schedules))
            return
        cells = [_cells(schedule) for schedule in schedules]
    more = "; --limit for more" if len(cells) == limit else ""
    footer = f"{count_text(len(cells), 'timer')}{more}" if cells else "no timers"
    print_table(_COLUMNS, cells, footer=footer)


def _timers(reader: StoreReader, identity: str | None) -> Iterator[tuple[AgentIdentity, Timer]]:
    names: Iterator[AgentIdentity]
    if identity is None:
        # One by one: timers are found by whose they are.
        names = (row.identity for row in paging.identities_from(reader, None, LIMIT_MAX))
    else:
        name = parse_identity(identity)
        reader.require_identity(name)
        names = iter((name,))
    for name in names:
        after: str | None = None
        while timers := reader.page_timers(name, after=after, limit=_PAGE):
            yield from ((name, timer) for timer in timers)
            after = timers[-1].name


def _record(schedule: ScheduleRecord) -> Record:
    return {
        "identity": schedule.identity,
        "name": schedule.name,
        "due_ms": schedule.due_ms,
        "due": _time(schedule.due_ms),
        "fired": schedule.fired,
        "rule": _rule_record(schedule.rule),
        "kind": schedule.kind.value,
        "content": schedule.content,
        "catch_up": schedule.catch_up,
        "overlap": schedule.overlap.value,
    }


def _cells(schedule: ScheduleRecord) -> tuple[str, ...]:
    """In the order of ``_COLUMNS``."""
    due = _time(schedule.due_ms)
    said = text_of(schedule.content)
    return schedule.identity, schedule.name, due, str(schedule.fired), _rule_text(schedule.rule), said


def _time(due_ms: int) -> str:
    try:
        return datetime.fromtimestamp(due_ms // 1000).astimezone().isoformat()
    except (OverflowError, ValueError, OSError):  # beyond the years of any calendar
        return f"{due_ms} ms"


def _rule_record(rule: Rule) -> JSON:
    match rule:
        case Once():
            return {"at_ms": rule.at_ms}
        case Every():
            return {"start_ms": rule.start_ms, "every_ms": rule.every_ms}
        case Cron():
            return {"cron": rule.expression, "timezone": rule.timezone}
        case _:
            assert_never(rule)


def _rule_text(rule: Rule) -> str:
    match rule:
        case Once():
            return "once"
        case Every():
            return f"every {rule.every_ms / 1000:g} s"
        case Cron():
            return f"{rule.expression} {rule.timezone}"
        case _:
            assert_never(rule)
