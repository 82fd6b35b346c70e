"""Simulate every built-in workload under every kind of fault, seed after seed: nothing may be that must not.

The same as ``tests/simulation/test_seeds.py``, for as many seeds as you like. A failure is told with its shrunk plan,
and saved where ``--save`` says; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from math import inf
from pathlib import Path
from time import monotonic
from typing import Final

from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.report import Totals, totals_of
from meerkat_actors.simulation.rows import Row
from meerkat_actors.simulation.sweep import simulate
from meerkat_actors.simulation.workloads import WORKLOADS
from scripts.campaigns._arguments import from_1

AT_ONCE: Final = 50
"""Seeds of one workload in a sweep: a look at the clock, and new processes, after each."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign.

    Returns:
        0: nothing happened that must not; 1: something did; 2: bad arguments; 130: interrupted.
    """
    told = _options(arguments)
    began = monotonic()
    deadline = inf if told.minutes is None else began + 60 * told.minutes
    rows: list[Row] = []
    number, last = told.first, told.first + told.seeds
    try:
        while number < last and monotonic() < deadline:
            seeds = range(number, min(number + AT_ONCE, last))
            for name in told.workload or sorted(WORKLOADS):
                if monotonic() >= deadline:
                    break
                save = None if told.save is None else told.save / name
                report = simulate(WORKLOADS[name], seeds, faults=Faults.all(told.per_minute), jobs=told.jobs, save=save)
                rows += report.rows
                if report.failures:
                    print(report, flush=True)
            else:
                number = seeds.stop
                totals = totals_of(rows)
                print(f"below seed {number}: {totals.seeds:,} histories, {totals.failed} failed", flush=True)
    except KeyboardInterrupt:
        print(f"interrupted\n{_told(totals_of(rows))}\nnext: --first {number}")
        return 128 + signal.SIGINT
    totals = totals_of(rows)
    print(f"{monotonic() - began:.0f} s, {told.jobs} processes\n{_told(totals)}\nnext: --first {number}")
    return 1 if totals.failed else 0


def _told(totals: Totals) -> str:
    fired = ", ".join(f"{name} {count:,}" for name, count in totals.fired.items())
    return (
        f"{totals.seeds:,} histories, {totals.failed} failed: {totals.seconds:,.0f} virtual seconds, "
        f"{totals.steps:,} steps, {totals.boots:,} boots, {totals.inputs:,} inputs acknowledged, "
        f"{totals.turns:,} turns\nfaults: {fired}"
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/campaign sim", description=__doc__)
    parser.add_argument("--seeds", type=from_1, default=300, help="of each workload (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (%(default)s)")
    parser.add_argument("--minutes", type=float, help="no more are begun after that")
    parser.add_argument("--per-minute", type=float, default=3.0, help="faults of each kind, virtual (%(default)s)")
    parser.add_argument("--jobs", type=from_1, default=2, help="processes (%(default)s)")
    parser.add_argument("--workload", action="append", choices=sorted(WORKLOADS), help="one of them; else all")
    parser.add_argument("--save", type=Path, help="a folder for rows and failures")
    told = parser.parse_args(arguments)
    if told.first < 0:
        parser.error("--first from 0")
    return told


if __name__ == "__main__":
    sys.exit(main())
