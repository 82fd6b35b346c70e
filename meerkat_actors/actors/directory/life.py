"""How owners live: started, supervised, restarted, and ended before the runtime does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import trio

from meerkat_actors.actors.directory.beginnings import watch_beginnings
from meerkat_actors.actors.directory.lease import keep_lease
from meerkat_actors.actors.directory.registry import Directory
from meerkat_actors.actors.identity import (
    UNKNOWN_KIND,
    BrokenIdentityError,
    Counters,
    Entry,
    HeldElsewhereError,
    Surroundings,
    Suspects,
    run_identity,
)
from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.actors.observer import Observers
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.actors.turn import AgentKind, TurnJob, run_turn
from meerkat_actors.errors import (
    AlreadyOwnedError,
    IdentityBrokenError,
    OwnershipLostError,
    OwnerStoppedError,
    StoreError,
    StoreFailedError,
    StoreFullError,
    StoreInterruptedError,
)
from meerkat_actors.records.env import Env
from meerkat_actors.records.events import OwnerCrashed
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits

_SWEEPS_PER_PASSIVATION: Final = 4
"""An idle identity leaves at most a quarter of ``passivate_seconds`` late."""


@asynccontextmanager
@trio.lowlevel.enable_ki_protection
async def open_directory(
    directory: Directory,
    storage: StorageHandle,
    *,
    agents: Mapping[str, AgentKind],
    env: Env,
    limits: Limits,
    observers: Observers,
    counters: Counters,
    pending: Sequence[AgentIdentity],
) -> AsyncGenerator[None, None]:
    """Run the owners, and their turns, for as long as the ``async with`` block.

    On leaving: admission closes; running turns get ``shutdown_seconds``, then cancellation;
    owners get ``drain_seconds`` for last commits. When the block ends by an error or by
    cancellation there is no grace. Every slot is answered.
    """
    turns: set[TurnJob] = set()
    async with (
        trio.open_nursery() as owners,
        _until_closed(directory, owners.cancel_scope, limits),
        _open_turns(directory, limits, counters, turns) as start_turn,
    ):
        around = Surroundings(
            storage,
            agents,
            env,
            limits,
            observers,
            counters,
            env.random("backoff").random,
            trio.CapacityLimiter(limits.threads_max),
            start_turn,
            lambda entry, envelope, seconds: owners.start_soon(_post_later, entry, envelope, seconds),
            directory.park,
            Suspects(),
            lambda: directory.is_closing,
        )
        directory.open(lambda entry: owners.start_soon(_supervise, directory, entry, around))
        owners.start_soon(_sweep, directory, limits)
        owners.start_soon(watch_beginnings, turns, limits, observers)
        if storage.is_shared:
            owners.start_soon(keep_lease, directory, storage, limits, observers)
        for identity in pending:
            directory.post_mail(identity)
        yield


@asynccontextmanager
@trio.lowlevel.enable_ki_protection
async def _until_closed(directory: Directory, owners: trio.CancelScope, limits: Limits) -> AsyncGenerator[None, None]:
    try:
        yield
        directory.end()
        with trio.move_on_after(limits.drain_seconds):
            await directory.wait_empty()
    finally:
        # In one step: a nursery that is about to end takes no more tasks, and a post may start one.
        directory.close()
        owners.cancel()


@asynccontextmanager
@trio.lowlevel.enable_ki_protection
async def _open_turns(
    directory: Directory, limits: Limits, counters: Counters, live: set[TurnJob]
) -> AsyncGenerator[Callable[[TurnJob], None], None]:
    def cancel_all() -> None:
        # Each by its own scope, so that each knows: one that swallows it and returns is discarded.
        for job in live:
            job.scope.cancel()

    async def run(job: TurnJob) -> None:
        try:
            await run_turn(job)
        except BaseException:
            # Ctrl-C, or the runtime's own end: now, so that the owner doesn't begin the turn again.
            directory.close_admission()
            raise
        finally:
            live.discard(job)

    try:
        async with trio.open_nursery() as turns:

            def start(job: TurnJob) -> None:
                # Here, not in its task: whoever was started is cancelled, though it never ran.
                live.add(job)
                turns.start_soon(run, job)

            try:
                yield start
            except BaseException:
                directory.close_admission()
                cancel_all()
                raise
            directory.close_admission()
            with trio.move_on_after(limits.shutdown_seconds):
                while counters.running:
                    await counters.turn_ended.park()
            cancel_all()
    finally:
        directory.close_admission()


async def _supervise(directory: Directory, entry: Entry, around: Surroundings) -> None:
    """Run owners of one identity, one after another, until one ends in good order.

    Owns:  the entry's place in the directory.
    Ends:  with its owner; a lost fence retires it, and so do a holder elsewhere and crashing too often.
    """
    crashes: list[float] = []  # not a deque: an empty one takes 760 bytes of every live identity
    unclean = not around.storage.opening.was_clean
    try:
        while True:
            try:
                await run_identity(entry, around, charges_interruption=unclean)
            except BrokenIdentityError as error:
                if error.reason == UNKNOWN_KIND and around.storage.is_shared:
                    # Another runtime's kind: it is no harm that it is not served here.
                    entry.mailbox.refuse_leftovers(
                        IdentityBrokenError(identity=entry.identity, reason=error.reason, detail=error.detail)
                    )
                else:
                    directory.quarantine(entry, error.reason, error.detail)
            except HeldElsewhereError as error:
                holder, expires_in = error.holder.name, error.holder.expires_in
                owned = AlreadyOwnedError(identity=entry.identity, holder=holder, expires_in=expires_in)
                entry.mailbox.refuse_leftovers(owned)
            except StoreInterruptedError as error:
                # What the store answers next was read from a new connection: there we begin anew.
                around.observers.notify(OwnerCrashed(identity=entry.identity, error=str(error)))
                continue
            except (OwnershipLostError, StoreFailedError) as error:
                # Another owner exists, or storage ends the runtime: neither is ours to mend.
                if not entry.is_lost:  # of a lost lease observers are told once for all
                    around.observers.notify(OwnerCrashed(identity=entry.identity, error=str(error)))
            except StoreFullError as error:
                entry.mailbox.refuse_leftovers(error)
                await trio.sleep(around.limits.full_retry_seconds)
                continue  # it may have work that nobody else tells it of
            except StoreError as error:
                directory.quarantine(entry, "store", str(error))
            except Exception as error:  # noqa: BLE001 - the supervisor: whatever it was, it stays one identity's
                around.observers.notify(OwnerCrashed(identity=entry.identity, error=repr(error)))
                unclean = True
                if not _may_restart(crashes, around.limits):
                    directory.quarantine(entry, "owner_crashed", repr(error))
                    return
                await trio.sleep(around.limits.restart_seconds * 2 ** (len(crashes) - 1))
                continue
            return
    finally:
        directory.release(entry)
        entry.mailbox.refuse_leftovers(OwnerStoppedError(identity=entry.identity))
        entry.mailbox.close()


def _may_restart(crashes: list[float], limits: Limits) -> bool:
    # Restart intensity: Erlang/OTP supervisors, MaxR in MaxT.
    now = trio.current_time()
    crashes.append(now)
    while crashes[0] < now - limits.restart_window_seconds:
        del crashes[0]
    return len(crashes) <= limits.restarts_max


async def _sweep(directory: Directory, limits: Limits) -> None:
    while True:
        await trio.sleep(limits.passivate_seconds / _SWEEPS_PER_PASSIVATION)
        directory.evict_idle()


async def _post_later(entry: Entry, envelope: Envelope, seconds: float) -> None:
    await trio.sleep(max(0.0, seconds))
    entry.mailbox.post_from_child(envelope)
