"""The event hub: one reader of what was committed, for everyone who wants to hear of it at once.

Subscribers that keep up are *live*: the hub reads each row once and puts it into their buffers. One whose buffer is
full is live no more, and costs nobody anything until it has emptied its buffer and read by itself what it missed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio

from meerkat_actors.actors.events.pages import PAGE_ROWS, Page, read_page
from meerkat_actors.actors.events.subscriber import Subscriber
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.errors import StoreError
from meerkat_actors.records.limits import Limits

_PAUSE_SECONDS: Final = 0.01
"""Between two looks at what was committed: an agent that is alone would share its commits with a read each."""


class EventHub:
    """Who subscribes to what happens in one runtime.

    Its own methods are synchronous, so each is one step as everyone else sees it.
    """

    def __init__(self, limits: Limits, *, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self.limits = limits
        self.has_ended: bool = False
        """Whether nothing is told any more but what is in the buffers."""
        self._open: set[Subscriber] = set()
        self._live: set[Subscriber] = set()
        self._tail = 0
        """While anyone is live: up to here everybody live was told everything."""
        self._news = trio.Event()
        self._pause_seconds = pause_seconds
        self._leaving = trio.Event()

    def wake(self) -> None:
        """Something was committed. Cheap while nobody is live."""
        if self._live:
            self._news.set()

    def admit(self, subscriber: Subscriber) -> None:
        """Know a subscriber, until it is dismissed."""
        self._open.add(subscriber)

    def dismiss(self, subscriber: Subscriber) -> None:
        """Forget a subscriber. Idempotent."""
        self._open.discard(subscriber)
        self._part(subscriber)

    def join(self, subscriber: Subscriber) -> None:
        """Let one be live that was told everything up to where it is; nothing, if the others are further."""
        if self.has_ended:
            return
        if not self._live:
            self._tail = subscriber.place.sequence
        elif subscriber.place.sequence < self._tail:
            return
        self._live.add(subscriber)
        subscriber.is_live = True
        # Nobody told of what was committed since it read.
        self._news.set()

    def leave(self) -> None:
        """Let the hub end, once it has told everything."""
        self._leaving.set()
        self._news.set()

    def end(self, *, is_complete: bool) -> None:
        """Tell nobody anything any more; ``is_complete`` when who is live was told everything."""
        self.has_ended = True
        if not is_complete:
            self._part_all()
        for subscriber in self._open:
            subscriber.stir()

    async def serve(self, storage: StorageHandle) -> None:
        """Tell who is live what was committed, until the hub is to leave and all is told."""
        while not self._leaving.is_set():
            if storage.is_shared:
                # Others that share the store wake nobody here.
                with trio.move_on_after(self.limits.look_seconds):
                    await self._news.wait()
            else:
                await self._news.wait()
            await self._look(storage)
            if self._live:
                with trio.move_on_after(self._pause_seconds):
                    await self._leaving.wait()
        await self._look(storage)

    async def _look(self, storage: StorageHandle) -> None:
        has_more, limit = True, PAGE_ROWS
        while self._live and (has_more or self._news.is_set()):
            # Before the read: what is committed after it sets another.
            self._news = trio.Event()
            after = self._tail
            try:
                page = await storage.read(partial(read_page, after=after, limit=limit))
            except StoreError:
                self._part_all()
                break
            # Unless all who were live left, and another one came, who stands elsewhere.
            if self._tail == after:
                self._tell(page)
            has_more, limit = not page.is_last, page.next_limit
        if not self._live:
            self._news = trio.Event()

    def _tell(self, page: Page) -> None:
        if page.floor > self._tail:  # it was pruned before it was told
            self._part_all()
            return
        for subscriber in tuple(self._live):
            if not subscriber.take(page):
                subscriber.owes_gap = True
                self._part(subscriber)
        self._tail = page.reached

    def _part_all(self) -> None:
        """Whatever is wrong, everyone finds it out by reading."""
        for subscriber in tuple(self._live):
            self._part(subscriber)

    def _part(self, subscriber: Subscriber) -> None:
        self._live.discard(subscriber)
        subscriber.is_live = False
        subscriber.stir()


@asynccontextmanager
@trio.lowlevel.enable_ki_protection
async def open_events(hub: EventHub, storage: StorageHandle) -> AsyncGenerator[None, None]:
    """Run the hub for as long as the ``async with`` block, then tell what was committed last, and end.

    To be opened before the owners and within storage. It outlives a cancelled block by ``drain_seconds`` at most.
    """
    # Shielded with a deadline: a service that outlives its clients.
    service = trio.CancelScope(shield=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_run, service, hub, storage)
        try:
            yield
        finally:
            service.deadline = trio.current_time() + hub.limits.drain_seconds
            hub.leave()


@trio.lowlevel.enable_ki_protection
async def _run(service: trio.CancelScope, hub: EventHub, storage: StorageHandle) -> None:
    is_complete = False
    with service:
        try:
            await hub.serve(storage)
            is_complete = True
        finally:
            hub.end(is_complete=is_complete)
