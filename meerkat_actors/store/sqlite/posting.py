"""What a runtime writes under its own fence: an input for who is held elsewhere, and mail that it returns."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.codec import encode_abandoned
from meerkat_actors.records.commits import CommitOutcome, Committed, DuplicateInput, RefusalReason, Refused
from meerkat_actors.records.effects import OwnerUnit, PostInput, ReturnMail
from meerkat_actors.records.ids import CheckpointVersion, uuid_bytes
from meerkat_actors.store.fencing import STALE_OWNER, refused
from meerkat_actors.store.sqlite import queries, statements
from meerkat_actors.store.sqlite.agenda_statements import RETURN_MAIL
from meerkat_actors.store.sqlite.packing import Packer
from meerkat_actors.store.sqlite.refusing import find_duplicate
from meerkat_actors.store.sqlite.rows import Database

_CLOCK_MAX: Final = (1 << 48) - 1
"""What the first six bytes of a UUIDv7 can say, in milliseconds."""


def commit_post(database: Database, packer: Packer, unit: OwnerUnit) -> CommitOutcome:
    """Do it, or say why not, in the caller's transaction: whose first step was to look at its own lease."""
    effect = unit.effect
    if unit.fence.owner != packer.incarnation:
        return STALE_OWNER
    if isinstance(effect, PostInput):
        no = _post(database, packer, effect)
        return Committed(CheckpointVersion(0)) if no is None else no
    for returned in effect:
        _return(database, packer, returned)
    return Committed(CheckpointVersion(0))


def _post(database: Database, packer: Packer, effect: PostInput) -> Refused | DuplicateInput | None:
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
    return None


def _return(database: Database, packer: Packer, effect: ReturnMail) -> None:
    found = database.execute(queries.READ_KEY, (effect.recipient,)).fetchone()
    if found is None:
        return
    before = min(effect.absent_before_ms, _CLOCK_MAX).to_bytes(6, "big")
    database.execute(RETURN_MAIL, (effect.sequence, found[0], encode_abandoned(effect.abandoned), before))
    if database.changes() and effect.answer is not None:
        # Whoever sent it may be gone: then nobody is left to be told.
        _post(database, packer, effect.answer)
