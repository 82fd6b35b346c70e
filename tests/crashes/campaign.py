"""Jobs that are struck again and again until a budget of blows is spent, each checked after every blow."""

from __future__ import annotations

import random
import shutil
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Final

from attrs import Factory, define, field, frozen

from meerkat_actors.examples.review.progress import Phase
from tests.crashes.checker import (
    NOTHING,
    Rows,
    Violation,
    check_ended,
    check_later,
    check_report,
    check_rows,
    read_rows,
)
from tests.crashes.history import Acknowledged, Consumed, Line
from tests.crashes.running import POINTS, Blow, Ended, Job, Point, run_job

BLOWS_PER_JOB_MAX: Final = 8
"""In succession, below the 20 interruptions at which an input is given up."""

KILL_SHARES: Final[Mapping[Point, int]] = MappingProxyType(
    {
        Point.SPAWNED: 1,
        Point.STARTED: 2,
        Point.SET_UP: 4,
        Point.ADMISSION: 7,
        Point.TURNS: 7,
        Point.REPORT: 4,
        Point.WRITTEN: 2,
    }
)
"""Where kills are aimed at: mostly where something is being written."""

SIGNAL_SHARES: Final[Mapping[Point, int]] = MappingProxyType(
    {Point.STARTED: 2, Point.SET_UP: 3, Point.ADMISSION: 5, Point.TURNS: 5, Point.REPORT: 4, Point.WRITTEN: 1}
)
"""Where signals that can be answered are aimed at: not before there is anybody to answer."""

_RECENT: Final = 6


@frozen(kw_only=True)
class Budget:
    """What a campaign spends."""

    signal: signal.Signals
    blows: int
    """In all."""
    blows_per_phase_min: int
    shares: Mapping[Point, int]
    """How often each stretch is aimed at, in proportion."""
    again_seconds_max: float | None = None
    """A second signal follows the first within this time; None for no second one."""
    per_job_max: int = BLOWS_PER_JOB_MAX
    files: int = 40
    at_once: int = 2

    @property
    def runs_max(self) -> int:
        """Runs after which a campaign that can't hit what it aims at gives up."""
        return 4 * self.blows + 40


@define(eq=False)
class Tally:
    """What a campaign did so far; everything in it is JSON."""

    blows: Counter[str] = Factory(Counter[str])
    """By the stretch of the run that they hit."""
    runs: int = 0
    jobs: int = 0
    acknowledged: int = 0
    """Inputs, of all jobs."""
    acknowledged_before: int = 0
    """Inputs that were acknowledged when a run was struck, summed over all blows."""
    outcomes: int = 0
    """Inputs whose outcome was told when a run was struck, summed over all blows."""
    databases: int = 0
    """Checked, each against all rules."""
    turns: int = 0
    """Boundaries in them at the end."""
    interruptions: int = 0
    """Charged to inputs, as they stood at the end of each job."""
    exit_seconds_max: float = 0.0
    violations: list[str] = Factory(list[str])

    def of_phase(self, phase: Phase) -> int:
        """Blows that fell in the phase."""
        return sum(count for name, count in self.blows.items() if Point(name).phase is phase)

    @property
    def blows_in_all(self) -> int:
        return self.blows.total()

    def __str__(self) -> str:
        phases = ", ".join(f"{phase} {self.of_phase(phase)}{_parts(phase, self.blows)}" for phase in Phase)
        return (
            f"{self.blows_in_all} blows: {phases}; {self.runs} runs of {self.jobs} jobs\n"
            f"{self.acknowledged} inputs acknowledged and {self.turns} turns in all; at stake, summed over the blows:"
            f" {self.acknowledged_before} acknowledged inputs, {self.outcomes} told outcomes\n"
            f"slowest end after a blow {self.exit_seconds_max:.2f} s; {self.interruptions} interruptions charged\n"
            f"{self.databases} databases checked, {len(self.violations)} violations"
        )


@define(eq=False)
class Campaign:
    """Owns what its workers share. Nothing of it is random but the seeded choices of each job."""

    budget: Budget
    seed: str
    folder: Path
    """Where jobs are made; those with violations stay."""
    tally: Tally = Factory(Tally)
    on_job: Callable[[Tally], None] = field(default=lambda tally: None)
    """Hears the tally after each job."""
    is_stopping: bool = False
    _durations: dict[Point, deque[float]] = field(init=False, factory=dict[Point, deque[float]])
    _expected: bytes = field(init=False, default=b"")
    _lock: Lock = field(init=False, factory=Lock)

    def run(self, source: Path) -> Tally:
        """Spend the budget. ``source`` is the folder that every job reviews."""
        self._calm_runs(source)
        first = self.tally.jobs
        numbers = iter(range(first, first + self.budget.runs_max))
        with ThreadPoolExecutor(self.budget.at_once) as workers:
            futures = [workers.submit(self._work, source, numbers) for _ in range(self.budget.at_once)]
            try:
                for future in futures:
                    future.result()
            finally:
                self.is_stopping = True
        return self.tally

    @property
    def is_spent(self) -> bool:
        """Whether enough was struck, or too much went wrong to go on."""
        tally, budget = self.tally, self.budget
        if self.is_stopping or tally.runs >= budget.runs_max or len(tally.violations) >= 5:
            return True
        least = min(map(tally.of_phase, Phase))
        return tally.blows_in_all >= budget.blows and least >= budget.blows_per_phase_min

    # -- jobs -----------------------------------------------------------------------------

    def _calm_runs(self, source: Path) -> None:
        """What an undisturbed run writes, and how long each part of it takes: when new, and when all is done."""
        calm = Job(source=source, out=self.folder / "undisturbed" / "out")
        for _ in range(2):
            ended = run_job(calm)
            assert ended.code == 0, f"an undisturbed run failed: {ended}"
            self._learn(ended)
        self._expected = calm.report.read_bytes()

    def _work(self, source: Path, numbers: Iterator[int]) -> None:
        while not self.is_spent:
            with self._lock:
                number = next(numbers)
            self._job(number, source)

    def _job(self, number: int, source: Path) -> None:
        chance = random.Random(f"{self.seed}/{number}")
        place = self.folder / f"job-{number}"
        shutil.rmtree(place, ignore_errors=True)
        job = Job(source=source, out=place / "out")
        told: list[Line] = []
        rows = NOTHING
        found: list[Violation] = []
        for point in (*self._aims(chance), None):
            if point is not None and self.is_spent:
                continue
            blow = None if point is None else self._blow(chance, point)
            ended = run_job(job, blow)
            told += ended.told
            before, rows = rows, _read_copy(job.database, place / "copy")
            found += _check(ended, blow, job, self._expected, told, rows)
            found += check_later(before, rows)
            self._note(ended, told, found=[f"job {number} of seed {self.seed}: {violation}" for violation in found])
            if found:
                break
        self._note_job(rows)
        if not found:
            shutil.rmtree(place)

    def _aims(self, chance: random.Random) -> list[Point]:
        most = self.budget.per_job_max
        with self._lock:
            wanted = self._wanted()
        points = chance.choices(tuple(wanted), tuple(wanted.values()), k=chance.randint(min(4, most), most))
        # Mostly in the order of the job, so that each blow meets work that is not yet done.
        return sorted(points, key=POINTS.index) if chance.random() < 0.75 else points

    def _wanted(self) -> Mapping[Point, float]:
        """How much each stretch lacks: what was missed is aimed at again."""
        tally, budget = self.tally, self.budget
        if tally.blows_in_all < budget.blows:
            scale = budget.blows / sum(budget.shares.values())
            return {point: max(1.0, scale * share - tally.blows[point]) for point, share in budget.shares.items()}
        lacking = {phase for phase in Phase if tally.of_phase(phase) < budget.blows_per_phase_min}
        return {point: 1.0 for point in budget.shares if point.phase in lacking}

    def _blow(self, chance: random.Random, point: Point) -> Blow:
        with self._lock:
            seconds = chance.choice(self._durations[point])
        again = self.budget.again_seconds_max
        return Blow(
            signal=self.budget.signal,
            point=point,
            seconds=seconds * chance.random(),
            again_seconds=None if again is None else again * chance.random(),
        )

    # -- counting -------------------------------------------------------------------------

    def _learn(self, ended: Ended) -> None:
        with self._lock:
            for point, seconds in ended.passed.items():
                self._durations.setdefault(point, deque(maxlen=_RECENT)).append(seconds)

    def _note(self, ended: Ended, told: list[Line], *, found: list[str]) -> None:
        self._learn(ended)
        tally = self.tally
        with self._lock:
            tally.runs += 1
            tally.databases += 1
            tally.violations += found
            if ended.hit is not None:
                tally.blows[ended.hit.value] += 1
                tally.acknowledged_before += len(_ids(told, Acknowledged))
                tally.outcomes += len(_ids(told, Consumed))
                tally.exit_seconds_max = max(tally.exit_seconds_max, ended.exit_seconds)

    def _note_job(self, rows: Rows) -> None:
        with self._lock:
            tally = self.tally
            tally.jobs += 1
            tally.acknowledged += sum(row.sender is None for row in rows.inputs.values())
            tally.turns += len(rows.turns)
            tally.interruptions += sum(row.interruptions for row in rows.inputs.values())
            self.on_job(tally)


def _parts(phase: Phase, blows: Counter[str]) -> str:
    points = [point for point in POINTS if point.phase is phase]
    parts = " + ".join(f"{blows[point]} {point}" for point in points)
    return f" ({parts})" if len(points) > 1 else ""


def _ids(told: list[Line], kind: type[Acknowledged | Consumed]) -> set[str]:
    return {line.input_id for line in told if isinstance(line, kind)}


def _read_copy(database: Path, folder: Path) -> Rows:
    # Reading folds the log into the file, which is for the next run of the job to do.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in (database, database.with_name(f"{database.name}-wal")):
        if path.exists():
            shutil.copyfile(path, folder / path.name)
    return read_rows(folder / database.name)


def _check(ended: Ended, blow: Blow | None, job: Job, expected: bytes, told: list[Line], rows: Rows) -> list[Violation]:
    is_done = ended.code == 0
    return [
        *_check_exit(ended, blow),
        *check_rows(rows, told),
        *(check_ended(rows, told) if is_done else []),
        *check_report(job.report, expected, told, is_ended=is_done),
    ]


def _check_exit(ended: Ended, blow: Blow | None) -> list[Violation]:
    if ended.code is None:
        return [Violation("exit", f"struck at {ended.hit}, hangs {ended.exit_seconds:.1f} s later")]
    if blow is None or ended.hit is None:
        allowed, is_quiet = {0}, ended.error == ""
    elif blow.signal is signal.SIGKILL:
        allowed, is_quiet = {-signal.SIGKILL}, ended.error == ""
    else:
        allowed, is_quiet = {0, 128 + blow.signal}, "Traceback" not in ended.error
        # Where nobody listens yet, or any more, the signal itself ends it; a shell counts that as the same number.
        unheard = {Point.SPAWNED, Point.WRITTEN}
        if blow.signal is signal.SIGTERM:
            unheard |= {Point.STARTED, Point.SET_UP}
        if ended.hit in unheard or blow.again_seconds is not None:
            allowed |= {-blow.signal}
        is_quiet |= ended.hit is Point.SPAWNED
    found: list[Violation] = []
    if ended.code not in allowed:
        found.append(Violation("exit", f"struck at {ended.hit}, ends with {ended.code}, not one of {sorted(allowed)}"))
    if not is_quiet:
        found.append(Violation("exit", f"struck at {ended.hit}, complains: {ended.error}"))
    return found
