"""What an identity has yet to do, beside its inputs and timers, and what it tells: the reference for every store."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve

from meerkat_actors.records.agenda_effects import CountSends, DropOperation, PutOperation, RecordEvents, SettleRequest
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.ids import IdentityKey
from meerkat_actors.store.fencing import refused
from meerkat_actors.store.memory_tables import EventRow, Tables
from meerkat_actors.store.memory_timers import TIMERS_APPLY
from meerkat_actors.store.memory_work import Work, find_admission, state_conflict
from meerkat_actors.store.recovery import OwedRow


def owed_rows_of(tables: Tables, key: IdentityKey) -> list[OwedRow]:
    """Requests whose answers are owed, in admission order."""
    return [_owed_row(tables, sequence) for _, sequence in sorted(tables.owed.get(key, {}).items())]


def operations_of(tables: Tables, key: IdentityKey) -> list[bytes]:
    """Bodies of operations, in the order of their ids."""
    return [body for _, body in sorted(tables.operations.get(key, {}).items())]


def _owed_row(tables: Tables, sequence: int) -> OwedRow:
    given, now = tables.given[sequence], tables.progress[sequence]
    assert now.admission is not None
    sender = None if given.sender is None else tables.identities[given.sender]
    return OwedRow(now.admission, given.input_id, given.kind, sender, given.header)


def _settle(effect: SettleRequest, index: int, work: Work) -> Refused | None:
    tables = work.tables
    sequence, now = find_admission(work, effect.admission)
    if now is None or not now.is_owed:
        return state_conflict(index, effect.admission, now, "a request whose answer is owed")
    tables.put(tables.progress, sequence, evolve(now, is_owed=False))
    tables.drop(tables.owed[work.fence.key], effect.admission)
    return None


def _put(effect: PutOperation, _: int, work: Work) -> None:
    tables = work.tables
    key, operation_id = work.fence.key, effect.operation_id
    tables.put(tables.of(tables.operations, key), operation_id, effect.body)
    if effect.is_bound:
        tables.put(tables.of(tables.bound, key), operation_id, None)
    else:
        tables.drop(tables.of(tables.bound, key), operation_id)


def _drop(effect: DropOperation, _: int, work: Work) -> None:
    tables = work.tables
    tables.drop(tables.of(tables.operations, work.fence.key), effect.operation_id)
    tables.drop(tables.of(tables.bound, work.fence.key), effect.operation_id)


def _record(effect: RecordEvents, _: int, work: Work) -> None:
    work.tables.events.put(work.tables, work.next_sequence(), EventRow(work.fence.key, effect.body))


def _count(effect: CountSends, index: int, work: Work) -> Refused | None:
    heads, key = work.tables.heads, work.fence.key
    head = heads[key]
    if effect.sends < head.sends:
        problem = f"{head.sends} messages were sent, not {effect.sends}"
        return refused(RefusalReason.INPUT_STATE_CONFLICT, index, problem)
    work.tables.put(heads, key, evolve(head, sends=effect.sends))
    return None


AGENDA_APPLY: Final[MappingProxyType[type, Callable[[Any, int, Work], Refused | None]]] = MappingProxyType(
    {
        SettleRequest: _settle,
        PutOperation: _put,
        DropOperation: _drop,
        RecordEvents: _record,
        CountSends: _count,
        **TIMERS_APPLY,
    }
)
