"""Who is live, who starts, who leaves memory, who is kept apart."""

from __future__ import annotations

from collections.abc import Callable, Collection

import trio

from meerkat_actors.actors.home import Home
from meerkat_actors.actors.identity import UNREADABLE, Entry
from meerkat_actors.actors.mailbox import OPERATING, Envelope, Mailbox
from meerkat_actors.actors.observer import Observers
from meerkat_actors.errors import (
    IdentityBrokenError,
    MeerkatError,
    NotReadyError,
    UsageError,
    WaitEndedError,
)
from meerkat_actors.records.commands import Create, Redrive, Send
from meerkat_actors.records.events import IdentityBroke
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.status import RuntimePhase


class Directory:
    """Every live identity of one runtime.

    Its own methods are synchronous and never wait, so each of them is one step as everyone else
    sees it: a post finds its owner, or starts one, without a moment in between.
    """

    def __init__(self, limits: Limits, observers: Observers) -> None:
        self._home = Home()
        self._limits = limits
        self._observers = observers
        self._entries: dict[AgentIdentity, Entry] = {}
        self._parked: dict[AgentIdentity, Entry] = {}
        self._busy: set[AgentIdentity] = set()
        self._leaving: set[AgentIdentity] = set()
        self._broken: dict[AgentIdentity, IdentityBroke] = {}
        self._idle = trio.lowlevel.ParkingLot()
        self._emptied = trio.Event()
        self._start_owner: Callable[[Entry], None] | None = None
        self._left_busy: AgentIdentity | None = None
        self._phase = RuntimePhase.OPENING
        # Beside the phase, because hashing an enum, or two comparisons, cost each lap of each owner.
        self._is_closing = False

    @property
    def live(self) -> int:
        """Identities in memory."""
        return len(self._entries)

    @property
    def broken(self) -> tuple[AgentIdentity, ...]:
        """Identities in quarantine."""
        return tuple(self._broken)

    @property
    def is_closing(self) -> bool:
        """Whether nothing may start any more."""
        return self._is_closing

    @property
    def is_closed(self) -> bool:
        """Whether no owner may start any more: the last ones are ending, or ended."""
        return self._phase is RuntimePhase.CLOSED

    def is_live(self, identity: AgentIdentity) -> bool:
        """Whether an owner of the identity is in memory. The one thing that another thread may ask."""
        return identity in self._entries

    def entries(self) -> Collection[Entry]:
        """Every live identity, for who looks and changes nothing."""
        return self._entries.values()

    def open(self, start_owner: Callable[[Entry], None]) -> None:
        """Begin to start owners."""
        self._start_owner = start_owner
        self._phase = RuntimePhase.OPEN

    def close_admission(self) -> None:
        """Refuse new work from now on."""
        self._is_closing = True
        if not self.is_closed:
            self._phase = RuntimePhase.CLOSING

    def close(self) -> None:
        """Refuse everything from now on."""
        self._is_closing = True
        self._phase = RuntimePhase.CLOSED

    # Half a post, under Ctrl-C in a user's task, would leave an entry without its owner.
    @trio.lowlevel.enable_ki_protection
    def post(self, identity: AgentIdentity, envelope: Envelope) -> None:
        """Give an envelope to the identity's owner, starting one if none is live. What operators ask is control.

        Raises:
            MailboxFullError: the owner is behind; nothing was written.
            NotReadyError: admission is closed; nothing was written.
            IdentityBrokenError: the identity is quarantined; nothing was written.
            UsageError: the runtime is closed, or lives in another thread or process.
        """
        self._home.check(identity)
        if self._phase is not RuntimePhase.OPEN:
            self._refuse_when_leaving(identity, envelope)
        command = envelope.command
        brought = command.kind if isinstance(command, Create) and command.config is not None else None
        broke = self._broken.get(identity)
        if broke is not None:
            if brought is None or broke.reason != UNREADABLE:
                raise _broken_error(broke)
            del self._broken[identity]  # this may be the cure; if it is not, the owner finds out
        entry = self._entries.get(identity) or self._start(identity)
        if type(command) in OPERATING:
            entry.mailbox.post_control(envelope)
        else:
            entry.mailbox.post(envelope)
        if brought is not None:
            entry.brings_config = brought
        self._rouse(entry)

    def post_mail(self, identity: AgentIdentity) -> None:
        """Tell an identity that mail for it was committed: a bit, which is never full."""
        if self.is_closing:
            self._left_busy = identity
            return
        if identity in self._broken:
            return
        entry = self._entries.get(identity) or self._start(identity)
        entry.mail_waiting = True
        self._rouse(entry)
        entry.mailbox.wake()

    def park(self, entry: Entry, is_open: bool, is_busy: bool) -> bool:
        """An owner parks; ``is_open`` while it has open input, ``is_busy`` while it will go on with it by itself.

        Answers whether it leaves memory now.
        """
        if not is_busy:
            self._set_idle(entry.identity)
        if is_open:
            return False
        if entry.is_leaving and entry.mailbox.is_empty:
            self.release(entry)
            return True
        entry.parked_at = trio.current_time()
        self._parked[entry.identity] = entry
        # Without those who were asked already: a crowd that parks at once would ask one more each.
        if len(self._entries) - len(self._leaving) > self._limits.live_max:
            self._evict(next(iter(self._parked.values())))
        return False

    def release(self, entry: Entry) -> None:
        """Forget an entry: the next post starts a successor. Idempotent."""
        if self._entries.get(entry.identity) is entry:
            del self._entries[entry.identity]
            self._leaving.discard(entry.identity)
            self._parked.pop(entry.identity, None)
            if self.is_closing and entry.identity in self._busy:
                self._left_busy = entry.identity
            self._set_idle(entry.identity)
            if self.is_closing and not self._entries:
                self._emptied.set()

    def quarantine(self, entry: Entry, reason: str, detail: str) -> None:
        """Keep an identity apart; everyone else goes on."""
        broke = IdentityBroke(identity=entry.identity, reason=reason, detail=detail)
        self._broken[entry.identity] = broke
        self._observers.notify(broke)
        self.release(entry)
        entry.mailbox.refuse_leftovers(_broken_error(broke))

    def evict_idle(self) -> None:
        """Let everyone who has been idle for ``passivate_seconds`` leave memory."""
        before = trio.current_time() - self._limits.passivate_seconds
        for entry in list(self._parked.values()):
            if entry.parked_at > before:
                break
            self._evict(entry)

    def lose_all(self) -> int:
        """Let every owner end without another write: what they hold may be another runtime's. How many there are."""
        for entry in self._entries.values():
            entry.is_lost = True
            entry.mailbox.wake()
        return len(self._entries)

    def end(self) -> None:
        """Let every owner end once its mailbox is empty."""
        for entry in list(self._entries.values()):
            entry.is_ending = True
            entry.mailbox.wake()

    async def wait_idle(self) -> None:
        """Wait until no identity has work that is in progress, queued, or in the mail.

        Cancelling the wait has no effect on anything.

        Raises:
            WaitEndedError: the runtime ended before that.
            UsageError: the runtime is closed, or lives elsewhere.
        """
        self._home.check("wait_idle")
        await trio.lowlevel.checkpoint()
        if self.is_closed and self._left_busy is None:
            raise UsageError(problem="wait_idle: the runtime is closed; use it inside its block")
        while self._busy:
            await self._idle.park()
        if self._left_busy is not None:
            raise WaitEndedError(identity=self._left_busy, input_id=None)

    async def wait_empty(self) -> None:
        """Wait until no owner is left."""
        if self._entries:
            await self._emptied.wait()

    def _start(self, identity: AgentIdentity) -> Entry:
        assert self._start_owner is not None
        # While the runtime leaves, an owner answers what woke it, and ends.
        entry = Entry(identity, Mailbox(identity, self._limits), is_ending=self.is_closing)
        self._entries[identity] = entry
        self._start_owner(entry)
        return entry

    def _rouse(self, entry: Entry) -> None:
        entry.is_leaving = False
        self._leaving.discard(entry.identity)
        self._parked.pop(entry.identity, None)
        self._busy.add(entry.identity)

    def _evict(self, entry: Entry) -> None:
        del self._parked[entry.identity]
        entry.is_leaving = True
        self._leaving.add(entry.identity)
        entry.mailbox.wake()

    def _set_idle(self, identity: AgentIdentity) -> None:
        self._busy.discard(identity)
        if not self._busy and self._idle:
            self._idle.unpark_all()

    def _refuse_when_leaving(self, identity: AgentIdentity, envelope: Envelope) -> None:
        if self.is_closed:
            raise UsageError(problem=f"{identity}: the runtime is closed; use handles inside its block")
        if isinstance(envelope.command, Send | Create | Redrive):
            raise NotReadyError(identity=identity, phase=self._phase)


def _broken_error(broke: IdentityBroke) -> MeerkatError:
    return IdentityBrokenError(identity=broke.identity, reason=broke.reason, detail=broke.detail)
