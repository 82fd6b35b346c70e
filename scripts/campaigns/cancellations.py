"""Callers of two agents, cancelled at random moments of random programs: does anybody believe what is not so?

Every caller writes down what it was told; in the end all of it is compared with the store, in memory and on disk.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

from scripts.campaigns._arguments import from_1
from tests.fates.random_cancellations import Tally, cancel_at_random, run_one

PROGRAMS_PER_LINE: Final = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign.

    Returns:
        0: everybody was right; 1: somebody was not; 2: bad arguments; 130: it was interrupted.
    """
    parser = argparse.ArgumentParser(prog="scripts/campaign cancellations", description=__doc__)
    parser.add_argument("--count", type=from_1, default=2_000, help="calls to be cancelled (%(default)s)")
    parser.add_argument("--seed", default="1", help="of everything that is chosen (%(default)s)")
    parser.add_argument("--only", type=int, help="run this program alone, from 0")
    told = parser.parse_args(arguments)
    began = monotonic()
    try:
        tally = Tally()
        if told.only is not None:
            with TemporaryDirectory() as folder:
                run_one(tally, f"{told.seed}/{told.only}", Path(folder), told.only)
        else:
            tally = cancel_at_random(told.count, told.seed, watch=_show)
    except KeyboardInterrupt:
        print("interrupted")
        return 128 + signal.SIGINT
    for violation in tally.violations:
        print(f"VIOLATION {violation}")
    if tally.violations:
        print(f"again: scripts/campaign cancellations --seed {told.seed} --only NUMBER")
    print(f"seed {told.seed}, {monotonic() - began:.0f} s: {tally}")
    return 1 if tally.violations else 0


def _show(tally: Tally) -> None:
    if tally.programs % PROGRAMS_PER_LINE == 0:
        print(f"{tally.programs} programs, {tally.cancellations} calls cancelled", flush=True)


if __name__ == "__main__":
    sys.exit(main())
