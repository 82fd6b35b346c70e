"""A store that fails on purpose: it wraps another one and stays a ``Store``, so nobody above can know."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from meerkat_actors.errors import StoreFailedError
from meerkat_actors.records.activation import Activation, Broken, IdentityRow, Opening
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.documents import Document
from meerkat_actors.records.effects import Effect, OwnerUnit, Unit
from meerkat_actors.records.ids import AgentIdentity, IdentityKey, InputId, RunId, SessionId
from meerkat_actors.records.inputs import InputRow, Letterhead, Mail
from meerkat_actors.records.leases import News
from meerkat_actors.records.mail import Recipient, Returnable
from meerkat_actors.records.pruning import PruneCursor, PruneOrder, PruneStep
from meerkat_actors.records.standing import SnapshotLook, SnapshotRow, Standing
from meerkat_actors.records.stored_events import EventBounds, StoredEvent
from meerkat_actors.records.timers import DueLook, Timer, TimerCursor
from meerkat_actors.store.port import Store


def _nothing(*_: object) -> None:
    return None


class FaultyStore:
    """Does what it is told and writes down what it did; each hook may raise, block, or look."""

    def __init__(self, inner: Store, *, inline: bool = True) -> None:
        self.inner = inner
        self.is_shared = inner.is_shared
        self.inline = inline
        self.wal_pages = 0
        self.sync_seconds = 0.0
        self.batches: list[tuple[Unit, ...]] = []
        """Every batch that reached the store, faults included."""
        self.ends: list[bool] = []
        """``clean``, for each time that the store was ended."""
        self.closings = 0
        self.checkpoints = 0
        self.before_commit: Callable[[Sequence[Unit]], None] = _nothing
        self.refusal: Callable[[Unit], CommitOutcome | None] = _nothing
        """What a unit is refused with; None lets it pass."""
        self.after_commit: Callable[[Sequence[Unit], Sequence[CommitOutcome]], None] = _nothing
        self.before_read: Callable[[str, AgentIdentity | None], None] = _nothing
        """Called with the name of the port's method, and whom it asks about."""
        self.before_call: Callable[[str], None] = _nothing
        """Called with ``begin``, ``end``, ``close``, ``checkpoint`` or ``prune``."""

    @property
    def units(self) -> list[Unit]:
        """Every unit, in order."""
        return [unit for batch in self.batches for unit in batch]

    def effects(self, kind: type[Effect]) -> list[Effect]:
        """Every effect of one kind, in order."""
        return [effect for unit in self.units for effect in unit.effects if type(effect) is kind]

    def fail_from(self, count: int) -> None:
        """Let ``count`` more commits pass; the one after them raises, having written nothing."""
        passed = 0

        def fail(_: Sequence[Unit]) -> None:
            nonlocal passed
            passed += 1
            if passed > count:
                raise broken()

        self.before_commit = fail

    def fail_after(self, count: int) -> None:
        """Let ``count`` more commits pass; the one after them raises, having written everything."""
        passed = 0

        def fail(_: Sequence[Unit], __: Sequence[CommitOutcome]) -> None:
            nonlocal passed
            passed += 1
            if passed > count:
                raise broken()

        self.after_commit = fail

    def fail_next(self, *, is_written: bool) -> None:
        """Let the next commit raise, having written everything or nothing."""
        if is_written:
            self.fail_after(0)
        else:
            self.fail_from(0)

    @property
    def location(self) -> str:
        return self.inner.location

    def begin(self) -> Opening:
        self.before_call("begin")
        return self.inner.begin()

    def end(self, *, clean: bool) -> None:
        self.before_call("end")
        self.ends.append(clean)
        self.inner.end(clean=clean)

    def close(self) -> None:
        self.before_call("close")
        self.closings += 1
        self.inner.close()

    def checkpoint(self) -> None:
        self.before_call("checkpoint")
        self.checkpoints += 1
        self.inner.checkpoint()

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        self.batches.append(tuple(units))
        self.before_commit(units)
        refusals = [self.refusal(unit) for unit in units]
        passed = [unit for unit, refusal in zip(units, refusals, strict=True) if refusal is None]
        committed = iter(self.inner.commit(passed))
        outcomes = [next(committed) if refusal is None else refusal for refusal in refusals]
        self.after_commit(units, outcomes)
        return outcomes

    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        self.before_read("activate", identity)
        return self.inner.activate(identity)

    def pending_mail(self, key: IdentityKey, *, limit: int) -> tuple[Mail, ...]:
        self.before_read("pending_mail", None)
        return self.inner.pending_mail(key, limit=limit)

    def recipients_with_mail(self, *, after: int, limit: int) -> tuple[Recipient, ...]:
        self.before_read("recipients_with_mail", None)
        return self.inner.recipients_with_mail(after=after, limit=limit)

    def undeliverable_mail(
        self, identity: AgentIdentity, *, absent_before_ms: int, limit: int
    ) -> tuple[Returnable, ...]:
        self.before_read("undeliverable_mail", identity)
        return self.inner.undeliverable_mail(identity, absent_before_ms=absent_before_ms, limit=limit)

    def due_timers(self, *, now_ms: int, after: TimerCursor | None, limit: int) -> DueLook:
        self.before_read("due_timers", None)
        return self.inner.due_timers(now_ms=now_ms, after=after, limit=limit)

    def due_timers_of(self, key: IdentityKey, *, now_ms: int, limit: int) -> tuple[Timer, ...]:
        self.before_read("due_timers_of", None)
        return self.inner.due_timers_of(key, now_ms=now_ms, limit=limit)

    def page_timers(self, identity: AgentIdentity, *, after: str | None, limit: int) -> tuple[Timer, ...]:
        self.before_read("page_timers", identity)
        return self.inner.page_timers(identity, after=after, limit=limit)

    def identities_with_work(self) -> tuple[AgentIdentity, ...]:
        self.before_read("identities_with_work", None)
        return self.inner.identities_with_work()

    def post(self, unit: OwnerUnit) -> CommitOutcome:
        self.before_call("post")
        return self.inner.post(unit)

    def look_around(self) -> News:
        self.before_read("look_around", None)
        return self.inner.look_around()

    def find_input(self, identity: AgentIdentity, input_id: InputId) -> InputRow | None:
        self.before_read("find_input", identity)
        return self.inner.find_input(identity, input_id)

    def page_inputs(
        self, identity: AgentIdentity, *, after: int | None, limit: int, newest_first: bool
    ) -> tuple[InputRow, ...]:
        self.before_read("page_inputs", identity)
        return self.inner.page_inputs(identity, after=after, limit=limit, newest_first=newest_first)

    def page_letters(self, identity: AgentIdentity | None, *, after: int, limit: int) -> tuple[Letterhead, ...]:
        self.before_read("page_letters", identity)
        return self.inner.page_letters(identity, after=after, limit=limit)

    def page_turns(self, identity: AgentIdentity, *, before: int | None, limit: int) -> tuple[TurnRow, ...]:
        self.before_read("page_turns", identity)
        return self.inner.page_turns(identity, before=before, limit=limit)

    def page_events(self, *, after: int, limit: int) -> tuple[StoredEvent, ...]:
        self.before_read("page_events", None)
        return self.inner.page_events(after=after, limit=limit)

    def event_bounds(self) -> EventBounds:
        self.before_read("event_bounds", None)
        return self.inner.event_bounds()

    def page_identities(self, *, after: AgentIdentity | None, limit: int) -> tuple[IdentityRow, ...]:
        self.before_read("page_identities", None)
        return self.inner.page_identities(after=after, limit=limit)

    def find_document(self, identity: AgentIdentity, kind: str, key: str) -> Document | None:
        self.before_read("find_document", identity)
        return self.inner.find_document(identity, kind, key)

    def find_receipt(self, identity: AgentIdentity, run_id: RunId, *, sequence: int | None) -> TurnRow | None:
        self.before_read("find_receipt", identity)
        return self.inner.find_receipt(identity, run_id, sequence=sequence)

    def read_standings(
        self, identities: Sequence[AgentIdentity], *, snapshots: SnapshotLook
    ) -> tuple[Standing | Broken, ...]:
        self.before_read("read_standings", None)
        return self.inner.read_standings(identities, snapshots=snapshots)

    def read_snapshots(self, session_id: SessionId, *, limit: int) -> tuple[SnapshotRow, ...]:
        self.before_read("read_snapshots", None)
        return self.inner.read_snapshots(session_id, limit=limit)

    def prune(self, order: PruneOrder, cursor: PruneCursor, *, limit: int) -> PruneStep:
        self.before_call("prune")
        return self.inner.prune(order, cursor, limit=limit)


def broken() -> StoreFailedError:
    """What a store raises when its disk does."""
    return StoreFailedError(path=":faulty:", problem="the disk is gone")


def failing_reads(store: FaultyStore, who: str, times: int, error: Exception) -> None:
    """Let the next activations of one identity raise."""
    left = times

    def fail(name: str, identity: AgentIdentity | None) -> None:
        nonlocal left
        if name == "activate" and identity == who and left:
            left -= 1
            raise error

    store.before_read = fail
