"""The one synchronous port through which everything durable passes.

Two implementations pass one conformance suite: ``memory`` (the reference meaning) and
``sqlite``. Nothing above the port may know which is below. All methods are called from one
thread at a time; only ``commit``, ``post``, ``begin``, ``end``, ``look_around`` and ``prune`` write rows
(in a shared store ``activate`` and ``read_standings`` may set keys aside).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from meerkat_actors.records.activation import Activation, Broken, IdentityRow, Opening
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.documents import Document
from meerkat_actors.records.effects import OwnerUnit, Unit
from meerkat_actors.records.ids import AgentIdentity, IdentityKey, InputId, RunId, SessionId
from meerkat_actors.records.inputs import InputRow, Letterhead, Mail
from meerkat_actors.records.leases import News
from meerkat_actors.records.mail import Recipient, Returnable
from meerkat_actors.records.pruning import PruneCursor, PruneOrder, PruneStep
from meerkat_actors.records.standing import SnapshotLook, SnapshotRow, Standing
from meerkat_actors.records.stored_events import EventBounds, StoredEvent
from meerkat_actors.records.timers import DueLook, Timer, TimerCursor


class Store(Protocol):
    """Durable state of many identities."""

    @property
    def inline(self) -> bool:
        """Whether calls are so short that they run on the event loop; else one writer thread makes them."""
        ...

    @property
    def location(self) -> str:
        """Where the state is, for people: a path, or ``:memory:``."""
        ...

    @property
    def wal_pages(self) -> int:
        """Pages that wait for a checkpoint; 0 where there is no such thing."""
        ...

    @property
    def sync_seconds(self) -> float:
        """What the last transaction took to become durable once all was written: its fsync; 0 where there is none."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether other runtimes serve the same state: then what one serves it claims first, each by itself."""
        ...

    def begin(self) -> Opening:
        """Begin to serve: raise the incarnation in one real write transaction.

        Nothing that was read may be acted on before it: a row that a killed process left may be
        visible without being durable. Measured without it: a kill and then a power cut lost an
        input that had been reported as there in 204 of 4,000 trials.
        """
        ...

    def end(self, *, clean: bool) -> None:
        """Stop serving; ``clean`` is what the next ``begin`` reports. Nothing, if serving never began."""
        ...

    def close(self) -> None:
        """Release everything. Idempotent."""
        ...

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        """Commit units in one transaction: one outcome per unit, in order.

        Each unit is all or nothing, and a refused unit does not disturb its neighbours. A runtime whose
        place in a shared store was taken over gets ``STALE_OWNER`` for all of them.

        Raises:
            StoreError: the outcome of the whole batch is unknown.
        """
        ...

    def post(self, unit: OwnerUnit) -> CommitOutcome:
        """Commit what a runtime writes under its own fence, in a transaction of its own.

        ``Committed`` tells version 0. Refused: ``STALE_OWNER`` for another incarnation than the one that serves,
        ``NOT_FOUND`` and ``DELETED`` for the recipient of an input that does not exist. Mail that is returned is
        ended where it can't be taken, row by row; what can be is left alone, and that is no refusal.

        Raises:
            StoreError: the outcome is unknown.
        """
        ...

    def checkpoint(self) -> None:
        """Move what waits in the log into the database, without blocking readers.

        Raises:
            StoreFullError: nothing is lost, and commits may still go through while the log grows.
            StoreError: the store stops.
        """
        ...

    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        """Read everything an owner needs, in one read transaction. Never claims.

        Rows that can't be read or can't all be true break this identity only.
        """
        ...

    def pending_mail(self, key: IdentityKey, *, limit: int) -> tuple[Mail, ...]:
        """The oldest ``sent`` rows of a recipient that may be taken: those that steer first, each in commit order.

        Without what is below the mail floor.
        """
        ...

    def recipients_with_mail(self, *, after: int, limit: int) -> tuple[Recipient, ...]:
        """Identities, existing or not, that have ``sent`` rows, in the order of their keys, from beyond ``after``.

        The cost grows with how many there are, not with how much mail they have.
        """
        ...

    def undeliverable_mail(
        self, identity: AgentIdentity, *, absent_before_ms: int, limit: int
    ) -> tuple[Returnable, ...]:
        """The oldest ``sent`` rows of a recipient that can't be taken any more, see ``ReturnMail``, and why.

        Why: ``DESTROYED``, ``RETIRED``, ``UNDELIVERABLE`` for one that does not exist, and for what is below the
        mail floor ``STOPPED`` while the recipient is stopped, else ``RESET``.
        """
        ...

    def due_timers(self, *, now_ms: int, after: TimerCursor | None, limit: int) -> DueLook:
        """Whose timers are due at ``now_ms``, in the order of their times, of ``limit`` timers beyond ``after``.

        Without those of identities that another runtime holds, that are stopped or retired, or that were destroyed.
        """
        ...

    def due_timers_of(self, key: IdentityKey, *, now_ms: int, limit: int) -> tuple[Timer, ...]:
        """The timers of one identity that are due at ``now_ms``, in the order of their times, then names."""
        ...

    def page_timers(self, identity: AgentIdentity, *, after: str | None, limit: int) -> tuple[Timer, ...]:
        """The timers of an identity in the order of their names, from beyond ``after``."""
        ...

    def identities_with_work(self) -> tuple[AgentIdentity, ...]:
        """Existing agents with something to do that no other runtime holds, in the order of their names.

        An open input, mail that may be taken, or an operation that ends with its process. What a facade serves
        (its kind begins with @) is no agent.
        """
        ...

    def look_around(self) -> News:
        """Keep this runtime's place in a shared store, end the leases that are over, and tell what is left to do.

        To be called often, at least each quarter of a lease. An exclusive store has no news. A runtime
        that lost its lease begins again with ``begin``: what it claimed may be another's.
        """
        ...

    def find_input(self, identity: AgentIdentity, input_id: InputId) -> InputRow | None:
        """One input of this identity, by id."""
        ...

    def page_inputs(
        self, identity: AgentIdentity, *, after: int | None, limit: int, newest_first: bool
    ) -> tuple[InputRow, ...]:
        """Admitted inputs in admission order, from beyond the admission sequence ``after``."""
        ...

    def page_letters(self, identity: AgentIdentity | None, *, after: int, limit: int) -> tuple[Letterhead, ...]:
        """Dead letters that nobody looked after yet, of one identity or of all, oldest first.

        From beyond the store sequence ``after`` (0: the beginning). What belongs to a tombstone is listed, too.
        """
        ...

    def page_turns(self, identity: AgentIdentity, *, before: int | None, limit: int) -> tuple[TurnRow, ...]:
        """Boundaries newest first, from the one with sequence ``before`` (None: the last) on, of all generations.

        A reader goes on with ``before=rows[-1].previous`` until that is 0.
        """
        ...

    def page_events(self, *, after: int, limit: int) -> tuple[StoredEvent, ...]:
        """What happened in the whole store, oldest first, from beyond the sequence ``after`` (0: the beginning).

        Units that were committed later have higher sequences; among the events of one unit the order
        is the store's own. The cost grows with ``limit`` only. What was pruned is missing, see ``event_bounds``.
        """
        ...

    def event_bounds(self) -> EventBounds:
        """Between which sequences ``page_events`` tells everything."""
        ...

    def page_identities(self, *, after: AgentIdentity | None, limit: int) -> tuple[IdentityRow, ...]:
        """Existing identities in the order of their names, from beyond ``after``."""
        ...

    def read_standings(
        self, identities: Sequence[AgentIdentity], *, snapshots: SnapshotLook
    ) -> tuple[Standing | Broken, ...]:
        """Where identities stand, one each and in order, in one read transaction. Never claims.

        ``snapshots`` says what is read of the newest document of each. A row that can't be read breaks its
        identity only.
        """
        ...

    def read_snapshots(self, session_id: SessionId, *, limit: int) -> tuple[SnapshotRow, ...]:
        """A session's documents as they are stored, newest first."""
        ...

    def find_document(self, identity: AgentIdentity, kind: str, key: str) -> Document | None:
        """A document that was put and not dropped.

        Raises:
            StoreCorruptError: its bytes are not what was put.
        """
        ...

    def find_receipt(self, identity: AgentIdentity, run_id: RunId, *, sequence: int | None) -> TurnRow | None:
        """The boundary that is a run's receipt of that sequence, or its last one (None)."""
        ...

    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        """Forget what the order lets go, of the next ``limit`` rows at most; durable on return.

        Begin with ``PRUNE_BEGIN`` and go on with ``following`` until there is none. Nothing is decided by what
        an earlier step did, so a pruning that was broken off is begun again. Only content goes: whatever
        recognises a duplicate, tells an outcome or proves a receipt stays. It needs no fence, and changes none.

        Raises:
            StoreFullError: the disk is full; nothing of this step was written.
            StoreCorruptError: a row of this step can't be read; nothing of it was written.
            StoreError: the outcome of this step is unknown.
        """
        ...
