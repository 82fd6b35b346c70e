"""What pruning means, on dicts: the reference for every other store. What stays, and why: ``sqlite/pruning``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from attrs import evolve

from meerkat_actors.records.ids import IdentityKey, uuid_bytes
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.pruning import PruneCursor, PruneKind, PruneOrder, PruneStep, cursor_beyond
from meerkat_actors.records.standing import SnapshotRow
from meerkat_actors.store.memory_tables import Tables
from meerkat_actors.store.runtime_documents import CURRENT, FORMER, SNAPSHOT

Key: TypeAlias = tuple[Any, ...]
Looked: TypeAlias = tuple[Key, int, Callable[[], None] | None]
"""A row's key, the bytes that it would give up, and how; None for a row that stays as it is."""


def prune_tables(tables: Tables, order: PruneOrder, cursor: PruneCursor, limit: int) -> PruneStep:
    """See ``Store.prune``."""
    looked = list(islice(_CHORES[cursor.kind](tables, order, cursor.after), limit))
    going = [(size, forget) for _, size, forget in looked if forget is not None]
    if not order.is_dry_run:
        for _, forget in going:
            forget()
        tables.keep()
    is_last = len(looked) < limit
    return PruneStep(
        kind=cursor.kind,
        rows=len(going),
        size_bytes=sum(size for size, _ in going),
        following=cursor_beyond(cursor.kind) if is_last else PruneCursor(cursor.kind, looked[-1][0]),
        free_bytes=0,
    )


def _inputs(tables: Tables, order: PruneOrder, after: Key) -> Iterator[Looked]:
    newest: dict[IdentityKey, int] = {}
    for sequence in range((after or (0,))[0] + 1, tables.sequence + 1):
        given = tables.given.get(sequence)
        if given is None:  # a boundary's, or a refused unit's
            continue
        key, now = given.identity, tables.progress[sequence]
        if key not in newest:
            newest[key] = max(tables.admitted.get(key, ()), default=0)
        # Of mail that was returned no admission tells how old it is: any number keeps it.
        rank = 0 if now.admission is None else newest[key] - now.admission
        head = tables.heads.get(key)
        is_agents = head is not None and head.kind[:1] != "@"
        may_go = is_agents and given.content and order.forgets_input(now.state, uuid_bytes(given.input_id), rank)
        yield (sequence,), len(given.content), _putting(tables, tables.given, sequence, content=b"") if may_go else None


def _snapshots(tables: Tables, _: PruneOrder, after: Key) -> Iterator[Looked]:
    rows = ((key, *place) for key, documents in tables.snapshots.items() for place in documents)
    for key, generation, version in _behind(rows, after):
        documents = tables.snapshots[key]
        row = documents[generation, version]
        forget = _dropping(tables, documents, (generation, version)) if _is_over(tables, key, row) else None
        yield (key, generation, version), row.size, forget


def _is_over(tables: Tables, key: IdentityKey, row: SnapshotRow) -> bool:
    head, grant = tables.heads[key], tables.grants.get(key)
    former = None if grant is None else grant.former
    sessions = {head.session_id} if former is None else {head.session_id, former.session_id}
    generations = {head.generation} if former is None else {head.generation, former.generation}
    newer = sum(
        other.generation == row.generation and other.version > row.version for other in tables.snapshots[key].values()
    )
    return row.session_id not in sessions and (row.generation not in generations or newer >= 2)


def _documents(tables: Tables, order: PruneOrder, after: Key) -> Iterator[Looked]:
    if not order.policy.former_snapshots:
        return
    for key in _behind(tables.documents, after):
        identity, kind, name = key
        row, newer = tables.documents[key], tables.documents.get((identity, SNAPSHOT, CURRENT))
        body, is_former = row.body, (kind, name) == (SNAPSHOT, FORMER)
        may_go = is_former and body is not None and newer is not None and newer.body is not None
        forget = _putting(tables, tables.documents, key, body=None, generation=row.generation + 1) if may_go else None
        yield key, 0 if body is None else len(body), forget


def _journals(tables: Tables, _: PruneOrder, after: Key) -> Iterator[Looked]:
    rows = ((*place, *step) for place, journal in tables.journals.items() for step in journal)
    live = {
        (key, now.run_id)
        for key, sequences in tables.open.items()
        for now in map(tables.progress.__getitem__, sequences)
        if now.state is InputState.STAGED
    }
    for key, run, name, nth in _behind(rows, after):
        journal = tables.journals[key, run]
        entry = journal[name, nth]
        forget = None if (key, run) in live else _dropping(tables, journal, (name, nth))
        yield (key, run, name, nth), len(entry.arguments) + len(entry.result), forget


def _events(tables: Tables, order: PruneOrder, after: Key) -> Iterator[Looked]:
    if order.events_before_ms is None:
        return
    following = 0
    for sequence in tables.events.beyond(after[0] if after else None):
        following = max(following, sequence)
        while following <= tables.sequence and following not in tables.given:
            following += 1
        given = tables.given.get(following)
        may_go = order.forgets_event(None if given is None else uuid_bytes(given.input_id))
        size = len(tables.events.rows[sequence].body)
        yield (sequence,), size, _untelling(tables, sequence) if may_go else None


def _untelling(tables: Tables, sequence: int) -> Callable[[], None]:
    def forget() -> None:
        tables.events.drop(tables, sequence)
        tables.event_floor = max(tables.event_floor, sequence)

    return forget


def _behind(rows: Iterable[Key], after: Key) -> list[Key]:
    return sorted(row for row in rows if row > after)


def _putting(tables: Tables, table: dict[Any, Any], key: object, **changes: object) -> Callable[[], None]:
    return lambda: tables.put(table, key, evolve(table[key], **changes))


def _dropping(tables: Tables, table: dict[Any, Any], key: object) -> Callable[[], None]:
    return lambda: tables.drop(table, key)


_CHORES: Final[Mapping[PruneKind, Callable[[Tables, PruneOrder, Key], Iterator[Looked]]]] = MappingProxyType(
    {
        PruneKind.INPUTS: _inputs,
        PruneKind.SNAPSHOTS: _snapshots,
        PruneKind.DOCUMENTS: _documents,
        PruneKind.JOURNALS: _journals,
        PruneKind.EVENTS: _events,
    }
)
