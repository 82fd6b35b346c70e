"""Programs one after another, until there were enough cancellations."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import Factory, define

from meerkat_actors.store.sqlite.examining import examine
from tests.crashes.fire_runs import workplace
from tests.fates.cancelling import Refused
from tests.fates.judging import problems_of
from tests.fates.programs import History, run_program
from tests.fates.world import InMemory, OnDisk, Place, looking_at

ON_DISK_EVERY: Final = 4
"""One program in so many has its store on disk."""


@define
class Tally:
    """What was done, and what was found."""

    programs: int = 0
    cancellations: int = 0
    cut: int = 0
    """Programs whose whole runtime was cancelled under its callers."""
    killed: int = 0
    """Programs whose process was killed."""
    told: Counter[str] = Factory(Counter[str])
    """Calls by what was asked, and by what their callers were told."""
    violations: list[str] = Factory(list[str])

    def add(self, seed: str, history: History, problems: list[str]) -> None:
        """Count one program."""
        self.programs += 1
        self.cancellations += history.cancellations
        self.cut += history.was_cut
        self.killed += history.was_killed
        for record in history.records:
            told = record.told
            answer = type(told.error).__name__ if isinstance(told, Refused) else type(told).__name__.lower()
            self.told[f"{record.what} {answer}"] += 1
        self.violations += [f"program {seed}: {problem}" for problem in problems]

    def __str__(self) -> str:
        told = ", ".join(f"{what} {count}" for what, count in sorted(self.told.items()))
        return (
            f"{self.programs} programs, {self.cut} of them with their runtime, {self.killed} killed; "
            f"{self.told.total()} calls, "
            f"{self.cancellations} cancelled; {len(self.violations)} violations\n  {told}"
        )


def cancel_at_random(
    count: int, seed: object, *, first: int = 0, watch: Callable[[Tally], None] | None = None
) -> Tally:
    """Run programs of a seed, from the ``first`` on, until so many calls were cancelled, or three went wrong."""
    tally = Tally()
    with workplace() as folder:
        number = first
        while tally.cancellations < count and len({each.split(":")[0] for each in tally.violations}) < 3:
            run_one(tally, f"{seed}/{number}", folder, number)
            number += 1
            if watch is not None:
                watch(tally)
    return tally


def run_one(tally: Tally, seed: str, folder: Path, number: int) -> None:
    """Run one program, and blame it for what is wrong."""
    place: Place = OnDisk(folder, number) if number % ON_DISK_EVERY == ON_DISK_EVERY - 1 else InMemory()
    try:
        history, left = run_program(seed, place)
        with looking_at(left) as store:
            problems = problems_of(history, store)
        for each in {place, left}:
            if isinstance(each, OnDisk):
                problems += map(str, examine(each.path).findings)
                each.remove()
    except Exception:  # noqa: BLE001 - a campaign tells of every program, and goes on
        tally.violations.append(f"program {seed}: {traceback.format_exc(limit=-4).strip()}")
        return
    tally.add(seed, history, problems)
