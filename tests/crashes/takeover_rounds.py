"""Rounds of pauses and kills, each on a new store, checked on the way and at the end."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from attrs import Factory, define, frozen

from tests.crashes.checker import NOTHING, Rows, Violation, check_later
from tests.crashes.takeover_checker import check_shared, read_copy
from tests.crashes.takeover_lines import LeaseEnded, Note, TurnBegan, read_logs
from tests.crashes.takeover_pair import Blow, Pair, Struck, StuckError, open_pair
from tests.crashes.takeover_work import LEASE_SECONDS

BLOWS_PER_ROUND: Final = 10
"""So many that a round's rows are checked in a second."""
PAUSE_SECONDS: Final = (0.25, 0.8)
"""Beyond a lease in every case."""
SOON_SECONDS: Final = 2 * LEASE_SECONDS
"""What a takeover may take."""

_BLOWS_PER_CHECK: Final = 4
_VIOLATIONS_MAX: Final = 5
"""More say nothing new."""
_RESTART_SECONDS: Final = (0.0, 0.0, 0.5)
"""The next one begins at once, mostly."""


@frozen(kw_only=True)
class Budget:
    """What a campaign spends."""

    pauses: int
    kills: int
    seed: str
    wal_pages: int = 1_000
    per_round: int = BLOWS_PER_ROUND


@define(eq=False)
class Tally:
    """What a campaign did so far."""

    struck: list[Struck] = Factory(list[Struck])
    rounds: int = 0
    checks: int = 0
    inputs: int = 0
    """Acknowledged, in all rounds."""
    mail: int = 0
    turns: int = 0
    """Committed."""
    begun: int = 0
    """Turns that began, of which some were cut off or came too late."""
    leases_lost: int = 0
    """Told to observers."""
    interruptions: int = 0
    violations: list[str] = Factory(list[str])

    def blows(self, *, kills: bool) -> list[Struck]:
        """The kills, or the pauses."""
        return [struck for struck in self.struck if (struck.blow.pause_seconds is None) is kills]

    def takeovers(self, *, kills: bool) -> list[float]:
        """Seconds that takeovers took, where nobody held the write lock and the owner did not come back before."""
        return sorted(
            struck.takeover_seconds
            for struck in self.blows(kills=kills)
            if struck.takeover_seconds is not None and not struck.is_blocked
        )

    @property
    def blocked(self) -> int:
        """Pauses in which nobody could commit."""
        return sum(struck.is_blocked for struck in self.struck)

    @property
    def early(self) -> int:
        """Pauses that were over before a takeover was due, and without one."""
        return sum(_is_untaken(struck) and not _is_due(struck) for struck in self.struck)

    @property
    def late(self) -> int:
        """Blows after which the takeover was due, and had not come or took longer."""
        return sum(
            (_is_untaken(struck) and _is_due(struck)) or (struck.takeover_seconds or 0.0) > SOON_SECONDS
            for struck in self.struck
            if not struck.is_blocked
        )

    def __str__(self) -> str:
        return (
            f"{len(self.blows(kills=False))} pauses, {len(self.blows(kills=True))} kills in {self.rounds} rounds:"
            f" {self.inputs} inputs acknowledged, {self.mail} mailed, {self.turns} turns committed of {self.begun}"
            f" begun; {self.leases_lost} leases lost, {self.interruptions} interruptions charged\n"
            f"takeover after a pause: {_percentiles(self.takeovers(kills=False))};"
            f" {self.blocked} pauses held SQLite's write lock, {self.early} ended before a takeover was due\n"
            f"takeover after a kill:  {_percentiles(self.takeovers(kills=True))}\n"
            f"{self.late} took longer than {1000 * SOON_SECONDS:.0f} ms (two leases)\n"
            f"{self.checks} checks, {len(self.violations)} violations"
        )


@define(eq=False)
class Takeovers:
    """A campaign: rounds until its budget is spent or too much went wrong."""

    budget: Budget
    folder: Path
    """Where rounds are made; those with violations stay."""
    tally: Tally = Factory(Tally)
    on_round: Callable[[Tally], None] = lambda tally: None

    def run(self) -> Tally:
        """Spend the budget."""
        chance = random.Random(self.budget.seed)
        blows = _blows(self.budget, chance)
        size = self.budget.per_round
        for number, start in enumerate(range(0, len(blows), size)):
            if len(self.tally.violations) >= _VIOLATIONS_MAX:
                break
            self._round(number, blows[start : start + size])
            self.on_round(self.tally)
        return self.tally

    def _round(self, number: int, blows: Sequence[Blow]) -> None:
        name = f"{self.budget.seed}/{number}"
        place = self.folder / f"round-{number}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        found: list[Violation] = []
        rows = NOTHING
        with open_pair(place, random.Random(name), self.budget.wal_pages) as pair:
            try:
                pair.wait_until_serving()
                for index, blow in enumerate(blows, 1):
                    self.tally.struck.append(pair.strike(blow))
                    if index % _BLOWS_PER_CHECK == 0:
                        found, rows = self._check(pair, rows, is_ended=False)
                        if found:
                            break
                pair.end()
                pair.finish()
            except StuckError as error:
                found.append(Violation("stuck", str(error)))
        at_last, rows = self._check(pair, rows, is_ended=not found)
        found += [violation for violation in at_last if violation not in found]
        self._note(read_logs(place), rows)
        self.tally.violations += (f"round {name}: {violation}" for violation in found)
        if not found:
            shutil.rmtree(place)

    def _check(self, pair: Pair, before: Rows, *, is_ended: bool) -> tuple[list[Violation], Rows]:
        notes = read_logs(pair.folder)
        rows = read_copy(pair.database, pair.folder / "copy.db")
        self.tally.checks += 1
        return [*check_shared(rows, notes, is_ended=is_ended), *check_later(before, rows)], rows

    def _note(self, notes: Sequence[Note], rows: Rows) -> None:
        tally = self.tally
        tally.rounds += 1
        tally.inputs += sum(row.sender is None for row in rows.inputs.values())
        tally.mail += sum(row.sender is not None for row in rows.inputs.values())
        tally.turns += len(rows.turns)
        tally.begun += sum(isinstance(note.noted, TurnBegan) for note in notes)
        tally.leases_lost += sum(isinstance(note.noted, LeaseEnded) for note in notes)
        tally.interruptions += sum(row.interruptions for row in rows.inputs.values())


def _blows(budget: Budget, chance: random.Random) -> list[Blow]:
    pauses = [Blow(pause_seconds=chance.uniform(*PAUSE_SECONDS)) for _ in range(budget.pauses)]
    kills = [Blow(pause_seconds=None, restart_seconds=chance.choice(_RESTART_SECONDS)) for _ in range(budget.kills)]
    return chance.sample([*pauses, *kills], budget.pauses + budget.kills)


def _is_untaken(struck: Struck) -> bool:
    return struck.takeover_seconds is None and not struck.is_blocked


def _is_due(struck: Struck) -> bool:
    pause = struck.blow.pause_seconds
    return pause is None or pause > SOON_SECONDS


def _percentiles(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    shown = " ".join(
        f"p{share} {1000 * seconds[min(len(seconds) - 1, len(seconds) * share // 100)]:.0f}" for share in (50, 90, 99)
    )
    return f"{len(seconds)} of them, {shown} max {1000 * seconds[-1]:.0f} ms"
