"""The agents that ``mail.py`` measures, and the runtime that they live in."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import trio
from attrs import Factory, define

import meerkat_actors as meerkat
from _common import TEXT, raise_collector_threshold

CREATIONS_AT_ONCE: Final = 256

LIMITS: Final = meerkat.Limits(live_max=20_000, passivate_seconds=3_600.0)
"""All agents are the working set, and nobody leaves memory for being idle; every other limit is the default."""


@define(eq=False)
class Recipient:
    """What agents were sent, kept in this process: how much, and whether in order of each sender."""

    consumed: int = 0
    turns: int = 0
    disordered: int = 0
    last: Counter[str] = Factory(Counter[str])
    """By sender: the number of its last message."""
    awaited: int = 0
    """Tells ``all_arrived`` at so many; 0: never."""
    all_arrived: trio.Event = Factory(trio.Event)

    async def work(self, turn: meerkat.Turn) -> str:  # noqa: ASYNC124 - an agent that need not wait is an agent
        """Read, count, and compare with what came before."""
        last = self.last
        for each in turn.inputs:
            content: Any = each.content
            pair = f"{each.sender} {turn.identity}"
            if content["number"] != last[pair] + 1:
                self.disordered += 1
            last[pair] = content["number"]
        self.turns += 1
        self.consumed += len(turn.inputs)
        if self.consumed == self.awaited:
            self.all_arrived.set()
        return "read"

    async def wait_for(self, messages: int) -> None:
        """Wait until so many were given to a turn in all. Cancelling the wait has no effect."""
        self.awaited, self.all_arrived = messages, trio.Event()
        if self.consumed < messages:
            await self.all_arrived.wait()


@define(eq=False)
class Sender:
    """A handle of an agent that sends what it is asked to, and how far it is with each recipient."""

    handle: meerkat.AgentHandle
    numbers: Counter[str] = Factory(Counter[str])
    """By recipient: messages that it was asked for."""

    async def send(self, to: str, messages: int) -> None:
        """Let one turn send so many messages; wait until it is durable. Cancelling the wait withdraws nothing."""
        after = self.numbers[to]
        self.numbers[to] = after + messages
        await self.handle.ask({"to": [to], "after": after, "messages": messages})


async def send(turn: meerkat.Turn) -> str:  # noqa: ASYNC124 - an agent that need not wait is an agent
    """Send the numbered messages that the input asks for, to each of those that it names."""
    content: Any = turn.inputs[0].content
    after = content["after"]
    for to in content["to"]:
        for number in range(after + 1, after + content["messages"] + 1):
            turn.send(to, {"number": number, "text": TEXT})
    return "sent"


@asynccontextmanager
async def open_mail(
    path: Path,
    recipient: Recipient,
    *,
    agents: Mapping[str, meerkat.AgentFunction] | None = None,
    limits: meerkat.Limits = LIMITS,
) -> AsyncGenerator[meerkat.Runtime, None]:
    """A runtime of senders, readers and other ``agents``."""
    raise_collector_threshold()
    kinds = {"send": send, "read": recipient.work, **(agents or {})}
    async with meerkat.open_runtime(path, agents=kinds, limits=limits, observers=()) as runtime:
        yield runtime


async def create(runtime: meerkat.Runtime, prefix: str, kind: str, count: int) -> list[meerkat.AgentHandle]:
    """Create ``prefix-0`` and so on, a few hundred at a time."""
    handles: dict[int, meerkat.AgentHandle] = {}
    limiter = trio.CapacityLimiter(CREATIONS_AT_ONCE)

    async def make(number: int) -> None:
        async with limiter:
            handles[number] = await runtime.agent(f"{prefix}-{number}", kind=kind)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(make, number)
    return [handles[number] for number in range(count)]


async def create_senders(runtime: meerkat.Runtime, count: int) -> list[Sender]:
    """Create that many senders."""
    return [Sender(handle) for handle in await create(runtime, "s", "send", count)]


async def send_all(senders: list[Sender], to: str, *, turns: int, messages: int) -> None:
    """Let each make so many turns of so many messages, all at the same time."""

    async def send_some(sender: Sender) -> None:
        for _ in range(turns):
            await sender.send(to, messages)

    async with trio.open_nursery() as nursery:
        for sender in senders:
            nursery.start_soon(send_some, sender)
