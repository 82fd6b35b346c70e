"""A first-in-first-out queue that is never changed: each operation returns another queue.

Rule 1: everything is O(1) amortised, so that a decision never copies a backlog.
Rule 2: nothing leaves but the head.

Batched queue: Okasaki, "Purely Functional Data Structures", section 5.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")

_Cell: TypeAlias = "tuple[T, _Cell[T]] | None"


class Fifo(Generic[T]):
    """An immutable queue. ``Fifo()`` is the empty one."""

    __slots__ = ("_back", "_front", "_length")

    def __init__(self, items: tuple[T, ...] = ()) -> None:
        front: _Cell[T] = None
        for item in reversed(items):
            front = (item, front)
        self._front = front
        self._back: _Cell[T] = None
        self._length = len(items)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        cell = self._front
        while cell is not None:
            yield cell[0]
            cell = cell[1]
        newest: list[T] = []
        cell = self._back
        while cell is not None:
            newest.append(cell[0])
            cell = cell[1]
        yield from reversed(newest)

    def __repr__(self) -> str:
        return f"<Fifo of {self._length}>"

    @property
    def head(self) -> T:
        """The oldest item; asking an empty queue is our own bug."""
        assert self._front is not None
        return self._front[0]

    def append(self, item: T) -> Fifo[T]:
        """The queue with ``item`` at its end."""
        if self._front is None:
            return self._made((item, None), None, 1)
        return self._made(self._front, (item, self._back), self._length + 1)

    def prepend(self, item: T) -> Fifo[T]:
        """The queue with ``item`` at its head."""
        return self._made((item, self._front), self._back, self._length + 1)

    def rest(self) -> Fifo[T]:
        """The queue without its head; asking an empty queue is our own bug."""
        assert self._front is not None
        front, back = self._front[1], self._back
        if front is None:
            while back is not None:
                front = (back[0], front)
                back = back[1]
        return self._made(front, back, self._length - 1)

    def _made(self, front: _Cell[T], back: _Cell[T], length: int) -> Fifo[T]:
        queue: Fifo[T] = self.__class__.__new__(self.__class__)
        queue._front = front
        queue._back = back
        queue._length = length
        return queue
