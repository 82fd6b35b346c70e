"""The rows of units as the store packs them, and the same rows for statements that guard nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from attrs import define, field, frozen

from meerkat_actors.records.effects import Unit
from meerkat_actors.store.sqlite import statements
from meerkat_actors.store.sqlite.naming import Naming
from meerkat_actors.store.sqlite.packing import Packer, packed
from meerkat_actors.store.sqlite.rows import Database, Row, Value

Rows: TypeAlias = tuple[str, list[Row]]
"""One statement, and all rows that it is to run for."""

INSERT_INPUT: Final = """
INSERT INTO input (identity, seq, admission, input_id, kind, state, run, idempotency, digest, content)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
"""

# By what the row says, and found as ours finds it: WHERE identity = ?1 AND admission = ?2 takes 0.7 us longer.
END_INPUT: Final = """
UPDATE input
   SET state = ?3, turn = ?4, ending = ?5
 WHERE seq = (SELECT seq FROM input WHERE identity = ?1 AND admission = ?2)
"""

INSERT_TURN: Final = """
INSERT INTO turn (identity, token, generation, seq, version, run, digest, body, previous)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
"""

ADVANCE_HEAD: Final = """
UPDATE head
   SET version = ?2, digest = ?3, message_count = ?4, sends = ?5, last_turn = ?6, last_state = coalesce(?7, last_state)
 WHERE key = ?1
"""


@frozen(kw_only=True)
class Batch:
    """What one transaction holds: as units, as the rows of them, and as the rows without their guards."""

    units: Sequence[Unit]
    guarded: tuple[Rows, ...]
    plain: tuple[Rows, ...]


@define(eq=False)
class Capture:
    """Packs units as the store will, one batch after the other, from a database that equals the store's."""

    packer: Packer
    last_turns: dict[Value, Value] = field(factory=dict[Value, Value])
    """By key of the identity: the sequence of its last boundary, which the store looks up."""

    def pack(self, units: Sequence[Unit]) -> None:
        """Pack one batch, as the store would."""
        self.packer.clear()
        for unit in units:
            self.packer.pack(unit)

    def batch(self, units: Sequence[Unit]) -> Batch:
        """What was packed last, beside the units that it came from."""
        guarded = tuple((step.sql, rows) for step, rows in packed(self.packer))
        return Batch(units=units, guarded=guarded, plain=tuple(self._plain(sql, rows) for sql, rows in guarded))

    def _plain(self, sql: str, rows: Sequence[Row]) -> Rows:
        match sql:
            case statements.INSERT_INPUT:
                return INSERT_INPUT, [(row[0], *row[4:]) for row in rows]
            case statements.CONSUME_INPUT:
                return END_INPUT, [(row[0], row[1], 3, row[3], None) for row in rows]
            case statements.INSERT_TURN:
                return INSERT_TURN, [self._turn(row) for row in rows]
            case statements.ADVANCE_HEAD:
                return ADVANCE_HEAD, [(row[0], *row[4:]) for row in rows]
            case _:
                raise AssertionError(sql)

    def _turn(self, row: Row) -> Row:
        key, sequence = row[0], row[3]
        previous = self.last_turns.get(key, 0)
        self.last_turns[key] = sequence
        return (*row, previous)


def capture_from(database: Database) -> Capture:
    """Begin where a new store begins: no sequence was given out."""
    return Capture(Packer(Naming(database)))
