"""``prune``: forget old content of a database that nobody runs."""

from __future__ import annotations

import re
from contextlib import closing
from types import MappingProxyType
from typing import Final

import click

from meerkat_actors.cli.options import database_argument
from meerkat_actors.cli.output import Column, Kind, Record, print_json, print_table, size_text
from meerkat_actors.errors import StoreInUseError
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.pruning import (
    PRUNE_BEGIN,
    PRUNE_ROWS,
    PruneCursor,
    PruneKind,
    PruneOrder,
    PrunePolicy,
    PruneReport,
)
from meerkat_actors.store import SqliteStore, open_reader, open_sqlite

_AGE: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_SECONDS: Final = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800})

_COLUMNS: Final = (
    Column(title="what", kind=Kind.PROSE),
    Column(title="rows", kind=Kind.NUMBER),
    Column(title="size", kind=Kind.NUMBER),
)
_TITLES: Final = MappingProxyType(
    {
        PruneKind.INPUTS: "content of inputs that have their outcome",
        PruneKind.SNAPSHOTS: "session documents that nothing goes back to",
        PruneKind.DOCUMENTS: "runtime snapshots before the current one",
        PruneKind.JOURNALS: "recorded steps of runs that are over",
        PruneKind.EVENTS: "events that observers were told long ago",
    }
)


def _parse_age(_: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    found = _AGE.fullmatch(text)
    if found is None:
        problem = f"{text!a}: use a number with s, m, h, d or w, such as 30d"
        raise click.BadParameter(problem, param=parameter)
    return int(found[1]) * _SECONDS[found[2]]


@click.command(short_help="Forget old content of DB, which nobody may be running.")
@database_argument
@click.option("--keep-inputs", type=click.IntRange(0), metavar="N", help="Keep the last N inputs of each agent.")
@click.option("--older-than", "age", metavar="AGE", callback=_parse_age, help="Keep inputs of this age: 12h, 30d, 8w.")
@click.option("--dead-letters", is_flag=True, help="Forget what abandoned inputs said, too.")
@click.option("--former-snapshots", is_flag=True, help="Forget the runtime facade's snapshot before the current one.")
@click.option("--events-older-than", "events_age", metavar="AGE", callback=_parse_age, help="Forget events beyond AGE.")
@click.option("--compact", is_flag=True, help="Then write the file anew, smaller; takes twice its room for a while.")
@click.option("--dry-run", is_flag=True, help="Tell what would be forgotten, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def prune(
    database: str,
    keep_inputs: int | None,
    age: int | None,
    events_age: int | None,
    *,
    dead_letters: bool,
    former_snapshots: bool,
    compact: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Forget old content of DB: of inputs that have their outcome, and what nothing can go back to.

    Without --keep-inputs and --older-than no input loses its content; with both it must be beyond both.
    Keys still recognise their duplicates, and outcomes, transcripts and receipts stay. Killed, it can be run again.
    """
    if compact and dry_run:
        raise click.UsageError("--compact and --dry-run exclude each other")  # noqa: EM101 - shown as it is
    policy = PrunePolicy(
        keep_inputs=keep_inputs,
        older_than_seconds=age,
        dead_letters=dead_letters,
        former_snapshots=former_snapshots,
        events_older_than_seconds=events_age,
    )
    report = _prune(database, policy, is_dry_run=dry_run, compacts=compact)
    if as_json:
        print_json([_record(report)])
    else:
        rows = [
            (_TITLES[kind], f"{report.of(kind).rows:,}", size_text(report.of(kind).size_bytes)) for kind in PruneKind
        ]
        print_table(_COLUMNS, rows, footer=_footer(report, compacts=compact))


def _prune(path: str, policy: PrunePolicy, *, is_dry_run: bool, compacts: bool) -> PruneReport:
    open_reader(path).close()  # an owner would make what is not there, or migrate it
    try:
        store = open_sqlite(path)
    except StoreInUseError as error:
        problem = f"{error}; the program that owns it can prune it while it runs: await runtime.prune(...)"
        raise click.ClickException(problem) from error
    with closing(store):
        order = policy.order(SystemEnv().wall_ms(), is_dry_run=is_dry_run)
        if is_dry_run:
            return _all_steps(store, order)
        opening = store.begin()
        report = _all_steps(store, order)
        if compacts:
            store.compact()
            report = report.compacted()
        # How the last runtime ended is for the next one to know.
        store.end(clean=opening.was_clean)
        return report


def _all_steps(store: SqliteStore, order: PruneOrder) -> PruneReport:
    report = PruneReport(is_dry_run=order.is_dry_run)
    cursor: PruneCursor | None = PRUNE_BEGIN
    while cursor is not None:
        step = store.prune(order, cursor, limit=PRUNE_ROWS)
        report, cursor = report.plus(step), step.following
    return report


def _record(report: PruneReport) -> Record:
    kinds = {kind.value: {"rows": report.of(kind).rows, "bytes": report.of(kind).size_bytes} for kind in PruneKind}
    return {"dry_run": report.is_dry_run, **kinds, "free_bytes": report.free_bytes}


def _footer(report: PruneReport, *, compacts: bool) -> str:
    told = f"{size_text(report.size_bytes)} {'would be forgotten' if report.is_dry_run else 'forgotten'}"
    if report.free_bytes:
        told += f"; {size_text(report.free_bytes)} of the file are empty pages, filled before it grows"
    if report.is_dry_run or compacts:
        return told
    return f"{told}; --compact makes the file smaller"
