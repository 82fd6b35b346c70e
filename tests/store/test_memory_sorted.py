"""The memory store's sorted rows: what they tell is what a sorted dict would, whatever was undone."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.store.memory_sorted import SortedRows
from meerkat_actors.store.memory_tables import Tables

KEYS = st.integers(0, 9)
CHANGES = st.lists(st.tuples(st.booleans(), KEYS), max_size=6)
"""Of one unit: whether a key is put or dropped."""
UNITS = st.lists(st.tuples(CHANGES, st.booleans()), max_size=8)
"""Each with whether it is kept."""


def apply(
    tables: Tables, table: SortedRows[int, int], changes: Sequence[tuple[bool, int]], now: dict[int, int]
) -> None:
    for is_put, key in changes:
        if is_put:
            table.put(tables, key, len(now))
            now[key] = len(now)
        else:
            table.drop(tables, key)
            now.pop(key, None)
        assert_same(table, now)


def assert_same(table: SortedRows[int, int], now: dict[int, int]) -> None:
    assert (table.rows, len(table), list(table)) == (now, len(now), sorted(now))
    for key in range(-1, 11):
        beyond = [other for other in sorted(now) if other > key]
        assert list(table.beyond(key)) == beyond
        assert table.first(key) == (beyond[0] if beyond else None)
    assert table.first() == min(now, default=None)


@given(UNITS)
def test_sorted_rows_are_a_sorted_dict(units: Sequence[tuple[Sequence[tuple[bool, int]], bool]]) -> None:
    tables, table = Tables("store"), SortedRows[int, int]()
    kept: dict[int, int] = {}
    for changes, is_kept in units:
        now = dict(kept)
        apply(tables, table, changes, now)
        if is_kept:
            tables.keep()
            kept = now
        else:
            tables.undo()
        assert_same(table, kept)


def test_who_takes_from_the_beginning_of_many_rows_waits_for_nobody_behind() -> None:
    """What a take costs does not grow with what is there: ten times the rows take some ten times as long."""

    def drain(count: int) -> float:
        tables, table = Tables("store"), SortedRows[int, None]()
        for key in range(count):
            table.put(tables, key, None)
        tables.keep()
        begin = perf_counter()
        for key in range(count):
            assert table.first() == key
            table.drop(tables, key)
            tables.keep()
        return perf_counter() - begin

    short, long = (min(drain(count) for _ in range(3)) for count in (2_000, 20_000))
    assert long < 40 * short
