"""An owner's two mailboxes: ordinary mail, and control, which is drained first."""

from __future__ import annotations

from typing import Any, Final

import trio

from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.errors import MailboxFullError, MeerkatError, OwnerStoppedError
from meerkat_actors.records.commands import CancelInput, Command, GetStatus, Govern, Interrupt, Yield
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits

OPERATING: Final = frozenset({GetStatus, Interrupt, CancelInput, Govern, Yield})
"""What operators ask: it goes ahead of all mail, and a successor of the owner answers it as well."""


@hot
class Envelope:
    """A command and where its answer goes."""

    command: Command
    slot: ReplySlot[Any] | None
    """Typed by the sender; None when nobody asks."""
    wants_outcome: bool
    """Whether a ``Send`` is answered by the input's outcome instead of its admission."""


class Mailbox:
    """Both mailboxes of one owner. Posting never waits; only the owner receives."""

    __slots__ = (
        "_control", "_control_max", "_has_hint", "_identity", "_is_awake", "_is_closed", "_queued", "_receive", "_send",
    )  # fmt: skip

    def __init__(self, identity: AgentIdentity, limits: Limits) -> None:
        self._identity = identity
        self._send, self._receive = trio.open_memory_channel[Envelope | None](limits.mailbox_max)
        # Not a deque: an empty one takes 760 bytes of every live identity, and this one is short.
        self._control: list[Envelope] = []
        self._control_max = limits.control_max
        # Counted here, because asking the channel for WouldBlock or statistics costs 1 us a lap.
        self._queued = 0
        # Whether one of them is a wake, which asks nothing.
        self._has_hint = False
        self._is_closed = False
        # Between two drains an owner is at work: it looks around by itself, and each wake costs 5 us.
        self._is_awake = False

    def post(self, envelope: Envelope) -> None:
        """Enqueue without waiting.

        Raises:
            MailboxFullError: the owner is behind.
            OwnerStoppedError: the owner is gone.
        """
        try:
            self._send.send_nowait(envelope)
        except trio.WouldBlock:
            raise MailboxFullError(identity=self._identity) from None
        except trio.BrokenResourceError:
            raise OwnerStoppedError(identity=self._identity) from None
        self._queued += 1

    def post_control(self, envelope: Envelope) -> None:
        """Enqueue ahead of all mail, without waiting.

        Raises:
            MailboxFullError: the owner is behind.
        """
        if len(self._control) >= self._control_max:
            raise MailboxFullError(identity=self._identity)
        self._control.append(envelope)
        self.wake()

    def post_from_child(self, envelope: Envelope) -> None:
        """Enqueue ahead of all mail; a turn has one envelope under way, for which there is always room.

        When the owner is gone, whoever asked is told so: a stuck turn outlives its owner.
        """
        if self._is_closed:
            if envelope.slot is not None:
                envelope.slot.reject(OwnerStoppedError(identity=self._identity))
            return
        self._control.append(envelope)
        self.wake()

    def wake(self) -> None:
        """Make an owner look around that found nothing; one at work, or with mail, does so anyway."""
        if not self._is_awake and self._queued == 0:
            try:
                self._send.send_nowait(None)
            except (trio.WouldBlock, trio.BrokenResourceError):
                return
            self._queued += 1
            self._has_hint = True

    @property
    def depth(self) -> int:
        """Envelopes that wait in both mailboxes; what the owner has drained waits no more."""
        return self._queued - self._has_hint + len(self._control)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits in either mailbox."""
        return self._queued == 0 and not self._control

    def drain(self, count: int) -> list[Envelope]:
        """Take up to ``count`` envelopes without waiting: control first, then mail in order."""
        taken = self._control[:count]
        del self._control[:count]
        while self._queued and len(taken) < count:
            envelope = self._receive.receive_nowait()
            self._queued -= 1
            if envelope is None:
                self._has_hint = False
            else:
                taken.append(envelope)
        self._is_awake = len(taken) > 0
        return taken

    async def wait(self) -> Envelope | None:
        """Wait until woken; return the ordinary envelope that woke the owner, if one did."""
        envelope = await self._receive.receive()
        self._is_awake = True
        self._queued -= 1
        if envelope is None:
            self._has_hint = False
        return envelope

    def put_back(self, envelopes: list[Envelope]) -> None:
        """Return what was drained, to be drained first."""
        self._control[:0] = envelopes

    def drop_control(self, error: MeerkatError) -> None:
        """Answer waiting control with ``error``, but for what operators ask; that stays, as ordinary mail does."""
        asking = [envelope for envelope in self._control if type(envelope.command) in OPERATING]
        dropped = [envelope for envelope in self._control if type(envelope.command) not in OPERATING]
        self._control = asking
        for envelope in dropped:
            if envelope.slot is not None:
                envelope.slot.reject(error)

    def close(self) -> None:
        """Refuse whatever is posted from now on."""
        self._is_closed = True
        self._receive.close()

    def refuse_leftovers(self, error: MeerkatError) -> None:
        """Answer everything that waits with ``error``."""
        for envelope in self.drain(self._queued + len(self._control)):
            if envelope.slot is not None:
                envelope.slot.reject(error)
