"""Simulate every built-in workload under every kind of fault, seed after seed: nothing may be that must not.

The same as ``tests/simulation/test_seeds.py``, for as many seeds as you like. A failure is told with its shrunk plan,
and saved where ``--save`` says; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Final

from attrs import Factory, define

from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.report import Report
from meerkat_actors.simulation.sweep import simulate
from meerkat_actors.simulation.workloads import WORKLOADS
from scripts.campaigns._arguments import from_1

AT_ONCE: Final = 50
"""Seeds of one workload between two looks at the clock; processes begin anew for each such part."""


@define(eq=False)
class Sum:
    """What all sweeps did."""

    seeds: int = 0
    failed: int = 0
    seconds: float = 0
    steps: int = 0
    boots: int = 0
    inputs: int = 0
    turns: int = 0
    fired: Counter[str] = Factory(Counter[str])

    def add(self, report: Report) -> None:
        """Count one sweep."""
        totals = report.totals
        self.seeds += totals.seeds
        self.failed += totals.failed
        self.seconds += totals.seconds
        self.steps += totals.steps
        self.boots += totals.boots
        self.inputs += totals.inputs
        self.turns += totals.turns
        self.fired.update(totals.fired)

    def __str__(self) -> str:
        fired = ", ".join(f"{name} {count:,}" for name, count in sorted(self.fired.items()))
        return (
            f"{self.seeds:,} seeds, {self.failed} failed: {self.seconds:,.0f} virtual seconds, {self.steps:,} steps, "
            f"{self.boots:,} boots, {self.inputs:,} inputs acknowledged, {self.turns:,} turns\nfaults: {fired}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign.

    Returns:
        0: nothing happened that must not; 1: something did; 2: bad arguments; 130: interrupted.
    """
    told = _options(arguments)
    began, number, total = monotonic(), told.first, Sum()
    last = told.first + told.seeds
    try:
        while number < last and (told.minutes is None or monotonic() - began < 60 * told.minutes):
            seeds = range(number, min(number + AT_ONCE, last))
            for name in told.workload or sorted(WORKLOADS):
                save = None if told.save is None else told.save / name
                report = simulate(WORKLOADS[name], seeds, faults=Faults.all(told.per_minute), jobs=told.jobs, save=save)
                total.add(report)
                if report.failures:
                    print(report, flush=True)
            number = seeds.stop
            print(f"up to seed {number}: {total.seeds:,} seeds, {total.failed} failed", flush=True)
    except KeyboardInterrupt:
        print(f"interrupted\n{total}")
        return 128 + signal.SIGINT
    print(f"{monotonic() - began:.0f} s, {told.jobs} processes\n{total}\nnext: --first {number}")
    return 1 if total.failed else 0


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
