"""The moving picture of a job on a terminal: a bar for the phase, and a table of the agents."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Final

from attrs import define, field, frozen
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from meerkat_actors.examples.review.progress import Phase, Picture
from meerkat_actors.examples.review.text import clipped, printable
from meerkat_actors.records.status import IdentityStatus
from meerkat_actors.records.status import Phase as AgentPhase

FRAMES_PER_SECOND: Final = 8
_LINES_AROUND: Final = 7
"""Lines of a screen that the table leaves to the bar, its heading and the shell."""
_WIDE: Final = 80
"""Columns from which on there is room for the number of turns."""
_STYLES: Final = {AgentPhase.RUNNING: "green", AgentPhase.WAITING: "yellow", AgentPhase.IDLE: "dim"}


@frozen(kw_only=True)
class Row:
    """What is known of one agent. Replaced, never changed: the drawing thread reads it at any time."""

    phase: AgentPhase | None = None
    backlog: int = 0
    turns: int = 0
    said: str = ""
    """What it said at the end of its last turn."""
    ended: float | None = None
    """When that was; None for no turn since the job began."""


@define(eq=False)
class LivePicture:
    """Owns the rows and the bar. Drawn by rich's own thread; told by the job's task."""

    console: Console
    rows: dict[str, Row]
    """One for each member from the beginning: the dict itself never changes its size."""
    bars: Progress = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make the one bar."""
        self.bars = Progress(
            TextColumn("{task.description:<9}", markup=False, style="bold"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        )
        self.bars.add_task(Phase.SET_UP.value, total=None)

    def move(self, phase: Phase, done: int, total: int) -> None:
        """See ``Picture.move``."""
        self.bars.update(self.bars.task_ids[0], description=phase.value, completed=done, total=total)

    def end_turn(self, identity: str, text: str) -> None:
        """See ``Picture.end_turn``."""
        row = self.rows[identity]
        self.rows[identity] = Row(phase=row.phase, backlog=row.backlog, turns=row.turns, said=text, ended=monotonic())

    def look(self, statuses: Sequence[IdentityStatus]) -> None:
        """See ``Picture.look``."""
        for status in statuses:
            row = self.rows[status.identity]
            moved = row.phase is not None and status.checkpoint_version != row.turns
            self.rows[status.identity] = Row(
                phase=status.phase,
                backlog=status.backlog,
                turns=status.checkpoint_version,
                said=row.said,
                ended=monotonic() if moved else row.ended,
            )

    def __rich__(self) -> RenderableType:
        """The picture as it is now."""
        return Group("", self.bars, self._table())

    def _table(self) -> Table:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold", expand=True)
        table.add_column("agent", no_wrap=True, overflow="ellipsis", max_width=max(12, self.console.width // 3))
        table.add_column("phase", no_wrap=True, min_width=7)
        table.add_column("backlog", no_wrap=True, justify="right", min_width=7)
        is_wide = self.console.width >= _WIDE
        if is_wide:
            table.add_column("turns", no_wrap=True, justify="right", min_width=5)
        table.add_column("last turn", no_wrap=True, overflow="ellipsis", ratio=1)
        room = max(1, self.console.height - _LINES_AROUND)
        rows = list(self.rows.items())
        for identity, row in rows[:room]:
            phase = Text(
                "-" if row.phase is None else row.phase.value, style=_STYLES.get(row.phase or AgentPhase.IDLE, "")
            )
            turns = [str(row.turns)] if is_wide else []
            table.add_row(Text(printable(identity)), phase, str(row.backlog), *turns, _last_turn(row))
        if len(rows) > room:
            table.add_row(Text(f"and {len(rows) - room} more", style="dim"))
        return table


@contextmanager
def open_picture(identities: Iterable[str]) -> Generator[Picture, None, None]:
    """Draw on standard output until the block ends; then nothing of it remains."""
    console = Console(highlight=False, markup=False, emoji=False)
    drawn = LivePicture(console=console, rows={identity: Row() for identity in identities})
    with Live(drawn, console=console, refresh_per_second=FRAMES_PER_SECOND, transient=True):
        yield Picture(move=drawn.move, end_turn=drawn.end_turn, look=drawn.look)


def _last_turn(row: Row) -> Text:
    if row.ended is None:
        return Text("-", style="dim")
    ago = monotonic() - row.ended
    said = printable(clipped(row.said, 200))
    if ago < 1:
        return Text(said or "now")
    return Text.assemble((f"{ago:.0f} s ago  ", "dim"), said)
