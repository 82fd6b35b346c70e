"""Commit a batch: optimistically as one group, and where that does not go through, in smaller ones.

Grouped, each kind of statement runs once over all its rows: the fewest crossings between Python
and SQLite. Every statement carries its guard, so a count of touched rows that is right proves
every guard. A wrong one is not explained but rolled back, and the batch runs again in groups
whose size adapts, down to one unit, whose refusal is then named precisely. So one unit that is
refused, as a repeated idempotency key is every day, does not cost its neighbours their group.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import apsw
from attrs import frozen

from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.effects import AppendTurn, InsertInput, Unit
from meerkat_actors.records.ids import CheckpointVersion
from meerkat_actors.store.continuity_fitting import is_continuity, version_after
from meerkat_actors.store.fencing import STALE_OWNER, unit_refusal
from meerkat_actors.store.lives_fitting import is_restart
from meerkat_actors.store.sqlite import statements
from meerkat_actors.store.sqlite.packing import Packer, packed
from meerkat_actors.store.sqlite.refusing import commit_unit
from meerkat_actors.store.sqlite.rows import Database
from meerkat_actors.store.sqlite.steps import Step

# What a unit may do to its group: a conflict, a value that no column takes.
_NOT_GROUPABLE: Final = (apsw.ConstraintError, apsw.TooBigError, ValueError, TypeError, OverflowError)


_GROUP: Final = 128
"""So many units at once: the rows of more leave the processor's cache before SQLite reads them."""


@frozen
class _Obstacle:
    """A group did not go through."""

    suspect: int
    """Index of the unit that is probably the cause. A hint: it decides about sizes, never about outcomes."""


def commit_units(
    database: Database, packer: Packer, units: Sequence[Unit], enter: Callable[[Sequence[Unit]], bool] | None
) -> list[CommitOutcome]:
    """Commit units in one transaction; on return it is durable, and no transaction is open.

    ``enter`` begins each transaction where the store is shared, and says whether anything may be written.

    Raises:
        apsw.Error: of the database itself; whether anything is durable is unknown.
    """
    try:
        database.execute(statements.BEGIN_IMMEDIATE)
        if enter is not None and not enter(units):
            return _none_committed(database, units)
        outcomes = _run(database, packer, units)
        if isinstance(outcomes, _Obstacle):
            # The first pass has no savepoint: under one, SQLite copies each page before its first change.
            database.execute(statements.ROLLBACK)
            packer.naming.forget_pending()
            database.execute(statements.BEGIN_IMMEDIATE)
            if enter is not None and not enter(units):
                return _none_committed(database, units)
            outcomes = _commit_adaptively(database, packer, units, outcomes.suspect)
        begun = time.perf_counter()
        database.execute(statements.COMMIT)
        packer.sync_seconds = time.perf_counter() - begun
    except BaseException:
        packer.naming.forget_pending()
        raise
    packer.naming.keep_pending()
    return outcomes


def _commit_adaptively(database: Database, packer: Packer, units: Sequence[Unit], suspect: int) -> list[CommitOutcome]:
    outcomes: list[CommitOutcome] = []
    size = len(units)
    while len(outcomes) < len(units):
        at = len(outcomes)
        if at <= suspect:  # up to it as one group, then it alone
            size = max(1, min(size, suspect - at))
        group = units[at : at + size]
        tried = _try(database, packer, group)
        if isinstance(tried, _Obstacle):
            suspect = at + tried.suspect
        else:
            outcomes.extend(tried)
            size = 2 if len(group) == 1 and tried[0].__class__ is not Committed else 2 * len(group)
    return outcomes


def _try(database: Database, packer: Packer, group: Sequence[Unit]) -> list[CommitOutcome] | _Obstacle:
    """Run a group, or one unit, under a savepoint of its own."""
    mark = packer.naming.mark()
    database.execute(statements.SAVEPOINT)
    if len(group) > 1:
        tried = _run(database, packer, group)
        is_undone = isinstance(tried, _Obstacle)
    else:
        refusal = commit_unit(database, packer, group[0])
        tried = [refusal or Committed(_version_after(group[0]))]
        is_undone = refusal is not None
    if is_undone:
        database.execute(statements.ROLLBACK_TO)
        packer.naming.forget_since(mark)
    database.execute(statements.RELEASE)
    return tried


def _run(database: Database, packer: Packer, units: Sequence[Unit]) -> list[CommitOutcome] | _Obstacle:
    outcomes: list[CommitOutcome] = []
    if len(units) == 1:  # who is alone pays for nothing that a crowd shares
        return _run_group(database, packer, units, outcomes) or outcomes
    for group in _apart(units):
        start = len(outcomes)
        obstacle = _run_group(database, packer, group, outcomes)
        if obstacle is not None:
            return _Obstacle(start + obstacle.suspect)
    return outcomes


def _apart(units: Sequence[Unit]) -> Iterator[Sequence[Unit]]:
    # A group holds one unit per identity: equal statements then can't depend on each other.
    if len({unit.fence.key for unit in units}) == len(units):
        for start in range(0, len(units), _GROUP):
            yield units[start : start + _GROUP]
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


def _run_group(
    database: Database, packer: Packer, units: Sequence[Unit], outcomes: list[CommitOutcome]
) -> _Obstacle | None:
    # All that is done with a unit is done group by group: a pass over more finds them out of the processor's cache.
    if any(map(unit_refusal, units)):
        return _Obstacle(next(index for index, unit in enumerate(units) if unit_refusal(unit)))
    packer.clear()
    try:
        pack = packer.pack
        for unit in units:
            pack(unit)
    except (ValueError, TypeError):
        return _Obstacle(len(units) // 2)
    before = database.total_changes()
    for step, rows in packed(packer):
        try:
            database.executemany(step.sql, rows)
        except _NOT_GROUPABLE:
            return _Obstacle(_unit_of_row(units, step, database.total_changes() - before))
        after = database.total_changes()
        if step.counted and after - before != len(rows):
            return _Obstacle(len(units) // 2)
        before = after
    if packer.checks and not _hold(database, packer):
        return _Obstacle(len(units) // 2)
    # Most units end in a boundary, and a call for each would cost as much as its outcome.
    outcomes += [
        Committed(
            last.version if unit.effects and type(last := unit.effects[-1]) is AppendTurn else _version_after(unit)
        )
        for unit in units
    ]
    return None


def _hold(database: Database, packer: Packer) -> bool:
    found = database.executemany(statements.CHECK_FENCE, packer.checks)
    return sum(1 for _ in found) == len(packer.checks)


def _unit_of_row(units: Sequence[Unit], step: Step, row: int) -> int:
    # Each row before the one that failed touched one row, so their count is its index.
    for index, unit in enumerate(units):
        row -= sum(type(effect) is step.effect for effect in unit.effects)
        if row < 0:
            return index
    return len(units) // 2


def _none_committed(database: Database, units: Sequence[Unit]) -> list[CommitOutcome]:
    database.execute(statements.ROLLBACK)
    return [unit_refusal(unit) or STALE_OWNER for unit in units]


def _version_after(unit: Unit) -> CheckpointVersion:
    effects = unit.effects
    if len(effects) == 1 and type(effects[0]) is InsertInput:
        return unit.fence.version
    for effect in effects:
        if type(effect) is AppendTurn:
            return effect.version
        if is_restart(effect):
            return CheckpointVersion(0)
    return version_after(unit) if is_continuity(unit) else unit.fence.version
