"""The bare loop: what Trio allows when an owner does nothing but answer.

One task per owner, which receives a request with a slot from a memory channel and answers through the slot. No
store, no decision, no supervision: our in-memory turn and our round trip are measured against this.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import trio
from attrs import Factory, define

from _common import REPLY, TEXT

MAILBOX_MAX: Final = 8
"""Requests that may wait for one owner; the load has one in flight."""


@define(eq=False)
class Slot:
    """Where an owner answers one request."""

    done: trio.Event = Factory(trio.Event)
    answer: str = ""

    def resolve(self, answer: str) -> None:
        """Answer."""
        self.answer = answer
        self.done.set()


Mailbox: TypeAlias = trio.MemorySendChannel[tuple[str, Slot]]


async def run_owner(requests: trio.MemoryReceiveChannel[tuple[str, Slot]]) -> None:
    """Answer each request, in order. Ends with its mailbox, or when cancelled."""
    async for _, slot in requests:
        slot.resolve(REPLY)


async def ask(mailbox: Mailbox) -> str:
    """Ask an owner and wait for its answer. Cancelling the wait leaves the request with the owner."""
    slot = Slot()
    mailbox.send_nowait((TEXT, slot))
    await slot.done.wait()
    return slot.answer


@asynccontextmanager
async def open_owners(count: int) -> AsyncGenerator[list[Mailbox], None]:
    """Run that many owners for as long as the block; gives their mailboxes."""
    mailboxes: list[Mailbox] = []
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            send, receive = trio.open_memory_channel[tuple[str, Slot]](MAILBOX_MAX)
            mailboxes.append(send)
            nursery.start_soon(run_owner, receive)
        yield mailboxes
        nursery.cancel_scope.cancel()
