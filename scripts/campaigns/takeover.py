"""Two processes that share one file, stopped and killed at random: tests/crashes/takeover_*.py with any budget.

Rounds with violations are kept, with their database and what each process noted.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from tests.crashes.takeover_rounds import BLOWS_PER_ROUND, Budget, Takeovers, Tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 0 without violations, 1 with, 130 when it was interrupted."""
    parser = argparse.ArgumentParser(prog="scripts/campaign takeover", description=__doc__)
    parser.add_argument("--pauses", type=int, default=200, help="longer than a lease (%(default)s)")
    parser.add_argument("--kills", type=int, default=200, help="(%(default)s)")
    parser.add_argument("--seed", default="1", help="of everything that is chosen (%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("out/campaigns/takeover"), help="(%(default)s)")
    parser.add_argument("--per-round", type=int, default=BLOWS_PER_ROUND, help="blows on one store (%(default)s)")
    parser.add_argument("--wal-pages", type=int, default=1_000, help="Limits.wal_pages_max (%(default)s)")
    told = parser.parse_args(arguments)
    budget = Budget(
        pauses=told.pauses, kills=told.kills, seed=told.seed, wal_pages=told.wal_pages, per_round=told.per_round
    )
    began = monotonic()

    def on_round(tally: Tally) -> None:
        print(f"{monotonic() - began:.0f} s, {tally}\n", flush=True)

    campaign = Takeovers(budget, told.folder.absolute(), on_round=on_round)
    code = 0
    try:
        campaign.run()
    except KeyboardInterrupt:
        print("interrupted")
        code = 128 + signal.SIGINT
    print(f"seed {told.seed}: {monotonic() - began:.0f} s\n{campaign.tally}")
    for violation in campaign.tally.violations:
        print(f"VIOLATION {violation}")
    return 1 if campaign.tally.violations else code


if __name__ == "__main__":
    sys.exit(main())
