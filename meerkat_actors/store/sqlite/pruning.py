"""Forget, chunk by chunk, what nobody can ask for any more; and what is kept, and why.

=====================  ==========================================  ==============================================
what                   what goes                                   what stays, and why
=====================  ==========================================  ==============================================
input with an outcome  its content, beyond the policy's number     the row: ids and digest, by which a key that
                       and age; of an abandoned one only if asked  is sent again is the same input, or a conflict;
                                                                   state, turn and ending, which ``wait`` tells;
                                                                   admission and send numbers, which never go back
open input, mail       nothing                                     its owner, or its recipient, needs it
input of a facade's    nothing                                     the runtime-store facade gives it back byte for
                                                                   byte, and compares it
turn, receipt          nothing                                     the transcript: what digests and receipts prove,
                                                                   and the events that say what happened
session document       of former generations and sessions          the two newest of the generation in force and of
                                                                   the one that a rollback returns to, and
                                                                   whatever those two sessions have
runtime document       only if asked: the snapshot before the      the row, which counts on, so that no writer from
                       current one                                 before can match; every current document, every
                                                                   retired epoch, and a cleared session's last one
journal                steps of runs that nothing is staged for    steps of live runs
event                  rows beyond the policy's age, if an input   the floor, by which a cursor that misses something
                       is behind them: so the highest sequence     is known
                       stays
timer, operation       nothing                                     their owner needs them
configuration          nothing                                     its versions are dense from the first
authority, name,       nothing                                     fences are for ever
session, lease
=====================  ==========================================  ==============================================

Each chunk is one short transaction behind whatever was given before it, and bounded in rows and bytes. It is the
store's own housekeeping, under no fence: it changes no authority row, draws no sequence, and takes nothing that an
owner holds in memory, where there is no input with an outcome and no run that is over. So it may run beside owners, and
beside other processes that share the file. A crash between two chunks leaves less to do; begun again, a pruning
looks at everything and forgets what is left.

Empty pages stay in the file and are filled before it grows. What small contents leave is no page, but room in pages
that stay, and later rows go elsewhere. ``auto_vacuum = INCREMENTAL`` could give the pages back piece by piece (not that
room), but it costs every turn for ever, whether anything is ever pruned or not (100 agents, a batch of 100, 200 bytes
of text: 5.4 % more bytes in the log and 0.9 % more processor time; 9,000 bytes: 0.7 and 3.7 %; the file itself 0.1 %).
``SqliteStore.compact`` writes the file anew instead, when its owner wants to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import frozen

from meerkat_actors.records.pruning import PruneCursor, PruneKind, PruneOrder, PruneStep, cursor_beyond
from meerkat_actors.store.runtime_documents import CURRENT, FORMER, SNAPSHOT
from meerkat_actors.store.sqlite import pruning_statements, statements
from meerkat_actors.store.sqlite.rows import Database, Row, Value, first_value, state_of

CHUNK_BYTES: Final = 1024 * 1024
"""Forgotten in one transaction, and one row more: to give up a page is to read it, some 4 us."""

Key: TypeAlias = tuple[int | str | bytes, ...]
Looked: TypeAlias = tuple[Key, int, bool]
"""A row's key, the bytes that it would give up, and whether it may."""


@frozen
class _Chore:
    """How one kind is gone through."""

    look: Callable[[Database, PruneOrder, Key, int], list[Looked]]
    """So many rows at most, behind a key."""
    forget: str


def prune_chunk(database: Database, order: PruneOrder, cursor: PruneCursor, limit: int) -> PruneStep:
    """Look at ``limit`` rows at most, and forget those that may go: durable on return.

    Raises:
        apsw.Error: of the database itself; the caller ends the transaction.
    """
    chore = _CHORES[cursor.kind]
    # In the transaction that writes: what may go is decided by what is there now.
    database.execute(statements.BEGIN if order.is_dry_run else statements.BEGIN_IMMEDIATE)
    looked = chore.look(database, order, cursor.after, limit)
    bindings: list[Row] = []
    size, last = 0, cursor.after
    is_cut = False
    for key, weight, may_go in looked:
        if size >= CHUNK_BYTES:
            is_cut = True
            break
        last = key
        if may_go:
            size += weight
            bindings.append(key)
    if bindings and not order.is_dry_run:
        database.executemany(chore.forget, bindings)
        if cursor.kind is PruneKind.EVENTS:
            database.execute(pruning_statements.RAISE_EVENT_FLOOR, bindings[-1])
        database.execute(statements.COMMIT)
    else:
        database.execute(statements.ROLLBACK)
    return PruneStep(
        kind=cursor.kind,
        rows=len(bindings),
        size_bytes=size,
        following=PruneCursor(cursor.kind, last) if is_cut or len(looked) == limit else cursor_beyond(cursor.kind),
        free_bytes=int(first_value(database.execute(pruning_statements.READ_FREE)) or 0),
    )


def _look_at_inputs(database: Database, order: PruneOrder, after: Key, limit: int) -> list[Looked]:
    found = database.execute(pruning_statements.READ_INPUTS, (*(after or (0,)), limit))
    looked: list[Looked] = []
    for seq, input_id, state, size, rank, kind in found:
        is_agents = kind is not None and kind[:1] != "@"
        may_go = is_agents and size > 0 and order.forgets_input(state_of(state), input_id, rank or 0)
        looked.append(((seq,), size, may_go))
    return looked


def _look_at_snapshots(database: Database, _: PruneOrder, after: Key, limit: int) -> list[Looked]:
    return _by_rowid(database, pruning_statements.READ_SNAPSHOTS, after, (limit,))


def _look_at_documents(database: Database, order: PruneOrder, after: Key, limit: int) -> list[Looked]:
    if not order.policy.former_snapshots:
        return []
    return _by_rowid(database, pruning_statements.READ_DOCUMENTS, after, (limit, SNAPSHOT, FORMER, CURRENT))


def _by_rowid(database: Database, query: str, after: Key, bindings: tuple[Value, ...]) -> list[Looked]:
    found = database.execute(query, (*(after or (0,)), *bindings))
    return [((rowid,), size, bool(may_go)) for rowid, size, may_go in found]


def _look_at_steps(database: Database, _: PruneOrder, after: Key, limit: int) -> list[Looked]:
    found = database.execute(pruning_statements.READ_STEPS, (*(after or (0, b"", "", 0)), limit))
    return [((identity, run, name, nth), size, bool(may_go)) for identity, run, name, nth, size, may_go in found]


def _look_at_events(database: Database, order: PruneOrder, after: Key, limit: int) -> list[Looked]:
    if order.events_before_ms is None:
        return []
    found = database.execute(pruning_statements.READ_EVENTS, (*(after or (0,)), limit))
    return [((seq,), size, order.forgets_event(next_input)) for seq, size, next_input in found]


_CHORES: Final[Mapping[PruneKind, _Chore]] = MappingProxyType(
    {
        PruneKind.INPUTS: _Chore(_look_at_inputs, pruning_statements.FORGET_CONTENT),
        PruneKind.SNAPSHOTS: _Chore(_look_at_snapshots, pruning_statements.DROP_SNAPSHOT),
        PruneKind.DOCUMENTS: _Chore(_look_at_documents, pruning_statements.DROP_BODY),
        PruneKind.JOURNALS: _Chore(_look_at_steps, pruning_statements.DROP_STEP),
        PruneKind.EVENTS: _Chore(_look_at_events, pruning_statements.DROP_EVENT),
    }
)
