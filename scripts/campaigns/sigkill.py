"""The main job, killed at random instants as often as you like: tests/crashes with any budget.

Progress is kept in a state file after every job; the same command goes on where it was stopped. Jobs with violations
are kept beside it, with their database as the kill left it.
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

from scripts.campaigns._progress import Progress
from tests.crashes.campaign import KILL_SHARES, SIGNAL_SHARES, Budget, Campaign, Tally
from tests.crashes.sources import write_sources

JOBS_PER_LINE: Final = 10


@frozen(kw_only=True)
class Options:
    """What the command line asked for."""

    kills: int
    seed: str
    state: Path
    signal: signal.Signals
    per_phase: int
    seconds: float | None
    files: int
    at_once: int
    again: float | None

    @property
    def names(self) -> str:
        """What jobs depend on: a state of other ones is another campaign's."""
        return f"{self.signal.name}, seed {self.seed}, {self.files} files"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 0 without violations, 1 with, 2 for bad arguments, 130 when it was interrupted."""
    options = _options(arguments)
    progress = Progress(options.state / "state.json", options.names, Tally)
    tally = progress.load()
    if tally is None:
        return 2
    if tally.runs:
        print(f"continuing after {tally.blows_in_all} blows in {tally.jobs} jobs", flush=True)
    campaign = _campaign(options, tally, progress)
    began = monotonic()
    code = 0
    try:
        campaign.run(write_sources(options.state / "src", options.files))
    except KeyboardInterrupt:
        print("interrupted: the same command continues")
        code = 128 + signal.SIGINT
    print(f"{options.names}: {monotonic() - began:.0f} s\n{tally}")
    for violation in tally.violations:
        print(f"VIOLATION {violation}")
    return 1 if tally.violations else code


def _campaign(options: Options, tally: Tally, progress: Progress[Tally]) -> Campaign:
    deadline = None if options.seconds is None else monotonic() + options.seconds

    def on_job(tally: Tally) -> None:
        progress.save(tally)
        if tally.jobs % JOBS_PER_LINE == 0:
            print(f"{tally.blows_in_all} blows, {tally.jobs} jobs, {len(tally.violations)} violations", flush=True)
        if deadline is not None and monotonic() > deadline:
            campaign.is_stopping = True

    budget = Budget(
        signal=options.signal,
        blows=options.kills,
        blows_per_phase_min=options.per_phase,
        shares=KILL_SHARES if options.signal is signal.SIGKILL else SIGNAL_SHARES,
        again_seconds_max=options.again,
        files=options.files,
        at_once=options.at_once,
    )
    campaign = Campaign(budget=budget, seed=options.seed, folder=options.state, tally=tally, on_job=on_job)
    return campaign


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="scripts/campaign sigkill", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="in all, also of earlier runs (%(default)s)")
    parser.add_argument("--seed", default="1", help="of everything that is chosen (%(default)s)")
    parser.add_argument("--state", type=Path, default=Path("out/campaigns/sigkill"), help="(%(default)s)")
    parser.add_argument("--signal", choices=("SIGKILL", "SIGINT", "SIGTERM"), default="SIGKILL", help="(%(default)s)")
    parser.add_argument("--per-phase", type=int, default=10, help="kills that each phase gets at least (%(default)s)")
    parser.add_argument("--seconds", type=float, help="begin no job after so long")
    parser.add_argument("--files", type=int, default=40, help="sources of each job (%(default)s)")
    parser.add_argument("--at-once", type=int, default=2, help="jobs at a time (%(default)s)")
    parser.add_argument("--again", type=float, help="send each signal twice, so many seconds apart at most")
    told = parser.parse_args(arguments)
    return Options(
        kills=told.kills,
        seed=told.seed,
        state=told.state.absolute(),
        signal=signal.Signals[told.signal],
        per_phase=told.per_phase,
        seconds=told.seconds,
        files=told.files,
        at_once=told.at_once,
        again=told.again,
    )


if __name__ == "__main__":
    sys.exit(main())
