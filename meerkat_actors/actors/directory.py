"""The directory: who is live, who starts, who leaves memory, who is kept apart."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import trio

from meerkat_actors.actors.identity import (
    BrokenIdentityError,
    Counters,
    Entry,
    Surroundings,
    run_identity,
)
from meerkat_actors.actors.mailbox import Envelope, Mailbox
from meerkat_actors.actors.observer import Observers
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.actors.turn import AgentFunction, TurnJob, run_turn
from meerkat_actors.errors import (
    IdentityBrokenError,
    MeerkatError,
    NotReadyError,
    OwnershipLostError,
    OwnerStoppedError,
    StoreError,
    StoreFailedError,
    UsageError,
)
from meerkat_actors.records.commands import Create, Send
from meerkat_actors.records.env import Env
from meerkat_actors.records.events import IdentityBroke, OwnerCrashed
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits

_SWEEPS_PER_PASSIVATION = 4


class Directory:
    """Every live identity of one runtime.

    Its own methods are synchronous and never wait, so each of them is one step as everyone else
    sees it: a post finds its owner, or starts one, without a moment in between.
    """

    def __init__(self, limits: Limits, observers: Observers) -> None:
        self._limits = limits
        self._observers = observers
        self._entries: dict[AgentIdentity, Entry] = {}
        self._parked: dict[AgentIdentity, Entry] = {}
        self._busy: set[AgentIdentity] = set()
        self._broken: dict[AgentIdentity, IdentityBroke] = {}
        self._idle = trio.Event()
        self._emptied = trio.Event()
        self._start_owner: Callable[[Entry], None] | None = None
        self.phase = "opening"
        """``opening``, ``open``, ``closing`` (admission is closed), ``closed``."""

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
        return self.phase in {"closing", "closed"}

    @property
    def is_closed(self) -> bool:
        """Whether no owner may start any more: the last ones are ending, or ended."""
        return self.phase == "closed"

    def open(self, start_owner: Callable[[Entry], None]) -> None:
        """Begin to start owners."""
        self._start_owner = start_owner
        self.phase = "open"

    def post(self, identity: AgentIdentity, envelope: Envelope) -> None:
        """Give an envelope to the identity's owner, starting one if none is live.

        Raises:
            MailboxFullError: the owner is behind; nothing was written.
            NotReadyError: admission is closed; nothing was written.
            IdentityBrokenError: the identity is quarantined; nothing was written.
            UsageError: the runtime is closed.
        """
        if self.phase != "open":
            self._refuse_when_leaving(identity, envelope)
        broke = self._broken.get(identity)
        if broke is not None:
            raise _broken_error(broke)
        entry = self._entries.get(identity) or self._start(identity)
        entry.mailbox.post(envelope)
        self._rouse(entry)

    def post_mail(self, identity: AgentIdentity) -> None:
        """Tell an identity that mail for it was committed: a bit, which is never full."""
        if self.is_closing or identity in self._broken:
            return
        entry = self._entries.get(identity) or self._start(identity)
        entry.mail_waiting = True
        self._rouse(entry)
        entry.mailbox.wake()

    def on_parked(self, entry: Entry, is_open: bool) -> bool:
        """An owner parks; ``is_open`` while it has open input. Answers whether it leaves memory now."""
        if is_open:
            return False
        self._set_idle(entry.identity)
        if entry.is_leaving and entry.mailbox.is_empty:
            self.release(entry)
            return True
        entry.parked_at = trio.current_time()
        self._parked[entry.identity] = entry
        if len(self._entries) > self._limits.live_max:
            self._evict(next(iter(self._parked.values())))
        return False

    def release(self, entry: Entry) -> None:
        """Forget an entry: the next post starts a successor. Idempotent."""
        if self._entries.get(entry.identity) is entry:
            del self._entries[entry.identity]
            self._parked.pop(entry.identity, None)
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

    def end(self) -> None:
        """Let every owner end once its mailbox is empty."""
        for entry in list(self._entries.values()):
            entry.is_ending = True
            entry.mailbox.wake()

    async def wait_idle(self) -> None:
        """Wait until no identity has work that is in progress, queued, or in the mail."""
        while self._busy:
            await self._idle.wait()

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
        self._parked.pop(entry.identity, None)
        if not self._busy and self._idle.is_set():
            self._idle = trio.Event()
        self._busy.add(entry.identity)

    def _evict(self, entry: Entry) -> None:
        del self._parked[entry.identity]
        entry.is_leaving = True
        entry.mailbox.wake()

    def _set_idle(self, identity: AgentIdentity) -> None:
        self._busy.discard(identity)
        if not self._busy:
            self._idle.set()

    def _refuse_when_leaving(self, identity: AgentIdentity, envelope: Envelope) -> None:
        if self.is_closed:
            raise UsageError(problem=f"{identity}: the runtime is closed; use handles inside its block")
        if isinstance(envelope.command, Send | Create):
            raise NotReadyError(identity=identity, phase=self.phase)


@asynccontextmanager
async def open_directory(
    directory: Directory,
    storage: StorageHandle,
    *,
    agents: Mapping[str, AgentFunction],
    env: Env,
    limits: Limits,
    observers: Observers,
    counters: Counters,
    pending: Sequence[AgentIdentity],
) -> AsyncGenerator[None, None]:
    """Run the owners, and their turns, for as long as the ``async with`` block.

    On leaving: admission closes; running turns get ``shutdown_seconds``, then cancellation;
    owners get ``drain_seconds`` for last commits. When the block ends by an error or by
    cancellation there is no grace. Every slot is answered.
    """
    async with trio.open_nursery() as owners, _until_closed(directory, owners.cancel_scope, limits):
        async with _open_turns(directory, limits, counters) as start_turn:
            around = Surroundings(
                storage,
                agents,
                env,
                limits,
                observers,
                counters,
                env.random("backoff").random,
                start_turn,
                lambda entry, envelope, seconds: owners.start_soon(_post_later, entry, envelope, seconds),
                directory.on_parked,
                lambda: directory.is_closing,
            )
            directory.open(lambda entry: owners.start_soon(_supervise, directory, entry, around))
            owners.start_soon(_sweep, directory, limits)
            for identity in pending:
                directory.post_mail(identity)
            yield


@asynccontextmanager
async def _until_closed(directory: Directory, owners: trio.CancelScope, limits: Limits) -> AsyncGenerator[None, None]:
    try:
        yield
        directory.end()
        with trio.move_on_after(limits.drain_seconds):
            await directory.wait_empty()
    finally:
        # In one step: a nursery that is about to end takes no more tasks, and a post may start one.
        directory.phase = "closed"
        owners.cancel()


@asynccontextmanager
async def _open_turns(
    directory: Directory, limits: Limits, counters: Counters
) -> AsyncGenerator[Callable[[TurnJob], None], None]:
    live: set[TurnJob] = set()

    def cancel_all() -> None:
        # Each by its own scope, so that each knows: one that swallows it and returns is discarded.
        for job in live:
            job.scope.cancel()

    async def run(job: TurnJob) -> None:
        try:
            await run_turn(job)
        finally:
            live.discard(job)

    try:
        async with trio.open_nursery() as turns:

            def start(job: TurnJob) -> None:
                # Here, not in its task: whoever was started is cancelled, though it never ran.
                live.add(job)
                turns.start_soon(run, job)

            try:
                yield start
            except BaseException:
                directory.phase = "closing"
                cancel_all()
                raise
            directory.phase = "closing"
            with trio.move_on_after(limits.shutdown_seconds):
                while counters.running:
                    await counters.turn_ended.wait()
            cancel_all()
    finally:
        directory.phase = "closing"


async def _supervise(directory: Directory, entry: Entry, around: Surroundings) -> None:
    """Run owners of one identity, one after another, until one ends in good order.

    Owns:  the entry's place in the directory.
    Ends:  with its owner; a lost fence retires it, and so does crashing too often.
    """
    crashes: deque[float] = deque()
    unclean = not around.storage.opening.was_clean
    try:
        while True:
            try:
                await run_identity(entry, around, charges_interruption=unclean)
            except BrokenIdentityError as error:
                directory.quarantine(entry, error.reason, error.detail)
            except (OwnershipLostError, StoreFailedError) as error:
                # Another owner exists, or storage ends the runtime: neither is ours to mend.
                around.observers.notify(OwnerCrashed(identity=entry.identity, error=str(error)))
            except StoreError as error:
                directory.quarantine(entry, "store", str(error))
            except Exception as error:  # noqa: BLE001 - the supervisor: whatever it was, it stays one identity's
                around.observers.notify(OwnerCrashed(identity=entry.identity, error=repr(error)))
                unclean = True
                if not _may_restart(crashes, around.limits):
                    directory.quarantine(entry, "owner_crashed", repr(error))
                    return
                await trio.sleep(around.limits.restart_seconds * 2 ** (len(crashes) - 1))
                continue
            return
    finally:
        directory.release(entry)
        entry.mailbox.refuse_leftovers(OwnerStoppedError(identity=entry.identity))
        entry.mailbox.close()


def _may_restart(crashes: deque[float], limits: Limits) -> bool:
    # Restart intensity: Erlang/OTP supervisors, MaxR in MaxT.
    now = trio.current_time()
    crashes.append(now)
    while crashes[0] < now - limits.restart_window_seconds:
        crashes.popleft()
    return len(crashes) <= limits.restarts_max


async def _sweep(directory: Directory, limits: Limits) -> None:
    while True:
        await trio.sleep(limits.passivate_seconds / _SWEEPS_PER_PASSIVATION)
        directory.evict_idle()


async def _post_later(entry: Entry, envelope: Envelope, seconds: float) -> None:
    await trio.sleep(max(0.0, seconds))
    entry.mailbox.post_from_child(envelope)


def _broken_error(broke: IdentityBroke) -> MeerkatError:
    return IdentityBrokenError(identity=broke.identity, reason=broke.reason, detail=broke.detail)
