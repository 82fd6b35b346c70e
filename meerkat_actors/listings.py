"""Listings: rows, fetched page by page while ``async for`` goes on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Final, Generic, Literal, TypeVar

import trio
from attrs import frozen

from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.errors import StoreCorruptError
from meerkat_actors.records.activation import IdentityRow
from meerkat_actors.records.agenda_codec import schedule_record
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import decode_abandoned, decode_header, decode_json, decode_log, decode_receipt
from meerkat_actors.records.content import JSON
from meerkat_actors.records.endings import outcome_of
from meerkat_actors.records.ids import AgentIdentity, Generation, InputId
from meerkat_actors.records.inputs import InputRecord, InputRow, Letterhead
from meerkat_actors.records.letters import DeadLetter
from meerkat_actors.records.outcomes import Receipt
from meerkat_actors.records.schedules import ScheduleRecord
from meerkat_actors.records.standing import Standing
from meerkat_actors.store.legible import legible

T = TypeVar("T")

Order = Literal["newest", "oldest"]
_PAGE: Final = 100
"""Rows read at a time: one short hop through the storage owner."""


@frozen(kw_only=True)
class Message:
    """One entry of an agent's transcript."""

    role: str
    """``user``, ``assistant`` or ``notice``."""
    content: JSON
    input_id: InputId | None
    """The input that it came with; None for what the agent said."""
    sender: AgentIdentity | None
    """The agent that sent it; None for a prompt and for what the agent said."""


class Listing(AsyncIterator[T], Generic[T]):
    """Rows, fetched page by page while ``async for`` goes on; begun again for each listing."""

    def __init__(self, storage: StorageHandle) -> None:
        self._storage: StorageHandle = storage
        self._page: list[T] = []
        self._is_last = False

    def __aiter__(self) -> Listing[T]:
        """Itself."""
        return self

    async def __anext__(self) -> T:
        """The next row. Cancelling the wait loses nothing: the same row is next.

        Raises:
            UsageError: the runtime is closed, or lives elsewhere.
            StoreError: a row can't be read.
        """
        self._storage.check_home()
        await trio.lowlevel.checkpoint()
        while not self._page:
            if self._is_last:
                raise StopAsyncIteration
            rows, self._is_last = await self._fetch()
            self._page = list(reversed(rows))
        return self._page.pop()

    async def aclose(self) -> None:
        """End the listing early; cancelled, it is not ended. There is nothing to release yet."""
        await trio.lowlevel.checkpoint()
        self._page, self._is_last = [], True

    @abstractmethod
    async def _fetch(self) -> tuple[Sequence[T], bool]:
        """The next page, and whether it is the last."""


class InputListing(Listing[InputRecord]):
    """The admitted inputs of one agent."""

    def __init__(self, identity: AgentIdentity, storage: StorageHandle, order: Order) -> None:
        super().__init__(storage)
        self._identity, self._order = identity, order
        self._after: int | None = None

    async def _fetch(self) -> tuple[Sequence[InputRecord], bool]:
        rows = await self._storage.query(
            lambda store: store.page_inputs(
                self._identity, after=self._after, limit=_PAGE, newest_first=self._order == "newest"
            )
        )
        # Decoded before the cursor moves: a rotten row is told again, and hides nothing behind it.
        records = legible(self._storage.location, lambda: [_input_record(row) for row in rows])
        if rows:
            self._after = rows[-1].admission
        return records, len(rows) < _PAGE


class _TurnListing(Listing[T]):
    """What boundaries contribute, newest first: those of ``generation``, or of all of them (None)."""

    def __init__(self, identity: AgentIdentity, storage: StorageHandle, generation: Generation | None = None) -> None:
        super().__init__(storage)
        self._identity = identity
        self._generation: Generation | None = generation
        self._before: int | None = None

    async def _fetch(self) -> tuple[Sequence[T], bool]:
        rows = await self._storage.query(
            lambda store: store.page_turns(self._identity, before=self._before, limit=_PAGE)
        )
        generation = self._generation
        wanted = [row for row in rows if generation is None or row.generation == generation]
        items = legible(self._storage.location, lambda: [item for row in wanted for item in self._items(row)])
        if not rows:
            return items, True
        last = rows[-1]
        self._before = last.previous
        # The generations before it can't lead back to it.
        return items, last.previous == 0 or (generation is not None and last.generation < generation)

    @abstractmethod
    def _items(self, row: TurnRow) -> Sequence[T]:
        """What one boundary contributes, newest first."""


class MessageListing(_TurnListing[Message]):
    """The transcript of one agent, newest first: that of the current generation, unless another was asked for."""

    async def _fetch(self) -> tuple[Sequence[Message], bool]:
        if self._generation is None:
            (standing,) = await self._storage.query(
                lambda store: store.read_standings((self._identity,), snapshots="unread")
            )
            if not isinstance(standing, Standing):
                problem = f"holds {self._identity}, which can't be read ({standing.reason}: {standing.detail})"
                raise StoreCorruptError(path=self._storage.location, problem=f"{problem}; restore it from a backup")
            if standing.authority is None:
                return (), True
            self._generation = standing.authority.generation
        return await super()._fetch()

    def _items(self, row: TurnRow) -> Sequence[Message]:
        return [
            Message(
                role=entry["role"], content=entry["content"], input_id=entry.get("input"), sender=entry.get("sender")
            )
            for entry in reversed(decode_log(row.body))
        ]


class ReceiptListing(_TurnListing[Receipt]):
    """The receipts of one agent, newest first."""

    def _items(self, row: TurnRow) -> Sequence[Receipt]:
        return [decode_receipt(row)]


class LetterListing(Listing[DeadLetter]):
    """Dead letters, of one agent or of the whole store, oldest first."""

    def __init__(self, identity: AgentIdentity | None, storage: StorageHandle) -> None:
        super().__init__(storage)
        self._identity = identity
        self._after = 0

    async def _fetch(self) -> tuple[Sequence[DeadLetter], bool]:
        heads = await self._storage.query(
            lambda store: store.page_letters(self._identity, after=self._after, limit=_PAGE)
        )
        letters = legible(self._storage.location, lambda: [_dead_letter(head) for head in heads])
        if heads:
            self._after = heads[-1].row.sequence
        return letters, len(heads) < _PAGE


class ScheduleListing(Listing[ScheduleRecord]):
    """The pending timers of one agent, in the order of their names."""

    def __init__(self, identity: AgentIdentity, storage: StorageHandle) -> None:
        super().__init__(storage)
        self._identity = identity
        self._after: str | None = None

    async def _fetch(self) -> tuple[Sequence[ScheduleRecord], bool]:
        timers = await self._storage.query(
            lambda store: store.page_timers(self._identity, after=self._after, limit=_PAGE)
        )
        schedules = legible(
            self._storage.location, lambda: [schedule_record(self._identity, timer) for timer in timers]
        )
        if timers:
            self._after = timers[-1].name
        return schedules, len(timers) < _PAGE


class IdentityListing(Listing[IdentityRow]):
    """The agents of one store, in the order of their names."""

    def __init__(self, storage: StorageHandle) -> None:
        super().__init__(storage)
        self._after: AgentIdentity | None = None

    async def _fetch(self) -> tuple[Sequence[IdentityRow], bool]:
        rows = await self._storage.query(lambda store: store.page_identities(after=self._after, limit=_PAGE))
        if rows:
            self._after = rows[-1].identity
        return rows, len(rows) < _PAGE


def _dead_letter(head: Letterhead) -> DeadLetter:
    row = head.row
    if row.ending is None or row.admission is None:
        problem = f"dead letter {row.input_id} has no ending"
        raise ValueError(problem)
    return DeadLetter(
        identity=head.identity,
        input_id=row.input_id,
        kind=row.kind,
        content=None if row.is_pruned else decode_json(row.content),
        is_pruned=row.is_pruned,
        sender=row.sender,
        header=decode_header(row.header, row.kind),
        outcome=decode_abandoned(row.ending),
        attempts=row.attempts,
        interruptions=row.interruptions,
        run_id=row.run_id,
        admission_sequence=row.admission,
    )


def _input_record(row: InputRow) -> InputRecord:
    return InputRecord(
        input_id=row.input_id,
        kind=row.kind,
        state=row.state,
        content=None if row.is_pruned else decode_json(row.content),
        is_pruned=row.is_pruned,
        sender=row.sender,
        admission_sequence=row.admission,
        idempotency_key=row.idempotency_key,
        run_id=row.run_id,
        attempts=row.attempts,
        interruptions=row.interruptions,
        outcome=outcome_of(row),
        header=decode_header(row.header, row.kind),
        lane=row.lane,
        letter=row.letter,
    )
