"""Rows of a store one after another, read in pages, up to a limit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, TypeVar

from meerkat_actors.records.activation import IdentityRow
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.ids import AgentIdentity, Generation
from meerkat_actors.records.inputs import InputRow, Letterhead
from meerkat_actors.records.stored_events import StoredEvent
from meerkat_actors.store import StoreReader
from meerkat_actors.store.legible import legible

_PAGE: Final = 100
"""Rows read at a time; memory holds no more of them, whatever the limit."""


T = TypeVar("T")
R = TypeVar("R")


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


def events_from(reader: StoreReader, after: int, limit: int) -> Iterator[StoredEvent]:
    """What happened, oldest first."""
    while limit > 0:
        events = reader.page_events(after=after, limit=min(limit, _PAGE))
        yield from events
        if not events:
            return
        limit -= len(events)
        after = events[-1].sequence


def before_last_events(reader: StoreReader, count: int) -> int:
    """The cursor behind which the last ``count`` events lie.

    Looked for in steps that grow fourfold: sequences have gaps, one for each key that was sent again.
    """
    last = reader.survey().last_sequence
    reach = count
    while True:
        begin = max(0, last - reach)
        found: deque[int] = deque((event.sequence for event in _all_events_from(reader, begin)), maxlen=count + 1)
        if len(found) > count:
            return found[0]
        if begin == 0:
            return 0
        reach *= 4


def _all_events_from(reader: StoreReader, after: int) -> Iterator[StoredEvent]:
    while events := reader.page_events(after=after, limit=_PAGE):
        yield from events
        after = events[-1].sequence
