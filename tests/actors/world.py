"""The world of these tests: virtual time for everything, agents to run, and what their conversations say."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import trio

from meerkat_actors.actors.turn import AgentFunction, Turn
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.content import JSON
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.events import Event
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.store import Store

T = TypeVar("T")

LONG: Final = 3600.0
"""Virtual seconds that no test needs; a test that hangs fails after it."""


class VirtualEnv(SystemEnv):
    """A wall clock that goes with Trio's, so that waiting for it costs nothing."""

    def wall_ms(self) -> int:
        return 1_700_000_000_000 + round(1000 * trio.current_time())

    def boot_ms(self) -> int:
        return round(1000 * trio.current_time())


@asynccontextmanager
async def running(
    store: Store,
    agents: Mapping[str, AgentFunction],
    *,
    limits: Limits | None = None,
    events: list[Event] | None = None,
) -> AsyncGenerator[Runtime, None]:
    """A runtime in virtual time; its events go to ``events``. What hangs, fails."""
    observers = () if events is None else (events.append,)
    with trio.fail_after(LONG):
        async with open_runtime(store, agents=agents, limits=limits, env=VirtualEnv(), observers=observers) as runtime:
            yield runtime


async def echo(turn: Turn) -> str:
    """Say what was said."""
    return turn.text


async def count(turn: Turn) -> str:
    """Say how many turns there were, by the agent's own state."""
    number = turn.state + 1 if isinstance(turn.state, int) else 1
    turn.set_state(number)
    return str(number)


async def silent(_: Turn) -> None:
    """Take part without a word."""


async def hang(_: Turn) -> None:
    """Never end, until cancelled."""
    await trio.sleep_forever()


class Gate:
    """An agent whose turns wait until they are let through."""

    def __init__(self) -> None:
        self.begun = 0
        self._may_pass = trio.Event()

    def open(self) -> None:
        self._may_pass.set()

    async def __call__(self, turn: Turn) -> str:
        self.begun += 1
        await self._may_pass.wait()
        return turn.text


async def told(agent: AgentHandle) -> list[JSON]:
    """What the conversation says that the agent was told, oldest first."""
    return [message.content async for message in agent.history() if message.role == "user"][::-1]


async def said(agent: AgentHandle) -> list[JSON]:
    """What the conversation says that the agent said, oldest first."""
    return [message.content async for message in agent.history() if message.role == "assistant"][::-1]


async def consumed(agent: AgentHandle) -> list[InputId]:
    """The inputs that receipts prove, oldest first."""
    return [each async for receipt in agent.receipts() for each in reversed(receipt.contributors)][::-1]


async def passes(count: int) -> None:
    """Let the loop go round ``count`` times."""
    for _ in range(count):
        await trio.lowlevel.checkpoint()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens within some passes of the loop."""
    for _ in range(10_000):
        if condition():
            return
        await trio.lowlevel.checkpoint()
    message = "it did not happen"
    raise AssertionError(message)


async def gathered(*jobs: Callable[[], Awaitable[T]]) -> list[T | BaseException]:
    """Run all at once; what each returned or raised, in the order given."""
    results: dict[int, T | BaseException] = {}

    async def run(index: int, job: Callable[[], Awaitable[T]]) -> None:
        try:
            results[index] = await job()
        except Exception as error:  # noqa: BLE001 - what it raised is the result
            results[index] = error

    async with trio.open_nursery() as nursery:
        for index, job in enumerate(jobs):
            nursery.start_soon(run, index, job)
    return [results[index] for index in range(len(jobs))]
