"""How much of a file each table takes. It reads the whole file, so only who asks for it pays."""

from __future__ import annotations

import os
from contextlib import closing
from typing import Final

from attrs import frozen

from meerkat_actors.store.sqlite import statements
from meerkat_actors.store.sqlite.header import real_path
from meerkat_actors.store.sqlite.pruning_statements import READ_FREE
from meerkat_actors.store.sqlite.reader import StoreReader
from meerkat_actors.store.sqlite.rows import Database, first_value

# Each tree's pages, what of them is empty, and whose it is.
_READ_TREES: Final = """
SELECT coalesce(owner.tbl_name, tree.name), tree.name IS NOT coalesce(owner.tbl_name, tree.name),
       tree.pgsize, tree.unused
  FROM dbstat AS tree LEFT JOIN sqlite_schema AS owner ON owner.name = tree.name
 WHERE tree.aggregate = TRUE
"""


@frozen(kw_only=True)
class TableSize:
    """The pages of one table, in bytes."""

    name: str
    rows_bytes: int
    index_bytes: int
    """Of its indexes."""
    unused_bytes: int
    """Of both, what holds nothing."""

    @property
    def size_bytes(self) -> int:
        """All of its pages."""
        return self.rows_bytes + self.index_bytes


@frozen(kw_only=True)
class Sizes:
    """The pages of one file, in bytes."""

    tables: tuple[TableSize, ...]
    """The largest first."""
    free_bytes: int
    """Pages that are empty, and will be filled before the file grows."""


def sizes_of(path: str | os.PathLike[str]) -> Sizes:
    """Look at every page of the store at ``path``, whoever owns it; nothing is changed.

    Raises:
        StoreError: as for ``open_reader``.
    """
    with closing(_SizeReader(real_path(path))) as reader:
        return reader.sizes()


class _SizeReader(StoreReader):
    def sizes(self) -> Sizes:
        return self._read(_read_sizes)


def _read_sizes(database: Database) -> Sizes:
    database.execute(statements.BEGIN)
    try:
        trees = database.execute(_READ_TREES).fetchall()
        free = int(first_value(database.execute(READ_FREE)) or 0)
    finally:
        if database.in_transaction:  # an error may have ended it
            database.execute(statements.ROLLBACK)
    tables = [_table(name, [tree[1:] for tree in trees if tree[0] == name]) for name in {tree[0] for tree in trees}]
    return Sizes(tables=tuple(sorted(tables, key=lambda table: (-table.size_bytes, table.name))), free_bytes=free)


def _table(name: str, trees: list[tuple[int, int, int]]) -> TableSize:
    return TableSize(
        name=name,
        rows_bytes=sum(size for is_index, size, _ in trees if not is_index),
        index_bytes=sum(size for is_index, size, _ in trees if is_index),
        unused_bytes=sum(unused for _, _, unused in trees),
    )
