"""The clockwork: it tells owners that timers of theirs are due, also those of agents that are not in memory.

Whoever is told reads, commits and begins a turn, and storage works in the order it is asked. A crowd that is told at
once would all be read before the first of them begins; so a few are told at a time, the next ones once these were read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Final

import trio
from attrs import Factory, define

from meerkat_actors.actors.directory.registry import Directory
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.errors import StoreCorruptError, StoreError, StoreFullError, StoreInterruptedError
from meerkat_actors.records.ids import COUNTER_MAX, AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.timers import DueLook, TimerCursor
from meerkat_actors.store.port import Store

_PAGE: Final = 1_000
"""Timers of one read: it is a fraction of a millisecond of everybody's storage."""
_TOLD: Final = 100
"""Owners that are told at a time. Half as many make batches of storage too small, more only let the first wait."""
_WHOLE_SECONDS: Final = 5.0
"""Time between two looks from the beginning: what a full or quarantined owner left is told again."""
_WHOLE_SECONDS_SHARED: Final = 1.0
"""The same where others set timers too, of which this runtime is not told: they start within a second or so."""


@define(eq=False)
class Clockwork:
    """Looks at due timers of everybody.

    Owns:  how far it has looked, and who is yet to be told; what is due, and fired, is the store's.
    Ends:  see ``run_clockwork``.
    """

    directory: Directory
    storage: StorageHandle
    now_ms: Callable[[], int]
    limits: Limits
    _looked_ms: int = 0
    """By the wall clock: what was due up to then is told to its owners."""
    _looked_whole_at: float | None = None
    """By Trio's clock; None: the next look is from the beginning."""
    _untold: dict[AgentIdentity, None] = Factory(dict[AgentIdentity, None])
    """Whose timers are due, the longest due first."""

    async def look(self) -> None:
        """Look at what is due now, if anything may be, and tell some who were not told yet; can't be cancelled.

        Raises:
            StoreError: storage has failed, or the disk is full; the next look is from the beginning.
        """
        if self._seconds_to_look() == 0:
            await self._find()
        else:
            await self.storage.read(_nothing)
        self._tell_some()

    def leave(self) -> None:
        """The runtime leaves: whoever waits for it to be idle is told that somebody has work."""
        for identity in islice(self._untold, 1):
            self.directory.post_timers(identity)

    async def wait(self) -> None:
        """Wait until a look may find something, or somebody is yet to be told."""
        while not self._untold:
            news = self.directory.clock.fresh_news()
            seconds = self._seconds_to_look()
            if seconds is None:
                await news.wait()
            elif seconds > 0:
                with trio.move_on_after(seconds):
                    await news.wait()
            else:
                return

    async def _find(self) -> None:
        clock, now_ms = self.directory.clock, self.now_ms()
        # Where the clock was set back, what was told may not have been taken, and will be due again.
        is_whole = self._whole_in() <= 0 or now_ms < self._looked_ms
        after = None if is_whole else TimerCursor(due_ms=self._looked_ms, rowid=COUNTER_MAX)
        looked_whole_at = trio.current_time() if is_whole else self._looked_whole_at
        self._looked_ms, self._looked_whole_at = now_ms, None
        clock.begin_look(is_whole=is_whole)
        due: dict[AgentIdentity, None] = {}
        while True:
            found = await self.storage.read(partial(_due_timers, now_ms, after))
            due.update(dict.fromkeys(found.identities))
            after = found.cursor
            if after is None:
                break
            self._tell_some()
        clock.end_look(found.next_due_ms, was_due=len(due) > 0)
        self._looked_whole_at = looked_whole_at
        if is_whole:
            # What is not found again was taken, or is another's by now.
            self._untold.clear()
        apart = frozenset(self.directory.broken)
        self._untold.update({identity: None for identity in due if identity not in apart})

    def _tell_some(self) -> None:
        # Nobody else may run until the next read is asked for: it is then no later than what these owners ask first,
        # and the next ones are told before these can be done, so that at no moment it looks as if nobody had work.
        for identity in tuple(islice(self._untold, _TOLD)):
            del self._untold[identity]
            self.directory.post_timers(identity)

    def _seconds_to_look(self) -> float | None:
        """How long to wait for news before asking again; 0 for a look at once, None for ever."""
        clock, now_ms = self.directory.clock, self.now_ms()
        next_ms, whole_in = clock.next_due_ms, self._whole_in()
        if self._looked_whole_at is None or now_ms < self._looked_ms or (next_ms is not None and next_ms <= now_ms):
            return 0
        if next_ms is None and not clock.may_be_left and not self.storage.is_shared:
            return None
        # Never long: the wall clock may jump.
        seconds = min(max(0, whole_in), self.limits.clock_look_seconds)
        return seconds if next_ms is None else min(seconds, (next_ms - now_ms) / 1000)

    def _whole_in(self) -> float:
        if self._looked_whole_at is None:
            return 0
        seconds = _WHOLE_SECONDS_SHARED if self.storage.is_shared else _WHOLE_SECONDS
        return self._looked_whole_at + seconds - trio.current_time()


@trio.lowlevel.enable_ki_protection
async def run_clockwork(clockwork: Clockwork) -> None:
    """Look whenever something may be due, for as long as the runtime lives.

    Ends: cancelled, after the owners; when the runtime leaves; or with storage, which tells everyone else.
    """
    while True:
        await clockwork.wait()
        if clockwork.directory.is_closing:
            clockwork.leave()
            return
        try:
            await clockwork.look()
        except (StoreFullError, StoreInterruptedError, StoreCorruptError):
            await trio.sleep(clockwork.limits.full_retry_seconds)
        except StoreError:
            return


def _due_timers(now_ms: int, after: TimerCursor | None, store: Store) -> DueLook:
    return store.due_timers(now_ms=now_ms, after=after, limit=_PAGE)


def _nothing(_: Store) -> None:
    """Read behind whoever asked before."""
