"""Who is live, who starts, who leaves memory, who is kept apart."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

import trio

from meerkat_actors.actors.directory.clock import Clock
from meerkat_actors.actors.directory.groups import Groups
from meerkat_actors.actors.directory.quarantine import Quarantine, broken_error
from meerkat_actors.actors.directory.returns import Returns
from meerkat_actors.actors.home import Home
from meerkat_actors.actors.identity import UNREADABLE, Entry
from meerkat_actors.actors.mailbox import OPERATING, Envelope, Mailbox
from meerkat_actors.actors.observer import Observers
from meerkat_actors.actors.turn import TurnJob
from meerkat_actors.errors import (
    NotReadyError,
    TurnAliveError,
    UsageError,
    WaitEndedError,
)
from meerkat_actors.machines.governing import takes_mail
from meerkat_actors.records.agenda_effects import FireTimer, SetTimer
from meerkat_actors.records.commands import Create, Redrive, Send
from meerkat_actors.records.effects import BeginGeneration, Bury, Effect, SendMail, SetDesired, Unit
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.status import RuntimePhase
from meerkat_actors.records.supervision import SupervisionGroup, parse_group

_TELLING: Final = frozenset({SendMail, SetTimer, FireTimer, SetDesired, BeginGeneration, Bury})
"""The effects that recipients, the clockwork or the courier want to know of."""


class Directory:
    """Every live identity of one runtime.

    Its own methods are synchronous and never wait, so each of them is one step as everyone else
    sees it: a post finds its owner, or starts one, without a moment in between.
    """

    def __init__(self, limits: Limits, observers: Observers, groups: Sequence[SupervisionGroup] = ()) -> None:
        self._home = Home()
        self._limits = limits
        self._entries: dict[AgentIdentity, Entry] = {}
        self._parked: dict[AgentIdentity, Entry] = {}
        self._busy: set[AgentIdentity] = set()
        self._leaving: set[AgentIdentity] = set()
        self._idle = trio.lowlevel.ParkingLot()
        self._emptied = trio.Event()
        self._start_owner: Callable[[Entry], None] | None = None
        self._now_ms: Callable[[], int] = _never
        self._turns: Collection[TurnJob] = ()
        self._left_busy: AgentIdentity | None = None
        self._phase = RuntimePhase.OPENING
        # Beside the phase, because hashing an enum, or two comparisons, cost each lap of each owner.
        self._is_closing = False
        self.clock: Clock = Clock()
        self.returns: Returns = Returns()
        self.quarantine: Quarantine = Quarantine(observers)
        self.groups: Groups = Groups(groups)

    @property
    def live(self) -> int:
        """Identities in memory."""
        return len(self._entries)

    @property
    def broken(self) -> tuple[AgentIdentity, ...]:
        """Identities in quarantine."""
        return self.quarantine.identities

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

    def open(
        self, start_owner: Callable[[Entry], None], now_ms: Callable[[], int], turns: Collection[TurnJob] = ()
    ) -> None:
        """Begin to start owners. ``now_ms``: the wall clock, by which their timers are due; ``turns``: live ones."""
        self._start_owner, self._now_ms, self._turns = start_owner, now_ms, turns
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
        broke = self.quarantine.get(identity)
        if broke is not None:
            if brought is None or broke.reason != UNREADABLE:
                raise broken_error(broke)
            self.quarantine.lift(identity)  # this may be the cure; if it is not, the owner finds out
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
        entry = self._called(identity)
        if entry is not None:
            entry.mail_waiting = True

    def post_timers(self, identity: AgentIdentity) -> None:
        """Tell an identity that timers of its own are due: a bit, as for mail."""
        entry = self._called(identity)
        if entry is not None:
            entry.timers_due = True

    def note_commits(self, units: list[Unit]) -> None:
        """Told by storage what became durable together, before anybody is answered: who has to look at what."""
        telling = _TELLING  # every unit passes here, and few tell anything
        for unit in units:
            for effect in unit.effects:
                if type(effect) in telling:
                    if isinstance(effect, SendMail):
                        self.post_mail(effect.recipient)
                    else:
                        self._note_rare(unit.fence.identity, effect)

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

    def end_owner(self, identity: AgentIdentity) -> None:
        """Let an owner that is live end at its next look; whoever supervises it knows what comes then."""
        entry = self._entries.get(identity)
        if entry is not None:
            entry.is_restarting = True
            entry.mailbox.wake()

    def supervise(self, group: SupervisionGroup) -> None:
        """Supervise a group from now on. It replaces one of the same name, whose crashes are forgotten.

        Raises:
            InvalidValueError: it is no group, or a member is in another one.
            UsageError: the runtime is closed, or lives in another thread or process.
        """
        self._home.check("supervise")
        if self.is_closed:
            raise UsageError(problem="supervise: the runtime is closed; use it inside its block")
        self.groups.set(parse_group(group))

    def repair(self, identity: AgentIdentity) -> bool:
        """Lift a quarantine; False: there is none. The next post starts an owner.

        Raises:
            TurnAliveError: a turn of it was cancelled, and has not ended.
            UsageError: the runtime is closed, or lives in another thread or process.
        """
        self._home.check(identity)
        if self.is_closed:
            raise _closed_error(identity)
        if identity not in self.quarantine:
            return False
        if any(job.identity == identity for job in self._turns):
            raise TurnAliveError(identity=identity)
        self.quarantine.lift(identity)
        self.groups.forgive(identity)
        return True

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

    def _called(self, identity: AgentIdentity) -> Entry | None:
        """The entry of an identity that is to look around, or None: it can't now, and will when it is back."""
        if self.is_closing:
            self._left_busy = identity
            return None
        if identity in self.quarantine:
            return None
        entry = self._entries.get(identity) or self._start(identity)
        self._rouse(entry)
        entry.mailbox.wake()
        return entry

    def _note_rare(self, identity: AgentIdentity, effect: Effect) -> None:
        if isinstance(effect, SetTimer | FireTimer):
            if effect.due_ms is None:
                return
            if effect.due_ms <= self._now_ms():
                self.clock.note_told()
                self.post_timers(identity)
            else:
                self.clock.note(effect.due_ms)
        elif not isinstance(effect, SetDesired) or not takes_mail(effect.desired):
            self.returns.add(identity)
        else:
            self.clock.note(self._now_ms())  # looks passed its timers over

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
            raise _closed_error(identity)
        if isinstance(envelope.command, Send | Create | Redrive):
            raise NotReadyError(identity=identity, phase=self._phase)


def _never() -> int:
    return 0


def _closed_error(identity: AgentIdentity) -> UsageError:
    return UsageError(problem=f"{identity}: the runtime is closed; use handles inside its block")
