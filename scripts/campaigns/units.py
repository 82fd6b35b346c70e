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

from attrs import Factory, define, frozen
from cattrs.preconf.orjson import make_converter

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


@define
class State:
    """What outlives the process."""

    names: str
    tally: Tally = Factory(Tally)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign.

    Returns:
        0: both stores were equal, and everything occurred that can; 1: they were not, or it did not; 2: bad
        arguments; 130: it was interrupted.
    """
    options = _options(arguments)
    state = _load(options)
    if state is None:
        return 2
    tally = state.tally
    if tally.rounds:
        print(f"continuing after {tally.units} units in {tally.rounds} rounds", flush=True)
    began = monotonic()
    try:
        if options.only is not None:
            tally.add(run_round(f"{options.seed}/{options.only}", options.per_round))
        else:
            _run(options, state)
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


def _run(options: Options, state: State) -> None:
    tally = state.tally
    while tally.units < options.units:
        units = min(options.per_round, options.units - tally.units)
        tally.add(run_round(f"{options.seed}/{tally.rounds}", units))
        _save(options, state)
        if tally.rounds % ROUNDS_PER_LINE == 0:
            print(f"{tally.units} units, {tally.rounds} rounds: all the same", flush=True)


def _at(options: Options, tally: Tally) -> int:
    return tally.rounds if options.only is None else options.only


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="scripts/campaign units", description=__doc__)
    parser.add_argument("--units", type=int, default=200_000, help="in all, also of earlier runs (%(default)s)")
    parser.add_argument("--seed", default="1", help="of everything that is chosen (%(default)s)")
    parser.add_argument("--per-round", type=int, default=UNITS_PER_ROUND, help="on each pair of stores (%(default)s)")
    parser.add_argument("--only", type=int, help="do this round alone, from 0, and keep nothing")
    parser.add_argument("--state", type=Path, help="a file that keeps what was done; without it nothing is kept")
    told = parser.parse_args(arguments)
    for name in ("units", "per_round"):
        if getattr(told, name) < 1:
            parser.error(f"--{name.replace('_', '-')}: use a number from 1")
    return Options(units=told.units, seed=told.seed, per_round=told.per_round, only=told.only, state=told.state)


def _load(options: Options) -> State | None:
    if options.state is None or options.only is not None or not options.state.exists():
        return State(names=options.names)
    state = _CONVERTER.loads(options.state.read_bytes(), State)
    if state.names != options.names:
        print(
            f"error: {options.state} is of {state.names}, not of {options.names}; name another --state",
            file=sys.stderr,
        )
        return None
    return state


def _save(options: Options, state: State) -> None:
    if options.state is None:
        return
    options.state.parent.mkdir(parents=True, exist_ok=True)
    partial = options.state.with_suffix(".partial")
    partial.write_bytes(_CONVERTER.dumps(state))
    partial.replace(options.state)


_CONVERTER: Final = make_converter()


if __name__ == "__main__":
    sys.exit(main())
