"""What the storage owner counts and times: once per transaction, nothing per unit."""

from __future__ import annotations

from collections import deque
from typing import Final

from attrs import define, field

from meerkat_actors.records.status import Quantiles

RECENT: Final = 1_000
"""Transactions that are remembered singly."""


@define(eq=False)
class StorageCounters:
    """Counted since the store was opened; times are of the last ``RECENT`` transactions that committed a unit.

    Times are real ones, also in simulation.
    """

    commits: int = 0
    units: int = 0
    _recent: deque[tuple[int, float, float, float]] = field(init=False, factory=lambda: deque(maxlen=RECENT))

    def count(self, units: int, commit_seconds: float, sync_seconds: float, wait_seconds: float) -> None:
        """Count a transaction that committed so many units."""
        self.commits += 1
        self.units += units
        self._recent.append((units, commit_seconds, sync_seconds, wait_seconds))

    @property
    def batch_mean(self) -> float:
        """Units per transaction; 0 before the first."""
        return sum(units for units, *_ in self._recent) / max(1, len(self._recent))

    @property
    def batch_max(self) -> int:
        """Units of the largest transaction; 0 before the first."""
        return max((units for units, *_ in self._recent), default=0)

    @property
    def commit_seconds(self) -> Quantiles:
        """From ``BEGIN`` to the end of ``COMMIT``, fsync included, as the writer sees it."""
        return Quantiles.of([seconds for _, seconds, _, _ in self._recent])

    @property
    def sync_seconds(self) -> Quantiles:
        """The ``COMMIT`` alone, which is the fsync where there is one."""
        return Quantiles.of([seconds for _, _, seconds, _ in self._recent])

    @property
    def wait_seconds(self) -> Quantiles:
        """How long the oldest request of each transaction waited for its beginning."""
        return Quantiles.of([seconds for _, _, _, seconds in self._recent])
