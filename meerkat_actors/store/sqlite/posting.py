"""What a runtime writes under its own fence: an input for an identity that another runtime holds."""

from __future__ import annotations

from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason
from meerkat_actors.records.effects import OwnerUnit
from meerkat_actors.records.ids import CheckpointVersion, uuid_bytes
from meerkat_actors.store.fencing import STALE_OWNER, refused
from meerkat_actors.store.sqlite import queries, statements
from meerkat_actors.store.sqlite.packing import Packer
from meerkat_actors.store.sqlite.refusing import find_duplicate
from meerkat_actors.store.sqlite.rows import Database


def post_input(database: Database, packer: Packer, unit: OwnerUnit) -> CommitOutcome:
    """Insert it, or say why not, in the caller's transaction: whose first step was to look at its own lease."""
    effect = unit.effect
    if unit.fence.owner != packer.incarnation:
        return STALE_OWNER
    found = database.execute(queries.READ_KEY, (effect.recipient,)).fetchone()
    authority = None if found is None else database.execute(queries.READ_AUTHORITY, (found[0],)).fetchone()
    if found is None or authority is None:
        return refused(RefusalReason.NOT_FOUND, 0, f"{effect.recipient} was never created")
    if authority[4]:
        return refused(RefusalReason.DELETED, 0, f"{effect.recipient} was deleted")
    key = int(found[0])
    duplicate = find_duplicate(database, key, 0, effect.input_id, effect.digest, effect.idempotency_key)
    if duplicate is not None:
        return duplicate
    database.execute(
        statements.POST_INPUT,
        (
            packer.next_sequence(),
            key,
            uuid_bytes(effect.input_id),
            effect.kind,
            effect.idempotency_key,
            effect.digest,
            effect.content,
            effect.header,
        ),
    )
    return Committed(CheckpointVersion(0))
