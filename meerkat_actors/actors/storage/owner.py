"""The storage owner: all writes of all owners, in batches, through one writer thread."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import trio

from meerkat_actors.actors.hands import Hands, InlineHands
from meerkat_actors.actors.home import Home
from meerkat_actors.actors.reply import CommitSlot, ReplySlot
from meerkat_actors.actors.storage.batches import Batches, CommitRequest, ReadRequest
from meerkat_actors.actors.storage.counters import StorageCounters
from meerkat_actors.actors.writer import Writer, lender_of_run
from meerkat_actors.errors import MeerkatError, StoreFullError
from meerkat_actors.records.activation import Opening
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import OwnerUnit, PostInput, ReturnMail, Unit
from meerkat_actors.records.events import EndFailed, Event
from meerkat_actors.records.fence import OwnerFence
from meerkat_actors.records.limits import Limits
from meerkat_actors.store.port import Store

T = TypeVar("T")


class StorageHandle:
    """What owners hold of storage.

    Protected from Ctrl-C, also where a user's task asks: half a post would leave storage busy for ever.
    """

    def __init__(self, batches: Batches, opening: Opening) -> None:
        self._batches = batches
        self._home = Home()
        self.opening = opening
        self.counters: StorageCounters = batches.counters
        self.location: str = batches.location
        self.is_shared: bool = batches.is_shared

    def check_home(self) -> None:
        """Refuse a caller from elsewhere.

        Raises:
            UsageError: the runtime lives in another thread, process, or kind of task.
        """
        self._home.check(self.location)

    @trio.lowlevel.enable_ki_protection
    async def commit(self, unit: Unit, on_outcome: Callable[[CommitOutcome], None] | None = None) -> CommitOutcome:
        """Commit one unit and wait until it is durable or refused; can't be cancelled.

        ``on_outcome`` hears the outcome in the same synchronous step as storage itself.

        Raises:
            StoreError: storage has failed; the unit may be durable.
        """
        slot: CommitSlot[CommitOutcome] = CommitSlot(on_outcome)
        self._batches.post(CommitRequest(unit, slot))
        return await slot.wait()

    @property
    def incarnation(self) -> int:
        """Under which this runtime serves, as far as it knows."""
        return self._batches.incarnation

    async def post(self, effect: PostInput | tuple[ReturnMail, ...]) -> CommitOutcome:
        """Write under this runtime's own fence; cancelling the wait withdraws nothing.

        Raises:
            StoreError: storage has failed; it may be durable.
            UsageError: the runtime is closed, or lives in another thread or process.
        """
        unit = OwnerUnit(OwnerFence(self._batches.incarnation), effect)
        return await self.query(lambda store: store.post(unit), writes=True)

    async def begin_anew(self) -> None:
        """Begin to serve under a new incarnation, after the lease of the old one was lost; can't be cancelled.

        Raises:
            StoreError: storage has failed, or the disk is full.
        """
        opening = await self.read(lambda store: store.begin())
        self._batches.incarnation = opening.incarnation

    @trio.lowlevel.enable_ki_protection
    async def read(self, read: Callable[[Store], T]) -> T:
        """Run a read behind every unit that was given before it; can't be cancelled.

        Raises:
            StoreError: storage has failed, or what was read is corrupt.
        """
        slot: CommitSlot[T] = CommitSlot()
        self._batches.post(ReadRequest(read, slot))
        return await slot.wait()

    @trio.lowlevel.enable_ki_protection
    async def query(self, read: Callable[[Store], T], *, writes: bool = False) -> T:
        """Run a read for a caller; cancelling the wait has no effect on anything. ``writes``: it commits by itself.

        Raises:
            StoreError: storage has failed, or what was read is corrupt.
            UsageError: the runtime is closed, or lives in another thread or process.
        """
        self.check_home()
        slot: ReplySlot[T] = ReplySlot()
        self._batches.post(ReadRequest(read, slot, writes))
        return await slot.wait()


@asynccontextmanager
@trio.lowlevel.enable_ki_protection
async def open_storage(
    source: Store | Callable[[], Store],
    limits: Limits,
    *,
    after_commit: Callable[[list[Unit]], None],
    notify: Callable[[Event], None],
    hands: Hands | None = None,
) -> AsyncGenerator[StorageHandle, None]:
    """Run the storage owner for as long as the ``async with`` block, then drain it.

    ``source`` is a store, or opens one, which may take its time and happens in the writer's thread.
    The owner outlives a cancelled block: owners inside may still commit their last words. It
    ends when nothing waits any more, or ``drain_seconds`` after the block did, but never while
    a batch is under way. The store is marked clean unless a call to it failed. ``after_commit`` is told the units
    that became durable together, between their commit and the first reply; it is synchronous and may not fail.
    ``hands`` do the work; without any a thread does it, or for a store that is ``inline`` the loop itself.

    Raises:
        StoreError: the store can't be opened, or failed for good; the block is cancelled then.
    """
    async with _open_hands(source, hands) as working:
        store = await working.call(source) if callable(source) else source
        # Where others share, a new connection is a new owner, which holds nothing: nothing would be gained.
        reopen = (
            partial(_reopen, source, working.call, limits.full_retry_seconds)
            if callable(source) and not store.is_shared
            else None
        )
        batches = Batches(store, working, limits, after_commit, notify, can_reopen=reopen is not None)
        try:
            opening = await working.call(store.begin)
            batches.has_begun, batches.incarnation = True, opening.incarnation
            async with _serving(batches, limits, reopen):
                yield StorageHandle(batches, opening)
        except BaseException:
            # What ends the block is told to who waits for it; what goes wrong behind it only to observers.
            # Shielded with a deadline: cleanup; a call to the store can't be cancelled anyway.
            with trio.move_on_after(limits.drain_seconds, shield=True):
                try:
                    await working.call(partial(_close, batches))
                except MeerkatError as error:
                    notify(EndFailed(error=str(error)))
            raise
        else:
            with trio.move_on_after(limits.drain_seconds, shield=True):  # the same
                await working.call(partial(_close, batches))


@asynccontextmanager
@trio.lowlevel.enable_ki_protection
async def _open_hands(source: Store | Callable[[], Store], given: Hands | None) -> AsyncGenerator[Hands, None]:
    if given is not None or not (callable(source) or not source.inline):
        yield InlineHands() if given is None else given
        return
    lender = lender_of_run()
    lender.install()
    writer = Writer(lender)
    try:
        yield writer
    finally:
        lender.uninstall()
        writer.join()


@asynccontextmanager
@trio.lowlevel.enable_ki_protection
async def _serving(batches: Batches, limits: Limits, reopen: Reopen | None) -> AsyncGenerator[None, None]:
    # Shielded with a deadline: a service that outlives its clients.
    service = trio.CancelScope(shield=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_pump, service, batches, reopen)
        try:
            yield
        finally:
            service.deadline = trio.current_time() + limits.drain_seconds
            batches.is_leaving = True
            batches.wake()


@trio.lowlevel.enable_ki_protection
async def _pump(service: trio.CancelScope, batches: Batches, reopen: Reopen | None) -> None:
    """Begin batches for as long as there are askers.

    Owns:  the store, through ``Batches``.
    Ends:  idle after its block ended; at the deadline after that; or with a failure of the store's that
           reopening can't mend, having answered everyone.
    """
    with service:
        try:
            while not (batches.is_leaving and batches.is_idle):
                if batches.failure is not None:
                    raise batches.failure
                if batches.interruption is not None and reopen is not None:
                    await reopen(batches)
                    continue
                if batches.is_busy or (not batches.checkpoint_if_due() and batches.is_idle):
                    await batches.park()
                elif not batches.is_busy:
                    batches.begin()
        finally:
            batches.close()


Reopened = tuple[Store, Opening]
Call = Callable[[Callable[[], Reopened]], Awaitable[Reopened]]
Reopen = Callable[[Batches], Awaitable[None]]


@trio.lowlevel.enable_ki_protection
async def _reopen(source: Callable[[], Store], call: Call, full_retry_seconds: float, batches: Batches) -> None:
    """Put a new connection in the place of one that failed: with a real write before anything is read.

    What waits keeps waiting. Whoever lost an answer begins anew, by reading.
    """
    failed, error = batches.store, batches.interruption

    def replace() -> tuple[Store, Opening]:
        failed.close()
        store = source()
        try:
            return store, store.begin()
        except BaseException:
            store.close()
            raise

    try:
        while True:
            try:
                batches.resume(*await call(replace))
            except StoreFullError as full:
                # As a full disk does elsewhere: it refuses, and ends nothing.
                batches.refuse_waiting(full)
                await trio.sleep(full_retry_seconds)
            else:
                break
    except MeerkatError as second:
        second.__context__ = error
        batches.give_up(second)
    else:
        batches.tell_reopened(str(error))


def _close(batches: Batches) -> None:
    try:
        if batches.has_begun and batches.failure is None:
            batches.store.end(clean=True)
    finally:
        batches.store.close()
