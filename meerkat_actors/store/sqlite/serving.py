"""How a store begins to serve, stays what it is while it does, and ends.

What is on the disk after a crash at each step of a beginning:

=====================================  ==============================================================
after                                  a successor finds
=====================================  ==============================================================
the mark was compared                  what was there; nothing was written
COMMIT of the raised incarnation       everything that was visible before it, durable with it
the mark was written                   the same, and a file that is older than this is refused
=====================================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Sequence

from meerkat_actors.errors import StoreCorruptError, StoreFailedError
from meerkat_actors.records.activation import Opening
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.ids import is_counter, is_uuid
from meerkat_actors.records.leases import LOST, News
from meerkat_actors.store.sharing import Membership
from meerkat_actors.store.sqlite import queries, statements
from meerkat_actors.store.sqlite.locking import StoreLock
from meerkat_actors.store.sqlite.marking import Mark, Progress
from meerkat_actors.store.sqlite.naming import Naming
from meerkat_actors.store.sqlite.packing import Packer
from meerkat_actors.store.sqlite.rows import Database
from meerkat_actors.store.sqlite.sharing import Lookout
from meerkat_actors.store.sqlite.watching import Watch


class Serving:
    """One store's time of serving. Its methods are called where errors of the database are told."""

    def __init__(
        self,
        path: str,
        database: Database,
        packer: Packer,
        lock: StoreLock,
        watch: Watch,
        progress: Progress,
        membership: Membership | None,
    ) -> None:
        self.is_active: bool = False
        self.membership = membership
        self._path = path
        self._database = database
        self._packer = packer
        self._naming: Naming = packer.naming
        self._lock = lock
        self._watch = watch
        self._progress = progress
        self._lookout = Lookout(database)

    def begin(self) -> Opening:
        """Raise the incarnation in a real write, and take a place among those that share.

        Raises:
            StoreBehindError: the file is older than its mark.
            StoreCorruptError: it can't be read.
        """
        before, held = self._packer.incarnation, 0
        try:
            self._database.execute(statements.BEGIN_IMMEDIATE)
            meta = self._database.execute(queries.READ_META).fetchone()
            counters = self._database.execute(queries.READ_COUNTERS).fetchone()
            if meta is None or counters is None:
                raise StoreCorruptError(path=self._path, problem="has lost its meta row; restore it from a backup")
            store_id, incarnation, clean, sequence, epoch = meta
            if not (is_uuid(store_id) and all(map(is_counter, (incarnation, clean, sequence, epoch)))):
                raise StoreCorruptError(path=self._path, problem="has a damaged meta row; restore it from a backup")
            last_input, last_turn, last_key = counters
            last, owner = max(sequence, last_input, last_turn), incarnation + 1
            self._progress.compare(Mark(store_id, epoch, incarnation, last))
            self._database.execute(statements.BEGIN_INCARNATION)
            if self.membership is None:
                self._database.execute(statements.DROP_LEASES)
            else:
                self._lock.hold(owner)
                held = owner
                self.membership.join(owner)
            self._database.execute(statements.COMMIT)
        except BaseException:
            if held:
                self._lock.let_go(held)
            raise
        finally:
            self.roll_back()
        # Only now: what was rolled back is another's to be given.
        self._packer.incarnation, self._packer.sequence = owner, last
        self._naming.begin(last_key, is_shared=self.membership is not None)
        if self.membership is not None:
            self._packer.clock = self.membership.clock
            self.membership.adopt(owner)
            self._lock.let_go(before)
            self._lookout = Lookout(self._database)
        self._watch.note()
        self.require_in_place()
        self._progress.keep(Mark(store_id, epoch, owner, last))
        self.is_active = True
        return Opening(store_id=store_id, incarnation=owner, was_clean=bool(clean))

    def end(self, *, clean: bool) -> None:
        """Say how it ended, and give up the place among those that share."""
        self._refuse(self._watch.shrunk())
        try:
            self._database.execute(statements.BEGIN_IMMEDIATE)
            is_last = self.membership is None or self.membership.leave()
            self._database.execute(statements.END_INCARNATION, (int(clean and is_last), self._packer.sequence))
            self._database.execute(statements.COMMIT)
        finally:
            self.roll_back()
        if self.membership is not None:
            self.membership.adopt(0)
        self.require_in_place()
        self._progress.keep_at(self._packer.sequence)
        self.is_active = False

    def enter(self, units: Sequence[Unit]) -> bool:
        """The first thing in each transaction where others share; see ``Membership.enter``."""
        assert self.membership is not None
        # Before anything is written, too: without the index that others lock, what they committed would be overwritten.
        self.require_in_place()
        if not self.membership.enter(units):
            return False
        # Others have committed since, and what they were given is in use.
        meta = self._database.execute(queries.READ_META).fetchone()
        counters = self._database.execute(queries.READ_COUNTERS).fetchone()
        if meta is not None and counters is not None:
            self._packer.sequence = max(self._packer.sequence, meta[3], counters[0], counters[1])
        return True

    def look_around(self) -> News:
        """See ``Store.look_around``, where others share."""
        assert self.membership is not None
        if self.membership.is_lost() or (self.membership.has_duty() and not self._do_duty(self.membership)):
            return LOST
        return News(is_lost=False, work=self._lookout.news(self._packer.incarnation, self.membership.others()))

    def note_commit(self, sequence: int) -> None:
        """A batch was committed, and its last row has that sequence."""
        self._progress.note_at(sequence)

    def note_checkpoint(self) -> None:
        """The log was copied into the file: remember how far that is."""
        self._refuse(self._watch.shrunk())
        counters = self._database.execute(queries.READ_COUNTERS).fetchone()
        if counters is not None and self.is_active:
            self._progress.keep_at(max(counters[0], counters[1]))

    def require_in_place(self) -> None:
        """Before anything is acknowledged.

        Raises:
            StoreFailedError: a file of the store was taken away.
        """
        self._refuse(self._watch.problem())

    def roll_back(self) -> None:
        """End a transaction that was not committed: after many errors SQLite has done it itself."""
        if self._database.in_transaction:
            self._database.execute(statements.ROLLBACK)

    def _do_duty(self, membership: Membership) -> bool:
        try:
            self._database.execute(statements.BEGIN_IMMEDIATE)
            if not membership.do_duty():
                return False
            self._database.execute(statements.COMMIT)
        finally:
            self.roll_back()
        self.require_in_place()
        return True

    def _refuse(self, problem: str | None) -> None:
        if problem is not None:
            raise StoreFailedError(path=self._path, problem=f"{problem}; put it back and reopen")
