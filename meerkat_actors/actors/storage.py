"""The storage owner: the only task that reaches the store, through one writer thread."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import trio
from attrs import define

from meerkat_actors.actors.reply import CommitSlot, ReplySlot
from meerkat_actors.actors.writer import Writer, lender_of_run
from meerkat_actors.errors import MeerkatError, StoreFailedError
from meerkat_actors.records.activation import Opening
from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.effects import SendMail, Unit
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.store.port import Store

T = TypeVar("T")

Call = Callable[[Callable[[], Any]], Any]


@hot
class _Commit:
    unit: Unit
    slot: CommitSlot[CommitOutcome]


@hot
class _Read:
    read: Callable[[Store], Any]
    slot: CommitSlot[Any] | ReplySlot[Any]


_Request = _Commit | _Read


@define(eq=False)
class StorageCounters:
    """Counted since the store was opened."""

    commits: int = 0
    units: int = 0
    has_failed: bool = False
    """Whether a call to the store raised: the store is not marked clean then."""


class StorageHandle:
    """What owners hold of storage."""

    def __init__(self, send: trio.MemorySendChannel[_Request], opening: Opening, counters: StorageCounters) -> None:
        self._send = send
        self.opening = opening
        self.counters = counters

    async def commit(self, unit: Unit) -> CommitOutcome:
        """Commit one unit and wait until it is durable or refused; can't be cancelled.

        Raises:
            StoreError: storage has failed; the unit may be durable.
        """
        slot: CommitSlot[CommitOutcome] = CommitSlot()
        await self._post(_Commit(unit, slot))
        return await slot.wait()

    async def read(self, read: Callable[[Store], T]) -> T:
        """Run a read behind every unit that was given before it; can't be cancelled.

        Raises:
            StoreError: storage has failed, or what was read is corrupt.
        """
        slot: CommitSlot[T] = CommitSlot()
        await self._post(_Read(read, slot))
        return await slot.wait()

    async def query(self, read: Callable[[Store], T]) -> T:
        """Run a read for a caller; cancelling the wait has no effect on anything.

        Raises:
            StoreError: storage has failed, or what was read is corrupt.
        """
        slot: ReplySlot[T] = ReplySlot()
        await self._post(_Read(read, slot))
        return await slot.wait()

    async def _post(self, request: _Request) -> None:
        try:
            self._send.send_nowait(request)
        except trio.WouldBlock:
            # Waiting for room may be cancelled: nothing was given yet.
            try:
                await self._send.send(request)
            except trio.BrokenResourceError:
                raise _ended() from None
        except trio.BrokenResourceError:
            raise _ended() from None


@asynccontextmanager
async def open_storage(
    open_store: Callable[[], Store], limits: Limits, *, on_mail: Callable[[AgentIdentity], None]
) -> AsyncGenerator[StorageHandle, None]:
    """Run the storage owner for as long as the ``async with`` block, then drain it.

    The owner outlives a cancelled block: owners inside may still commit their last words. It
    ends when its mailbox is closed and empty, or ``drain_seconds`` after the block did. The
    store is marked clean unless a call to it failed.

    Raises:
        StoreError: the store can't be opened, or failed; the block is cancelled then.
    """
    lender = lender_of_run()
    lender.install()
    writer = Writer(lender)
    try:
        store = await writer.call(open_store)
        call: Call = _call_inline if store.inline else writer.call
        counters = StorageCounters()
        try:
            opening = await call(store.begin)
            try:
                async with _serving(store, opening, call, limits, on_mail, counters) as handle:
                    yield handle
            finally:
                if not counters.has_failed:
                    await call(partial(store.end, clean=True))
        finally:
            await call(store.close)
    finally:
        lender.uninstall()
        writer.join()


@asynccontextmanager
async def _serving(
    store: Store,
    opening: Opening,
    call: Call,
    limits: Limits,
    on_mail: Callable[[AgentIdentity], None],
    counters: StorageCounters,
) -> AsyncGenerator[StorageHandle, None]:
    send, receive = trio.open_memory_channel[_Request](limits.batch_max)
    # Shielded with a deadline: a service that outlives its clients.
    service = trio.CancelScope(shield=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve, service, store, receive, call, limits, on_mail, counters)
        try:
            with send:
                yield StorageHandle(send, opening, counters)
        finally:
            service.deadline = trio.current_time() + limits.drain_seconds


@trio.lowlevel.enable_ki_protection
async def _serve(
    service: trio.CancelScope,
    store: Store,
    receive: trio.MemoryReceiveChannel[_Request],
    call: Call,
    limits: Limits,
    on_mail: Callable[[AgentIdentity], None],
    counters: StorageCounters,
) -> None:
    """Own the store until its mailbox closes.

    Owns:     the store; every call to it passes here.
    Receives: units and reads from ``StorageHandle``.
    Sends:    outcomes up (never waits); hints of mail to the directory.
    Ends:     with its mailbox, or with the store's first failure, having answered everyone.
    """
    with service, receive:
        try:
            async for request in receive:
                batch = [request]
                while len(batch) < limits.batch_max:
                    try:
                        batch.append(receive.receive_nowait())
                    except (trio.WouldBlock, trio.EndOfChannel):
                        break
                await _perform(store, batch, call, on_mail, counters)
                if store.wal_pages > limits.wal_pages_max:
                    await call(store.checkpoint)
        finally:
            _refuse_leftovers(receive)


async def _perform(
    store: Store,
    batch: list[_Request],
    call: Call,
    on_mail: Callable[[AgentIdentity], None],
    counters: StorageCounters,
) -> None:
    commits = [request for request in batch if type(request) is _Commit]
    reads = [request for request in batch if type(request) is _Read]
    units = [request.unit for request in commits]
    try:
        outcomes, answers = await call(partial(_work, store, units, [request.read for request in reads]))
    except BaseException:
        counters.has_failed = True
        for request in batch:
            request.slot.reject(StoreFailedError(path=store.location, problem="the commit's outcome is unknown"))
        raise
    # No checkpoint from COMMIT to the last reply: what is durable is answered.
    if units:
        counters.commits += 1
        counters.units += len(units)
        for unit, committed in zip(units, outcomes, strict=True):
            if type(committed) is Committed:
                for effect in unit.effects:
                    if type(effect) is SendMail:
                        on_mail(effect.recipient)
        for commit, committed in zip(commits, outcomes, strict=True):
            commit.slot.resolve(committed)
    for request, answer in zip(reads, answers, strict=True):
        if isinstance(answer, MeerkatError):
            request.slot.reject(answer)
        else:
            request.slot.resolve(answer)


def _work(
    store: Store, units: list[Unit], reads: list[Callable[[Store], Any]]
) -> tuple[list[CommitOutcome], list[object]]:
    """One hop's work: all units in one transaction, then the reads, which see them."""
    outcomes = store.commit(units) if units else []
    return outcomes, [_answer(store, read) for read in reads]


def _answer(store: Store, read: Callable[[Store], Any]) -> object:
    try:
        return read(store)
    except MeerkatError as error:
        return error


async def _call_inline(fn: Callable[[], T]) -> T:
    # A checkpoint, because the writer thread is one.
    await trio.lowlevel.cancel_shielded_checkpoint()
    return fn()


def _refuse_leftovers(receive: trio.MemoryReceiveChannel[_Request]) -> None:
    while True:
        try:
            request = receive.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
            return
        request.slot.reject(_ended())


def _ended() -> StoreFailedError:
    return StoreFailedError(path="the store", problem="storage has ended; reopen the runtime to go on")
