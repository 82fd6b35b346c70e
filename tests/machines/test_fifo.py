"""The queue that is never changed, against a list."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.machines.fifo import Fifo

MANY: Final = 100_000


def told(queue: Fifo[int]) -> tuple[int, tuple[int, ...], int | None]:
    """Everything a queue says of itself."""
    return len(queue), tuple(queue), queue.head if len(queue) else None


def expected(items: Sequence[int]) -> tuple[int, tuple[int, ...], int | None]:
    return len(items), tuple(items), items[0] if items else None


@given(st.lists(st.integers(), max_size=6), st.lists(st.none() | st.integers(), max_size=40))
def test_a_queue_says_what_a_list_says_and_old_versions_keep_saying_it(
    first: list[int], moves: list[int | None]
) -> None:
    versions = [(Fifo(tuple(first)), list(first))]
    for move in moves:
        queue, items = versions[-1]
        if move is not None:
            versions.append((queue.append(move), [*items, move]))
        elif items:
            # None: the head leaves.
            versions.append((queue.rest(), items[1:]))
    for queue, items in versions:
        assert told(queue) == expected(items)
        assert told(queue) == expected(items)


@given(st.lists(st.integers(), max_size=8), st.integers(0, 8))
def test_two_futures_of_one_queue_do_not_meet(items: list[int], taken: int) -> None:
    queue = Fifo(tuple(items[:3]))
    for item in items[3:]:
        queue = queue.append(item)
    for _ in range(min(taken, len(items))):
        queue = queue.rest()
    remaining = items[taken:]
    left, right = queue.append(-1).append(-2), queue.append(-3)
    assert tuple(left) == (*remaining, -1, -2)
    assert tuple(right) == (*remaining, -3)
    assert tuple(queue) == tuple(remaining)


def test_a_new_queue_is_empty() -> None:
    assert told(Fifo()) == (0, (), None)
    assert not Fifo()
    assert Fifo((0,))


def test_a_queue_is_shown_by_its_length_and_never_by_what_it_holds() -> None:
    assert repr(Fifo((1, 2))) == "<Fifo of 2>"
    assert repr(Fifo(tuple(range(1000)))) == "<Fifo of 1000>"


@pytest.mark.parametrize("queue", [Fifo[int](), Fifo((1,)).rest(), Fifo[int]().append(1).rest()])
def test_an_empty_queue_has_no_head_and_no_rest(queue: Fifo[int]) -> None:
    with pytest.raises(AssertionError):
        _ = queue.head
    with pytest.raises(AssertionError):
        queue.rest()


def test_a_hundred_thousand_items_pass_through_without_recursion() -> None:
    queue: Fifo[int] = Fifo()
    for item in range(MANY):
        queue = queue.append(item)
    assert list(queue) == list(range(MANY))
    assert len(queue) == MANY
    for item in range(MANY):
        assert queue.head == item
        queue = queue.rest()
    assert len(queue) == 0


def test_a_hundred_thousand_items_are_let_go_without_recursion() -> None:
    queue = Fifo(tuple(range(MANY)))
    for item in range(MANY):
        queue = queue.append(item)
    assert len(queue) == 2 * MANY
    del queue
    gc.collect()


def test_a_queue_can_be_iterated_twice_at_once() -> None:
    queue = Fifo((1, 2)).append(3)
    assert [(one, other) for one in queue for other in queue] == [(i, j) for i in (1, 2, 3) for j in (1, 2, 3)]
