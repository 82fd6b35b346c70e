"""What belongs to the whole file: its pages, what it says of itself, its owners, and what lies beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, NamedTuple

import apsw

from meerkat_actors.machines.lease import remaining_ms
from meerkat_actors.store.legible import UNDECODABLE
from meerkat_actors.store.sqlite import queries
from meerkat_actors.store.sqlite.examining_columns import LEASE, META, fault_of
from meerkat_actors.store.sqlite.examining_findings import Check, Findings
from meerkat_actors.store.sqlite.marking import Mark, read_mark
from meerkat_actors.store.sqlite.rows import Cursor, Database
from meerkat_actors.store.sqlite.sharing import boot_of_machine, lease_of
from meerkat_actors.store.sqlite.surveying import owners_of

LINES_MAX: Final = 100
"""Lines of ``integrity_check`` that are told; the statements below have the same bound."""

_READ_META: Final = """
SELECT only_row, store_id, epoch, incarnation, clean, sequence, keys, event_floor FROM meta
"""

# A number of two tables.
_READ_GIVEN_TWICE: Final = """
SELECT seq FROM (SELECT turn.seq FROM turn CROSS JOIN input ON input.seq = turn.seq
                  UNION
                 SELECT event.seq FROM event CROSS JOIN input ON input.seq = event.seq
                  UNION
                 SELECT event.seq FROM event CROSS JOIN turn ON turn.seq = event.seq)
 LIMIT 100
"""

_READ_FOREIGN: Final = """
SELECT "table", rowid, parent FROM pragma_foreign_key_check LIMIT 100
"""

_READ_LAST: Final = """
SELECT max(coalesce((SELECT max(seq) FROM input), 0), coalesce((SELECT max(seq) FROM turn), 0),
           coalesce((SELECT max(seq) FROM event), 0), coalesce((SELECT max(event_floor) FROM meta), 0))
"""

# Whether inputs were ever pruned.
_READ_FLOOR: Final = """
SELECT EXISTS (SELECT 1 FROM head WHERE admissions > 0)
"""


class Meta(NamedTuple):
    """What a store says of itself."""

    only_row: int
    store_id: str
    epoch: int
    incarnation: int
    clean: int
    sequence: int
    keys: int
    event_floor: int


def examine_pages(database: Database, found: Findings) -> None:
    """Let SQLite look at every page, index, column and reference."""
    with_rows(database, found, f"PRAGMA integrity_check({LINES_MAX})", _say_integrity)
    with_rows(database, found, _READ_FOREIGN, _say_reference)


def _say_integrity(found: Findings, row: tuple[object, ...]) -> None:
    if row[0] != "ok":
        found.add(Check.INTEGRITY, str(row[0]))


def _say_reference(found: Findings, row: tuple[object, ...]) -> None:
    table, rowid, parent = row
    found.add(Check.REFERENCES, f"row {rowid} of {table} names one that {parent} has not")


def mark_beside(path: str) -> Mark | str | None:
    """The high-water mark, or why it can't be read; None: there is none."""
    try:
        return read_mark(path)
    except (ValueError, OSError) as error:
        return str(error)


def examine_meta(database: Database, found: Findings, mark: Mark | str | None) -> Meta | None:
    """Look at what the store says of itself, and compare it with the mark that was read before it."""
    rows: list[tuple[object, ...]] = []
    with_rows(database, found, _READ_META, lambda _, row: rows.append(row))
    if len(rows) != 1:
        found.add(Check.META, f"{len(rows)} rows in meta, and a store has one")
        return None
    fault = fault_of(META, rows[0])
    if fault is not None:
        found.add(Check.META, f"in meta, {fault}")
        return None
    meta = Meta(*rows[0])  # type: ignore[arg-type]  # as the columns' forms say
    last = 0

    def note_last(_: Findings, row: tuple[object, ...]) -> None:
        nonlocal last
        last = row[0] if type(row[0]) is int else 0

    with_rows(database, found, _READ_LAST, note_last)
    if meta.clean and last > meta.sequence:
        found.add(Check.META, f"serving ended at sequence {meta.sequence}, and {last} was given out")
    _compare_with_mark(found, mark, Mark(meta.store_id, meta.epoch, meta.incarnation, max(meta.sequence, last)))
    return meta


def _compare_with_mark(found: Findings, mark: Mark | str | None, here: Mark) -> None:
    """The high-water mark beside the database: see ``marking``."""
    if isinstance(mark, str):
        found.add(Check.MARK, f"{mark}: whether commits are missing can't be told")
    elif mark is None:
        found.notes.append("no high-water mark beside it: whether it is the newest copy can't be told")
    elif mark.store_id != here.store_id:
        found.add(Check.MARK, f"the mark beside it is of store {mark.store_id}, and this is {here.store_id}")
    elif here.is_behind(mark):
        found.add(
            Check.MARK,
            f"it ends at {here.sequence} ({here.incarnation}), and was at {mark.sequence} ({mark.incarnation})",
        )


def examine_sequence(database: Database, found: Findings) -> None:
    """No number is given to two of inputs, boundaries and events."""
    with_rows(
        database,
        found,
        _READ_GIVEN_TWICE,
        lambda _, row: found.add(Check.SEQUENCE, f"sequence {row[0]} is that of two rows"),
    )


def examine_leases(database: Database, found: Findings, meta: Meta, now_ms: int) -> None:
    """Look at the rows of owners: who, and until when."""
    rows: list[tuple[object, ...]] = []
    with_rows(database, found, queries.READ_LEASES, lambda _, row: rows.append(row))
    if meta.clean and rows:
        found.add(Check.LEASES, f"{len(rows)} owners, and the last one ended in good order")
    boot = _boot()
    for row in rows:
        fault = fault_of(LEASE, row)
        if fault is not None:
            found.add(Check.LEASES, f"owner {row[0]!a}: {fault}")
            continue
        lease = lease_of(row)  # type: ignore[arg-type]  # as the columns' forms say
        if lease.owner > meta.incarnation:
            found.add(Check.LEASES, f"owner {lease.owner}, and the store began {meta.incarnation} times")
        if lease.boot != boot:
            found.notes.append(f"owner {lease.owner} ({lease.holder}): of another boot; it is over")
            continue
        if lease.expires_ms - lease.ttl_ms > now_ms:
            found.add(Check.LEASES, f"owner {lease.owner} renewed its lease in the future")
        seconds = remaining_ms(lease, now_ms) / 1000
        found.notes.append(
            f"owner {lease.owner} ({lease.holder}): {seconds:.1f} s left"
            if seconds
            else f"owner {lease.owner} ({lease.holder}): over"
        )


def examine_surroundings(path: str, found: Findings) -> None:
    """Look at what lies beside the database, and at who holds it now."""
    if os.path.exists(f"{path}-journal"):
        found.add(Check.LEFTOVERS, f"{path}-journal: a rollback journal, which SQLite may play back into the database")
    if os.path.exists(f"{path}.creating"):
        found.notes.append(f"{path}.creating: a creation that was interrupted left it; delete it while nobody opens")
    owners = owners_of(path)
    if owners:
        found.notes.append(f"owned now by process {', '.join(map(str, owners))}")


def is_pruned(database: Database, found: Findings) -> bool:
    """Whether inputs of the store were ever pruned."""
    rows: list[tuple[object, ...]] = []
    with_rows(database, found, _READ_FLOOR, lambda _, row: rows.append(row))
    return bool(rows and rows[0][0])


def with_rows(
    database: Database, found: Findings, query: str, each: Callable[[Findings, tuple[object, ...]], None]
) -> None:
    """Do something with each row; what can't be read is found."""
    try:
        cursor: Cursor = database.execute(query)
        for row in cursor:
            each(found, row)
    except apsw.Error as error:
        found.add(Check.UNREADABLE, f"{query.split()[0]} ... : {error}")
    except UNDECODABLE as error:
        found.add(Check.UNREADABLE, f"{query.split()[0]} ... : {type(error).__name__}: {error}")


def _boot() -> str:
    try:
        return boot_of_machine()
    except OSError:
        return ""
