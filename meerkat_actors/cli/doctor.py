"""``doctor``: what is wrong with a database, agent by agent, and what to do. It only reads."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final

import click

from meerkat_actors.cli.options import database_argument
from meerkat_actors.cli.output import Column, Kind, Record, count_text, print_json, print_table
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.store.sqlite.examining import REMEDIES, Examination, Finding, Watch, examine

HEALTHY: Final = 0
FINDINGS: Final = 1

_COLUMNS: Final = (
    Column(title="check", kind=Kind.WORD),
    Column(title="agent", kind=Kind.NAME),
    Column(title="what is wrong", kind=Kind.PROSE, folds=True),
    Column(title="what to do", kind=Kind.PROSE, folds=True),
)
_ROWS_MAX: Final = 1_000
"""Of the table: it is laid out as a whole."""


@click.command(short_help="Look for damage in DB, and say what to do.")
@database_argument
@click.option("--identity", metavar="NAME", help="Look at one agent, and leave out what belongs to the whole file.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines: one for each finding, and a last one that sums up.")
def doctor(database: str, identity: str | None, *, as_json: bool) -> int:
    """Look for damage in DB: pages, digests, sequences, fences, and what rows say of each other.

    It only reads, beside an owner too, and sees one moment of the database.

    Exit codes: 0 nothing is wrong; 1 something is; 2 there is no store at DB, or it can't be read.
    """
    with _watching() as watch:
        found = examine(database, identity=None if identity is None else AgentIdentity(identity), watch=watch)
    if as_json:
        print_json(_records(found))
    else:
        rows = [_cells(finding) for finding in found.findings[:_ROWS_MAX]]
        print_table(_COLUMNS, rows, footer=_sum(found))
        for note in found.notes:
            print_table((), (), footer=note)
    return FINDINGS if found.number else HEALTHY


def _records(found: Examination) -> Iterator[Record]:
    for finding in found.findings:
        remedy = REMEDIES[finding.check]
        yield {
            "check": finding.check.value,
            "identity": finding.identity,
            "detail": finding.detail,
            "meaning": remedy.meaning,
            "advice": remedy.advice,
        }
    yield {
        "location": found.location,
        "healthy": found.number == 0,
        "findings": found.number,
        "identities": found.identities,
        "boundaries": found.boundaries,
        "inputs": found.inputs,
        "notes": list(found.notes),
    }


def _cells(finding: Finding) -> tuple[str, ...]:
    remedy = REMEDIES[finding.check]
    return finding.check.value, finding.identity or "", f"{remedy.meaning}: {finding.detail}", remedy.advice


def _sum(found: Examination) -> str:
    looked = ", ".join(
        (
            count_text(found.identities, "name"),
            count_text(found.boundaries, "turn"),
            count_text(found.inputs, "input"),
        )
    )
    if not found.number:
        return f"{looked}: nothing is wrong"
    more = f"; the first {_ROWS_MAX:,} are shown, --json has more" if found.number > _ROWS_MAX else ""
    return f"{looked}: {count_text(found.number, 'finding')}{more}"


@contextmanager
def _watching() -> Generator[Watch]:
    """What is looked at, on a terminal: a big file takes a while."""
    if not sys.stderr.isatty():
        yield lambda _, __: None
        return
    from rich.console import Console

    console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False)
    with console.status("looking") as status:
        yield lambda what, rows: status.update(f"looking at {what}" + (f": {rows:,} rows" if rows else ""))
