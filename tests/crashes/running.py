"""One run of the real command in a process of its own, and a signal that meets it at a chosen instant."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Final

from attrs import Factory, define, frozen

from meerkat_actors.examples.review.progress import Phase
from tests.crashes.history import Line, PhaseBegan, Started, Written, decode_line
from tests.examples.command import REPOSITORY, environment

RUN_SECONDS_MAX: Final = 60.0
"""A run of a second that takes so long hangs."""
EXIT_SECONDS_MAX: Final = 10.0
"""After a signal."""

_DRIVER: Final = Path(__file__).with_name("driver.py")


class Point(StrEnum):
    """Where a stretch of a run begins, as it is seen from outside; it ends where the next one begins."""

    SPAWNED = "interpreter"
    STARTED = "command"
    SET_UP = "set-up"
    ADMISSION = "admission"
    TURNS = "turns"
    REPORT = "report"
    WRITTEN = "closing"

    @property
    def phase(self) -> Phase:
        """The phase that a signal in this stretch falls in: all before admission is set-up, and closing is report."""
        match self:
            case Point.SPAWNED | Point.STARTED:
                return Phase.SET_UP
            case Point.WRITTEN:
                return Phase.REPORT
            case _:
                return Phase(self.value)


POINTS: Final = tuple(Point)


@frozen(kw_only=True)
class Job:
    """What to run: the same job whenever ``source`` and ``out`` are the same."""

    source: Path
    out: Path

    @property
    def database(self) -> Path:
        return self.out / "review.db"

    @property
    def report(self) -> Path:
        return self.out / "review.md"


@frozen(kw_only=True)
class Blow:
    """A signal, and when it is sent: so long after a run was seen to be at ``point``."""

    signal: signal.Signals
    point: Point
    seconds: float
    again_seconds: float | None = None
    """From the first signal to a second one of somebody impatient; None if there is none."""


@frozen(kw_only=True)
class Ended:
    """One run, from outside."""

    code: int | None
    """As ``Popen.returncode``; None if it had to be killed because it hung."""
    hit: Point | None
    """Where it was when the signal was sent; None if it had ended before."""
    exit_seconds: float
    """From the signal to the end."""
    told: tuple[Line, ...]
    error: str
    """All of standard error."""
    passed: Mapping[Point, float]
    """Seconds that each stretch took, of those that were passed undisturbed."""

    @property
    def is_struck(self) -> bool:
        """Whether the signal met a living process."""
        return self.hit is not None


@define(eq=False)
class _Child:
    """A process, and what was read of its pipe so far."""

    process: subprocess.Popen[bytes]
    pipe: int
    at: Point = Point.SPAWNED
    seen: dict[Point, float] = Factory(dict[Point, float])
    told: list[Line] = Factory(list[Line])
    is_open: bool = True
    rest: bytes = b""

    def read(self, deadline: float) -> bool:
        """Read what comes next, or until the deadline; False when nothing came."""
        if not self.is_open or not select.select([self.pipe], [], [], max(0.0, deadline - monotonic()))[0]:
            return False
        received = os.read(self.pipe, 65536)
        now = monotonic()
        if not received:
            # The last writer is gone: the process has ended.
            self.is_open = False
            assert self.rest == b"", "half a line: longer than a pipe takes at once"
            return False
        *lines, self.rest = (self.rest + received).split(b"\n")
        for line in map(decode_line, lines):
            self.told.append(line)
            if isinstance(line, Started):
                self._reach(Point.STARTED, now)
            elif isinstance(line, PhaseBegan):
                self._reach(Point(line.phase.value), now)
            elif isinstance(line, Written):
                self._reach(Point.WRITTEN, now)
        return True

    def read_until(self, deadline: float, point: Point | None = None) -> None:
        """Read until ``point`` is reached, the pipe closes, or the deadline."""
        while self.is_open and (point is None or point not in self.seen) and monotonic() < deadline:
            self.read(deadline)

    def _reach(self, point: Point, now: float) -> None:
        self.at = point
        self.seen[point] = now


def run_job(job: Job, blow: Blow | None = None) -> Ended:
    """Run the command to its end, or until ``blow`` ends it."""
    with _started(job) as (child, errors):
        hit: Point | None = None
        struck = monotonic()
        if blow is not None:
            child.read_until(monotonic() + RUN_SECONDS_MAX, blow.point)
            child.read_until(min(child.seen.get(blow.point, monotonic()) + blow.seconds, monotonic() + RUN_SECONDS_MAX))
            # All that was told by now.
            while child.read(0):
                pass
            struck = monotonic()
            if child.process.poll() is None:
                hit = child.at
                # As a terminal does it: to the whole group.
                os.killpg(child.process.pid, blow.signal)
            if blow.again_seconds is not None:
                child.read_until(struck + blow.again_seconds)
                if child.process.poll() is None:
                    os.killpg(child.process.pid, blow.signal)
        patience = RUN_SECONDS_MAX if hit is None else EXIT_SECONDS_MAX
        child.read_until(struck + patience)
        code = _wait(child.process, struck + patience)
        ended = monotonic()
        while child.read(0):
            pass
        if blow is not None and blow.signal is signal.SIGKILL:
            # What it told between our last look and its death counts too; and a zombie was not killed by us.
            hit = child.at if code == -signal.SIGKILL else None
        return Ended(
            code=code,
            hit=hit,
            exit_seconds=ended - struck,
            told=tuple(child.told),
            error=errors.read_text(encoding="utf-8", errors="replace"),
            passed=_passed(child.seen, ended if code == 0 and hit is None else None),
        )


def _wait(process: subprocess.Popen[bytes], deadline: float) -> int | None:
    try:
        return process.wait(timeout=max(0.1, deadline - monotonic()))
    except subprocess.TimeoutExpired:
        return None


def _passed(seen: Mapping[Point, float], ended: float | None) -> Mapping[Point, float]:
    marks = [(point, seen[point]) for point in POINTS if point in seen]
    seconds = {point: after - mark for (point, mark), (_, after) in pairwise(marks)}
    if ended is not None:
        seconds[marks[-1][0]] = ended - marks[-1][1]
    return MappingProxyType(seconds)


@contextmanager
def _started(job: Job) -> Generator[tuple[_Child, Path], None, None]:
    job.out.parent.mkdir(parents=True, exist_ok=True)
    errors = job.out.with_name(f"{job.out.name}.stderr")
    reading, writing = os.pipe()
    try:
        with errors.open("wb") as error:
            process = subprocess.Popen(
                [sys.executable, "-P", _DRIVER, str(writing), job.source, "--out", job.out],
                cwd=REPOSITORY,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=error,
                pass_fds=(writing,),
                start_new_session=True,
            )
    finally:
        # Ours must be closed, or the pipe never ends.
        os.close(writing)
    child = _Child(process, reading)
    child.seen[Point.SPAWNED] = monotonic()
    try:
        yield child, errors
    finally:
        os.close(reading)
        if process.poll() is None:
            process.kill()
        process.wait()
