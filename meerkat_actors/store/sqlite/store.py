"""The SQLite store: one connection, one writer, every promise of the port."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

import apsw

from meerkat_actors.errors import StoreError, StoreFailedError, StoreFullError, UsageError
from meerkat_actors.records.activation import Activation, Broken, IdentityRow, Opening
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason
from meerkat_actors.records.documents import Document
from meerkat_actors.records.effects import OwnerUnit, Unit
from meerkat_actors.records.ids import AgentIdentity, IdentityKey, InputId, RunId, SessionId
from meerkat_actors.records.inputs import InputRow, Letterhead, Mail
from meerkat_actors.records.leases import NOTHING_NEW, News
from meerkat_actors.records.mail import Recipient, Returnable
from meerkat_actors.records.pruning import PruneCursor, PruneOrder, PruneStep
from meerkat_actors.records.standing import SnapshotLook, SnapshotRow, Standing
from meerkat_actors.records.stored_events import EventBounds, StoredEvent
from meerkat_actors.records.timers import DueLook, Timer, TimerCursor
from meerkat_actors.store.fencing import FENCE, STALE_OWNER, refused, unit_refusal
from meerkat_actors.store.legible import legible
from meerkat_actors.store.sharing import Membership
from meerkat_actors.store.spelling import post_refusal
from meerkat_actors.store.sqlite import agenda_reading, continuity_reading, reading, statements
from meerkat_actors.store.sqlite.failing import failure_of
from meerkat_actors.store.sqlite.filesystem import forget_cached_pages
from meerkat_actors.store.sqlite.grouping import commit_units
from meerkat_actors.store.sqlite.locking import StoreLock
from meerkat_actors.store.sqlite.marking import Progress
from meerkat_actors.store.sqlite.naming import Naming
from meerkat_actors.store.sqlite.packing import Packer
from meerkat_actors.store.sqlite.posting import commit_post
from meerkat_actors.store.sqlite.pruning import prune_chunk
from meerkat_actors.store.sqlite.pruning_statements import COMPACT, TEMPORARY_IN_FILE, TEMPORARY_IN_MEMORY
from meerkat_actors.store.sqlite.rows import typed
from meerkat_actors.store.sqlite.runtime_reading import read_document, read_receipt
from meerkat_actors.store.sqlite.serving import Serving
from meerkat_actors.store.sqlite.watching import Watch

R = TypeVar("R")


class SqliteStore:
    """One database file, held by this process. Made by ``open_sqlite``.

    After a failure whose outcome is unknown it answers nothing any more but ``end`` and ``close``:
    what its connection still reads may never have reached the disk.
    """

    def __init__(
        self,
        path: str,
        connection: apsw.Connection,
        lock: StoreLock,
        membership: Membership | None = None,
        *,
        may_lose: bool = False,
    ) -> None:
        self._path = path
        self._connection = connection
        self._database = typed(connection)
        self._lock = lock
        self._pid = os.getpid()
        self._naming = Naming(self._database)
        self._packer = Packer(self._naming)
        self._progress = Progress(path, may_lose=may_lose, is_shared=membership is not None)
        self._serving = Serving(
            path, self._database, self._packer, lock, Watch(path, connection), self._progress, membership
        )
        self._failure: StoreError | None = None
        self._closed = False
        self._log_pages = 0
        self._copied_pages = 0
        connection.set_wal_hook(self._note_log)

    @property
    def inline(self) -> bool:
        """See ``Store.inline``: a commit waits for the disk."""
        return False

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return self._path

    @property
    def wal_pages(self) -> int:
        """See ``Store.wal_pages``."""
        return max(0, self._log_pages - self._copied_pages)

    @property
    def sync_seconds(self) -> float:
        """See ``Store.sync_seconds``."""
        return self._packer.sync_seconds

    @property
    def is_shared(self) -> bool:
        """See ``Store.is_shared``."""
        return self._serving.membership is not None

    def begin(self) -> Opening:
        """See ``Store.begin``."""
        return self._guarded(self._serving.begin)

    def end(self, *, clean: bool) -> None:
        """See ``Store.end``. A store that failed stays as it is: unclean."""
        if self._serving.is_active and self._failure is None:
            self._guarded(lambda: self._serving.end(clean=clean))

    def close(self) -> None:
        """See ``Store.close``."""
        if self._closed or os.getpid() != self._pid:  # a forked child holds nothing of its own
            return
        self._closed = True
        try:
            self._connection.set_wal_hook(None)
            if self._failure is not None:
                # Closing would copy the log into the database, and delete a file that may be another's by now.
                self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            with suppress(apsw.Error):  # what is durable is durable; there is nobody left to tell
                self._connection.close(force=True)
            if self._failure is not None:
                forget_cached_pages(self._path)
        finally:
            self._progress.close()
            self._lock.release()

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        """See ``Store.commit``."""
        return self._guarded(lambda: self._commit(units)) if units else []

    def post(self, unit: OwnerUnit) -> CommitOutcome:
        """See ``Store.post``."""
        return post_refusal(unit) or self._guarded(lambda: self._post(unit))

    def checkpoint(self) -> None:
        """See ``Store.checkpoint``."""
        self._guarded(self._checkpoint)

    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        """See ``Store.activate``."""
        return self._guarded(lambda: self._activate(identity))

    def pending_mail(self, key: IdentityKey, *, limit: int) -> tuple[Mail, ...]:
        """See ``Store.pending_mail``."""
        return self._listed(lambda: agenda_reading.read_mail(self._database, key, limit))

    def recipients_with_mail(self, *, after: int, limit: int) -> tuple[Recipient, ...]:
        """See ``Store.recipients_with_mail``."""
        return self._listed(lambda: agenda_reading.read_recipients(self._database, after, limit))

    def undeliverable_mail(
        self, identity: AgentIdentity, *, absent_before_ms: int, limit: int
    ) -> tuple[Returnable, ...]:
        """See ``Store.undeliverable_mail``."""
        read = partial(agenda_reading.read_undeliverable, self._database, identity, absent_before_ms, limit)
        return self._listed(read)

    def due_timers(self, *, now_ms: int, after: TimerCursor | None, limit: int) -> DueLook:
        """See ``Store.due_timers``."""
        owner = self._packer.incarnation
        return self._listed(lambda: agenda_reading.read_due_timers(self._database, owner, now_ms, after, limit))

    def due_timers_of(self, key: IdentityKey, *, now_ms: int, limit: int) -> tuple[Timer, ...]:
        """See ``Store.due_timers_of``."""
        return self._listed(lambda: agenda_reading.read_due_timers_of(self._database, key, now_ms, limit))

    def page_timers(self, identity: AgentIdentity, *, after: str | None, limit: int) -> tuple[Timer, ...]:
        """See ``Store.page_timers``."""
        return self._listed(lambda: agenda_reading.read_timers(self._database, identity, after, limit))

    def identities_with_work(self) -> tuple[AgentIdentity, ...]:
        """See ``Store.identities_with_work``."""
        return self._listed(lambda: reading.read_identities_with_work(self._database, self._packer.incarnation))

    def look_around(self) -> News:
        """See ``Store.look_around``."""
        return self._guarded(self._serving.look_around) if self.is_shared and self._serving.is_active else NOTHING_NEW

    def find_input(self, identity: AgentIdentity, input_id: InputId) -> InputRow | None:
        """See ``Store.find_input``."""
        return self._listed(lambda: reading.read_input(self._database, identity, input_id))

    def page_inputs(
        self, identity: AgentIdentity, *, after: int | None, limit: int, newest_first: bool
    ) -> tuple[InputRow, ...]:
        """See ``Store.page_inputs``."""
        return self._listed(
            lambda: reading.read_inputs(self._database, identity, after, limit, newest_first=newest_first)
        )

    def page_letters(self, identity: AgentIdentity | None, *, after: int, limit: int) -> tuple[Letterhead, ...]:
        """See ``Store.page_letters``."""
        return self._listed(lambda: reading.read_letters(self._database, identity, after, limit))

    def page_turns(self, identity: AgentIdentity, *, before: int | None, limit: int) -> tuple[TurnRow, ...]:
        """See ``Store.page_turns``."""
        return self._listed(lambda: reading.read_turns(self._database, identity, before, limit))

    def page_events(self, *, after: int, limit: int) -> tuple[StoredEvent, ...]:
        """See ``Store.page_events``."""
        return self._listed(lambda: reading.read_events(self._database, after, limit))

    def event_bounds(self) -> EventBounds:
        """See ``Store.event_bounds``."""
        return self._listed(lambda: reading.read_event_bounds(self._database))

    def page_identities(self, *, after: AgentIdentity | None, limit: int) -> tuple[IdentityRow, ...]:
        """See ``Store.page_identities``."""
        return self._listed(lambda: reading.read_identities(self._database, after, limit))

    def find_document(self, identity: AgentIdentity, kind: str, key: str) -> Document | None:
        """See ``Store.find_document``."""
        return self._listed(lambda: read_document(self._database, identity, kind, key))

    def find_receipt(self, identity: AgentIdentity, run_id: RunId, *, sequence: int | None) -> TurnRow | None:
        """See ``Store.find_receipt``."""
        return self._listed(lambda: read_receipt(self._database, identity, run_id, sequence))

    def read_standings(
        self, identities: Sequence[AgentIdentity], *, snapshots: SnapshotLook
    ) -> tuple[Standing | Broken, ...]:
        """See ``Store.read_standings``."""
        return self._guarded(lambda: self._read_standings(identities, snapshots))

    def read_snapshots(self, session_id: SessionId, *, limit: int) -> tuple[SnapshotRow, ...]:
        """See ``Store.read_snapshots``."""
        return self._listed(lambda: continuity_reading.read_snapshots(self._database, session_id, limit))

    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        """See ``Store.prune``; a dry run may come before ``begin``."""
        return self._listed(lambda: self._prune(order, cursor, limit))

    def compact(self) -> None:
        """Write the file anew, without its empty pages. For who has the store alone, and no owner serves.

        As long as it takes to copy everything twice, and as much room: in the system's folder for temporary files,
        and in the log beside the file. A crash leaves the file as it was, or as it shall be.

        Raises:
            UsageError: others share the store.
            StoreFullError: the disk is full; nothing was written.
        """
        if self.is_shared:
            raise UsageError(problem=f"{self._path}: compact needs the store alone; open it exclusively")
        self._guarded(self._compact)

    def _commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        assert self._serving.is_active, "commit outside begin and end"
        before = self._packer.sequence
        try:
            enter = None if self._serving.membership is None else self._serving.enter
            outcomes = commit_units(self._database, self._packer, units, enter)
        except apsw.FullError as error:
            full = refused(RefusalReason.STORE_FULL, FENCE, f"the disk is full: {error}")
            return [unit_refusal(unit) or full for unit in units]
        finally:
            self._serving.roll_back()
        self._serving.require_in_place()
        # What was given to a unit that was refused is in no row.
        if self._packer.sequence > before and {*map(type, outcomes)} == {Committed}:
            self._serving.note_commit(self._packer.sequence)
        if self._serving.membership is not None:
            self._serving.membership.note(units, outcomes)
        return outcomes

    def _prune(self, order: PruneOrder, cursor: PruneCursor, limit: int) -> PruneStep:
        assert order.is_dry_run or self._serving.is_active, "prune outside begin and end"
        try:
            step = prune_chunk(self._database, order, cursor, limit)
        finally:
            self._serving.roll_back()
        self._serving.require_in_place()
        return step

    def _compact(self) -> None:
        assert self._serving.is_active, "compact outside begin and end"
        self._database.execute(TEMPORARY_IN_FILE).fetchall()
        try:
            self._database.execute(COMPACT).fetchall()
        finally:
            self._database.execute(TEMPORARY_IN_MEMORY).fetchall()
        self._serving.require_in_place()

    def _activate(self, identity: AgentIdentity) -> Activation | Broken:
        self._naming.spare(1)
        found = reading.read_activation(self._database, identity, self._naming.fresh)
        return found if self._serving.membership is None else self._serving.membership.held(found)

    def _read_standings(
        self, identities: Sequence[AgentIdentity], snapshots: SnapshotLook
    ) -> tuple[Standing | Broken, ...]:
        self._naming.spare(len(identities))
        return continuity_reading.read_standings(self._database, identities, self._naming.fresh, snapshots=snapshots)

    def _post(self, unit: OwnerUnit) -> CommitOutcome:
        assert self._serving.is_active, "post outside begin and end"
        try:
            self._database.execute(statements.BEGIN_IMMEDIATE)
            if self._serving.membership is not None and not self._serving.enter(()):
                return STALE_OWNER
            outcome = commit_post(self._database, self._packer, unit)
            self._database.execute(statements.COMMIT)
        except apsw.FullError as error:
            return refused(RefusalReason.STORE_FULL, FENCE, f"the disk is full: {error}")
        finally:
            self._serving.roll_back()
        self._serving.require_in_place()
        return outcome

    def _checkpoint(self) -> None:
        try:
            self._log_pages, self._copied_pages = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:
            return  # another process is at it: SQLite asks no busy handler here
        self._serving.note_checkpoint()

    def _note_log(self, _: apsw.Connection, __: str, pages: int) -> int:
        if pages < self._copied_pages:  # everything was copied, and the log began anew
            self._copied_pages = 0
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _listed(self, read: Callable[[], R]) -> R:
        return self._guarded(lambda: legible(self._path, read))

    def _guarded(self, work: Callable[[], R]) -> R:
        """Run what uses the connection; after a failure of the database nothing does any more."""
        if self._closed or os.getpid() != self._pid:
            raise UsageError(problem=f"{self._path}: this store is closed, or was opened before a fork; open it again")
        if self._failure is not None:
            problem = f"failed before, and answers nothing any more: {self._failure.problem}"
            raise StoreFailedError(path=self._path, problem=problem)
        try:
            return work()
        except (apsw.Error, OSError) as error:
            failure = failure_of(self._path, error)
            if not isinstance(failure, StoreFullError):
                self._failure = failure
            raise failure from error
        except StoreFailedError as failure:
            self._failure = failure
            raise
