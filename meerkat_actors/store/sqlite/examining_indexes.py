"""Partial indexes: whether each has as many entries as its table should give it.

``integrity_check`` finds the entries that an index lost, but counts those of whole indexes only (SQLite 3.54): a
partial one may hold any number that no row of its table has.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final, NamedTuple

from meerkat_actors.store.sqlite.examining_file import with_rows
from meerkat_actors.store.sqlite.examining_findings import Check, Findings
from meerkat_actors.store.sqlite.rows import Database

_READ_PARTIAL: Final = """
SELECT tbl_name, name, substr(sql, instr(sql, ' WHERE ') + 7) FROM sqlite_schema
 WHERE type = 'index' AND instr(sql, ' WHERE ') > 0 ORDER BY tbl_name
"""


class _Index(NamedTuple):
    table: str
    name: str
    condition: str


def examine_partial_indexes(database: Database, found: Findings) -> None:
    """Compare the entries of every partial index with the rows of its table: one scan of each table that has some."""
    indexes = [_Index(*map(str, row)) for row in _rows(database, found, _READ_PARTIAL)]
    for table, group in groupby(indexes, lambda index: index.table):
        parts = [*group]
        counts = ", ".join(f"count(*) FILTER (WHERE {index.condition})" for index in parts)
        # Names and conditions are those of the schema, which was compared with ours before.
        for wanted in _rows(database, found, f"SELECT {counts} FROM {table} NOT INDEXED"):  # noqa: S608
            for index, want in zip(parts, wanted, strict=True):
                _compare(database, found, index, want)


def _compare(database: Database, found: Findings, index: _Index, wanted: object) -> None:
    # The condition is the index's own, so SQLite counts its entries and asks none of them.
    query = f"SELECT count(*) FROM {index.table} INDEXED BY {index.name} WHERE {index.condition}"  # noqa: S608
    for (entries,) in _rows(database, found, query):
        if entries != wanted:
            found.add(Check.INTEGRITY, f"index {index.name} has {entries} entries, and {index.table} {wanted} of them")


def _rows(database: Database, found: Findings, query: str) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    with_rows(database, found, query, lambda _, row: rows.append(row))
    return rows
