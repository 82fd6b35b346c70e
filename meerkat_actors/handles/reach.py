"""How far a caller reaches: to the owners and the rows of one runtime."""

from __future__ import annotations

from typing import TypeVar

import trio
from attrs import Factory, frozen

from meerkat_actors.actors.directory import Directory
from meerkat_actors.actors.mailbox import Envelope
from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.actors.streams import StreamHub
from meerkat_actors.records.commands import Command
from meerkat_actors.records.env import Env
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits

T = TypeVar("T")


@frozen(kw_only=True, eq=False)
class Reach:
    """What every handle of one runtime shares."""

    directory: Directory
    storage: StorageHandle
    env: Env
    limits: Limits
    streams: StreamHub
    waiting_for_all: set[AgentIdentity] = Factory(set[AgentIdentity])
    """For which agents somebody waits for several operations; of all handles of the runtime together."""

    async def ask(
        self, identity: AgentIdentity, command: Command, slot: ReplySlot[T], *, wants_outcome: bool = False
    ) -> T:
        """Post a command to whoever owns the agent, and wait for the answer. Cancelling the wait withdraws nothing.

        Raises:
            MailboxFullError: the owner is behind; nothing was written.
            NotReadyError: the runtime is leaving its block; nothing was written.
            OwnerStoppedError: the owner ended before it took the request; nothing was written.
            IdentityBrokenError: the agent is quarantined; nothing was written.
            AlreadyOwnedError: another runtime that shares the store holds the agent; nothing was written.
            UnknownOutcomeError: the owner ended under the request.
            UsageError: the runtime is closed, or lives in another thread or process.
        """
        if self.directory.is_closing:
            # Who is cancelled together with the runtime's block hears of that, not of what came of it.
            await trio.lowlevel.checkpoint_if_cancelled()
        self.directory.post(identity, Envelope(command, slot, wants_outcome))
        return await slot.wait()
