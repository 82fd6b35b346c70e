"""What the effects of the runtime-store facade mean, on dicts: the reference for every other store."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve

from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.commits import Refused
from meerkat_actors.records.documents import Document
from meerkat_actors.records.ids import AgentIdentity, RunId
from meerkat_actors.records.runtime_effects import BindSession, DropDocument, MoveInput, PutDocument, RecordReceipt
from meerkat_actors.store.memory_tables import DocumentRow, Tables
from meerkat_actors.store.memory_work import Work
from meerkat_actors.store.runtime_refusing import generation_refusal, move_refusal, receipt_refusal, session_refusal


def document_of(tables: Tables, identity: AgentIdentity, kind: str, key: str) -> Document | None:
    """A document that was not dropped."""
    owner = tables.names.get(identity)
    row = None if owner is None else tables.documents.get((owner, kind, key))
    return None if row is None or row.body is None else Document(row.body, row.epoch, row.generation)


def receipt_of(tables: Tables, identity: AgentIdentity, run_id: RunId, sequence: int | None) -> TurnRow | None:
    """The boundary of a receipt; without a sequence, of the run's last one."""
    owner = tables.names.get(identity)
    receipts = None if owner is None else tables.receipts.get((owner, run_id))
    turn = None if receipts is None else receipts.get(len(receipts) if sequence is None else sequence)
    return None if turn is None else tables.turns[turn]


def _move(effect: MoveInput, index: int, work: Work) -> Refused | None:
    tables = work.tables
    sequence = tables.admitted.get(work.fence.key, {}).get(effect.admission)
    now = None if sequence is None else tables.progress[sequence]
    if sequence is None or now is None or now.state is not effect.was or now.run_id != effect.was_run:
        return move_refusal(index, effect, None if now is None else now.state)
    row = evolve(
        now,
        state=effect.state,
        run_id=effect.run_id,
        attempts=effect.attempts,
        interruptions=effect.interruptions,
        not_before_ms=effect.not_before_ms,
        ending=effect.ending,
        # A place is one in a run.
        position=now.position if effect.run_id == now.run_id else 0,
    )
    tables.put(tables.progress, sequence, row)
    if effect.ending is not None:
        tables.drop(tables.of(tables.open, work.fence.key), sequence)
    return None


def _bind(effect: BindSession, index: int, work: Work) -> Refused | None:
    sessions, mine = work.tables.sessions, (work.fence.key, work.fence.generation)
    owner = sessions.get(effect.session_id)
    if owner is None:
        work.tables.put(sessions, effect.session_id, mine)
        return None
    return None if owner == mine else session_refusal(index, work.tables.identities[owner[0]], owner[1])


def _put(effect: PutDocument, index: int, work: Work) -> Refused | None:
    documents, key = work.tables.documents, (work.fence.key, effect.kind, effect.key)
    now = documents.get(key)
    obstacle = generation_refusal(index, effect, _generation(now))
    if obstacle is not None:
        return obstacle
    if now is None:
        row = DocumentRow(effect.body, 1, 1)
    else:
        row = DocumentRow(effect.body, now.epoch + (now.body is None), now.generation + 1)
    work.tables.put(documents, key, row)
    return None


def _generation(row: DocumentRow | None) -> int:
    return 0 if row is None or row.body is None else row.generation


def _drop(effect: DropDocument, index: int, work: Work) -> Refused | None:
    documents, key = work.tables.documents, (work.fence.key, effect.kind, effect.key)
    now = documents.get(key)
    obstacle = generation_refusal(index, effect, _generation(now))
    if obstacle is not None:
        return obstacle
    assert now is not None  # a drop takes nothing that is not there
    work.tables.put(documents, key, DocumentRow(None, now.epoch, now.generation + 1))
    return None


def _record(effect: RecordReceipt, index: int, work: Work) -> Refused | None:
    tables, key = work.tables, (work.fence.key, effect.run_id)
    receipts = tables.receipts.get(key)
    if receipts is None:
        receipts = dict[int, int]()
        tables.put(tables.receipts, key, receipts)
    obstacle = receipt_refusal(index, effect, len(receipts))
    if obstacle is None:
        tables.put(receipts, effect.sequence, work.turn)
    return obstacle


RUNTIME_APPLY: Final[MappingProxyType[type, Callable[[Any, int, Work], Refused | None]]] = MappingProxyType(
    {MoveInput: _move, BindSession: _bind, PutDocument: _put, DropDocument: _drop, RecordReceipt: _record}
)
