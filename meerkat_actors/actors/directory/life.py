"""How owners live: started, supervised, restarted, and ended before the runtime does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import trio

from meerkat_actors.actors.directory.beginnings import watch_beginnings
from meerkat_actors.actors.directory.clockwork import Clockwork, run_clockwork
from meerkat_actors.actors.directory.courier import Courier, run_courier
from meerkat_actors.actors.directory.lease import keep_lease
from meerkat_actors.actors.directory.registry import Directory
from meerkat_actors.actors.directory.supervision import supervise
from meerkat_actors.actors.identity import Counters, Entry, Surroundings, Suspects
from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.actors.observer import Observers
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.actors.turn import AgentKind, TurnJob, run_turn
from meerkat_actors.actors.turn.wiring import Wiring
from meerkat_actors.records.env import Env
from meerkat_actors.records.ids import AgentIdentity, RunId
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
    wiring: Wiring | None = None,
    publish: Callable[[AgentIdentity, RunId, int, str], None] | None = None,
) -> AsyncGenerator[None, None]:
    """Run the owners, and their turns, for as long as the ``async with`` block.

    Storage has to tell ``directory.note_commits`` of every commit. See ``Surroundings`` for ``wiring`` and ``publish``.
    A supervision group that is to end the runtime ends the block with its ``SupervisionError``.

    On leaving: admission closes; running turns get ``shutdown_seconds``, then cancellation;
    owners get ``drain_seconds`` for last commits. When the block ends by an error or by
    cancellation there is no grace. Every slot is answered.
    """
    turns: dict[TurnJob, None] = {}  # a set in the order of its turns: who goes through it has effects
    async with (
        trio.open_nursery() as owners,
        _until_closed(directory, owners.cancel_scope, limits),
        _open_turns(directory, limits, counters, turns) as start_turn,
    ):
        around = Surroundings(
            storage=storage,
            agents=agents,
            env=env,
            limits=limits,
            observers=observers,
            counters=counters,
            jitter=env.random("backoff").random,
            threads=trio.CapacityLimiter(limits.threads_max),
            start_turn=start_turn,
            post_later=lambda entry, envelope, seconds: owners.start_soon(_post_later, entry, envelope, seconds),
            park=directory.park,
            suspects=Suspects(),
            is_closing=lambda: directory.is_closing,
            return_mail=directory.returns.add,
            wiring=wiring,
            publish=publish,
        )
        directory.open(lambda entry: owners.start_soon(supervise, directory, entry, around), around.now_ms, turns)
        owners.start_soon(_sweep, directory, limits)
        owners.start_soon(watch_beginnings, turns, limits, observers)
        if storage.is_shared:
            owners.start_soon(keep_lease, directory, storage, limits, observers)
        for identity in pending:
            directory.post_mail(identity)
        clockwork = Clockwork(directory, storage, around.now_ms, limits)
        await clockwork.look()
        owners.start_soon(run_clockwork, clockwork)
        owners.start_soon(run_courier, Courier(directory, storage, around.now_ms, limits, observers))
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
    directory: Directory, limits: Limits, counters: Counters, live: dict[TurnJob, None]
) -> AsyncGenerator[Callable[[TurnJob], None], None]:
    def cancel_all() -> None:
        # Each by its own scope, so that each knows: one that swallows it and returns is discarded.
        for job in live:
            job.scope.cancel()

    @trio.lowlevel.enable_ki_protection
    async def run(job: TurnJob) -> None:
        try:
            await run_turn(job)
        except BaseException:
            # Ctrl-C, or the runtime's own end: now, so that the owner doesn't begin the turn again.
            directory.close_admission()
            raise
        finally:
            live.pop(job, None)

    try:
        async with trio.open_nursery() as turns:

            def start(job: TurnJob) -> None:
                # Here, not in its task: whoever was started is cancelled, though it never ran.
                live[job] = None
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


async def _sweep(directory: Directory, limits: Limits) -> None:
    while True:
        await trio.sleep(limits.passivate_seconds / _SWEEPS_PER_PASSIVATION)
        directory.evict_idle()


async def _post_later(entry: Entry, envelope: Envelope, seconds: float) -> None:
    await trio.sleep(max(0.0, seconds))
    entry.mailbox.post_from_child(envelope)
