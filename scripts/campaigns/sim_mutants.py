"""Plant faults into owners, machines and stores, one at a time, and see that a simulation finds each of them out."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from time import monotonic
from typing import Final

from tests.simulation.mutants import MUTANTS, Hunted, hunt

_SHOWN: Final = 120
"""Characters of a violation."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt all; 0 if each was caught, by seeds that show nothing without it."""
    parser = argparse.ArgumentParser(prog="scripts/campaign sim_mutants", description=__doc__)
    parser.add_argument("--mutant", choices=sorted(MUTANTS), action="append", help="only this one; repeat for more")
    parser.add_argument("--jobs", type=int, default=2, help="processes (%(default)s)")
    told = parser.parse_args(arguments)
    names: list[str] = told.mutant or [*MUTANTS]
    begun, missed = monotonic(), list[str]()
    # Spawned, each for one hunt: what was planted in a process is no other's.
    with ProcessPoolExecutor(told.jobs, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        for name, hunted in zip(names, pool.map(hunt, names), strict=True):
            print(_row(name, hunted), flush=True)
            if hunted.violation is None or hunted.innocent:
                missed.append(name)
    print(f"{len(names) - len(missed)} of {len(names)} caught, {monotonic() - begun:.0f} s")
    if missed:
        print(f"not caught: {', '.join(missed)}")
    return 1 if missed else 0


def _row(name: str, hunted: Hunted) -> str:
    found = " ".join((hunted.violation or f"NOT CAUGHT: {MUTANTS[name].about}").split())
    row = f"{name:24} {hunted.seeds:3} seeds  {found[:_SHOWN]}"
    return "\n".join((row, *(f"  proves nothing, for without it {each}" for each in hunted.innocent[:3])))


if __name__ == "__main__":
    sys.exit(main())
