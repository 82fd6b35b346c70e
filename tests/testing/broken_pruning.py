"""Stores that break one rule of pruning: a memory store with a veil before it."""

from __future__ import annotations

from attrs import evolve

from meerkat_actors.records.ids import COUNTER_MAX, AgentIdentity, InputId
from meerkat_actors.records.inputs import InputRow
from meerkat_actors.records.pruning import PRUNE_BEGIN, PruneCursor, PruneKind, PruneOrder, PruneStep
from meerkat_actors.records.stored_events import EventBounds
from meerkat_actors.store import MemoryStore


class TakesDeadLettersToo(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        return super().prune(evolve(order, policy=evolve(order.policy, dead_letters=True)), cursor, limit=limit)


class TakesFormerSnapshotsToo(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        return super().prune(evolve(order, policy=evolve(order.policy, former_snapshots=True)), cursor, limit=limit)


class IgnoresTheNumber(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        keep = None if order.policy.keep_inputs is None else 0
        return super().prune(evolve(order, policy=evolve(order.policy, keep_inputs=keep)), cursor, limit=limit)


class IgnoresTheAge(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        before = None if order.before_ms is None else order.before_ms + 100_000
        return super().prune(evolve(order, before_ms=before), cursor, limit=limit)


class TakesInputsWithoutABound(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        if order.before_ms is None and order.policy.keep_inputs is None:
            order = evolve(order, policy=evolve(order.policy, keep_inputs=0))
        return super().prune(order, cursor, limit=limit)


class MeansDryRuns(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        return super().prune(evolve(order, is_dry_run=False), cursor, limit=limit)


class OnlyEverTells(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        return super().prune(evolve(order, is_dry_run=True), cursor, limit=limit)


class StopsAfterOneChunk(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        step = super().prune(order, cursor, limit=limit)
        is_cut = step.following is not None and step.following.kind is cursor.kind
        return evolve(step, following=None) if is_cut else step


class ForgetsWhatIsOpen(MemoryStore):
    """Also what is queued, staged, or waits as mail."""

    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        if cursor == PRUNE_BEGIN:
            given = self._tables.given
            given.update({sequence: evolve(row, content=b"") for sequence, row in given.items()})
        return super().prune(order, cursor, limit=limit)


class ForgetsTheKeys(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        self._tables.by_idempotency_key.clear()
        return super().prune(order, cursor, limit=limit)


class ForgetsTheIds(MemoryStore):
    def find_input(self, identity: AgentIdentity, input_id: InputId) -> InputRow | None:
        found = super().find_input(identity, input_id)
        return None if found is None or found.is_pruned else found


class ForgetsTheDigest(MemoryStore):
    """Every content is the same as one that was pruned."""

    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        step = super().prune(order, cursor, limit=limit)
        given = self._tables.given
        given.update({seq: evolve(row, digest=bytes(32)) for seq, row in given.items() if not row.content})
        return step


class ForgetsEveryJournal(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        if cursor.kind is PruneKind.JOURNALS:
            self._tables.journals.clear()
        return super().prune(order, cursor, limit=limit)


class ForgetsEveryDocument(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        if cursor.kind is PruneKind.SNAPSHOTS:
            self._tables.snapshots.clear()
        return super().prune(order, cursor, limit=limit)


class ForgetsWhatARollbackReturnsTo(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        grants = self._tables.grants
        kept = dict(grants)
        grants.update({key: evolve(row, former=None) for key, row in kept.items()})
        step = super().prune(order, cursor, limit=limit)
        grants.update(kept)
        return step


class ForgetsWhoseASessionWas(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        step = super().prune(order, cursor, limit=limit)
        kept = {row.session_id for rows in self._tables.snapshots.values() for row in rows.values()}
        for session in set(self._tables.sessions) - kept:
            del self._tables.sessions[session]
        return step


class TakesAFacadesInputs(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        heads = self._tables.heads
        kept = dict(heads)
        heads.update({key: evolve(row, kind=row.kind.lstrip("@")) for key, row in kept.items()})
        step = super().prune(order, cursor, limit=limit)
        heads.update(kept)
        return step


class CountsADroppedDocumentAnew(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        step = super().prune(order, cursor, limit=limit)
        documents = self._tables.documents
        for key in [key for key, row in documents.items() if row.body is None]:
            del documents[key]
        return step


class TakesEventsToo(MemoryStore):
    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        return super().prune(evolve(order, events_before_ms=COUNTER_MAX), cursor, limit=limit)


class RaisesNoFloor(MemoryStore):
    """Who reads from where events are gone is not told."""

    def event_bounds(self) -> EventBounds:
        return evolve(super().event_bounds(), floor=0)


class ForgetsEveryFact(MemoryStore):
    """Also those of no age."""

    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        if order.events_before_ms is not None:
            for sequence in list(self._tables.events):
                self._tables.events.rows.pop(sequence)
        return super().prune(order, cursor, limit=limit)


class ForgetsTheFloor(MemoryStore):
    """As it closes."""

    def close(self) -> None:
        self._tables.event_floor = 0
        super().close()
