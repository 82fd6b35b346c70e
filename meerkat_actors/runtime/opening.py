"""``open_runtime``: where everything is put together, and the one nursery an embedder sees the end of."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from os import PathLike

import trio

from meerkat_actors.actors.directory import Directory, open_directory
from meerkat_actors.actors.events import EventHub, open_events
from meerkat_actors.actors.hands import Hands
from meerkat_actors.actors.identity import Counters
from meerkat_actors.actors.observer import Observer, Observers, log_event
from meerkat_actors.actors.storage import open_storage
from meerkat_actors.actors.streams import StreamHub
from meerkat_actors.actors.turn import AgentFunction, AgentKind
from meerkat_actors.actors.turn.wiring import Wiring
from meerkat_actors.errors.groups import one_error, raise_as_it_was
from meerkat_actors.handles.arguments import Synchronous, bounds_of, kinds_of, require_trio, source_of, wiring_of
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.env import Env, SystemEnv
from meerkat_actors.records.leases import Ownership
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.supervision import SupervisionGroup, parse_groups
from meerkat_actors.runtime.facade import Runtime
from meerkat_actors.store.port import Store


@asynccontextmanager
@trio.lowlevel.enable_ki_protection
async def open_runtime(
    store: str | PathLike[str] | Store = ":memory:",
    *,
    agents: Mapping[str, AgentFunction | AgentKind] | None = None,
    limits: Limits | None = None,
    ownership: Ownership = "exclusive",
    synchronous: Synchronous = "full",
    env: Env | None = None,
    observers: Sequence[Observer] = (log_event,),
    wiring: Wiring | None = None,
    groups: Sequence[SupervisionGroup] = (),
) -> AsyncGenerator[Runtime, None]:
    """Open a store and run its agents for as long as the ``async with`` block.

    ``store`` is a path (made if it doesn't exist), ``":memory:"``, or a ``Store``. ``agents`` maps
    each kind to its function, or to an ``AgentKind``. Agents with pending work start at once.
    With ``ownership="shared"`` several runtimes, in processes of this host, serve one file: each claims the agents
    that it is asked for, or that have work which nobody else does, and holds them while they are live.
    What another one holds raises ``AlreadyOwnedError``; what it leaves by dying is taken over at once.
    ``synchronous="normal"`` is faster and may lose the last acknowledged work in a power cut.
    ``wiring`` says whom a turn means by a name that it sends to, and raises ``NotWiredError`` where it may not; without
    it every name is an agent's, and everybody may send to everybody. ``groups`` says which agents' owners are restarted
    together, and what becomes of a group that crashes too often.

    Leaving the block: admission closes, running turns get ``limits.shutdown_seconds`` and are then
    cancelled to run again next time; when the block ends by an error or by cancellation, at once.
    Whatever was acknowledged is durable in every case, also after ``kill -9``.

    Raises:
        UsageError: bad arguments.
        StoreInUseError: another process owns the store, or shares it and this one would not.
        NotOurStoreError: the file is not a database of this library; it was not touched.
        StoreError: the store can't be opened, or failed while in use.
        SupervisionError: a group crashed too often, and was to end the runtime.
    """
    require_trio()
    bounds, environment = bounds_of(limits), env or SystemEnv()
    async with serve(
        source_of(store, synchronous, ownership, bounds, environment),
        agents=kinds_of({} if agents is None else agents),
        limits=bounds,
        env=environment,
        observers=Observers(observers),
        wiring=wiring_of(wiring),
        groups=parse_groups(groups),
    ) as runtime:
        yield runtime


@asynccontextmanager
@trio.lowlevel.enable_ki_protection
async def serve(
    source: Store | Callable[[], Store],
    *,
    agents: Mapping[str, AgentKind],
    limits: Limits,
    env: Env,
    observers: Observers,
    wiring: Wiring | None = None,
    groups: tuple[SupervisionGroup, ...] = (),
    hands: Hands | None = None,
) -> AsyncGenerator[Runtime, None]:
    """``open_runtime`` behind its checks; in whose ``hands`` the store is, a simulation chooses."""
    counters = Counters()
    directory, events, streams = Directory(limits, observers, groups), EventHub(limits), StreamHub(limits)

    def after_commit(units: list[Unit]) -> None:
        directory.note_commits(units)
        events.wake()

    try:
        async with (
            open_storage(source, limits, after_commit=after_commit, notify=observers.notify, hands=hands) as storage,
            open_events(events, storage),
            open_directory(
                directory,
                storage,
                agents=agents,
                env=env,
                limits=limits,
                observers=observers,
                counters=counters,
                pending=await storage.read(lambda opened: opened.identities_with_work()),
                wiring=wiring,
                publish=streams.publish,
            ),
        ):
            yield Runtime(directory, storage, agents, env, limits, counters, events, streams)
    except BaseExceptionGroup as group:
        error = one_error(group)
        if error is group:
            raise
        raise_as_it_was(error)
    finally:
        streams.end()
        directory.close()
