"""What ``sim`` does: a sweep with its bar and its summary, a failure played again, a list of what ships."""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

import attrs
import click
from attrs import define, field, frozen

from meerkat_actors.cli.output import Column, Kind, complain, count_text, print_facts, print_json, print_table
from meerkat_actors.examples.review.text import clipped, printable
from meerkat_actors.simulation.arguments import faults_of, seeds_of
from meerkat_actors.simulation.failures import FailedSeed
from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.naming import scenario_of
from meerkat_actors.simulation.outcome import Lived
from meerkat_actors.simulation.plan import Plan
from meerkat_actors.simulation.report import Report
from meerkat_actors.simulation.rows import Row
from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.sweep import replay, simulate
from meerkat_actors.simulation.workers import WorkerKilledError
from meerkat_actors.simulation.workloads import WORKLOADS

HELD: Final = 0
VIOLATED: Final = 1
INTERRUPTED: Final = 130
_SEEDS_NAMED: Final = 10
"""Failed ones, in the last line."""
_COLUMNS: Final = (
    Column(title="scenario", kind=Kind.WORD),
    Column(title="store", kind=Kind.WORD),
    Column(title="processes", kind=Kind.NUMBER),
    Column(title="virtual s", kind=Kind.NUMBER),
    Column(title="agents", kind=Kind.PROSE),
)


@frozen(kw_only=True)
class Sweep:
    """What the command was asked."""

    scenario: str
    seeds: str
    faults: str
    jobs: int | None
    save: Path | None

    def command(self, seed: int) -> str:
        """What runs one seed of it again, and saves its failure."""
        words = ["meerkat-actors", "sim", self.scenario, "--seeds", str(seed), "--faults", self.faults]
        return f"{shlex.join(words)} --save DIR"


def sweep(asked: Sweep, *, as_json: bool) -> int:
    """Run it. Returns the exit code.

    Raises:
        MeerkatError: an argument is none.
        click.ClickException: one of its processes was killed.
    """
    seeds, faults = seeds_of(asked.seeds), faults_of(asked.faults)
    scenario = _found(asked.scenario)
    jobs = asked.jobs or min(len(os.sched_getaffinity(0)), len(seeds))
    done = _Count()
    try:
        with _watching(scenario.name, len(seeds), done) as look:

            def note(row: Row) -> None:
                done.add(row)
                look()

            report = simulate(
                asked.scenario,
                seeds,
                faults=faults if isinstance(faults, Faults) else Faults.none(),
                plan=faults if isinstance(faults, Plan) else None,
                jobs=jobs,
                save=asked.save,
                on_row=note,
            )
    except KeyboardInterrupt:
        return _interrupted(asked, done, len(seeds))
    except WorkerKilledError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json(attrs.asdict(row) for row in report.rows)
    else:
        _tell(asked, report, monotonic() - done.began)
    return VIOLATED if report.failures else HELD


def play_again(path: Path, *, as_json: bool) -> int:
    """Play a saved failure. Returns the exit code.

    Raises:
        MeerkatError: it can't be.
    """
    failed = FailedSeed.load(path)
    scenario = None if failed.found_at is None else _found(failed.found_at)
    with warnings.catch_warnings(record=True) as others:
        warnings.simplefilter("always")
        lived = replay(failed, scenario)
    for other in others:
        complain(f"warning: {other.message}")
    if as_json:
        told = attrs.asdict(lived, filter=lambda field, _: field.name not in {"plan", "lines"})
        print_json([told])
    else:
        _tell_lived(failed, lived)
    return VIOLATED if lived.violations else HELD


def list_workloads(*, as_json: bool) -> int:
    """What ships, by name. Returns the exit code."""
    if as_json:
        print_json({"scenario": name, "seconds": each.seconds} for name, each in WORKLOADS.items())
        return HELD
    rows = [
        (
            name,
            "disk" if each.is_durable else "memory",
            str(each.processes),
            f"{each.seconds:,.0f}",
            ", ".join(each.agents),
        )
        for name, each in WORKLOADS.items()
    ]
    print_table(_COLUMNS, rows, footer="meerkat-actors sim NAME, or MODULE:NAME for one of your own")
    return HELD


def _found(reference: str) -> Scenario:
    # As pytest and python -m do; the processes of a sweep inherit it.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    return scenario_of(reference)


# -- while it runs ------------------------------------------------------------------------


@define(eq=False)
class _Count:
    """Of what is done."""

    seeds: int = 0
    failed: int = 0
    seconds: float = 0.0
    """Virtual."""
    began: float = field(factory=monotonic)

    def add(self, row: Row) -> None:
        self.seeds += 1
        self.failed += bool(row.violations)
        self.seconds += row.seconds

    def __str__(self) -> str:
        speed = self.seconds / max(monotonic() - self.began, 0.001)
        return f"{self.failed:,} failed, {speed:,.0f} times real time"


@contextmanager
def _watching(name: str, seeds: int, done: _Count) -> Generator[Callable[[], None]]:
    """A bar, on a terminal, that looks at what is done when it is told to."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False)
    columns = (
        TextColumn("{task.description}", markup=False, style="bold"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, expand=True) as bars:
        bar = bars.add_task(clipped(printable(name), console.width // 4), total=seeds, said="")

        def look() -> None:
            is_shrinking = done.seeds == seeds and done.failed
            said = f"{done.failed:,} failed, shrinking" if is_shrinking else str(done)
            bars.update(bar, completed=done.seeds, said=said)

        yield look


def _interrupted(asked: Sweep, done: _Count, seeds: int) -> int:
    fate = (
        "nothing was saved, as --save DIR does"
        if asked.save is None
        else f"they are saved in {asked.save}, and the same command continues"
    )
    failed = f", {done.failed:,} failed" if done.failed else ""
    complain(f"interrupted: {done.seeds:,} of {count_text(seeds, 'seed')} were run{failed}; {fate}")
    return INTERRUPTED


# -- when it is over ----------------------------------------------------------------------


def _tell(asked: Sweep, report: Report, took: float) -> None:
    if report.first is not None:
        again = None if report.folder is not None else asked.command(report.first.seed)
        # Its first paragraph are the totals, of which the table tells.
        _tell_text(*report.told(again=again).partition("\n\n")[2].splitlines())
    totals = report.totals
    fired = sorted(totals.fired.items(), key=lambda each: (-each[1], each[0]))
    print_facts(
        [
            ("scenario", report.scenario),
            ("runs", f"{totals.seeds:,}, each with a seed of its own"),
            ("virtual time", f"{_span(totals.seconds)}, in {took:,.1f} s"),
            ("boots", f"{totals.boots:,}"),
            ("inputs", f"{totals.inputs:,} acknowledged"),
            ("turns", f"{totals.turns:,}"),
            ("faults", ", ".join(f"{name} {count:,}" for name, count in fired) or "none hurt anybody"),
            ("violations", f"{sum(len(row.violations) for row in report.rows):,}"),
        ],
        footer=_footer(report),
    )


def _footer(report: Report) -> str:
    saved = "" if report.folder is None else f"; saved in {report.folder}"
    if not report.failures:
        return f"none of {count_text(len(report.rows), 'seed')} failed{saved}"
    named = ", ".join(str(failed.seed) for failed in report.failures[:_SEEDS_NAMED])
    more = ", ..." if len(report.failures) > _SEEDS_NAMED else ""
    return f"{len(report.failures):,} of {count_text(len(report.rows), 'seed')} failed: {named}{more}{saved}"


def _tell_lived(failed: FailedSeed, lived: Lived) -> None:
    _tell_text("What happened:", *lived.lines)
    _tell_text("Plan:", *str(lived.plan).splitlines())
    for violation in lived.violations:
        _tell_text(*violation.splitlines())
    is_same = lived.trace == failed.trace
    print_facts(
        [
            ("scenario", failed.found_at or failed.scenario),
            ("seed", lived.seed),
            ("virtual time", _span(lived.seconds)),
            ("trace", f"{lived.trace or '-'}, {'the same' if is_same else 'another'} history"),
        ],
        footer=f"{count_text(len(lived.violations), 'violation')}",
    )


def _tell_text(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{printable(line)}\n")
    sys.stdout.write("\n")


def _span(seconds: float) -> str:
    """Virtual seconds for people: ``42 s``, ``1 h 40 min``, ``3 d 2 h``."""
    total = round(seconds)
    units = ((total // 86_400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "min"), (total % 60, "s"))
    parts = [f"{number:,} {unit}" for number, unit in units if number]
    return " ".join(parts[:2]) or "0 s"
