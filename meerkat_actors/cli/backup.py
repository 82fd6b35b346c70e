"""``backup``: a copy of a database, whoever owns it. The other direction restores it."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import click
from attrs import asdict

from meerkat_actors.cli.options import database_argument
from meerkat_actors.cli.output import count_text, print_facts, print_json, size_text
from meerkat_actors.records.backups import BackupReport
from meerkat_actors.store.sqlite.backup import Watch, back_up

WHOLE: Final = 0
NOT_ALL_WELL: Final = 1


@click.command(short_help="Copy DB to the new file TARGET, while it is used.")
@database_argument
@click.argument("target", type=click.Path(), metavar="TARGET")
@click.option("--quick", is_flag=True, help="Check the pages of the copy only, and not what doctor checks.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def backup(database: str, target: str, *, quick: bool, as_json: bool) -> int:
    """Copy DB to the new file TARGET, and check the copy. DB is only read, beside an owner too.

    The copy is a timeline of its own: owners of DB are refused by it, and cursors can be told apart. To restore it, end
    the owners, move the damaged file and its -wal and -shm away, and back up the copy to where the file was.

    Exit codes: 0 done; 1 done, and doctor has something to say of it; 2 refused, and nothing is at TARGET.
    """
    with _watching() as watch:
        report = back_up(database, target, check="pages" if quick else "rows", watch=watch)
    if as_json:
        print_json([asdict(report)])
    else:
        print_facts(_facts(report), footer=_footer(report))
    return NOT_ALL_WELL if report.findings or report.unfenced else WHOLE


def _facts(report: BackupReport) -> Generator[tuple[str, str]]:
    yield "copy", report.path
    yield "size", size_text(report.size_bytes)
    yield "took", f"{report.seconds:.1f} s"
    yield "store", report.store_id
    yield "epoch", str(report.epoch)
    yield "up to", f"{report.last_sequence:,} of incarnation {report.incarnation}"
    yield "agents", f"{report.identities:,} with {count_text(report.turns, 'turn')}"


def _footer(report: BackupReport) -> str:
    if report.findings:
        return f"{count_text(report.findings, 'finding')} in agents of it; see meerkat-actors doctor {report.path}"
    if report.unfenced:
        return f"{report.unfenced:,} of its fencing tokens could not be raised: they are at their end"
    return "whole and checked"


@contextmanager
def _watching() -> Generator[Watch]:
    """How far it is, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _, __, ___: None
        return
    from rich.console import Console

    console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False)
    with console.status("opening") as status:
        yield lambda what, done, total: status.update(_progress(what, done, total))


def _progress(what: str, done: int, total: int) -> str:
    if what == "copy":
        return f"copying: {size_text(done)} of {size_text(total)}" if total else "copying"
    return f"checking {what}: {done:,} rows" if done else f"checking {what}"
