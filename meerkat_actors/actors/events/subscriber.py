"""One subscriber as the hub sees it: what it wants, how far it was told, and what waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import cast

import trio
from attrs import frozen

from meerkat_actors.actors.events.pages import Page, TellingRow
from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.ids import AgentIdentity, parse_identity, shown
from meerkat_actors.records.runtime_events import DETAILS, Place, RuntimeEvent


@frozen
class Wanted:
    """What a subscriber wants to be told."""

    identities: frozenset[AgentIdentity] | None
    """None for everybody's."""
    kinds: frozenset[type] | None
    """Types of details; None for all."""

    def has(self, event: RuntimeEvent) -> bool:
        """Whether the event is among it."""
        return (self.identities is None or event.identity in self.identities) and (
            self.kinds is None or type(event.detail) in self.kinds
        )


class Subscriber:
    """What one subscriber waits for. Reached by its own task and by the hub's, both on the runtime's loop."""

    __slots__ = ("_arrived", "_room", "_wanted", "buffer", "is_live", "owes_gap", "place")

    def __init__(self, place: Place, wanted: Wanted, room: int) -> None:
        self.place: Place = place
        """Everything before it was told, is in the buffer, or isn't wanted."""
        self.buffer: deque[RuntimeEvent] = deque()
        self.is_live: bool = False
        """Whether the hub tells it what comes; else it reads by itself."""
        self.owes_gap: bool = False
        """Whether it has yet to learn that it was too slow."""
        self._arrived = trio.lowlevel.ParkingLot()
        self._wanted = wanted
        self._room = room

    def take(self, page: Page) -> bool:
        """Take what is new in a page; False, and not all of it, when there is no room."""
        for row in page.rows:
            if row.sequence > self.place.sequence and not self._take_row(row):
                return False
        self._move(page.reached)
        return True

    def stir(self) -> None:
        """Let its task look around."""
        self._arrived.unpark_all()

    async def wait(self) -> None:
        """Wait until there may be something to do. Cancelling the wait loses nothing."""
        await self._arrived.park()

    def _take_row(self, row: TellingRow) -> bool:
        place = self.place
        skipped = place.told if row.sequence == place.sequence + 1 else 0
        wanted = [event for event in row.events[skipped:] if self._wanted.has(event)]
        # One row is never parted: what doesn't fit at all goes into an empty buffer.
        if wanted and self.is_live and self.buffer and len(self.buffer) + len(wanted) > self._room:
            return False
        if wanted:
            self.buffer.extend(wanted)
            self.stir()
        self._move(row.sequence)
        return True

    def _move(self, sequence: int) -> None:
        if sequence > self.place.sequence:
            self.place = Place(epoch=self.place.epoch, sequence=sequence)


def parse_wanted(identities: Collection[str] | None, kinds: Collection[str | type] | None) -> Wanted:
    """What is wanted, of names and types.

    Raises:
        InvalidValueError: no collection, or in it something that is neither.
    """
    names = None if identities is None else frozenset(map(parse_identity, _collected(identities, "identities")))
    types = None if kinds is None else frozenset(map(_detail, _collected(kinds, "kinds")))
    return Wanted(names, types)


def _collected(values: object, what: str) -> Collection[str]:
    if isinstance(values, str) or not isinstance(values, Collection):
        raise InvalidValueError(problem=f"{what}={shown(values)}: use a collection of them, such as a tuple")
    return cast("Collection[str]", values)


def _detail(kind: object) -> type:
    name = kind.__name__ if isinstance(kind, type) else kind
    found = DETAILS.get(name) if isinstance(name, str) else None
    if found is None or (isinstance(kind, type) and kind is not found):
        raise InvalidValueError(problem=f"{shown(name)} is no kind of event; use one of: {', '.join(DETAILS)}")
    return found
