"""Where dead letters come from: an agent that fails until it is cured, and a runtime that gives up soon."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.letters import DeadLetter
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import Store
from tests.actors.world import echo, running


class Surgery:
    """An agent that fails until it is cured."""

    def __init__(self) -> None:
        self.is_cured = False

    async def __call__(self, turn: Turn) -> str:
        if not self.is_cured:
            message = f"no cure for {turn.text}"
            raise ValueError(message)
        return f"cured {turn.text}"


@asynccontextmanager
async def opened(store: Store, surgery: Surgery) -> AsyncGenerator[Runtime, None]:
    async with running(store, {"surgery": surgery, "echo": echo}, limits=Limits(attempts_max=1)) as runtime:
        yield runtime


async def letters(runtime: Runtime, identity: str | None = None) -> list[DeadLetter]:
    return [letter async for letter in runtime.dead_letters(identity)]
