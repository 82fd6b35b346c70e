"""What campaigns of random histories have in common: rounds on both stores, where one went wrong, and what is told."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Generic, Protocol, Self, TypeVar

from attrs import frozen

from scripts.campaigns._arguments import from_1
from tests.histories.outside import ViolationError
from tests.histories.running import BENCHES, Bench


class Tally(Protocol):
    """What rounds did."""

    def add(self, other: Self) -> None:
        """Count what another one counted."""
        ...

    def lacking(self) -> list[str]:
        """What could have occurred and did not."""
        ...


T = TypeVar("T", bound=Tally)


@frozen(kw_only=True)
class Campaign(Generic[T]):
    """One campaign, as a command."""

    name: str
    about: str
    noun: str
    """What it counts, and the name of its bound."""
    count: int
    """How many of them at least, unless it is told."""
    per_round: int
    """Steps in each world, unless it is told."""
    rounds_per_line: int
    new_tally: Callable[[], T]
    counted: Callable[[T], int]
    """How many there were."""
    run_round: Callable[[str, int, Bench], T]
    """Of a seed, so many steps, on such a store; raises ``ViolationError``."""


def run(campaign: Campaign[T], arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for.

    Returns:
        0: nothing happened that must not, and everything that can; 1: otherwise; 130: interrupted.
    """
    told = _options(campaign, arguments)
    tally, began = campaign.new_tally(), monotonic()
    stores = list(BENCHES) if told.store is None else [told.store]
    number = 0 if told.only is None else told.only
    try:
        while campaign.counted(tally) < told.count:
            store = stores[number % len(stores)]
            tally.add(campaign.run_round(f"{told.seed}/{number}", told.per_round, BENCHES[store]))
            if told.only is not None:
                break
            number += 1
            if number % campaign.rounds_per_line == 0:
                print(f"{campaign.counted(tally)} {campaign.noun}, {number} rounds: nothing", flush=True)
    except ViolationError as error:
        print(f"VIOLATION {error}")
        again = f"--seed {told.seed} --per-round {told.per_round} --only {number}"
        print(
            f"again: scripts/campaign {campaign.name} {again}{'' if told.store is None else f' --store {told.store}'}"
        )
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


def _options(campaign: Campaign[T], arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"scripts/campaign {campaign.name}", description=campaign.about)
    parser.add_argument(
        f"--{campaign.noun}", dest="count", type=from_1, default=campaign.count, help="at least, in all (%(default)s)"
    )
    parser.add_argument("--seed", default="1", help="of everything that is chosen (%(default)s)")
    parser.add_argument(
        "--per-round", type=from_1, default=campaign.per_round, help="steps in each world (%(default)s)"
    )
    parser.add_argument("--store", choices=tuple(BENCHES), help="one of them; else they take turns")
    parser.add_argument("--only", type=int, help="do this round alone, from 0")
    return parser.parse_args(arguments)
