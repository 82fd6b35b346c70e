"""The sides that ``scripts/bench store`` compares, each on its own copy of one database."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import apsw
from attrs import define, frozen

from _store_plain import Batch, Capture, Rows, capture_from
from _store_units import Writer, create_database, drop_index, serving
from meerkat_actors.records.commits import Committed
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.store import Store, open_sqlite
from meerkat_actors.store.fencing import unit_refusal
from meerkat_actors.store.sqlite.rows import Database, typed

Clock: TypeAlias = Callable[[], float]

OURS: Final = "ours"
PLAIN: Final = "plain"
GUARDED: Final = "guarded"

CHECKPOINT_UNITS: Final = 500
"""Committed between two checkpoints, which no clock sees; a larger batch is followed by its own."""

COMPARED: Final = ("name", "head", "session", "input", "turn")
"""The tables that a turn writes, or whose rows it needs."""


@define(eq=False)
class Side:
    """One database, at work through its store or through the store's connection."""

    store: Store
    database: Database
    commit: Callable[[Batch], None]

    def run(self, batches: Sequence[Batch], clock: Clock) -> float:
        """Commit each batch; seconds, without checkpoints."""
        spent, units = 0.0, 0
        for batch in batches:
            begun = clock()
            self.commit(batch)
            spent += clock() - begun
            units += len(batch.units)
            if units >= CHECKPOINT_UNITS:
                self.store.checkpoint()
                units = 0
        return spent


@frozen(kw_only=True)
class Spent:
    """Microseconds per unit, of one round."""

    ours: float
    plain: float
    guarded: float | None
    """The store's statements without the store; None unless asked for."""
    checking: float
    packing: float

    @property
    def ratio(self) -> float:
        """Our units per second over the reference's."""
        return self.plain / self.ours


@define(eq=False)
class Contest:
    """Equal databases, and the identities that all of them hold."""

    writers: Sequence[Writer]
    sides: Mapping[str, Side]
    capture: Capture
    env: SystemEnv
    batch: int
    clock: Clock

    def round(self, number: int) -> Spent:
        """One turn for every identity on every side; which side begins changes with the number."""
        first = number % len(self.sides)
        order = [*self.sides][first:] + [*self.sides][:first]
        spent, checking, packing = dict.fromkeys(order, 0.0), 0.0, 0.0
        pairs = [writer.turn(self.env) for writer in self.writers]
        for half in (0, 1):
            batches: list[Batch] = []
            for start in range(0, len(pairs), self.batch):
                units = [pair[half] for pair in pairs[start : start + self.batch]]
                begun = self.clock()
                for unit in units:
                    unit_refusal(unit)
                checked = self.clock()
                self.capture.pack(units)
                packing += self.clock() - checked
                checking += checked - begun
                batches.append(self.capture.batch(units))
            for name in order:
                spent[name] += self.sides[name].run(batches, self.clock)
        micros = 1e6 / (2 * len(pairs))
        return Spent(
            ours=spent[OURS] * micros,
            plain=spent[PLAIN] * micros,
            guarded=spent[GUARDED] * micros if GUARDED in spent else None,
            checking=checking * micros,
            packing=packing * micros,
        )

    def require_equal(self) -> None:
        """The sides wrote the same, or the comparison means nothing."""
        for table in COMPARED:
            query = f"SELECT * FROM {table} ORDER BY 1"  # noqa: S608 - a table of ours
            ours, *others = [side.database.execute(query).fetchall() for side in self.sides.values()]
            assert ours, f"{table} is empty"
            assert all(rows == ours for rows in others), f"{table} differs"


@contextmanager
def open_contest(
    folder: Path, *, agents: int, batch: int, without: str | None, sides: Sequence[str], clock: Clock
) -> Generator[Contest, None, None]:
    """New databases in ``folder``, equal but for their names; closed when the block ends."""
    env, origin = SystemEnv(), folder / "origin.db"
    writers = create_database(origin, agents, env)
    with ExitStack() as stack:
        opened: dict[str, Side] = {}
        for name in sides:
            path = folder / f"{name}.db"
            shutil.copyfile(origin, path)
            opened[name] = stack.enter_context(_open_side(path, name, without))
        capture = capture_from(opened[PLAIN].database)
        yield Contest(writers=writers, sides=opened, capture=capture, env=env, batch=batch, clock=clock)


@contextmanager
def _open_side(path: Path, name: str, without: str | None) -> Generator[Side, None, None]:
    # The store's own connection serves the raw sides, too: every pragma and every setting is the same.
    made: list[apsw.Connection] = []
    apsw.connection_hooks.append(made.append)
    try:
        store = open_sqlite(path)
    finally:
        apsw.connection_hooks.pop()
    connection = made[-1]
    if name != OURS:
        connection.set_wal_hook(None)
    with serving(store):
        drop_index(path, without)
        yield Side(store, typed(connection), _committer(store, typed(connection), name))


def _committer(store: Store, database: Database, name: str) -> Callable[[Batch], None]:
    def commit_units(batch: Batch) -> None:
        outcomes = store.commit(batch.units)
        assert type(outcomes[-1]) is Committed, outcomes[-1]

    def commit_rows(statements: Sequence[Rows]) -> None:
        database.execute("BEGIN IMMEDIATE")
        for sql, rows in statements:
            database.executemany(sql, rows)
        database.execute("COMMIT")

    if name == OURS:
        return commit_units
    if name == GUARDED:
        return lambda batch: commit_rows(batch.guarded)
    return lambda batch: commit_rows(batch.plain)
