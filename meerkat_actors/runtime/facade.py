"""What a user holds of a running runtime."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike

from meerkat_actors.actors.directory import Directory, read_statistics
from meerkat_actors.actors.events import EventFeed, EventHub
from meerkat_actors.actors.identity import Counters
from meerkat_actors.actors.reply import ReplySlot
from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.actors.streams import StreamHub
from meerkat_actors.actors.turn import AgentKind, refuse_inside_turn
from meerkat_actors.errors import (
    AlreadyOwnedError,
    UnknownKindError,
    UsageError,
)
from meerkat_actors.facades import AsyncContinuityStore, AsyncRuntimeStore
from meerkat_actors.facades.backups import Backups
from meerkat_actors.facades.pruning import prune_store
from meerkat_actors.handles import AgentHandle, DeadLetters, Reach
from meerkat_actors.listings import IdentityListing, LetterListing
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.backups import BackupCheck, BackupReport
from meerkat_actors.records.commands import Create
from meerkat_actors.records.env import Env
from meerkat_actors.records.ids import AgentIdentity, InputId, parse_identity
from meerkat_actors.records.letters import DeadLetter
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Admission
from meerkat_actors.records.pruning import PrunePolicy, PruneReport
from meerkat_actors.records.status import Statistics
from meerkat_actors.records.supervision import Quarantined, SupervisionGroup


class Runtime:
    """A running runtime: every handle comes from it. Made by ``open_runtime``."""

    def __init__(
        self,
        directory: Directory,
        storage: StorageHandle,
        agents: Mapping[str, AgentKind],
        env: Env,
        limits: Limits,
        counters: Counters,
        events: EventHub,
        streams: StreamHub,
    ) -> None:
        self._directory = directory
        self._storage = storage
        self._agents = agents
        self._env = env
        self._limits = limits
        self._counters = counters
        self._continuity = AsyncContinuityStore(storage, env, directory.is_live)
        self._runtime_store = AsyncRuntimeStore(storage, env)
        self._backups = Backups(storage)
        self._events = events
        self._reach = Reach(directory=directory, storage=storage, env=env, limits=limits, streams=streams)
        self._letters = DeadLetters(self._reach)

    def __repr__(self) -> str:
        return f"<Runtime of {self._storage.location}, {self._directory.live} agents live>"

    async def agent(
        self, name: str, *, kind: str | None = None, config: object = None, recreate: bool = False
    ) -> AgentHandle:
        """Create an agent, or resume it with its conversation; durable on return.

        Without ``kind`` an existing agent is opened. ``config`` is what its turns find as
        ``turn.config`` from now on: a JSON value, or an instance of the kind's ``config`` class.
        Without it the agent keeps the one that it has. With ``recreate`` an agent that was destroyed begins anew, as
        its next generation; for any other it changes nothing. Where another runtime that shares the store holds
        the agent, the handle reaches that one through the store. Cancelling the call may leave the agent
        created, or configured.

        Raises:
            InvalidValueError: ``name`` is no identity, or ``config`` no such value.
            UnknownKindError: ``kind`` is not one of ``open_runtime(agents=...)``.
            UnknownIdentityError: no ``kind`` was given, and the agent doesn't exist.
            DestroyedError: the agent was destroyed, and ``recreate`` was not given.
            UsageError: the agent exists with another kind; ``config`` or ``recreate`` without ``kind``; or the
                runtime is closed, or lives in another thread or process.
            IdentityBrokenError: the agent is quarantined.
            AlreadyOwnedError: there is a ``config``, and another runtime that shares the store holds the agent.
            NotReadyError: the runtime is leaving its block, or the destroyed agent's last turn has not ended; nothing
                was written.
            MailboxFullError: its owner is behind; nothing was written.
            OwnerStoppedError: its owner ended before it took the request; nothing was written.
            StoreFullError: the disk is full; nothing was written.
            UnknownOutcomeError: its owner ended under the request; call again.
        """
        identity = parse_identity(name)
        if kind is not None and kind not in self._agents:
            raise UnknownKindError(identity=identity, kind=kind, known=tuple(self._agents))
        encoded = self._encoded_config(kind, config)
        if recreate and kind is None:
            raise UsageError(problem="recreate= needs kind=, which says what the agent is from now on")
        slot: ReplySlot[None] = ReplySlot()
        try:
            await self._reach.ask(identity, Create(kind, encoded, recreate), slot)
        except AlreadyOwnedError:
            if encoded is not None:
                raise
            await self._require_kind(identity, kind)
        return AgentHandle(identity, self._reach)

    async def _require_kind(self, identity: AgentIdentity, kind: str | None) -> None:
        """Another runtime holds the agent: all that is to be said of it here is its kind."""
        found = await self._storage.query(lambda store: store.activate(identity))
        stored = found.head.kind if isinstance(found, Activation) and found.head is not None else kind
        if kind is not None and stored != kind:
            raise UsageError(problem=f"{identity}: is of kind {stored!r}, not {kind!r}; open it with its own kind")

    def _encoded_config(self, kind: str | None, config: object) -> bytes | None:
        if config is None:
            return None
        if kind is None:
            raise UsageError(problem="config= needs kind=, which says what it must look like")
        return self._agents[kind].encode_config(config, self._limits)

    def identities(self) -> IdentityListing:
        """Every agent that was ever created here, in the order of their names."""
        return IdentityListing(self._storage)

    def dead_letters(self, identity: str | None = None) -> LetterListing:
        """Inputs that were given up though nobody asked for that, of one agent or of all, oldest first.

        Each is listed until it is driven again or dropped; as an input of its agent it is for ever.
        """
        return self._letters.all(identity)

    def events(
        self,
        after: str | None = None,
        *,
        identities: Collection[str] | None = None,
        kinds: Collection[str | type] | None = None,
    ) -> EventFeed:
        """What happens, in the order in which it is committed, each event once: for ``async with``, then ``async for``.

        From beyond the cursor ``after`` (``EVENTS_BEGINNING``: from the oldest that is kept), or from now on, of these
        agents and of these types of detail only. Who takes events slowly is told so by an ``EventGap``, and misses
        nothing; nobody is slowed.

        Raises:
            InvalidValueError: no cursor, no identity, or no type of event.
            UsageError: inside a turn; or, on entering, the runtime is closed.
            CursorExpiredError: on entering: what came behind the cursor was pruned, or the store was restored.
        """
        return EventFeed(self._events, self._storage, after, identities=identities, kinds=kinds)

    async def redrive(self, letter: DeadLetter | InputId) -> Admission:
        """Send what a dead letter said again, as a new input that names it; the two are one commit.

        The same ``DeadLetter`` again is the same new input. By its id alone a letter is looked for among all of
        them, and found once. It displaces nothing, whatever key it had. Cancelling the wait does not withdraw it.

        Raises:
            UsageError: it is no dead letter, was dropped, or its content was pruned; or the runtime is closed.
            MeerkatError: whatever ``AgentHandle.send`` raises.
        """
        return await self._letters.redrive(letter)

    async def drop(self, letter: DeadLetter | InputId) -> None:
        """A dead letter needs no more looking after; durable on return. One that was looked after stays so.

        Cancelling the wait does not withdraw it.

        Raises:
            UsageError: it is no dead letter; or the runtime is closed.
            MeerkatError: whatever ``AgentHandle.pause`` raises, but for what the agent's state forbids.
        """
        await self._letters.drop(letter)

    def supervise(self, group: SupervisionGroup) -> None:
        """Supervise a group from now on. It replaces one of the same name, whose crashes are forgotten.

        Raises:
            InvalidValueError: it is no group, or a member is in another one.
            UsageError: the runtime is closed, or lives in another thread or process.
        """
        self._directory.supervise(group)

    def quarantined(self) -> tuple[Quarantined, ...]:
        """The agents that are kept apart, in the order in which they broke, and how to repair each."""
        return self._directory.quarantine.records()

    async def repair(self, name: str) -> None:
        """``AgentHandle.repair``, for an agent of which nobody has a handle: ``agent()`` refuses a quarantined one.

        Cancelling the wait does not withdraw it.
        """
        await AgentHandle(parse_identity(name), self._reach).repair()

    def new_id(self) -> InputId:
        """A fresh input id, for ``send(..., input_id=...)``."""
        return InputId(self._env.new_id())

    def statistics(self) -> Statistics:
        """What was counted since the runtime was opened, what waits now, and how the store does lately.

        Cheap enough for once a second, not for every turn: it looks at each live identity.
        """
        return read_statistics(self._directory, self._storage, self._counters)

    @property
    def continuity(self) -> AsyncContinuityStore:
        """Durable identities for callers that bring their own runtime, in the store of this one.

        Each runtime is a holder of its own: after a restart go on with ``advance_fence``, or any higher token.
        """
        return self._continuity

    @property
    def runtime_store(self) -> AsyncRuntimeStore:
        """Durable state of logical runtimes that callers bring, in the store of this one.

        It claims each at its first write. Where another claimed later it stays refused until the runtime is
        opened again.
        """
        return self._runtime_store

    async def backup(self, path: str | PathLike[str], *, check: BackupCheck = "rows") -> BackupReport:
        """Copy the store to a new file at ``path``, while agents work; cancelling it leaves nothing behind.

        See ``Backups.make`` for what it promises and raises.
        """
        return await self._backups.make(path, check=check)

    async def wait_idle(self) -> None:
        """Wait until no agent has work in progress, queued, waiting for its next attempt, or in the mail.

        Cancelling the wait has no effect on anything.

        Raises:
            UsageError: inside a turn, which would wait for itself; or the runtime is closed, or lives in
                another thread or process.
            WaitEndedError: the runtime ended before that, also when asked afterwards.
        """
        refuse_inside_turn("wait_idle")
        await self._directory.wait_idle()

    async def prune(self, policy: PrunePolicy | None = None, *, dry_run: bool = False) -> PruneReport:
        """Forget old content that the policy lets go, while agents work; cancelling it keeps what was forgotten.

        See ``prune_store`` for what it promises and raises.
        """
        return await prune_store(self._storage, policy, now_ms=self._env.wall_ms(), is_dry_run=dry_run)
