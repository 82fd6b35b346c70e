"""The memory store's lines: what they tell is what a sorted dict would, whatever was undone."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.store.memory_lines import Line
from meerkat_actors.store.memory_tables import Tables

KEYS = st.integers(0, 9)
CHANGES = st.lists(st.tuples(st.booleans(), KEYS), max_size=6)
"""Of one unit: whether a key is put or dropped."""
UNITS = st.lists(st.tuples(CHANGES, st.booleans()), max_size=8)
"""Each with whether it is kept."""


def apply(tables: Tables, line: Line[int, int], changes: Sequence[tuple[bool, int]], now: dict[int, int]) -> None:
    for is_put, key in changes:
        if is_put:
            line.put(tables, key, len(now))
            now[key] = len(now)
        else:
            line.drop(tables, key)
            now.pop(key, None)
        assert_same(line, now)


def assert_same(line: Line[int, int], now: dict[int, int]) -> None:
    assert (line.rows, len(line), list(line)) == (now, len(now), sorted(now))
    for key in range(-1, 11):
        beyond = [other for other in sorted(now) if other > key]
        assert list(line.beyond(key)) == beyond
        assert line.first(key) == (beyond[0] if beyond else None)
    assert line.first() == min(now, default=None)


@given(UNITS)
def test_a_line_is_a_sorted_dict(units: Sequence[tuple[Sequence[tuple[bool, int]], bool]]) -> None:
    tables, line = Tables("store"), Line[int, int]()
    kept: dict[int, int] = {}
    for changes, is_kept in units:
        now = dict(kept)
        apply(tables, line, changes, now)
        if is_kept:
            tables.keep()
            kept = now
        else:
            tables.undo()
        assert_same(line, kept)


def test_who_takes_from_the_beginning_of_a_long_line_waits_for_nobody_behind() -> None:
    """What a take costs does not grow with the line: ten times the rows take some ten times as long."""

    def drain(rows: int) -> float:
        tables, line = Tables("store"), Line[int, None]()
        for key in range(rows):
            line.put(tables, key, None)
        tables.keep()
        begin = perf_counter()
        for key in range(rows):
            assert line.first() == key
            line.drop(tables, key)
            tables.keep()
        return perf_counter() - begin

    short, long = (min(drain(rows) for _ in range(3)) for rows in (2_000, 20_000))
    assert long < 40 * short
