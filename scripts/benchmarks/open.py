"""What opening a store takes, and waking one identity, by how many there are and by how old one is.

Databases of many identities are made by a few statements, not by their turns. "Anyone" is woken at random among all,
whose pages are then mostly not in SQLite's cache; "among 1,000" is a working set, as ``live_max`` keeps one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Final

from attrs import frozen

from _common import fresh_folder, median, memory_folder
from _store_units import create_writers
from _table import print_table
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.store import Store, open_sqlite
from tests.cli.population import populate

POPULATIONS: Final = (1_000, 1_000_000)
AGES: Final = (10, 10_000)
OPENINGS: Final = 15
WAKINGS: Final = 3_000

MADE_UP: Final = 100
"""The last of a population have inputs that nobody could wake up to: their digests are none."""

OPEN_MAX: Final = 2.0
WAKE_MAX: Final = 1.2
"""Of the largest over the smallest."""


@frozen(kw_only=True)
class Opened:
    """What one population takes."""

    identities: int
    open_seconds: float
    anyone_seconds: float
    among_seconds: float
    """To wake one of a working set of 1,000."""


def wake(store: Store, names: Iterable[str]) -> float:
    """Seconds to activate one identity: the median."""
    taken: list[float] = []
    for name in names:
        begun = time.perf_counter()
        found = store.activate(AgentIdentity(name))
        taken.append(time.perf_counter() - begun)
        assert isinstance(found, Activation)
        assert found.head is not None
    return median(taken)


def open_once(path: Path) -> float:
    """Seconds until a store may serve: opened, begun, and told who has work."""
    begun = time.perf_counter()
    store = open_sqlite(path)
    store.begin()
    store.identities_with_work()
    taken = time.perf_counter() - begun
    store.end(clean=True)
    store.close()
    return taken


def measure_population(folder: Path, identities: int) -> Opened:
    """Make a database of so many identities, open it again and again, and wake some of them."""
    path, random = folder / f"{identities}.db", Random(1)
    print(f"making {identities:,} identities", file=sys.stderr)
    populate(path, identities)
    opening = median([open_once(path) for _ in range(OPENINGS)])
    store = open_sqlite(path)
    store.begin()
    among, anyone = (
        wake(store, [f"crowd/agent-{random.randint(1, most - MADE_UP):07d}" for _ in range(WAKINGS)])
        for most in (min(1_000, identities), identities)
    )
    store.end(clean=True)
    store.close()
    return Opened(identities=identities, open_seconds=opening, anyone_seconds=anyone, among_seconds=among)


def measure_age(folder: Path, turns: int) -> float:
    """Seconds to wake an identity that has made so many turns."""
    env, store = SystemEnv(), open_sqlite(folder / f"age-{turns}.db")
    store.begin()
    (writer,) = create_writers(store, 1, env)
    for _ in range(turns):
        for unit in writer.turn(env):
            store.commit([unit])
    taken = wake(store, [writer.fence.identity] * WAKINGS)
    store.end(clean=True)
    store.close()
    return taken


def main(arguments: Sequence[str]) -> int:
    """Measure, print, check; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail if a bound is missed")
    options = parser.parse_args(arguments)
    with fresh_folder(memory_folder() or Path.cwd()) as folder:
        opened = [measure_population(folder, identities) for identities in POPULATIONS]
        ages = [measure_age(folder, turns) for turns in AGES]
    rows = [
        (
            f"{each.identities:,}",
            f"{1e3 * each.open_seconds:.2f}",
            f"{1e6 * each.among_seconds:.1f}",
            f"{1e6 * each.anyone_seconds:.1f}",
        )
        for each in opened
    ]
    print_table("by population", ("identities", "open ms", "wake among 1,000 us", "wake anyone us"), rows)
    print_table(
        "by age",
        ("turns", "wake us"),
        [(f"{turns:,}", f"{1e6 * age:.1f}") for turns, age in zip(AGES, ages, strict=True)],
    )
    few, many = opened
    ratios = {
        "opening": (many.open_seconds / few.open_seconds, OPEN_MAX),
        "waking one of 1,000": (many.among_seconds / few.among_seconds, WAKE_MAX),
        "waking an old one": (ages[1] / ages[0], WAKE_MAX),
    }
    for what, (ratio, most) in ratios.items():
        print(f"{what}: {ratio:.2f} of the smallest (at most {most} wanted)")
    print(f"waking anyone: {many.anyone_seconds / few.anyone_seconds:.2f} of the smallest; pages that no cache holds")
    return 1 if options.check and any(ratio > most for ratio, most in ratios.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
