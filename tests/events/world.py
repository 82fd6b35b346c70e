"""A store whose commits are told, and who writes into it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import trio
from attrs import define

from meerkat_actors.actors.events import EventFeed, EventHub, open_events
from meerkat_actors.actors.storage import StorageHandle, open_storage
from meerkat_actors.records.agenda_codec import encode_facts
from meerkat_actors.records.agenda_effects import RecordEvents, SetTimer
from meerkat_actors.records.commits import Committed
from meerkat_actors.records.effects import Effect
from meerkat_actors.records.facts import Emitted, Fact
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.runtime_events import EVENTS_BEGINNING, EventGap, RuntimeEvent, events_of
from meerkat_actors.store import Store
from tests.actors.world import LONG, passes
from tests.store.writing import Writer, created, insert

T = TypeVar("T")


Pace = Callable[[], int]
"""How many passes the next answer takes."""


class Slow:
    """Storage whose answers come late, each by some passes of the loop: whatever may happen meanwhile does."""

    def __init__(self, storage: StorageHandle, pace: Pace) -> None:
        self._storage = storage
        self._pace = pace

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else is the storage's
        return getattr(self._storage, name)

    async def read(self, read: Callable[[Store], T]) -> T:
        return await self._late(self._storage.read, read)

    async def query(self, read: Callable[[Store], T]) -> T:
        return await self._late(self._storage.query, read)

    async def _late(self, ask: Callable[[Callable[[Store], T]], Awaitable[T]], read: Callable[[Store], T]) -> T:
        with trio.CancelScope(shield=True):
            await passes(self._pace())
            answer = await ask(read)
            await passes(self._pace())
            return answer
        raise AssertionError  # it is shielded


@define(eq=False)
class World:
    """A storage owner with its hub, and one writer for each name."""

    store: Store
    storage: StorageHandle
    hub: EventHub
    writers: dict[str, Writer]
    admissions: dict[str, int]

    def feed(self, after: str | None = EVENTS_BEGINNING, **wanted: Iterable[str | type]) -> EventFeed:
        return EventFeed(self.hub, self.storage, after, **wanted)  # type: ignore[arg-type]

    async def admit(self, name: str = "alice") -> None:
        """One row with one event."""
        self.admissions[name] += 1
        await self._commit(name, insert(self.admissions[name]))

    async def tell(self, *labels: str, name: str = "alice") -> None:
        """One row with so many events."""
        facts: tuple[Fact, ...] = tuple(Emitted(label, b"null") for label in labels)
        await self._commit(name, SetTimer("clock", 1, b"{}"), RecordEvents(encode_facts(facts)))

    def everything(self) -> list[RuntimeEvent]:
        """What the store says that happened."""
        rows = self.store.page_events(after=0, limit=100_000)
        epoch = self.store.event_bounds().epoch
        return [event for row in rows for event in events_of(row, epoch)]

    async def _commit(self, name: str, *effects: Effect) -> None:
        assert isinstance(await self.storage.commit(self.writers[name].unit(*effects)), Committed)


@asynccontextmanager
async def opened(
    store: Store,
    limits: Limits | None = None,
    *,
    names: Iterable[str] = ("alice",),
    pace: Pace = int,
    hub_pace: Pace | None = None,
    pause_seconds: float = 0,
) -> AsyncGenerator[World, None]:
    """Storage and hub as a runtime opens them; told at that pace what they read. What hangs, fails."""
    bounds = limits or Limits()
    hub = EventHub(bounds, pause_seconds=pause_seconds)
    with trio.fail_after(LONG):
        async with (
            open_storage(store, bounds, after_commit=lambda _: hub.wake(), notify=lambda _: None) as storage,
            open_events(hub, _slowed(storage, hub_pace or pace)),
        ):
            writers = {name: created(store, name) for name in names}
            yield World(store, _slowed(storage, pace), hub, writers, dict.fromkeys(names, 0))


def _slowed(storage: StorageHandle, pace: Pace) -> StorageHandle:
    return cast("StorageHandle", Slow(storage, pace))


async def taken(feed: EventFeed, count: int) -> list[RuntimeEvent | EventGap]:
    """The next so many."""
    return [await anext(feed) for _ in range(count)]


def labels(told: Iterable[RuntimeEvent | EventGap]) -> list[str]:
    """What was told, in short."""
    return [_label(each) for each in told]


def _label(told: RuntimeEvent | EventGap) -> str:
    if isinstance(told, EventGap):
        return "gap"
    return told.detail.name if isinstance(told.detail, Emitted) else type(told.detail).__name__
