"""What a job tells while it runs, in one of four voices: a line for each phase, or less, or a live picture as well."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import Enum, auto
from importlib.util import find_spec
from typing import assert_never

from attrs import define, field

from meerkat_actors.examples.review.job import Job
from meerkat_actors.examples.review.progress import (
    InputAcknowledged,
    InputEnded,
    MemberReady,
    Phase,
    PhaseStarted,
    Picture,
    ProgressEvent,
    ReportWritten,
)
from meerkat_actors.examples.review.terminal import count, say
from meerkat_actors.records.outcomes import Consumed


class Voice(Enum):
    """How much is said, and to whom."""

    LIVE = auto()
    """A person at a terminal: the lines, a bar and a table that move, a summary."""
    PLAIN = auto()
    """A file or a pipe: the lines."""
    QUIET = auto()
    """Only what went wrong."""
    JSON = auto()
    """A program: one object at the end."""


def voice_for(*, quiet: bool, json: bool) -> Voice:
    """The voice for these options, and for what standard output is."""
    if json:
        return Voice.JSON
    if quiet:
        return Voice.QUIET
    # The plain lines work without the extra.
    return Voice.LIVE if sys.stdout.isatty() and find_spec("rich") is not None else Voice.PLAIN


@define(eq=False)
class Narrator:
    """Tells a job's progress, one line for each phase that ended.

    Owns the counts of one run. Receives the job's events.
    """

    job: Job
    tell: Callable[[str], None]
    picture: Picture = field(factory=Picture)
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
                if not event.earlier:
                    outcome = event.outcome
                    said = (outcome.text or "") if isinstance(outcome, Consumed) else str(outcome)
                    self.picture.end_turn(event.identity, said)
            case ReportWritten():
                self.done = self.total
                self._end_phase()
            case _:
                assert_never(event)
        self.picture.move(self.phase, min(self.done, self.total), self.total)

    def _end_phase(self) -> None:
        files = count(len(self.job.folder.files), "file")
        match self.phase:
            case Phase.SET_UP if self.total:
                self.tell(f"set-up: {files}, {count(self.total, 'member')}")
                if self.turns_before:
                    self.tell(f"  continuing: {count(self.turns_before, 'turn')} already committed by earlier runs")
            case Phase.ADMISSION:
                self.tell(f"admission: {files}, {self.already} already there")
            case Phase.TURNS:
                self.tell(f"turns: {files}, {self.already} already reviewed, {self.total - self.already} done now")
            case Phase.REPORT:
                self.tell(f"report: {self.job.report}")
            case _:
                pass


@contextmanager
def open_narrator(job: Job, voice: Voice) -> Generator[Narrator, None, None]:
    """Tell a job's progress on standard output until the block ends."""
    match voice:
        case Voice.QUIET | Voice.JSON:
            yield Narrator(job=job, tell=lambda text: None)
        case Voice.PLAIN:
            yield Narrator(job=job, tell=say)
        case Voice.LIVE:
            # Here and not above: only a terminal needs it.
            from meerkat_actors.examples.review.live import open_picture

            with open_picture(member.identity for member in job.team.members) as picture:
                yield Narrator(job=job, tell=say, picture=picture)
        case _:
            assert_never(voice)
