"""What people see of a job: a line for each phase, and a moving bar where there is a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import assert_never

from attrs import define, field

from meerkat_actors.examples.review.job import Job, JobResult
from meerkat_actors.examples.review.progress import (
    InputAcknowledged,
    InputEnded,
    MemberReady,
    Phase,
    PhaseStarted,
    ProgressEvent,
    ReportWritten,
)
from meerkat_actors.examples.review.text import clipped, printable

Move = Callable[[Phase, int, int], None]
"""Shows that a phase has done so many of so many steps."""


@define(eq=False)
class Narrator:
    """Tells a job's progress, one line for each phase that ended.

    Owns the counts of one run. Receives the job's events.
    """

    job: Job
    move: Move
    phase: Phase = field(init=False, default=Phase.SET_UP)
    total: int = field(init=False, default=0)
    done: int = field(init=False, default=0)
    turns_before: int = field(init=False, default=0)
    already: int = field(init=False, default=0)
    """Steps of this phase that an earlier run had done."""

    def __call__(self, event: ProgressEvent) -> None:
        """Take note of ``event``, and tell it if it ends a phase."""
        match event:
            case PhaseStarted():
                self._end_phase()
                self.phase, self.total, self.done, self.already = event.phase, event.total, 0, 0
            case MemberReady():
                self.done += 1
                self.turns_before += event.turns
            case InputAcknowledged():
                self.done += 1
                self.already += event.duplicate
            case InputEnded():
                self.done += 1
                self.already += event.earlier
            case ReportWritten():
                self.done = self.total
                self._end_phase()
            case _:
                assert_never(event)
        self.move(self.phase, min(self.done, self.total), self.total)

    def _end_phase(self) -> None:
        files = count(len(self.job.folder.files), "file")
        match self.phase:
            case Phase.SET_UP if self.total:
                say(f"set-up: {files}, {count(self.total, 'member')}")
                if self.turns_before:
                    say(f"  continuing: {count(self.turns_before, 'turn')} already committed by earlier runs")
            case Phase.ADMISSION:
                say(f"admission: {files}, {self.already} already there")
            case Phase.TURNS:
                say(f"turns: {files}, {self.already} already reviewed, {self.total - self.already} done now")
            case Phase.REPORT:
                say(f"report: {self.job.report}")
            case _:
                pass


def tell_result(job: Job, result: JobResult) -> None:
    """Say what the run did, and what its agents gave up on."""
    statistics = result.statistics
    rate = statistics.turns / result.seconds if result.seconds > 0 else 0
    say(f"{count(statistics.turns, 'turn')}, {count(statistics.commits, 'commit')}, {rate:.0f} turns/s")
    say(f"database: {job.database}")
    for letter in result.dead_letters:
        reason = f"{letter.outcome.reason}: {clipped(letter.outcome.detail, 300)}"
        complain(f"given up on: {letter.path} by {letter.identity} ({reason})")
    named = {letter.path for letter in result.dead_letters}
    for path in result.missing:
        if path not in named:
            complain(f"not reviewed: {path}: nothing of it reached the lead")


@contextmanager
def open_narrator(job: Job) -> Generator[Narrator, None, None]:
    """Tell a job's progress on standard output until the block ends."""
    if not sys.stdout.isatty():
        yield Narrator(job=job, move=lambda phase, done, total: None)
        return
    # Only a terminal needs it: the plain lines work without the extra.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, transient=True) as bars:
        bar = bars.add_task(Phase.SET_UP.value)
        yield Narrator(
            job=job,
            move=lambda phase, done, total: bars.update(bar, description=phase.value, completed=done, total=total),
        )


def say(text: str) -> None:
    """One line on standard output; a reader that went away doesn't end the job."""
    try:
        print(printable(text), flush=True)
    except BrokenPipeError:
        # Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str) -> None:
    """One line on standard error."""
    print(printable(text), file=sys.stderr, flush=True)


def complain_of(what: Path | str, problems: tuple[str, ...], hint: str | None = None) -> None:
    """Several problems of one thing, one line each; nothing was written because of them."""
    if len(problems) == 1 and hint is None:
        complain(f"error: {what}: {problems[0]}")
        return
    complain(f"error: {what}: {count(len(problems), 'problem')}; nothing was written")
    for problem in problems:
        complain(f"  {problem}")
    if hint is not None:
        complain(f"  {hint}")


def count(number: int, noun: str) -> str:
    """The number with its noun: ``1 turn``, ``2 turns``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
