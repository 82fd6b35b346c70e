"""Stores that break a rule of posting."""

from __future__ import annotations

from attrs import evolve

from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.effects import OwnerUnit
from meerkat_actors.records.fence import OwnerFence
from meerkat_actors.records.ids import CheckpointVersion
from meerkat_actors.store import MemoryStore


class PostsForAnybody(MemoryStore):
    """Whoever the poster says it is."""

    def post(self, unit: OwnerUnit) -> CommitOutcome:
        outcome = super().post(unit)
        if isinstance(outcome, Refused) and outcome.reason is RefusalReason.STALE_OWNER:
            return super().post(evolve(unit, fence=OwnerFence(self._owner)))
        return outcome


class PostsWhateverItIs(MemoryStore):
    """And says that it did."""

    def post(self, unit: OwnerUnit) -> CommitOutcome:
        outcome = super().post(unit)
        is_odd = isinstance(outcome, Refused) and outcome.reason is RefusalReason.OUT_OF_RANGE
        return Committed(CheckpointVersion(0)) if is_odd else outcome
