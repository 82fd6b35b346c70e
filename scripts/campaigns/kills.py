"""A long turn under a hundred real kills, and forty good inputs beside one that ends the process with each attempt.

The same as ``tests/histories/test_suspicion.py``, with processes of their own and ``suspect_seconds=0.1``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from tests.histories.kills import Fate, kill_long_turn, poison
from tests.histories.kills_worker import SUSPECT_SECONDS

POISON_SECONDS: Final = 0.02
"""How long the inputs beside the poisonous one, and that one itself, are worked on: no longer than they are watched."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 0: only what should died, 1: otherwise, 2: bad arguments."""
    parser = argparse.ArgumentParser(prog="scripts/campaign kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="of the long turn's process (%(default)s)")
    parser.add_argument("--turn-seconds", type=float, default=4.0, help="of the long turn (%(default)s)")
    parser.add_argument("--seed", default="1", help="of the moments of the kills (%(default)s)")
    told = parser.parse_args(arguments)
    if told.kills < 0 or told.turn_seconds < 10 * SUSPECT_SECONDS:
        parser.error(f"--kills: use a number from 0; --turn-seconds: from {10 * SUSPECT_SECONDS}")
    codes = [
        _report(f"{told.kills} kills", lambda: kill_long_turn(told.kills, told.turn_seconds, told.seed, _say)),
        _report("poison in one of 41 agents", lambda: poison("agents", POISON_SECONDS)),
        _report("poison in one of 41 messages", lambda: poison("batch", POISON_SECONDS)),
    ]
    return max(codes)


def _report(what: str, live: Callable[[], Fate]) -> int:
    began = monotonic()
    fate = live()
    problems = fate.problems()
    print(f"{what}: {fate.lives} processes, {monotonic() - began:.0f} s{_watched(fate)}")
    for record in fate.records:
        if record.content in {"x", "poison"}:
            print(
                f"  {record.content!r}: {record.outcome}; {record.attempts} attempts, {record.interruptions} on record"
            )
    for problem in problems:
        print(f"  WRONG: {problem}")
    return 1 if problems else 0


def _watched(fate: Fate) -> str:
    return f", {fate.watched_min} to {fate.watched_max} kills that count" if fate.watched_max else ""


def _say(what: str) -> None:
    print(what, flush=True)


if __name__ == "__main__":
    sys.exit(main())
