"""Reads of the runtime-store facade."""

from __future__ import annotations

from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.documents import Document
from meerkat_actors.records.ids import AgentIdentity, RunId, is_counter, is_unicode, is_uuid, uuid_bytes
from meerkat_actors.store.sqlite import runtime_statements
from meerkat_actors.store.sqlite.rows import Database, turn_row_of


def read_document(database: Database, identity: AgentIdentity, kind: str, key: str) -> Document | None:
    """A document that was not dropped.

    Raises:
        ValueError: its bytes are not what was put.
    """
    if not all(map(is_unicode, (identity, kind, key))):  # nobody has it
        return None
    row = database.execute(runtime_statements.READ_DOCUMENT, (identity, kind, key)).fetchone()
    if row is None:
        return None
    body, digest, epoch, generation = row
    if content_digest(body) != digest:
        problem = f"document {kind} {key!r} of {identity} is not what was put"
        raise ValueError(problem)
    return Document(body, epoch, generation)


def read_receipt(database: Database, identity: AgentIdentity, run_id: RunId, sequence: int | None) -> TurnRow | None:
    """The boundary of a receipt; without a sequence, of the run's last one."""
    if (sequence is not None and not is_counter(sequence)) or not is_uuid(run_id) or not is_unicode(identity):
        return None
    row = database.execute(runtime_statements.READ_RECEIPT, (identity, uuid_bytes(run_id), sequence)).fetchone()
    return None if row is None else turn_row_of(row)
