"""What a subscriber holds: events for ``async for``, from a cursor or from now on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from functools import partial
from types import TracebackType
from typing import Self

import trio

from meerkat_actors.actors.events.hub import EventHub
from meerkat_actors.actors.events.pages import PAGE_ROWS, read_page
from meerkat_actors.actors.events.subscriber import Subscriber, parse_wanted
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.actors.turn import refuse_inside_turn
from meerkat_actors.errors import CursorExpiredError, InvalidValueError, MeerkatError, UsageError
from meerkat_actors.records.runtime_events import (
    EVENTS_BEGINNING,
    EventGap,
    Place,
    RuntimeEvent,
    cursor_at,
    place_of,
)
from meerkat_actors.records.stored_events import EventBounds


class EventFeed(AsyncIterator[RuntimeEvent | EventGap]):
    """Events in the order in which they were committed, each once; for ``async with``, then ``async for``.

    From its cursor on it replays what is kept, and then follows. Who takes events more slowly than they are committed
    is told so by an ``EventGap``, and misses nothing; it never slows an agent. The feed ends when the runtime does:
    after the last event, or after an ``EventGap`` that says where to go on next time.
    """

    def __init__(
        self,
        hub: EventHub,
        storage: StorageHandle,
        after: str | None,
        *,
        identities: Collection[str] | None = None,
        kinds: Collection[str | type] | None = None,
    ) -> None:
        refuse_inside_turn("events")
        self._hub = hub
        self._storage = storage
        self._after = after
        # Refused at the call, and not where its events are waited for.
        self._begins: Place | None = None if after is None or after == EVENTS_BEGINNING else place_of(after)
        self._wanted = parse_wanted(identities, kinds)
        self._subscriber: Subscriber | None = None
        self._is_closed = False
        self._limit = PAGE_ROWS
        self._gap: Place | None = None
        """Where the last thing that was told is a gap."""

    async def __aenter__(self) -> Self:
        """Subscribe. Cancelling the call leaves nothing behind.

        Raises:
            CursorExpiredError: not everything behind the cursor is kept.
            InvalidValueError: the cursor lies beyond what happened: it is another store's.
            UsageError: inside a turn; a second time; or the runtime is closed, or lives elsewhere.
            StoreError: the store can't be read.
        """
        refuse_inside_turn("events")
        if self._subscriber is not None or self._is_closed:
            raise UsageError(problem="these events were subscribed to before; call runtime.events() again")
        bounds = await self._storage.query(lambda store: store.event_bounds())
        if self._hub.has_ended:
            raise UsageError(problem="the runtime is closed; subscribe to its events inside its block")
        place = self._beginning(bounds)
        subscriber = self._subscriber = Subscriber(place, self._wanted, self._hub.limits.events_buffer)
        self._hub.admit(subscriber)
        if self._after is None:
            self._hub.join(subscriber)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the subscription; cancelled, it is ended too."""
        await self.aclose()

    def __aiter__(self) -> EventFeed:
        """Itself."""
        return self

    async def __anext__(self) -> RuntimeEvent | EventGap:
        """The next event, or a gap. Cancelling the wait loses nothing: the same event is next.

        A page that is being read from the store is read to its end first.

        What is in the buffer is told without a schedule point: at each of them a busy loop would tell one event a pass.

        Raises:
            CursorExpiredError: what comes next was pruned before it was told.
            UsageError: inside a turn; outside its ``async with`` block; or the runtime lives elsewhere.
            StoreError: the store, or a row of it, can't be read. Ask again.
        """
        refuse_inside_turn("events")
        self._storage.check_home()
        subscriber = self._subscriber
        if subscriber is None and not self._is_closed:
            raise UsageError(problem="subscribe first: async with runtime.events(...) as events")
        await trio.lowlevel.checkpoint_if_cancelled()
        if subscriber is None or not subscriber.buffer:
            await trio.lowlevel.checkpoint()
        while subscriber is not None and not self._is_closed:
            if subscriber.buffer:
                self._gap = None
                return subscriber.buffer.popleft()
            if subscriber.owes_gap:
                return self._gap_of(subscriber)
            if self._hub.has_ended:
                if subscriber.is_live or self._gap is not None:
                    break
                return self._gap_of(subscriber)
            if subscriber.is_live:
                await subscriber.wait()
            else:
                await self._catch_up(subscriber)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the subscription; cancelled, it is ended too."""
        self._is_closed = True
        if self._subscriber is not None:
            self._subscriber.buffer.clear()
            self._hub.dismiss(self._subscriber)
        await trio.lowlevel.checkpoint()

    def _beginning(self, bounds: EventBounds) -> Place:
        place = self._begins
        if place is None:
            return Place(epoch=bounds.epoch, sequence=bounds.last if self._after is None else bounds.floor)
        self._require_kept(place, bounds.epoch, bounds.floor)
        if place.sequence + (place.told > 0) > bounds.last:
            problem = f"{self._after} lies beyond what happened in {self._storage.location}: it is another store's"
            raise InvalidValueError(problem=problem)
        return place

    def _require_kept(self, place: Place, epoch: int, floor: int) -> None:
        if place.epoch != epoch or place.sequence < floor:
            raise CursorExpiredError(path=self._storage.location, cursor=cursor_at(place))

    def _gap_of(self, subscriber: Subscriber) -> EventGap:
        subscriber.owes_gap = False
        self._gap = subscriber.place
        return EventGap(after=cursor_at(subscriber.place))

    async def _catch_up(self, subscriber: Subscriber) -> None:
        """Read the next page by itself; behind the last one it is live."""
        place = subscriber.place
        limit = min(self._limit, self._hub.limits.events_buffer)
        try:
            # To the end, also under a cancellation: who polls with a short timeout would begin it anew for ever.
            page = await self._storage.read(partial(read_page, after=place.sequence, limit=limit))
        except MeerkatError:
            if self._hub.has_ended:
                return  # storage ended under it
            raise
        self._require_kept(place, page.epoch, page.floor)
        self._limit = page.next_limit
        subscriber.take(page)
        if page.is_last:
            self._hub.join(subscriber)
