"""Commit a batch: optimistically in groups, and one by one where a group did not go through.

Grouped, each kind of statement runs once per batch over all its rows: the fewest crossings
between Python and SQLite. Every statement carries its guard, so a count of touched rows that
is right proves every guard; a wrong one is not explained but rolled back, and the same batch
runs again unit by unit, each under a savepoint, to name each refusal precisely.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import apsw

from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.effects import AppendTurn, Unit
from meerkat_actors.records.ids import CheckpointVersion
from meerkat_actors.store.sqlite import statements
from meerkat_actors.store.sqlite.packing import STEPS, Packer
from meerkat_actors.store.sqlite.refusing import commit_unit
from meerkat_actors.store.sqlite.rows import Database

# What a batch may do to a group: a conflict, a value that no column takes. Whose it was, the second pass finds out.
_NOT_GROUPABLE: Final = (apsw.ConstraintError, apsw.TooBigError, ValueError, TypeError, OverflowError)


def commit_units(database: Database, packer: Packer, units: Sequence[Unit]) -> list[CommitOutcome]:
    """Commit units in one transaction; on return it is durable, and no transaction is open.

    Raises:
        apsw.Error: of the database itself; whether anything is durable is unknown.
    """
    try:
        outcomes = _commit_grouped(database, packer, units)
        if outcomes is None:
            outcomes = _commit_one_by_one(database, packer, units)
    except BaseException:
        packer.naming.forget_pending()
        raise
    packer.naming.keep_pending()
    return outcomes


def _commit_grouped(database: Database, packer: Packer, units: Sequence[Unit]) -> list[CommitOutcome] | None:
    database.execute(statements.BEGIN_IMMEDIATE)
    try:
        went_through = all(_run_group(database, packer, group) for group in _groups(units))
    except _NOT_GROUPABLE:
        went_through = False
    if not went_through:
        database.execute(statements.ROLLBACK)
        packer.naming.forget_pending()
        return None
    database.execute(statements.COMMIT)
    return [Committed(_version_after(unit)) for unit in units]


def _groups(units: Sequence[Unit]) -> Iterator[Sequence[Unit]]:
    # A group holds one unit per identity: equal statements then can't depend on each other.
    if len({unit.fence.key for unit in units}) == len(units):
        yield units
        return
    group: list[Unit] = []
    keys: set[int] = set()
    for unit in units:
        if unit.fence.key in keys:
            yield group
            group, keys = [], set()
        group.append(unit)
        keys.add(unit.fence.key)
    yield group


def _run_group(database: Database, packer: Packer, units: Sequence[Unit]) -> bool:
    packer.clear()
    for unit in units:
        packer.pack(unit)
    for step, rows in zip(STEPS, packer.rows, strict=True):
        if not rows:
            continue
        before = database.total_changes()
        database.executemany(step.sql, rows)
        if step.counted and database.total_changes() - before != len(rows):
            return False
    return not packer.checks or _holds(database, packer)


def _holds(database: Database, packer: Packer) -> bool:
    found = database.executemany(statements.CHECK_FENCE, packer.checks)
    return sum(1 for _ in found) == len(packer.checks)


def _commit_one_by_one(database: Database, packer: Packer, units: Sequence[Unit]) -> list[CommitOutcome]:
    database.execute(statements.BEGIN_IMMEDIATE)
    outcomes: list[CommitOutcome] = []
    for unit in units:
        database.execute(statements.SAVEPOINT)
        mark = packer.naming.mark()
        obstacle = commit_unit(database, packer, unit)
        if obstacle is not None:
            database.execute(statements.ROLLBACK_TO)
            packer.naming.forget_since(mark)
        database.execute(statements.RELEASE)
        outcomes.append(Committed(_version_after(unit)) if obstacle is None else obstacle)
    database.execute(statements.COMMIT)
    return outcomes


def _version_after(unit: Unit) -> CheckpointVersion:
    for effect in reversed(unit.effects):
        if type(effect) is AppendTurn:
            return effect.version
    return unit.fence.version
