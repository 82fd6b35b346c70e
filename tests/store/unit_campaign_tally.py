"""What a campaign did and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, get_args

from attrs import Factory, astuple, define

from meerkat_actors.records.commits import CommitOutcome, Committed, DuplicateInput, RefusalReason, Refused
from meerkat_actors.records.effects import Effect
from meerkat_actors.records.ids import COUNTER_MAX
from tests.store.unit_campaign_sides import Batch

NEVER: Final = {
    RefusalReason.FENCE_CONFLICT: "decided by the continuity facade, before it commits",
    RefusalReason.COUNTER_EXHAUSTED: "decided by the continuity facade, before it commits",
    RefusalReason.UNSUPPORTED: "both stores have every effect",
    RefusalReason.STORE_FULL: "the disk is not full",
    RefusalReason.STALE_OWNER: "the stores are not shared",
}
"""Reasons that no unit of a campaign is refused for, and why not."""


@define(eq=False)
class Tally:
    """Counts, of all rounds so far; everything in it is JSON."""

    rounds: int = 0
    units: int = 0
    batches: int = 0
    grouped: int = 0
    """Batches of more than one unit that went through as a whole."""
    restarts: int = 0
    returned: int = 0
    """Mail that a courier ended."""
    outcomes: Counter[str] = Factory(Counter[str])
    effects: Counter[str] = Factory(Counter[str])
    """Of the units that were committed."""
    at_the_end: int = 0
    """Effects of the units that were committed with a counter at 2^63-1."""
    rows: Counter[str] = Factory(Counter[str])
    """Compared at the ends of rounds."""

    def note(self, batch: Batch, outcomes: Sequence[CommitOutcome]) -> None:
        """Count one batch."""
        units = batch.units
        self.batches += 1
        self.units += len(units)
        self.outcomes.update(map(name_of, outcomes))
        committed = [unit for unit, outcome in zip(units, outcomes, strict=True) if isinstance(outcome, Committed)]
        self.grouped += len(committed) == len(units) > 1 and not batch.poison
        effects = [effect for unit in committed for effect in unit.effects]
        self.effects.update(type(effect).__name__ for effect in effects)
        self.at_the_end += sum(COUNTER_MAX in astuple(effect, recurse=False) for effect in effects)

    def add(self, other: Tally) -> None:
        """Count what another one counted."""
        self.rounds += other.rounds
        self.units += other.units
        self.batches += other.batches
        self.grouped += other.grouped
        self.restarts += other.restarts
        self.returned += other.returned
        self.outcomes += other.outcomes
        self.effects += other.effects
        self.at_the_end += other.at_the_end
        self.rows += other.rows

    def lacking(self) -> list[str]:
        """What could have occurred and did not."""
        outcomes = [reason.value for reason in RefusalReason if reason not in NEVER]
        outcomes += ["committed", *_DUPLICATES.values()]
        effects = [kind.__name__ for kind in get_args(Effect)]
        return [name for name in outcomes if not self.outcomes[name]] + [
            f"a committed {name}" for name in effects if not self.effects[name]
        ]

    def __str__(self) -> str:
        told = [
            f"{self.units} units in {self.batches} batches ({self.grouped} of several units went through as one group),"
            f" {self.rounds} rounds, {self.restarts} restarts, {self.returned} mail returned",
            f"outcomes, each the same in both stores: {_listed(self.outcomes)}",
            f"effects committed: {_listed(self.effects)}; {self.at_the_end} of them with a counter at its end",
            f"rows compared at the ends of rounds: {_listed(self.rows)}",
            f"can't occur here: {', '.join(f'{reason} ({why})' for reason, why in NEVER.items())}",
        ]
        if self.lacking():
            told.append(f"did not occur: {', '.join(self.lacking())}")
        return "\n".join(told)


def name_of(outcome: CommitOutcome) -> str:
    """What an outcome is counted as: a reason, or what it is."""
    match outcome:
        case Committed():
            return "committed"
        case Refused():
            return outcome.reason.value
        case DuplicateInput():
            return _DUPLICATES[outcome.same_content]
        case _:
            return "held_elsewhere"


_DUPLICATES: Final = {True: "duplicate_input", False: "idempotency_conflict"}


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())
