"""Random units over both stores: every outcome is the same, and after each round so is everything that can be read.

The memory store is the model: a refusal is as the model says. Progress is kept in a state file after every round; the
same command goes on where it was stopped. A difference is printed with the smallest history that shows it.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Final

from attrs import frozen

from scripts.campaigns._arguments import from_1
from scripts.campaigns._progress import Progress
from tests.store.unit_campaign import UNITS_PER_ROUND, DifferenceError, run_round
from tests.store.unit_campaign_tally import Tally

ROUNDS_PER_LINE: Final = 20


@frozen(kw_only=True)
class Options:
    """What the command line asked for."""

    units: int
    seed: str
    per_round: int
    only: int | None
    state: Path | None

    @property
    def names(self) -> str:
        """What rounds depend on: a state of other ones is another campaign's."""
        return f"seed {self.seed}, {self.per_round} units a round"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign.

    Returns:
        0: both stores were equal, and everything occurred that can; 1: they were not, or it did not; 2: bad
        arguments; 130: it was interrupted.
    """
    options = _options(arguments)
    progress = Progress(options.state if options.only is None else None, options.names, Tally)
    tally = progress.load()
    if tally is None:
        return 2
    if tally.rounds:
        print(f"continuing after {tally.units} units in {tally.rounds} rounds", flush=True)
    began = monotonic()
    try:
        if options.only is not None:
            tally.add(run_round(f"{options.seed}/{options.only}", options.per_round))
        else:
            _run(options, tally, progress)
    except DifferenceError as error:
        print(f"DIFFERENCE {error}")
        again = f"--seed {options.seed} --per-round {options.per_round} --only {_at(options, tally)}"
        print(f"again: scripts/campaign units {again}")
        return 1
    except KeyboardInterrupt:
        print("interrupted: the same command continues, if it has a --state")
        return 128 + signal.SIGINT
    print(f"{options.names}: {monotonic() - began:.0f} s\n{tally}")
    return 1 if options.only is None and tally.lacking() else 0


def _run(options: Options, tally: Tally, progress: Progress[Tally]) -> None:
    while tally.units < options.units:
        units = min(options.per_round, options.units - tally.units)
        tally.add(run_round(f"{options.seed}/{tally.rounds}", units))
        progress.save(tally)
        if tally.rounds % ROUNDS_PER_LINE == 0:
            print(f"{tally.units} units, {tally.rounds} rounds: all the same", flush=True)


def _at(options: Options, tally: Tally) -> int:
    return tally.rounds if options.only is None else options.only


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="scripts/campaign units", description=__doc__)
    parser.add_argument("--units", type=from_1, default=200_000, help="in all, also of earlier runs (%(default)s)")
    parser.add_argument("--seed", default="1", help="of everything that is chosen (%(default)s)")
    parser.add_argument(
        "--per-round", type=from_1, default=UNITS_PER_ROUND, help="on each pair of stores (%(default)s)"
    )
    parser.add_argument("--only", type=int, help="do this round alone, from 0, and keep nothing")
    parser.add_argument("--state", type=Path, help="a file that keeps what was done; without it nothing is kept")
    told = parser.parse_args(arguments)
    return Options(units=told.units, seed=told.seed, per_round=told.per_round, only=told.only, state=told.state)


if __name__ == "__main__":
    sys.exit(main())
