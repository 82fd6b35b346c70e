"""Processes killed by the hundred, and a process that ends itself: whom that costs anything, with real processes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Event
from typing import Final

import trio
from attrs import frozen

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.inputs import InputRecord
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed
from meerkat_actors.runtime import open_runtime
from tests.examples.command import REPOSITORY, environment
from tests.histories.kills_worker import BEGAN, INPUTS, POISONED, SUSPECT_SECONDS

LIVES_MAX: Final = 60
_LATE: Final = 3 * SUSPECT_SECONDS
"""By then the watching of a turn is over, also on a busy machine, and that is on record."""


@frozen(kw_only=True)
class Fate:
    """What became of a work, and of how many processes."""

    lives: int
    records: tuple[InputRecord, ...]
    watched_min: int = 0
    """Kills that met the turn while it was watched for sure, or before anybody watches."""
    watched_max: int = 0
    """The same, with those of which it can't be said from outside."""

    def problems(self) -> list[str]:
        """What of it should not be."""
        dead = [record for record in self.records if not isinstance(record.outcome, Consumed)]
        charged = [record for record in self.records if record.attempts]
        return [
            *(f"charged an attempt: {record}" for record in charged),
            *(self._problems_of_long(dead) if len(self.records) == 1 else _problems_of_poison(self.records, dead)),
        ]

    def _problems_of_long(self, dead: list[InputRecord]) -> list[str]:
        bound = Limits().interruptions_max
        if dead and (self.watched_max <= bound or not _is_crash_loop(dead[0])):
            return [f"it should have survived: {dead[0]}"]
        return ["it should have been given up"] if not dead and self.watched_min > bound else []


def kill_long_turn(kills: int, turn_seconds: float, seed: str, told: Callable[[str], None]) -> Fate:
    """Kill so many processes under one turn, each at a random moment of it; then let it end."""
    chance = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "team.db")
        moments = [chance.uniform(0, turn_seconds * 0.75) for _ in range(kills)]
        for number, moment in enumerate(moments, 1):
            with _started("long", database, turn_seconds) as process:
                assert process.stdout is not None
                if process.stdout.readline().strip() != BEGAN:
                    break  # it was given up, so no turn began
                Event().wait(moment)
                process.kill()
            if number % 20 == 0:
                told(f"{number} kills")
        with _started("long", database, turn_seconds) as process:
            assert process.wait() == 0
        first = Limits().suspect_from + 1
        return Fate(
            lives=kills + 1,
            records=_records(database),
            watched_min=min(kills, first) + sum(moment < SUSPECT_SECONDS / 2 for moment in moments[first:]),
            watched_max=min(kills, first) + sum(moment < _LATE for moment in moments[first:]),
        )


def poison(work: str, turn_seconds: float) -> Fate:
    """Begin processes until one comes to the end of its work; one input ends each that works on it."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "team.db")
        for lives in range(1, LIVES_MAX):
            with _started(work, database, turn_seconds) as process:
                process.communicate()
            if process.returncode != POISONED:
                assert process.returncode == 0, f"it ended with {process.returncode}"
                return Fate(lives=lives, records=_records(database))
        message = f"after {LIVES_MAX} processes nobody has found the poison"
        raise AssertionError(message)


def _started(work: str, database: Path, turn_seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.histories.kills_worker", work, str(database), str(turn_seconds)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=environment(),
    )


def _records(database: Path) -> tuple[InputRecord, ...]:
    async def read() -> tuple[InputRecord, ...]:
        async with open_runtime(database, agents={"k": _nothing}) as runtime:
            names = [row.identity async for row in runtime.identities()]
            return tuple([record for name in names async for record in (await runtime.agent(name)).inputs()])

    return trio.run(read)


async def _nothing(_: Turn) -> None:
    """Nobody is to begin any more."""


def _problems_of_poison(records: tuple[InputRecord, ...], dead: list[InputRecord]) -> list[str]:
    problems = [] if len(records) == INPUTS else [f"{len(records)} inputs of {INPUTS}"]
    if [record.content for record in dead] != ["poison"]:
        problems.append(f"not only the poison died: {dead}")
    return [*problems, *(f"not of a crash loop: {record}" for record in dead if not _is_crash_loop(record))]


def _is_crash_loop(record: InputRecord) -> bool:
    return isinstance(record.outcome, Abandoned) and record.outcome.reason is AbandonReason.CRASH_LOOP
