"""What these tests share: one store of each kind, opened again and again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import MemoryStore, Store, open_sqlite
from tests.actors.faulty import FaultyStore
from tests.actors.world import running
from tests.operations.world import Again, note


@pytest.fixture(params=["memory", "sqlite"])
def again(request: pytest.FixtureRequest, tmp_path: Path) -> Again:
    """Opens one store, of each kind in turn."""
    memory = MemoryStore()

    def store() -> Store:
        return memory if request.param == "memory" else open_sqlite(tmp_path / "o.db", synchronous="normal")

    @asynccontextmanager
    async def open_again(
        kind: Callable[..., object] = note, limits: Limits | None = None, wrap: Callable[[Store], Store] | None = None
    ) -> AsyncGenerator[tuple[Runtime, AgentHandle], None]:
        # Inline, so that the clock jumps for nobody's thread.
        opened = (FaultyStore if wrap is None else wrap)(store())
        async with running(opened, {"worker": kind}, limits=limits) as runtime:  # type: ignore[dict-item]
            yield runtime, await runtime.agent("a", kind="worker")

    return open_again
