"""What waits for the store, and the one batch that is under way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

import outcome
import trio

from meerkat_actors.actors.hands import Hands
from meerkat_actors.actors.reply import CommitSlot, ReplySlot
from meerkat_actors.actors.storage.counters import StorageCounters
from meerkat_actors.errors import (
    MeerkatError,
    StoreError,
    StoreFailedError,
    StoreFullError,
    StoreInterruptedError,
    UsageError,
)
from meerkat_actors.records.activation import Opening
from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.events import Event, LogGrowing, StoreReopened
from meerkat_actors.records.hot import hot
from meerkat_actors.records.ids import IdentityKey
from meerkat_actors.records.limits import Limits
from meerkat_actors.store.port import Store

T = TypeVar("T")


@hot
class CommitRequest:
    """A unit to commit."""

    unit: Unit
    slot: CommitSlot[CommitOutcome]


@hot
class ReadRequest:
    """A read, behind every unit that was given before it."""

    read: Callable[[Store], Any]
    slot: CommitSlot[Any] | ReplySlot[Any]
    writes: bool = False
    """Whether it writes rows, by a transaction of its own."""


Request = CommitRequest | ReadRequest
_Worked = tuple[list[CommitOutcome], float, list[object]]


class Batches:
    """What waits for the store, and the one batch that is under way.

    Reached by the pump task, by posts, and by the completions of whose hands do the work, all of them synchronous
    on the event loop. What waits is bounded by who asks: each of them is a task that waits.
    """

    def __init__(
        self,
        store: Store,
        hands: Hands,
        limits: Limits,
        after_commit: Callable[[list[Unit]], None],
        notify: Callable[[Event], None],
        *,
        can_reopen: bool,
    ) -> None:
        self.counters: StorageCounters = StorageCounters()
        self.failure: BaseException | None = None
        self.interruption: StoreInterruptedError | None = None
        """Why the store has to be opened anew before anything else."""
        self.store: Store = store
        self.has_begun = False
        self.incarnation: int = 0
        """Under which this runtime serves, as far as it knows."""
        self.is_closed: bool = False
        self.is_leaving = False
        self._can_reopen = can_reopen
        self._reopened_at: float | None = None
        self._hands = hands
        self._limits = limits
        self._after_commit = after_commit
        self._notify = notify
        self._waiting: list[Request] = []
        self._unsure: list[Unit] = []
        """Of the batch in which the store failed."""
        self._waits_since = 0.0
        self._is_busy = False
        self._was_alone = False
        self._lone: IdentityKey | None = None
        self._checkpoint_above = limits.wal_pages_max
        self._pump: trio.lowlevel.Task | None = None

    @property
    def location(self) -> str:
        """Where the store is, for people."""
        return self.store.location

    @property
    def is_shared(self) -> bool:
        """Whether other runtimes serve the same state."""
        return self.store.is_shared

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self._waiting and not self._is_busy

    @property
    def is_busy(self) -> bool:
        """Whether a call to the store is under way."""
        return self._is_busy

    def post(self, request: Request) -> None:
        """Take a request; it is answered by ``_finish``, or refused when storage has ended."""
        if self.is_closed or self.is_leaving:
            request.slot.reject(self._ended())
            return
        if not self._waiting:
            self._waits_since = perf_counter()
        self._waiting.append(request)
        if self._is_busy:
            return
        if self._was_alone and self._hands.is_apart:
            # Who was alone last time probably is again: two passes of the loop less per commit.
            # Otherwise the pump begins after this pass, with everyone who is about to ask in it.
            self.begin()
        else:
            self.wake()

    def begin(self) -> None:
        """Begin the next batch with what waits."""
        count = self._limits.batch_max
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        now = perf_counter()
        # Of what a full batch leaves behind nobody noted since when it waits: from now on, at least.
        waited, self._waits_since = now - self._waits_since, now
        self._is_busy = True
        self._was_alone = len(batch) == 1
        commits = [request for request in batch if type(request) is CommitRequest]
        reads = [request for request in batch if type(request) is ReadRequest]
        work = partial(_work, self.store, [request.unit for request in commits], [request.read for request in reads])
        # The same owner twice in a row, and nobody else: nobody's batch is kept from growing by waiting for it.
        lone = commits[0].unit.fence.key if self._was_alone and commits else None
        is_still_alone = lone is not None and lone == self._lone
        self._lone = lone
        self._run(work, partial(self._finish, commits, reads, waited), waits=is_still_alone)

    def checkpoint_if_due(self) -> bool:
        """Begin a checkpoint when the log is long; whether one began."""
        if self.store.wal_pages <= self._checkpoint_above:
            return False
        self._is_busy = True
        self._run(self.store.checkpoint, self._checkpointed)
        return True

    def resume(self, store: Store, opening: Opening) -> None:
        """Go on with the store that was opened anew."""
        self.store, self.interruption = store, None
        self.incarnation = opening.incarnation
        self._reopened_at = trio.current_time()
        self._checkpoint_above = self._limits.wal_pages_max
        self._is_busy = False
        unsure, self._unsure = self._unsure, []
        # What it did may be durable: whoever has to look at that is told, and a hint too many costs one look.
        self._after_commit(unsure)

    def refuse_waiting(self, error: StoreFullError) -> None:
        """Nothing of what waits can be done now: the disk is full."""
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            if type(request) is CommitRequest:
                full = Refused(reason=RefusalReason.STORE_FULL, effect=-1, current=error.problem)
                request.slot.resolve(full)
            else:
                request.slot.reject(error)

    def tell_reopened(self, error: str) -> None:
        """Tell observers what happened."""
        self._notify(StoreReopened(error=error))

    def give_up(self, error: BaseException) -> None:
        """End with that error: refuse what waits, and whatever comes."""
        self._fail([], error)

    def wake(self) -> None:
        """Let the pump look around."""
        if self._pump is not None:
            pump, self._pump = self._pump, None
            trio.lowlevel.reschedule(pump)

    async def park(self) -> None:
        """Wait until there may be something to do; for the pump. Can't be cancelled while a batch is under way."""
        self._pump = trio.lowlevel.current_task()

        def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
            if self._is_busy:
                return trio.lowlevel.Abort.FAILED
            self._pump = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def close(self) -> None:
        """Refuse what waits, and whatever comes."""
        self.is_closed = True
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            request.slot.reject(self._ended())

    def _run(self, work: Callable[[], T], done: Callable[[outcome.Outcome[T]], None], *, waits: bool = False) -> None:
        if waits:
            self._hands.submit_alone(work, done)
        else:
            self._hands.submit(work, done)

    def _finish(
        self, commits: list[CommitRequest], reads: list[ReadRequest], waited: float, worked: outcome.Outcome[_Worked]
    ) -> None:
        """Answer a batch. Synchronous: there is no schedule point from COMMIT to the last reply."""
        self._is_busy = False
        if type(worked) is outcome.Error:
            self._stop([*commits, *reads], worked.error)
            return
        outcomes, seconds, answers = worked.unwrap()
        committed = [commit.unit for commit, told in zip(commits, outcomes, strict=True) if type(told) is Committed]
        if committed:
            self.counters.count(len(committed), seconds, self.store.sync_seconds, waited)
        # Before any reply: a sender that is cancelled after its commit loses no hint.
        if committed or any(request.writes for request in reads):
            self._after_commit(committed)
        for commit, told in zip(commits, outcomes, strict=True):
            commit.slot.resolve(told)
        failures: list[StoreFailedError] = []
        for request, answer in zip(reads, answers, strict=True):
            if isinstance(answer, Exception):
                request.slot.reject(answer)
            else:
                request.slot.resolve(answer)
            if isinstance(answer, StoreFailedError):
                failures.append(answer)
        if failures:  # the first one is the cause; after it the store answers nothing
            self._stop([], failures[0])
        if self._waiting or self.is_leaving or self.store.wal_pages > self._checkpoint_above:
            self.wake()

    def _checkpointed(self, worked: outcome.Outcome[None]) -> None:
        self._is_busy = False
        # What could not be moved now, because of a reader or a full disk, is left until as much has come again.
        self._checkpoint_above = self.store.wal_pages + self._limits.wal_pages_max
        if isinstance(worked, outcome.Error):
            if isinstance(worked.error, StoreFullError):
                self._notify(LogGrowing(pages=self.store.wal_pages, error=str(worked.error)))
            else:
                self._stop([], worked.error)
        self.wake()

    def _ended(self) -> MeerkatError:
        if self.failure is None:
            return UsageError(problem="the runtime is closed; use its handles inside its block")
        return StoreFailedError(path=self.store.location, problem=f"failed: {self.failure}; reopen the runtime")

    def _stop(self, batch: list[Request], error: BaseException) -> None:
        """The store answers nothing any more: open it anew, if that may mend it, or end."""
        last, quiet = self._reopened_at, self._limits.reopen_quiet_seconds
        is_early = last is not None and trio.current_time() - last < quiet
        if not isinstance(error, StoreInterruptedError) or not self._can_reopen or is_early or self.is_leaving:
            self._fail(batch, error)
            return
        self.interruption = error
        self._is_busy = True
        self._unsure = [request.unit for request in batch if type(request) is CommitRequest]
        for request in batch:
            request.slot.reject(
                StoreInterruptedError(path=self.store.location, problem="the commit's outcome is unknown; ask again")
            )
        self.wake()

    def _fail(self, batch: list[Request], error: BaseException) -> None:
        if isinstance(error, Exception) and not isinstance(error, StoreError):
            failure = StoreFailedError(path=self.store.location, problem=f"the store raised {error!r}; reopen it")
            failure.__cause__ = error
            error = failure
        self.failure = error
        for request in batch:
            request.slot.reject(
                StoreFailedError(path=self.store.location, problem="the commit's outcome is unknown; reopen and ask")
            )
        self.close()
        self.wake()


def _work(store: Store, units: list[Unit], reads: list[Callable[[Store], Any]]) -> _Worked:
    """One hop's work: all units in one transaction, which is timed, then the reads, which see them."""
    started = perf_counter()
    outcomes = store.commit(units) if units else []
    seconds = perf_counter() - started
    assert len(outcomes) == len(units), "a store answers every unit"
    return outcomes, seconds, [_answer(store, read) for read in reads]


def _answer(store: Store, read: Callable[[Store], Any]) -> object:
    try:
        return read(store)
    except Exception as error:  # noqa: BLE001 - the asker's to raise: units beside it are durable
        return error
