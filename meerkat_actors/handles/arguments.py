"""What ``open_runtime`` is given, let in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from os import PathLike, fspath
from typing import Literal

import trio

from meerkat_actors.actors.turn import AgentFunction, AgentKind, kind_of
from meerkat_actors.actors.turn.wiring import Wiring
from meerkat_actors.errors import UsageError
from meerkat_actors.records.env import Env
from meerkat_actors.records.ids import parse_name, shown
from meerkat_actors.records.leases import Ownership
from meerkat_actors.records.limits import Limits
from meerkat_actors.store import MemoryStore, open_sqlite
from meerkat_actors.store.port import Store

Synchronous = Literal["full", "normal"]
"""What a commit waits for: the disk, or the operating system, which a power cut takes along."""


def source_of(
    store: str | PathLike[str] | Store, synchronous: Synchronous, ownership: Ownership, limits: Limits, env: Env
) -> Store | Callable[[], Store]:
    """The store to serve; of a file what opens it, to be called in the thread that owns it, and to reopen it.

    Raises:
        UsageError: no such ownership, or a store that can't be shared.
    """
    if ownership not in {"exclusive", "shared"}:
        raise UsageError(problem=f"ownership={ownership!r}: use 'exclusive' or 'shared'")
    if isinstance(store, str | PathLike):
        path = fspath(store)
        if path != ":memory:":
            return partial(
                open_sqlite,
                path,
                synchronous=synchronous,
                ownership=ownership,
                lease_seconds=limits.lease_seconds,
                env=env,
            )
        store = MemoryStore(env=env)
    if ownership == "shared" and not store.is_shared:
        raise UsageError(
            problem=f"{store.location}: is nobody else's; share a file, or MemoryStore(ownership='shared')"
        )
    return store


def bounds_of(limits: Limits | None) -> Limits:
    """The limits to keep; None for the usual ones.

    Raises:
        UsageError: no limits.
    """
    if limits is None:
        return Limits()
    if not isinstance(limits, Limits):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
        raise UsageError(problem=f"limits={limits!r}: use Limits(...)")
    return limits


def require_trio() -> None:
    """Refuse to open a runtime where none can run.

    Raises:
        UsageError: no Trio loop runs here.
    """
    if not trio.lowlevel.in_trio_run():
        raise UsageError(problem="open_runtime needs Trio: trio.run(main), or a guest run inside asyncio")


def wiring_of(wiring: Wiring | None) -> Wiring | None:
    """Let a wiring in.

    Raises:
        UsageError: it can't be called.
    """
    if wiring is not None and not callable(wiring):
        raise UsageError(
            problem=f"wiring={shown(wiring)}: use a function of a sender and a name, which returns whom it means"
        )
    return wiring


def kinds_of(agents: Mapping[str, AgentFunction | AgentKind]) -> Mapping[str, AgentKind]:
    """Agents by the names of their kinds, a bare function as the kind that it stands for.

    Raises:
        InvalidValueError: a name of no acceptable form.
        UsageError: no mapping, or an agent in it that is none.
    """
    if not isinstance(agents, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
        raise UsageError(problem=f"agents={agents!r}: use a mapping from each kind to its function")
    kinds: dict[str, AgentKind] = {}
    for name, agent in agents.items():
        parse_name(name, what="agent kind")
        try:
            kinds[name] = kind_of(agent)
        except UsageError as error:
            raise UsageError(problem=f"agents[{name!r}]: {error}") from error
    return kinds
