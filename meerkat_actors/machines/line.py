"""A queue that is never changed, and shrinks anywhere: what waits in one lane of an identity.

Rule 1: first in, first out, but for what leaves early: superseded, cancelled, bound by a checkpoint.
Rule 2: whoever comes back stands where it stood, by admission.
Rule 3: no operation costs more for a longer queue, amortised. What left stays in the order until the head
        reaches it, or until most of the order has left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from immutables import Map

from meerkat_actors.machines.fifo import Fifo
from meerkat_actors.records.ids import AdmissionSequence
from meerkat_actors.records.inputs import OpenInput

_Held = Map[AdmissionSequence, OpenInput]

_LEFT_MAX: Final = 32
"""More than half of an order, and so many, may have left before it is made anew."""

_NOBODY: Final[_Held] = Map()
_NO_ORDER: Final[Fifo[OpenInput]] = Fifo()


class Line:
    """An immutable queue of open inputs. The empty one is ``EMPTY``, and no other is: to ask costs nothing."""

    __slots__ = ("_held", "_only", "_order")

    def __init__(self, items: tuple[OpenInput, ...] = ()) -> None:
        self._order: Fifo[OpenInput] = Fifo(items)
        self._held: _Held = Map((item.admission, item) for item in items) if items else _NOBODY
        self._only: OpenInput | None = None
        """Who waits alone, as nearly everybody does: then there is no order, and no map."""

    def __len__(self) -> int:
        return len(self._held) if self._only is None else 1

    def __contains__(self, admission: AdmissionSequence) -> bool:
        return self.get(admission) is not None

    def __iter__(self) -> Iterator[OpenInput]:
        if self._only is not None:
            return iter((self._only,))
        held = self._held
        return (item for item in self._order if held.get(item.admission) is item)

    def __repr__(self) -> str:
        return f"<Line of {len(self)}>"

    def get(self, admission: AdmissionSequence) -> OpenInput | None:
        """The input of that admission, if it waits here."""
        only = self._only
        if only is not None:
            return only if only.admission == admission else None
        return self._held.get(admission)

    @property
    def head(self) -> OpenInput:
        """The first; asking an empty line is our own bug."""
        return self._order.head if self._only is None else self._only

    def append(self, item: OpenInput) -> Line:
        """The line with ``item`` at its end."""
        if self is EMPTY:
            return self._made(_NO_ORDER, _NOBODY, item)
        order, held = self._whole()
        return self._kept(order.append(item), held.set(item.admission, item))

    def take_back(self, items: tuple[OpenInput, ...]) -> Line:
        """The line with ``items``, which are in admission order, in their places."""
        if not items:
            return self
        if self is not EMPTY and self.head.admission < items[-1].admission:
            # Two runs gave back what they held, the older one first.
            return Line(tuple(sorted((*self, *items), key=_admission)))
        order, held = self._whole()
        for item in reversed(items):
            order = order.prepend(item)
            held = held.set(item.admission, item)
        return self._kept(order, held)

    def rest(self) -> Line:
        """The line without its head; asking an empty line is our own bug."""
        return self.without(self.head.admission)

    def without(self, admission: AdmissionSequence) -> Line:
        """The line without the input of that admission, which waits here."""
        if self._only is not None:
            assert self._only.admission == admission
            return EMPTY
        held = self._held.delete(admission)
        if not held:
            return EMPTY
        order = self._order
        while held.get(order.head.admission) is not order.head:
            order = order.rest()
        return self._kept(order, held)

    def _whole(self) -> tuple[Fifo[OpenInput], _Held]:
        only = self._only
        return (self._order, self._held) if only is None else (Fifo((only,)), _NOBODY.set(only.admission, only))

    def _kept(self, order: Fifo[OpenInput], held: _Held) -> Line:
        if len(order) > 2 * len(held) + _LEFT_MAX:
            order = Fifo(tuple(item for item in order if held.get(item.admission) is item))
        return self._made(order, held, None)

    def _made(self, order: Fifo[OpenInput], held: _Held, only: OpenInput | None) -> Line:
        line: Line = self.__class__.__new__(self.__class__)
        line._order, line._held, line._only = order, held, only
        return line


def line_of(items: tuple[OpenInput, ...]) -> Line:
    """A line of inputs, in admission order."""
    return Line(items) if items else EMPTY


def _admission(item: OpenInput) -> AdmissionSequence:
    return item.admission


EMPTY: Final = Line()
