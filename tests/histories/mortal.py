"""Processes that are killed: what they wrote stays, and nothing that they do after it has any effect."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import trio

from meerkat_actors.actors.turn import AgentFunction
from meerkat_actors.errors import StoreError
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.store import Store
from tests.actors.faulty import FaultyStore, broken
from tests.actors.world import LONG, VirtualEnv
from tests.histories.outside import Life


def mortal(inner: Store, life: Life) -> FaultyStore:
    """The store of one process: once that is dead, nothing is written, and nothing is marked as ended."""
    store = FaultyStore(inner)

    def require_alive(call: object = None, *_: object) -> None:
        if life.is_dead and call != "close":
            raise broken()

    store.before_commit = store.before_read = store.before_call = require_alive
    return store


@asynccontextmanager
async def living(
    inner: Store, agents: Mapping[str, AgentFunction], *, limits: Limits | None = None
) -> AsyncGenerator[tuple[Runtime, Life], None]:
    """A process of its own in virtual time. ``life.kill()`` ends it, and with it the block at its next wait."""
    life = Life(1)
    try:
        with trio.fail_after(LONG), life.scope:
            async with open_runtime(
                mortal(inner, life), agents=agents, limits=limits, env=VirtualEnv(), observers=()
            ) as runtime:
                yield runtime, life
    except* StoreError:
        if not life.is_dead:
            raise
