"""Cursors over time: what is behind them is told whole, or they have expired."""

from __future__ import annotations

import pytest

from meerkat_actors.errors import CursorExpiredError, InvalidValueError
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.runtime_events import EVENTS_BEGINNING, Place, cursor_at
from meerkat_actors.store import MemoryStore
from tests.events.world import labels, opened, taken


async def test_a_cursor_of_another_epoch_or_from_below_the_floor_has_expired() -> None:
    store = MemoryStore()
    async with opened(store) as world:
        for number in range(4):
            await world.tell(str(number))
        everything = world.everything()
        epoch = store.event_bounds().epoch
        foreign = cursor_at(Place(epoch=epoch + 1, sequence=1))
        with pytest.raises(CursorExpiredError, match=foreign) as caught:
            await world.feed(foreign).__aenter__()
        assert caught.value.cursor == foreign
        _prune(store, below=2)
        with pytest.raises(CursorExpiredError, match="EVENTS_BEGINNING"):
            await world.feed(everything[0].cursor).__aenter__()
        async with world.feed(everything[1].cursor) as at_floor, world.feed(EVENTS_BEGINNING) as oldest:
            assert labels(await taken(at_floor, 2)) == labels(await taken(oldest, 2)) == ["2", "3"]


async def test_what_was_pruned_before_a_slow_subscriber_was_told_is_never_skipped_silently() -> None:
    store = MemoryStore()
    async with opened(store, Limits(events_buffer=1)) as world, world.feed(None) as events:
        for number in range(5):
            await world.tell(str(number))
        assert labels(await taken(events, 2)) == ["0", "gap"]
        _prune(store, below=4)
        for _ in range(2):
            with pytest.raises(CursorExpiredError):
                await anext(events)


async def test_a_cursor_beyond_what_happened_is_another_stores() -> None:
    async with opened(MemoryStore()) as world:
        await world.tell("one", "two")
        bounds = world.store.event_bounds()
        for place in (
            Place(epoch=bounds.epoch, sequence=bounds.last + 1),
            Place(epoch=bounds.epoch, sequence=bounds.last, told=1),
        ):
            with pytest.raises(InvalidValueError, match="another store"):
                await world.feed(cursor_at(place)).__aenter__()


def _prune(store: MemoryStore, *, below: int) -> None:
    """Forget rows up to the ``below``-th, as a retention does."""
    rows = store.page_events(after=0, limit=100)
    tables = store._tables  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    for row in rows[:below]:
        tables.events.drop(tables, row.sequence)
    tables.keep()
    tables.event_floor = rows[below - 1].sequence
