"""Plant faults into the store, one at a time, and see that a campaign under fire catches each within its budget."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from time import monotonic

from tests.crashes.fire_mutants import MUTANTS, hunt
from tests.crashes.fire_pool import spread


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt; 0 if every mutant was caught, 1 if one was not."""
    parser = argparse.ArgumentParser(prog="scripts/campaign mutants", description=__doc__)
    parser.add_argument("--mutant", choices=sorted(MUTANTS), action="append", help="only this one; repeat for more")
    parser.add_argument("--seed", default="1", help="of everything that is chosen (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (%(default)s)")
    told = parser.parse_args(arguments)
    missed = [name for name in told.mutant or MUTANTS if not _is_caught(name, told.seed, told.jobs)]
    print(f"not caught: {', '.join(missed)}" if missed else "all caught")
    return 1 if missed else 0


def _is_caught(name: str, seed: str, jobs: int) -> bool:
    mutant, begin, runs = MUTANTS[name], monotonic(), 0
    numbers = range(mutant.numbers)
    for part, tally in spread(partial(hunt, name), seed, numbers, chunk=mutant.chunk, jobs=jobs):
        runs += tally.runs
        if tally.violations:
            seconds = monotonic() - begin
            print(f"{name}: {mutant.about}")
            print(f"  caught within {part.stop} of {mutant.numbers}: {runs} runs, {seconds:.1f} s")
            print(f"  {len(tally.violations)} violations, the first: {tally.violations[0][:400]}", flush=True)
            return True
    print(f"{name}: NOT CAUGHT in {mutant.numbers} ({runs} runs): {mutant.about}", flush=True)
    return False


if __name__ == "__main__":
    sys.exit(main())
