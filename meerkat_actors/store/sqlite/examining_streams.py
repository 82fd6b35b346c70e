"""The rows of every table in the order of their identities, so that all of one are at hand together.

Memory holds one row of each table: SQLite sorts places of rows (into a file of its own in the folder for
temporary files, where they are many), and reads the rows themselves one by one. No index is believed:
``integrity_check`` compares them with their tables, and an examination must see what an index lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import apsw

from meerkat_actors.store.legible import UNDECODABLE
from meerkat_actors.store.sqlite.examining_columns import (
    CONFIG,
    CONTINUITY,
    DOCUMENT,
    EVENT,
    HEAD,
    INPUT,
    JOURNAL,
    NAME,
    OPERATION,
    RECEIPT,
    SESSION,
    SNAPSHOT,
    TIMER,
    TURN,
    Columns,
    fault_of,
)
from meerkat_actors.store.sqlite.examining_findings import Check
from meerkat_actors.store.sqlite.rows import Database

Values: TypeAlias = tuple[Any, ...]
Tell: TypeAlias = Callable[[Check, str], None]

# ?1 is the one identity that is asked for, or null for all. LIMIT -1 keeps SQLite from sorting whole rows.
QUERIES: Final = MappingProxyType(
    {
        "name": """
SELECT key, name FROM name NOT INDEXED WHERE ?1 IS NULL OR key = ?1 ORDER BY key
""",
        "head": """
SELECT key, kind, token, generation, version, owner, session, digest, message_count,
       last_turn, last_state, admissions, sends, mail_floor, tombstone, desired
  FROM head NOT INDEXED WHERE ?1 IS NULL OR key = ?1 ORDER BY key
""",
        "session": """
SELECT identity, session, generation FROM session WHERE ?1 IS NULL OR identity = ?1 ORDER BY identity, session
""",
        "agent_config": """
SELECT identity, version, body FROM agent_config WHERE ?1 IS NULL OR identity = ?1 ORDER BY identity, version
""",
        "turn": """
SELECT turn.identity, turn.seq, turn.version, turn.generation, turn.token, turn.previous, turn.run, turn.digest,
       turn.body
  FROM (SELECT seq FROM turn NOT INDEXED WHERE ?1 IS NULL OR identity = ?1
         ORDER BY identity, seq LIMIT -1) AS place
 CROSS JOIN turn ON turn.seq = place.seq
""",
        # What no boundary consumed comes first: null is below every number.
        "input": """
SELECT input.identity, input.turn, input.admission, input.seq, input.input_id, input.kind, input.lane, input.state,
       input.attempts, input.interruptions, input.not_before, input.position, input.run, input.sender, input.number,
       input.idempotency, input.ending, input.digest, input.content, input.policy, input.letter, input.header,
       input.owed, sender.name
  FROM (SELECT seq FROM input NOT INDEXED WHERE ?1 IS NULL OR identity = ?1
         ORDER BY identity, turn, admission, seq LIMIT -1) AS place
 CROSS JOIN input ON input.seq = place.seq
  LEFT JOIN name AS sender ON sender.key = input.sender
""",
        # Every input that was admitted, in that order.
        "admission": """
SELECT identity, admission, seq, sender, state, lane FROM input NOT INDEXED
 WHERE admission IS NOT NULL AND (?1 IS NULL OR identity = ?1)
 ORDER BY identity, admission
""",
        # Every message, in the order in which its sender sent it.
        "mail": """
SELECT sender, seq, number FROM input NOT INDEXED
 WHERE sender IS NOT NULL AND (?1 IS NULL OR sender = ?1)
 ORDER BY sender, seq
""",
        "receipt": """
SELECT identity, run, sequence, turn FROM receipt WHERE ?1 IS NULL OR identity = ?1 ORDER BY identity, run, sequence
""",
        "document": """
SELECT document.identity, document.kind, document.key, document.epoch, document.generation, document.digest,
       document.body
  FROM (SELECT rowid AS place FROM document NOT INDEXED WHERE ?1 IS NULL OR identity = ?1
         ORDER BY identity, kind, key LIMIT -1) AS found
 CROSS JOIN document ON document.rowid = found.place
""",
        "journal": """
SELECT identity, run, name, nth, arguments, result, once FROM journal WHERE ?1 IS NULL OR identity = ?1
 ORDER BY identity, run, name, nth
""",
        "continuity": """
SELECT identity, token, holder, floor, former_generation, former_session, former_version FROM continuity
 WHERE ?1 IS NULL OR identity = ?1 ORDER BY identity
""",
        "snapshot": """
SELECT snapshot.identity, snapshot.generation, snapshot.version, snapshot.session, snapshot.token, snapshot.size,
       snapshot.digest, snapshot.data
  FROM (SELECT rowid AS place FROM snapshot NOT INDEXED WHERE ?1 IS NULL OR identity = ?1
         ORDER BY identity, generation, version LIMIT -1) AS found
 CROSS JOIN snapshot ON snapshot.rowid = found.place
""",
        "timer": """
SELECT identity, number, name, due, last, fired, body FROM timer NOT INDEXED WHERE ?1 IS NULL OR identity = ?1
 ORDER BY identity, number
""",
        "operation": """
SELECT identity, id, body, bound FROM operation WHERE ?1 IS NULL OR identity = ?1 ORDER BY identity, id
""",
        "event": """
SELECT event.identity, event.seq, event.body
  FROM (SELECT seq FROM event NOT INDEXED WHERE ?1 IS NULL OR identity = ?1 ORDER BY identity, seq LIMIT -1) AS place
 CROSS JOIN event ON event.seq = place.seq
""",
    }
)

_COLUMNS: Final[MappingProxyType[str, Columns | None]] = MappingProxyType(
    {
        "name": NAME,
        "head": HEAD,
        "session": SESSION,
        "agent_config": CONFIG,
        "turn": TURN,
        "input": INPUT,
        # Their columns are looked at where the whole row is.
        "admission": None,
        "mail": None,
        "receipt": RECEIPT,
        "document": DOCUMENT,
        "journal": JOURNAL,
        "continuity": CONTINUITY,
        "snapshot": SNAPSHOT,
        "timer": TIMER,
        "operation": OPERATION,
        "event": EVENT,
    }
)


class Stream:
    """One table, from its first identity to its last. Rows whose columns can't be so are told, and skipped."""

    def __init__(self, database: Database, table: str, identity: int | None, tell: Tell) -> None:
        self._table = table
        self._columns = _COLUMNS[table]
        self._tell = tell
        self._rows: Iterator[Values] = iter(())
        self._next: Values | None = None
        self.seen: int = 0
        try:
            self._rows = iter(database.execute(QUERIES[table], (identity,)))
        except apsw.Error as error:
            self._tell(Check.UNREADABLE, f"table {table}: {error}")
        self._advance()

    @property
    def key(self) -> int | None:
        """Whose the next row is; None at the end."""
        return None if self._next is None else self._next[0]

    @property
    def next(self) -> Values | None:
        """The next row, of whichever identity."""
        return self._next

    def take(self, key: int) -> Iterator[Values]:
        """The rows of one identity, where they are next. Leave none behind."""
        while self._next is not None and self._next[0] == key:
            yield self.pop()

    def pop(self) -> Values:
        """The next row, which must be there."""
        row = self._next
        assert row is not None
        self._advance()
        return row

    def _advance(self) -> None:
        while True:
            self._next = None
            try:
                row = next(self._rows, None)
            except UNDECODABLE as error:
                # Text that is not UTF-8: the next row is another's.
                self._tell(Check.UNREADABLE, f"a row of {self._table}: {error}")
                continue
            except apsw.Error as error:
                self._tell(Check.UNREADABLE, f"table {self._table} from here on: {error}")
                return
            if row is None:
                return
            self.seen += 1
            fault = None if self._columns is None else fault_of(self._columns, row)
            if fault is None and type(row[0]) is int:
                self._next = row
                return
            if fault is not None:
                self._tell(Check.FORM, f"{self._table} {_place(row)}: {fault}")


def _place(row: Values) -> str:
    key = row[0] if type(row[0]) is int else "of no identity"
    others = [str(value) for value in row[1:4] if type(value) is int]
    return f"{key} ({', '.join(others)})" if others else str(key)
