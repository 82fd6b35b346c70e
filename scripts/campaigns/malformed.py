"""Damage healthy databases at random and see who notices: opening, reading, or the doctor.

Each trial is one change of bytes or rows, of the database or its log, in a child process. A damage counts if
anything that can be read differs. What nobody noticed is printed with its number: --first NUMBER --count 1 does it
again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from time import monotonic

from tests.store.sqlite.damage_campaign import run_campaign
from tests.store.sqlite.damage_trials import Trial


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign.

    Returns:
        0: everything damaging was noticed, or can't be; 1: something was not, or a process crashed, or an error was
        none of ours; 2: bad arguments.
    """
    parser = argparse.ArgumentParser(prog="scripts/campaign malformed", description=__doc__)
    parser.add_argument("--count", type=int, default=1_500, help="damages (%(default)s)")
    parser.add_argument("--seed", default="1", help="of everything that is chosen (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first damage (%(default)s)")
    parser.add_argument("--all", action="store_true", help="print every trial")
    told = parser.parse_args(arguments)
    if told.count < 1 or told.first < 0:
        parser.error("--count from 1, --first from 0")
    began = monotonic()
    tally = run_campaign(told.seed, told.count, first=told.first, each=_say if told.all else None)
    print(f"seed {told.seed}, {told.count} damages from {told.first}: {monotonic() - began:.0f} s\n{tally}")
    return 1 if tally.unexplained() or tally.crashes or tally.tracebacks else 0


def _say(trial: Trial) -> None:
    print(trial)


if __name__ == "__main__":
    sys.exit(main())
