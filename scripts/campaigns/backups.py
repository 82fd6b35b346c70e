"""Kill backups of a store under load at random instants; the store stays good, and a copy is whole or absent."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.test_backup_kills import Kills, kill_backups


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 0 without violations, 1 with."""
    parser = argparse.ArgumentParser(prog="scripts/campaign backups", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="(%(default)s)")
    parser.add_argument("--seed", default="1", help="of the instants (%(default)s)")
    told = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = kill_backups(Path(folder), kills=told.kills, seed=told.seed, told=_say)
    print(f"seed={told.seed}\n{found}")
    for violation in found.violations:
        print(f"VIOLATION {violation}")
    return 1 if found.violations else 0


def _say(found: Kills) -> None:
    print(f"{found.met.total()} kills, {len(found.violations)} violations", flush=True)


if __name__ == "__main__":
    sys.exit(main())
