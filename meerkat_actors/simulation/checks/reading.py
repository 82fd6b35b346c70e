"""From a database file, or the tables of a memory store, to ``Contents``; neither is changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

import apsw

from meerkat_actors.records.ids import IdentityKey, uuid_text
from meerkat_actors.records.inputs import InputState, Lane
from meerkat_actors.records.status import Desired
from meerkat_actors.simulation.checks.contents import Contents, HeadSeen, InputSeen, TurnSeen
from meerkat_actors.store import MemoryStore
from meerkat_actors.store.memory_tables import Tables
from meerkat_actors.store.sqlite.rows import Database, typed

_STATES: Final = tuple(InputState)
"""In the order of their codes: the schema's dictionary lists them so."""
_LANES: Final = tuple(Lane)

_HEADS: Final = """
SELECT head.key, name.name, kind, token, generation, version, owner, digest, message_count, last_turn, sends,
       tombstone, desired, mail_floor
  FROM head JOIN name ON name.key = head.key
"""
_INPUTS: Final = """
SELECT seq, identity, input_id, lane, state, admission, run, attempts, interruptions, not_before, position, turn,
       sender, number, idempotency, ending, letter, kind, header, owed
  FROM input ORDER BY seq
"""
_TURNS: Final = """
SELECT seq, identity, generation, version, token, previous, run, digest, body FROM turn ORDER BY seq
"""


def read_database(path: str | Path) -> Contents:
    """One look at a database; its owner may go on meanwhile.

    It blocks while it reads, and holds all rows at once: for stores of a simulation's size.

    Returns:
        What was committed when it began to read.

    Raises:
        apsw.Error: it is damaged, or no database of ours, or not there.
        LookupError, ValueError: its ``meta`` row is gone, or a row has a state that we don't know.
    """
    with opened(path) as database:
        database.execute("BEGIN")
        return _contents(str(path), database)


@contextmanager
def opened(path: str | Path) -> Generator[Database]:
    """The database, for a look that writes nothing to it, nor beside it.

    Raises:
        apsw.Error: it is no database, or not there.
    """
    # Without a log there is nothing that a look could miss, and one that may write would leave a log there.
    how = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    with closing(apsw.Connection(f"file:{quote(str(path))}?{how}", flags=flags)) as connection:
        yield typed(connection)


def _contents(location: str, database: Database) -> Contents:
    meta = database.execute("SELECT incarnation, sequence, clean, event_floor FROM meta").fetchall()[0]
    incarnation, sequence, clean, event_floor = meta
    inputs = tuple(_input_of(row) for row in database.execute(_INPUTS))
    turns = tuple(_turn_of(row) for row in database.execute(_TURNS))
    events = tuple(
        (row[0], row[1], row[2]) for row in database.execute("SELECT seq, identity, body FROM event ORDER BY 1")
    )
    newest = max(
        [row.sequence for row in inputs[-1:]] + [row.sequence for row in turns[-1:]] + [row[0] for row in events[-1:]],
        default=0,
    )
    receipts: defaultdict[tuple[int, str], dict[int, int]] = defaultdict(dict)
    for identity, run, number, turn in database.execute("SELECT identity, run, sequence, turn FROM receipt"):
        receipts[identity, uuid_text(run)][number] = turn
    journals = database.execute("SELECT DISTINCT identity, run FROM journal")
    snapshots = database.execute("SELECT identity, generation, version, token FROM snapshot ORDER BY 1, 2, 3")
    indexed = database.execute("SELECT seq FROM input INDEXED BY input_open WHERE state < 3")
    tables = database.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    )
    return Contents(
        location=location,
        incarnation=incarnation,
        # While it is served, the counter is ahead of its row.
        sequence=sequence if clean else max(sequence, newest),
        heads=MappingProxyType({row[0]: _head_of(row) for row in database.execute(_HEADS)}),
        inputs=inputs,
        turns=turns,
        receipts=MappingProxyType(dict(receipts)),
        journals=frozenset((identity, uuid_text(run)) for identity, run in journals),
        snapshots=tuple((row[0], row[1], row[2], row[3]) for row in snapshots),
        open_index=frozenset(row[0] for row in indexed),
        timers=frozenset((row[0], row[1]) for row in database.execute("SELECT identity, name FROM timer")),
        events=events,
        event_floor=event_floor,
        tables=frozenset(row[0] for row in tables),
    )


def _head_of(row: tuple[Any, ...]) -> HeadSeen:
    *values, is_buried, desired, mail_floor = row
    make: Any = HeadSeen
    seen: HeadSeen = make(*values, bool(is_buried), Desired(desired), mail_floor)
    return seen


def _turn_of(row: tuple[Any, ...]) -> TurnSeen:
    *place, run, digest, body = row
    make: Any = TurnSeen
    seen: TurnSeen = make(*place, uuid_text(run), digest, body)
    return seen


def _input_of(row: tuple[Any, ...]) -> InputSeen:
    seq, identity, input_id, lane, state, admission, run = row[:7]
    *charges, turn, sender, number, key, ending, letter, kind, header, is_owed = row[7:]
    make: Any = InputSeen
    place = (_LANES[int(lane)], _STATES[int(state)], admission, None if run is None else uuid_text(run))
    mail = (sender, number, key, ending, letter, kind, header, bool(is_owed))
    seen: InputSeen = make(seq, identity, uuid_text(input_id), *place, *charges, turn or 0, *mail)
    return seen


def tables_of(store: MemoryStore) -> Tables:
    """What a memory store holds, to be looked at, or damaged, and not by its own code.

    Returns:
        The tables themselves, not a copy: they change with the store.
    """
    return store._tables  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as said above


def read_tables(tables: Tables) -> Contents:
    """One look at a memory store, between two of its calls.

    Returns:
        What it holds now; what the store does later doesn't change it.
    """
    found = (entry for table in (tables.open, tables.sent) for rows in table.values() for entry in rows)
    return Contents(
        location=":memory:",
        incarnation=tables.incarnation,
        sequence=tables.sequence,
        heads=MappingProxyType({key: _head_in(tables, key) for key in tables.heads}),
        inputs=tuple(_input_in(tables, sequence) for sequence in sorted(tables.given)),
        turns=tuple(_turn_in(tables, sequence) for sequence in sorted(tables.turns)),
        receipts=MappingProxyType({run: dict(rows) for run, rows in tables.receipts.items() if rows}),
        journals=frozenset(run for run, rows in tables.journals.items() if rows),
        snapshots=tuple(
            (key, generation, version, rows[generation, version].token)
            for key, rows in sorted(tables.snapshots.items())
            for generation, version in sorted(rows)
        ),
        open_index=frozenset(found),
        timers=frozenset((key, name) for key, rows in tables.timers.items() for name in rows.rows),
        events=tuple((sequence, row.identity, row.body) for sequence, row in sorted(tables.events.rows.items())),
        event_floor=tables.event_floor,
    )


def _head_in(tables: Tables, key: IdentityKey) -> HeadSeen:
    row = tables.heads[key]
    return HeadSeen(
        key,
        tables.identities[key],
        row.kind,
        row.token,
        row.generation,
        row.version,
        row.owner,
        row.digest,
        row.message_count,
        row.last_turn,
        row.sends,
        row.is_deleted,
        row.desired,
        row.mail_floor,
    )


def _input_in(tables: Tables, sequence: int) -> InputSeen:
    given, now = tables.given[sequence], tables.progress[sequence]
    return InputSeen(
        sequence,
        given.identity,
        given.input_id,
        now.lane,
        now.state,
        now.admission,
        now.run_id,
        now.attempts,
        now.interruptions,
        now.not_before_ms,
        now.position,
        now.turn,
        given.sender,
        None,
        given.idempotency_key,
        now.ending,
        now.letter,
        given.kind.value,
        given.header,
        now.is_owed,
    )


def _turn_in(tables: Tables, sequence: int) -> TurnSeen:
    row = tables.turns[sequence]
    return TurnSeen(
        sequence,
        tables.names[row.identity],
        row.generation,
        row.version,
        None,
        row.previous,
        row.run_id,
        row.digest,
        row.body,
    )
