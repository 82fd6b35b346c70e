"""What commands print: tables for people, JSON lines for programs, one line for what went wrong.

Agents' text is foreign: in a table everything that doesn't print is spelled out, in JSON everything beyond ASCII is.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from attrs import frozen

from meerkat_actors.examples.review.text import clipped, printable
from meerkat_actors.records.content import JSON

if TYPE_CHECKING:
    from rich.console import Console

CELL_LENGTH_MAX: Final = 400
"""Characters of one cell; ``--json`` shows all of them."""
TEXT_MIN: Final = 8
"""Characters that a column of text keeps on the narrowest terminal."""
PIPE_COLUMNS: Final = 160
"""Width of a table that no terminal shows, unless ``COLUMNS`` says another."""

Record = Mapping[str, JSON]


class Kind(Enum):
    """What a column holds, which says how it is shown."""

    NUMBER = auto()
    WORD = auto()
    """Short; never cut."""
    NAME = auto()
    """Cut where prose has no room left to give."""
    PROSE = auto()
    """Cut, or folded, where there is no room."""


@frozen(kw_only=True)
class Column:
    """One column of a table."""

    title: str
    kind: Kind
    folds: bool = False
    """Whether what doesn't fit goes on below; else it is cut."""


def print_json(records: Iterable[Record]) -> None:
    """One line of JSON for each record, as they come."""
    for record in records:
        sys.stdout.write(json.dumps(record, ensure_ascii=True, separators=(",", ":")))
        sys.stdout.write("\n")


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], *, footer: str) -> None:
    """A table, and one line below it."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = [[Text(_shown(cell)) for cell in row] for row in rows]
    console = _console()
    if shown:
        widths = [
            max(len(column.title), *(cell.cell_len for cell in cells))
            for column, cells in zip(columns, zip(*shown, strict=True), strict=True)
        ]
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for column, width in zip(columns, _fitted(columns, widths, console.width), strict=True):
            table.add_column(
                column.title,
                justify="right" if column.kind is Kind.NUMBER else "left",
                no_wrap=not column.folds,
                overflow="fold" if column.folds else "ellipsis",
                width=width,
            )
        for cells in shown:
            table.add_row(*cells)
        console.print(table)
    console.print(Text(_shown(footer), style="dim"))


def print_facts(facts: Iterable[tuple[str, str]], *, footer: str) -> None:
    """Names and values, one pair a line."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(name, style="bold"), Text(_shown(value)))
    console = _console()
    console.print(table)
    console.print(Text(_shown(footer), style="dim"))


def complain(text: str) -> None:
    """One line on standard error."""
    print(printable(text), file=sys.stderr, flush=True)


def hush() -> None:
    """Whoever read standard output went away: let nobody complain when it is flushed at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def size_text(size_bytes: int) -> str:
    """Bytes for people: ``3 bytes``, ``12.4 kB``, ``1.2 GB``."""
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    size = float(size_bytes)
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:,.1f} TB"


def count_text(number: int, noun: str) -> str:
    """The number with its noun: ``1 turn``, ``2,000 turns``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _shown(text: str) -> str:
    # Cut first: what a megabyte would be spelled out as, nobody sees.
    return clipped(printable(clipped(text, CELL_LENGTH_MAX)), CELL_LENGTH_MAX)


def _fitted(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """The widths, made narrower until all fit: prose first, then names, and neither below ``TEXT_MIN``."""
    fitted = list(widths)
    for kind in (Kind.PROSE, Kind.NAME):
        places = [place for place, column in enumerate(columns) if column.kind is kind]
        # Between two columns are two blanks.
        left = room - 2 * len(columns) - sum(fitted) + sum(fitted[place] for place in places)
        for rank, place in enumerate(sorted(places, key=fitted.__getitem__)):
            # The narrowest first: what it doesn't need is for the others.
            fitted[place] = min(fitted[place], max(left // (len(places) - rank), TEXT_MIN))
            left -= fitted[place]
    return fitted


def _console() -> Console:
    from rich.console import Console

    # Rich takes 80 columns where there is no terminal, which cuts what a program or a file could hold.
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal() else PIPE_COLUMNS
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)
