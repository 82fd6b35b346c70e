"""What the commands of the campaigns under fire have in common: bounds, seeds, where to go on, and what is printed."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from time import monotonic

from attrs import frozen

from tests.crashes.fire_pool import Work, spread
from tests.crashes.fire_runs import Tally

INTERRUPTED = 130


@frozen(kw_only=True)
class Campaign:
    """One campaign, as a command."""

    name: str
    about: str
    work: Work
    noun: str
    """What its numbers count, and the name of its bound."""
    numbers: int
    """How many of them, unless it is told."""
    chunk: int
    """How many are done at a time, by one process."""
    must_fire: Collection[str] = ()
    """Failures that all of its numbers together must bring about."""


def run(campaign: Campaign, arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; 0 without violations, 1 with, 130 when it was interrupted."""
    parser = argparse.ArgumentParser(prog=f"scripts/campaign {campaign.name}", description=campaign.about)
    parser.add_argument(
        f"--{campaign.noun}", dest="numbers", type=int, default=campaign.numbers, help="how many (%(default)s)"
    )
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first of them (%(default)s)")
    parser.add_argument("--seed", default="1", help="of everything that is chosen (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (%(default)s)")
    told = parser.parse_args(arguments)
    numbers = range(told.first, told.first + told.numbers)
    tally, begin, code = Tally(), monotonic(), 0
    done = numbers.start
    try:
        for part, found in spread(campaign.work, told.seed, numbers, chunk=campaign.chunk, jobs=told.jobs):
            tally.add(found)
            done = part.stop
            for violation in found.violations:
                print(f"VIOLATION {violation}", flush=True)
    except KeyboardInterrupt:
        print(f"interrupted: --seed {told.seed} --from {done} goes on")
        code = INTERRUPTED
    print(f"{campaign.name}, seed {told.seed}, {numbers.start} to {done}: {monotonic() - begin:.0f} s\n{tally}")
    print(f"  next: --seed {told.seed} --from {done}")
    is_whole = code == 0 and told.first == 0 and told.numbers >= campaign.numbers
    missing = sorted(set(campaign.must_fire) - set(tally.fired)) if is_whole else []
    if missing:
        print(f"  never came to pass: {', '.join(missing)}")
    return 1 if tally.violations or missing else code
