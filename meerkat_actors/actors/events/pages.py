"""Events as they are read: a page of rows, and how far it tells everything."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from meerkat_actors.records.runtime_events import RuntimeEvent, events_of
from meerkat_actors.store.legible import legible
from meerkat_actors.store.port import Store

PAGE_ROWS: Final = 100
"""Rows of a first page: one short hop through the storage owner."""
_PAGE_ROWS_MAX: Final = 2_000
"""Of a later one: what a batch of the busiest runtime tells."""
_PAGE_BYTES: Final = 8_000_000
"""Bodies that a later page should hold at most: a turn's may have megabytes, and mostly has a thousand bytes."""


@frozen
class TellingRow:
    """What one row tells."""

    sequence: int
    events: tuple[RuntimeEvent, ...]


@frozen(kw_only=True)
class Page:
    """What is kept from beyond a sequence on."""

    epoch: int
    floor: int
    """What was up to here may be missing."""
    rows: tuple[TellingRow, ...]
    reached: int
    """Everything up to this sequence is in the page, or before it."""
    is_last: bool
    """Whether there was nothing beyond it."""
    next_limit: int
    """Rows of the page to be read after it."""


def read_page(store: Store, *, after: int, limit: int) -> Page:
    """The next rows from beyond ``after``, in one synchronous step of the store.

    Raises:
        StoreCorruptError: a row can't be read.
    """
    before = store.event_bounds()
    stored = store.page_events(after=after, limit=limit)
    # Others that share the store commit and prune meanwhile: what they gave out before the rows were read is in the
    # page, and what they pruned before is below the floor.
    floor = store.event_bounds().floor if store.is_shared else before.floor
    rows = legible(
        store.location, lambda: tuple(TellingRow(row.sequence, events_of(row, before.epoch)) for row in stored)
    )
    is_last = len(rows) < limit
    reached = max(after, rows[-1].sequence if rows else 0, before.last if is_last else 0)
    fitting = _PAGE_BYTES * len(rows) // max(1, sum(len(row.body or b"") for row in stored))
    next_limit = PAGE_ROWS if is_last else max(1, min(2 * limit, fitting, _PAGE_ROWS_MAX))
    return Page(epoch=before.epoch, floor=floor, rows=rows, reached=reached, is_last=is_last, next_limit=next_limit)
