"""The memory store: the reference meaning of the port, in dicts of bytes."""

from __future__ import annotations

import os
from collections.abc import Sequence

from meerkat_actors.errors import UsageError
from meerkat_actors.records.activation import Activation, Broken, IdentityRow, Opening
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.commits import CommitOutcome, Committed, Refused
from meerkat_actors.records.continuity_effects import CreateRecord
from meerkat_actors.records.documents import Document
from meerkat_actors.records.effects import AppendTurn, CreateIdentity, OwnerUnit, Unit
from meerkat_actors.records.env import Env, SystemEnv
from meerkat_actors.records.ids import AgentIdentity, IdentityKey, InputId, RunId, SessionId
from meerkat_actors.records.inputs import InputRow, Letterhead, Mail
from meerkat_actors.records.leases import LOST, NOTHING_NEW, News, Ownership
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.mail import Recipient, Returnable
from meerkat_actors.records.pruning import PruneCursor, PruneOrder, PruneStep
from meerkat_actors.records.standing import SnapshotLook, SnapshotRow, Standing
from meerkat_actors.records.stored_events import EventBounds, StoredEvent
from meerkat_actors.records.timers import DueLook, Timer, TimerCursor
from meerkat_actors.store.fencing import (
    STALE_OWNER,
    Authority,
    beginning_of,
    fence_refusal,
    in_order,
    unit_refusal,
)
from meerkat_actors.store.memory_activation import read_activation
from meerkat_actors.store.memory_continuity import snapshots_of, standing_of
from meerkat_actors.store.memory_effects import apply_effect
from meerkat_actors.store.memory_mail import pending_mail, recipients_with_mail, undeliverable_mail
from meerkat_actors.store.memory_posting import commit_post
from meerkat_actors.store.memory_pruning import prune_tables
from meerkat_actors.store.memory_reading import (
    event_bounds_of,
    events_of,
    identities_of,
    input_row_of,
    inputs_of,
    letters_of,
    turns_of,
)
from meerkat_actors.store.memory_runtime import document_of, receipt_of
from meerkat_actors.store.memory_sharing import MemoryLeases, unheld_mail, unheld_work
from meerkat_actors.store.memory_tables import Tables
from meerkat_actors.store.memory_timers import due_timers, due_timers_of, page_timers
from meerkat_actors.store.memory_work import Work
from meerkat_actors.store.sharing import Membership
from meerkat_actors.store.spelling import post_refusal, spelling_refusal


class MemoryStore:
    """State that lives as long as this object, and those ``beside`` it.

    A second ``begin`` on the same object is a restart: what was committed is still there.
    """

    def __init__(
        self,
        *,
        env: Env | None = None,
        ownership: Ownership = "exclusive",
        lease_seconds: float = Limits().lease_seconds,
        tables: Tables | None = None,
    ) -> None:
        self._env = SystemEnv() if env is None else env
        self._tables = Tables(self._env.new_id()) if tables is None else tables
        self._lease_seconds = lease_seconds
        self._membership = self._member() if ownership == "shared" else None
        self._owner = 0
        self._is_serving = False
        self._seen = 0
        self._others: frozenset[int] | None = None

    def beside(self, *, lease_seconds: float | None = None) -> MemoryStore:
        """Another store on the same state, as another process opens the same file; it does not serve yet.

        Raises:
            UsageError: this one was not made with ``ownership="shared"``.
        """
        if self._membership is None:
            raise UsageError(problem="beside: this store is exclusive; make it with MemoryStore(ownership='shared')")
        seconds = self._lease_seconds if lease_seconds is None else lease_seconds
        return MemoryStore(env=self._env, ownership="shared", lease_seconds=seconds, tables=self._tables)

    @property
    def is_shared(self) -> bool:
        """See ``Store.is_shared``."""
        return self._membership is not None

    @property
    def inline(self) -> bool:
        """See ``Store.inline``: a commit takes microseconds."""
        return True

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return ":memory:"

    @property
    def wal_pages(self) -> int:
        """See ``Store.wal_pages``: there is no log."""
        return 0

    @property
    def sync_seconds(self) -> float:
        """See ``Store.sync_seconds``: there is no disk."""
        return 0.0

    def begin(self) -> Opening:
        """See ``Store.begin``."""
        tables = self._tables
        tables.incarnation += 1
        tables.running.discard(self._owner)
        self._owner = tables.incarnation
        opening = Opening(store_id=tables.store_id, incarnation=self._owner, was_clean=tables.was_clean)
        tables.was_clean = False
        if self._membership is not None:
            tables.running.add(self._owner)
            self._membership.join(self._owner)
            self._membership.adopt(self._owner)
            self._others = None
        self._is_serving = True
        return opening

    def end(self, *, clean: bool) -> None:
        """See ``Store.end``."""
        if self._is_serving:
            self._is_serving = False
            is_last = True
            if self._membership is not None:
                is_last = self._membership.leave()
                self._membership.adopt(0)
            self._tables.was_clean = clean and is_last

    def close(self) -> None:
        """See ``Store.close``: nothing is held, and what was committed stays."""
        self._is_serving = False
        self._tables.running.discard(self._owner)

    def checkpoint(self) -> None:
        """See ``Store.checkpoint``: there is no log."""

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        """See ``Store.commit``."""
        if self._membership is not None and not self._membership.enter(units):
            return [unit_refusal(unit) or STALE_OWNER for unit in units]
        outcomes = [self._commit_unit(unit) for unit in units]
        if self._membership is not None:
            self._membership.note(units, outcomes)
        return outcomes

    def post(self, unit: OwnerUnit) -> CommitOutcome:
        """See ``Store.post``."""
        refusal = post_refusal(unit)
        if refusal is not None:
            return refusal
        if unit.fence.owner != self._owner or (self._membership is not None and not self._membership.enter()):
            return STALE_OWNER
        return commit_post(self._tables, unit, self._next_sequence)

    def look_around(self) -> News:
        """See ``Store.look_around``."""
        if self._membership is None or not self._is_serving:
            return NOTHING_NEW
        if self._membership.is_lost() or not self._membership.do_duty():
            return LOST
        tables, others = self._tables, self._membership.others()
        work = (
            unheld_mail(tables, self._owner, self._seen) if others == self._others else unheld_work(tables, self._owner)
        )
        self._seen, self._others = tables.sequence, others
        return News(is_lost=False, work=work)

    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        """See ``Store.activate``."""
        found = read_activation(self._tables, identity, self._next_key)
        return found if self._membership is None else self._membership.held(found)

    def pending_mail(self, key: IdentityKey, *, limit: int) -> tuple[Mail, ...]:
        """See ``Store.pending_mail``."""
        return pending_mail(self._tables, key, limit)

    def recipients_with_mail(self, *, after: int, limit: int) -> tuple[Recipient, ...]:
        """See ``Store.recipients_with_mail``."""
        return recipients_with_mail(self._tables, after, limit)

    def undeliverable_mail(
        self, identity: AgentIdentity, *, absent_before_ms: int, limit: int
    ) -> tuple[Returnable, ...]:
        """See ``Store.undeliverable_mail``."""
        return undeliverable_mail(self._tables, identity, absent_before_ms, limit)

    def due_timers(self, *, now_ms: int, after: TimerCursor | None, limit: int) -> DueLook:
        """See ``Store.due_timers``."""
        return due_timers(self._tables, self._owner, now_ms, after, limit)

    def due_timers_of(self, key: IdentityKey, *, now_ms: int, limit: int) -> tuple[Timer, ...]:
        """See ``Store.due_timers_of``."""
        return due_timers_of(self._tables, key, now_ms, limit)

    def page_timers(self, identity: AgentIdentity, *, after: str | None, limit: int) -> tuple[Timer, ...]:
        """See ``Store.page_timers``."""
        return page_timers(self._tables, identity, after, limit)

    def identities_with_work(self) -> tuple[AgentIdentity, ...]:
        """See ``Store.identities_with_work``."""
        return unheld_work(self._tables, self._owner)

    def find_input(self, identity: AgentIdentity, input_id: InputId) -> InputRow | None:
        """See ``Store.find_input``."""
        sequence = self._tables.by_input_id.get(input_id)
        if sequence is None or self._tables.given[sequence].identity != self._tables.names.get(identity):
            return None
        return input_row_of(self._tables, sequence)

    def page_inputs(
        self, identity: AgentIdentity, *, after: int | None, limit: int, newest_first: bool
    ) -> tuple[InputRow, ...]:
        """See ``Store.page_inputs``."""
        return inputs_of(self._tables, identity, after, limit, newest_first=newest_first)

    def page_letters(self, identity: AgentIdentity | None, *, after: int, limit: int) -> tuple[Letterhead, ...]:
        """See ``Store.page_letters``."""
        return letters_of(self._tables, identity, after, limit)

    def page_turns(self, identity: AgentIdentity, *, before: int | None, limit: int) -> tuple[TurnRow, ...]:
        """See ``Store.page_turns``."""
        return turns_of(self._tables, identity, before, limit)

    def page_events(self, *, after: int, limit: int) -> tuple[StoredEvent, ...]:
        """See ``Store.page_events``."""
        return events_of(self._tables, after, limit)

    def event_bounds(self) -> EventBounds:
        """See ``Store.event_bounds``."""
        return event_bounds_of(self._tables)

    def page_identities(self, *, after: AgentIdentity | None, limit: int) -> tuple[IdentityRow, ...]:
        """See ``Store.page_identities``."""
        return identities_of(self._tables, after, limit)

    def read_standings(
        self, identities: Sequence[AgentIdentity], *, snapshots: SnapshotLook
    ) -> tuple[Standing | Broken, ...]:
        """See ``Store.read_standings``."""
        return tuple(
            standing_of(self._tables, identity, self._next_key, snapshots=snapshots) for identity in identities
        )

    def read_snapshots(self, session_id: SessionId, *, limit: int) -> tuple[SnapshotRow, ...]:
        """See ``Store.read_snapshots``."""
        return snapshots_of(self._tables, session_id, limit)

    def find_document(self, identity: AgentIdentity, kind: str, key: str) -> Document | None:
        """See ``Store.find_document``."""
        return document_of(self._tables, identity, kind, key)

    def find_receipt(self, identity: AgentIdentity, run_id: RunId, *, sequence: int | None) -> TurnRow | None:
        """See ``Store.find_receipt``."""
        return receipt_of(self._tables, identity, run_id, sequence)

    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        """See ``Store.prune``."""
        return prune_tables(self._tables, order, cursor, limit)

    def _commit_unit(self, unit: Unit) -> CommitOutcome:
        fence = unit.fence
        no = unit_refusal(unit) or spelling_refusal(unit) or self._authority_refusal(unit)
        if no is not None:
            return no
        turn: AppendTurn | None = None
        for effect in unit.effects:
            if type(effect) is AppendTurn:
                turn = effect
        work = Work(
            self._tables,
            fence,
            self._next_sequence,
            self._next_key,
            self._owner,
            self._env.boot_ms,
            0 if turn is None else self._next_sequence(),
        )
        try:
            for index, effect in in_order(unit.effects):
                obstacle = apply_effect(effect, index, work)
                if obstacle is not None:
                    return obstacle
            self._tables.keep()
        finally:
            self._tables.undo()  # nothing, once kept
        return Committed(self._tables.heads[fence.key].version)

    def _authority_refusal(self, unit: Unit) -> Refused | None:
        beginning = beginning_of(unit)
        effect = None if beginning is None else beginning[1]
        if isinstance(effect, CreateIdentity | CreateRecord):
            return None  # its effect finds out
        head = self._tables.heads.get(unit.fence.key)
        current = (
            None
            if head is None
            else Authority(head.token, head.generation, head.version, head.session_id, head.is_deleted)
        )
        return fence_refusal(unit, effect, current)

    def _next_sequence(self) -> int:
        self._tables.sequence += 1
        return self._tables.sequence

    def _next_key(self) -> int:
        self._tables.key += 1
        return self._tables.key

    def _member(self) -> Membership:
        return Membership(
            MemoryLeases(self._tables),
            clock=self._env.boot_ms,
            boot="memory",
            holder=f"another runtime in process {os.getpid()}",
            lease_seconds=self._lease_seconds,
        )
