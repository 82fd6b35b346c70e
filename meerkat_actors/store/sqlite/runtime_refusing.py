"""Why the store refused an effect of the runtime-store facade."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from meerkat_actors.records.commits import Refused
from meerkat_actors.records.ids import uuid_bytes
from meerkat_actors.records.runtime_effects import BindSession, DropDocument, MoveInput, PutDocument, RecordReceipt
from meerkat_actors.store.runtime_refusing import generation_refusal, move_refusal, receipt_refusal
from meerkat_actors.store.sqlite import queries, runtime_statements
from meerkat_actors.store.sqlite.continuity_reading import session_bound
from meerkat_actors.store.sqlite.rows import Database, first_value, state_of


def _move(database: Database, key: int, index: int, effect: MoveInput) -> Refused | None:
    found = database.execute(queries.READ_BY_ADMISSION, (key, effect.admission)).fetchone()
    return move_refusal(index, effect, None if found is None else state_of(found[0]))


def _bind(database: Database, _: int, index: int, effect: BindSession) -> Refused | None:
    return session_bound(database, index, effect.session_id)


def _generation(database: Database, key: int, index: int, effect: PutDocument | DropDocument) -> Refused | None:
    found = first_value(database.execute(runtime_statements.READ_GENERATION, (key, effect.kind, effect.key)))
    return generation_refusal(index, effect, int(found or 0))


def _receipt(database: Database, key: int, index: int, effect: RecordReceipt) -> Refused | None:
    last = first_value(database.execute(runtime_statements.READ_LAST_RECEIPT, (key, uuid_bytes(effect.run_id))))
    return receipt_refusal(index, effect, int(last or 0))


RUNTIME_EXPLAIN: Final[MappingProxyType[type, Callable[[Database, int, int, Any], Refused | None]]] = MappingProxyType(
    {MoveInput: _move, BindSession: _bind, PutDocument: _generation, DropDocument: _generation, RecordReceipt: _receipt}
)
