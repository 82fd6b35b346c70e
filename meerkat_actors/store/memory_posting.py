"""What a runtime writes to the memory store under its own fence."""

from __future__ import annotations

from collections.abc import Callable

from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason
from meerkat_actors.records.effects import OwnerUnit
from meerkat_actors.records.ids import CheckpointVersion
from meerkat_actors.records.inputs import InputState
from meerkat_actors.store.fencing import refused
from meerkat_actors.store.memory_tables import GivenRow, ProgressRow, Tables
from meerkat_actors.store.memory_work import find_duplicate


def post_input(tables: Tables, unit: OwnerUnit, next_sequence: Callable[[], int]) -> CommitOutcome:
    """Insert it, or say why not."""
    effect = unit.effect
    key = tables.names.get(effect.recipient)
    head = None if key is None else tables.heads.get(key)
    if key is None or head is None:
        return refused(RefusalReason.NOT_FOUND, 0, f"{effect.recipient} was never created")
    if head.is_deleted:
        return refused(RefusalReason.DELETED, 0, f"{effect.recipient} was deleted")
    duplicate = find_duplicate(tables, 0, key, effect.input_id, effect.digest, effect.idempotency_key)
    if duplicate is not None:
        return duplicate
    sequence, chosen = next_sequence(), effect.idempotency_key
    given = GivenRow(
        sequence,
        key,
        effect.input_id,
        effect.kind,
        effect.content,
        effect.digest,
        sender=None,
        idempotency_key=chosen,
        header=effect.header,
    )
    tables.put(tables.given, sequence, given)
    tables.put(tables.progress, sequence, ProgressRow(InputState.SENT, None, None, 0, 0, 0, None, 0))
    tables.put(tables.by_input_id, effect.input_id, sequence)
    if chosen is not None:
        tables.put(tables.by_idempotency_key, (key, chosen), sequence)
    tables.put(tables.of(tables.sent, key), sequence, None)
    tables.keep()
    return Committed(CheckpointVersion(0))
