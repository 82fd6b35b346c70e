"""Rows in ascending order of their keys: what is asked for from somewhere on costs nothing for what is before it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from meerkat_actors.store.memory_tables import Tables

K = TypeVar("K", bound=Any)
"""Keys of one table compare with each other."""
V = TypeVar("V")

_GONE_MAX: Final = 1_000
"""Places at the beginning of an order that may be empty; above it, half of them may."""


class SortedRows(Generic[K, V]):
    """Rows by their keys, in the order of those.

    ``rows`` holds what there is, and changes through ``Tables`` only, so that it can be undone. While a unit is at
    work the order may name keys besides that are gone, and each look passes over them; ``settle`` forgets them.
    """

    __slots__ = ("_begin", "_order", "rows")

    def __init__(self) -> None:
        self.rows: Final[dict[K, V]] = {}
        self._order: list[K] = []
        self._begin = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[K]:
        return self.beyond(None)

    def put(self, tables: Tables, key: K, row: V) -> None:
        """Set a row."""
        order = self._order
        if self._begin == len(order) or order[-1] < key:
            order.append(key)
        else:
            place = bisect_left(order, key, self._begin)
            if order[place] != key:
                order.insert(place, key)
        tables.put(self.rows, key, row)
        tables.unsettled.append((self, key))

    def drop(self, tables: Tables, key: K) -> None:
        """Delete a row, if it is there."""
        tables.drop(self.rows, key)
        tables.unsettled.append((self, key))

    def beyond(self, key: K | None) -> Iterator[K]:
        """The keys above one, or all (None), in order; nothing may change while they are gone through."""
        order, rows = self._order, self.rows
        for place in range(self._begin if key is None else bisect_right(order, key, self._begin), len(order)):
            if order[place] in rows:
                yield order[place]

    def first(self, key: K | None = None) -> K | None:
        """The first key above one, or of all."""
        return next(self.beyond(key), None)

    def settle(self, key: K) -> None:
        """Forget the place of a row that is gone for good."""
        order, begin = self._order, self._begin
        place = bisect_left(order, key, begin)
        if key in self.rows or place == len(order) or order[place] != key:
            return
        if place > begin:
            del order[place]
            return
        # To delete the first of many moves all others.
        self._begin = begin + 1
        if self._begin > max(_GONE_MAX, len(order) // 2):
            del order[: self._begin]
            self._begin = 0
