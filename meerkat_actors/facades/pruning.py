"""Pruning of a runtime's store, beside its agents."""

from __future__ import annotations

from functools import partial

import trio

from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.errors import UsageError
from meerkat_actors.records.pruning import (
    PRUNE_BEGIN,
    PRUNE_ROWS,
    PruneCursor,
    PruneOrder,
    PrunePolicy,
    PruneReport,
    PruneStep,
)
from meerkat_actors.store import Store


async def prune_store(
    storage: StorageHandle, policy: PrunePolicy | None, *, now_ms: int, is_dry_run: bool
) -> PruneReport:
    """Forget what the policy lets go, beside the agents at work; what was forgotten is durable on return.

    Chunk by chunk, each behind what others asked for before it. Keys still recognise their duplicates, old inputs
    still tell their outcome, transcripts and receipts stay as they are. A dry run changes nothing and
    returns the same report. Without a policy no input loses its content. Cancelling the call ends it at the
    chunk that is under way: what was forgotten stays so, and a next call does the rest.

    Raises:
        UsageError: ``policy`` is none, or the runtime is closed, or lives in another thread or process.
        StoreFullError: the disk is full; what earlier chunks forgot stays so.
        StoreCorruptError: a row can't be read; what comes before it was pruned.
        StoreError: storage has failed; call again when it serves.
    """
    rules = PrunePolicy() if policy is None else policy
    if not isinstance(rules, PrunePolicy):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
        raise UsageError(problem=f"policy={policy!r}: use PrunePolicy(...)")
    order = rules.order(now_ms, is_dry_run=is_dry_run)
    report = PruneReport(is_dry_run=is_dry_run)
    cursor = PRUNE_BEGIN
    while True:
        await trio.lowlevel.checkpoint_if_cancelled()
        step = await storage.query(partial(_prune, order, cursor))
        report = report.plus(step)
        if step.following is None:
            return report
        cursor = step.following


def _prune(order: PruneOrder, cursor: PruneCursor, store: Store) -> PruneStep:
    return store.prune(order, cursor, limit=PRUNE_ROWS)
