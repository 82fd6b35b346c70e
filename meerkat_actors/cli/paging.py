"""Rows of a store one after another, read in pages, up to a limit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Final, TypeVar

from attrs import frozen

from meerkat_actors.records.activation import IdentityRow
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.ids import AgentIdentity, Generation
from meerkat_actors.records.inputs import InputRow, Letterhead
from meerkat_actors.records.runtime_events import Place, RuntimeEvent, events_of, place_of
from meerkat_actors.records.stored_events import StoredEvent
from meerkat_actors.store import StoreReader
from meerkat_actors.store.legible import legible

_PAGE: Final = 100
"""Rows read at a time; memory holds no more of them, whatever the limit."""


T = TypeVar("T")
R = TypeVar("R")


@frozen
class NumberedEvent:
    """One event, and where it is."""

    sequence: int
    """Of its row: of the unit that did it."""
    index: int
    """Among the events of the row, from 0."""
    is_alone: bool
    """Whether they are no more than this one."""
    event: RuntimeEvent

    @property
    def number(self) -> str:
        """Behind which ``--after`` begins: ``17``, or ``17.2`` for the second event of the row 17."""
        return str(self.sequence) if self.is_alone else f"{self.sequence}.{self.index + 1}"

    @property
    def place(self) -> Place:
        """The place behind it."""
        return place_of(self.event.cursor)


def made(reader: StoreReader, make: Callable[[T], R], rows: Iterable[T]) -> Iterator[R]:
    """What is made of each row.

    Raises:
        StoreCorruptError: a row that does not decode.
    """
    for row in rows:
        yield legible(reader.location, partial(make, row))


def identities_from(reader: StoreReader, after: AgentIdentity | None, limit: int) -> Iterator[IdentityRow]:
    """Identities in the order of their names."""
    while limit > 0:
        rows = reader.page_identities(after=after, limit=min(limit, _PAGE))
        yield from rows
        if not rows:
            return
        limit -= len(rows)
        after = rows[-1].identity


def inputs_of(reader: StoreReader, identity: AgentIdentity, limit: int) -> Iterator[InputRow]:
    """Admitted inputs, newest first."""
    after: int | None = None
    while limit > 0:
        rows = reader.page_inputs(identity, after=after, limit=min(limit, _PAGE), newest_first=True)
        yield from rows
        if not rows:
            return
        limit -= len(rows)
        after = rows[-1].admission


def letters_of(reader: StoreReader, identity: AgentIdentity | None, limit: int) -> Iterator[Letterhead]:
    """Dead letters of one agent, or of all (None), oldest first."""
    after = 0
    while limit > 0:
        letters = reader.page_letters(identity, after=after, limit=min(limit, _PAGE))
        yield from letters
        if not letters:
            return
        limit -= len(letters)
        after = letters[-1].row.sequence


def turns_of(
    reader: StoreReader, identity: AgentIdentity, wanted: int, *, generation: Generation | None = None
) -> Iterator[TurnRow]:
    """Boundaries of one generation, or of all (None), newest first: all of them, for who wants about so many."""
    before: int | None = None
    while before != 0:
        rows = reader.page_turns(identity, before=before, limit=min(wanted, _PAGE))
        if not rows:
            return
        yield from (row for row in rows if generation is None or row.generation == generation)
        if generation is not None and rows[-1].generation < generation:
            return
        before = rows[-1].previous


def events_from(reader: StoreReader, after: Place, limit: int) -> Iterator[NumberedEvent]:
    """What happened from beyond a place, oldest first.

    Raises:
        StoreCorruptError: a row that does not decode.
    """
    return islice(_events_of(reader, _rows_from(reader, after.sequence, min(limit, _PAGE)), after), limit)


def before_last_events(reader: StoreReader, count: int) -> Place:
    """The place behind which the last ``count`` events lie.

    Looked for in steps that grow fourfold: sequences have gaps, one for each key that was sent again.
    """
    bounds = reader.event_bounds()
    reach = count
    while True:
        begin = Place(epoch=bounds.epoch, sequence=max(0, bounds.last - reach))
        rows = _rows_from(reader, begin.sequence, _PAGE)
        found: deque[NumberedEvent] = deque(_events_of(reader, rows, begin), maxlen=count + 1)
        if len(found) > count:
            return found[0].place
        if begin.sequence == 0:
            return begin
        reach *= 4


def _rows_from(reader: StoreReader, after: int, page: int) -> Iterator[StoredEvent]:
    while rows := reader.page_events(after=after, limit=page):
        yield from rows
        after = rows[-1].sequence


def _events_of(reader: StoreReader, rows: Iterable[StoredEvent], after: Place) -> Iterator[NumberedEvent]:
    epoch = reader.event_bounds().epoch
    for row in rows:
        events = legible(reader.location, partial(events_of, row, epoch))
        told = after.told if row.sequence == after.sequence + 1 else 0
        for index in range(told, len(events)):
            yield NumberedEvent(row.sequence, index, len(events) == 1, events[index])
