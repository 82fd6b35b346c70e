"""Random mail among fifty agents that are governed, refused, and killed with their processes, on both stores.

The same as ``tests/mailing``, for as many messages as you like. A violation is printed with its seed and the smallest
history found that shows it.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from time import monotonic
from typing import Final

from tests.histories.outside import ViolationError
from tests.histories.running import BENCHES
from tests.mailing.running import STEPS_PER_ROUND, Tally, run_round

ROUNDS_PER_LINE: Final = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign.

    Returns:
        0: nothing happened that must not, and everything that can; 1: otherwise; 2: bad arguments; 130: interrupted.
    """
    told = _options(arguments)
    tally, began = Tally(), monotonic()
    stores = list(BENCHES) if told.store is None else [told.store]
    number = 0 if told.only is None else told.only
    try:
        while tally.messages < told.messages:
            store = stores[number % len(stores)]
            tally.add(run_round(f"{told.seed}/{number}", told.per_round, BENCHES[store]))
            if told.only is not None:
                break
            number += 1
            if number % ROUNDS_PER_LINE == 0:
                print(f"{tally.messages} messages, {number} rounds: nothing", flush=True)
    except ViolationError as error:
        print(f"VIOLATION {error}")
        again = f"--seed {told.seed} --per-round {told.per_round} --only {number}"
        print(f"again: scripts/campaign mail {again}{'' if told.store is None else f' --store {told.store}'}")
        return 1
    except KeyboardInterrupt:
        print(f"interrupted\n{tally}")
        return 128 + signal.SIGINT
    seconds = monotonic() - began
    print(f"seed {told.seed}, {told.per_round} steps a round, {' and '.join(stores)}: {seconds:.0f} s\n{tally}")
    lacking = tally.lacking() if told.only is None else []
    if lacking:
        print(f"did not occur: {', '.join(lacking)}")
    return 1 if lacking else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/campaign mail", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000, help="at least, in all (%(default)s)")
    parser.add_argument("--seed", default="1", help="of everything that is chosen (%(default)s)")
    parser.add_argument("--per-round", type=int, default=STEPS_PER_ROUND, help="steps in each world (%(default)s)")
    parser.add_argument("--store", choices=tuple(BENCHES), help="one of them; else they take turns")
    parser.add_argument("--only", type=int, help="do this round alone, from 0")
    told = parser.parse_args(arguments)
    for name in ("messages", "per_round"):
        if getattr(told, name) < 1:
            parser.error(f"--{name.replace('_', '-')}: use a number from 1")
    return told


if __name__ == "__main__":
    sys.exit(main())
