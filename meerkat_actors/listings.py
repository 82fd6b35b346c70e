"""Listings: rows, fetched page by page while ``async for`` goes on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Final, Generic, Literal, TypeVar

import trio
from attrs import frozen

from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.records.activation import IdentityRow
from meerkat_actors.records.boundaries import TurnRow
from meerkat_actors.records.codec import decode_abandoned, decode_consumed, decode_json, decode_log, decode_receipt
from meerkat_actors.records.content import JSON
from meerkat_actors.records.ids import AgentIdentity, InputId
from meerkat_actors.records.inputs import InputRecord, InputRow, InputState
from meerkat_actors.records.outcomes import Outcome, Receipt
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
    def __init__(self, identity: AgentIdentity, storage: StorageHandle) -> None:
        super().__init__(storage)
        self._identity = identity
        self._before: int | None = None

    async def _fetch(self) -> tuple[Sequence[T], bool]:
        rows = await self._storage.query(
            lambda store: store.page_turns(self._identity, before=self._before, limit=_PAGE)
        )
        items = legible(self._storage.location, lambda: [item for row in rows for item in self._items(row)])
        if rows:
            self._before = rows[-1].previous
        return items, not rows or rows[-1].previous == 0

    @abstractmethod
    def _items(self, row: TurnRow) -> Sequence[T]:
        """What one boundary contributes, newest first."""


class MessageListing(_TurnListing[Message]):
    """The transcript of one agent, newest first."""

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


def outcome_of(row: InputRow) -> Outcome | None:
    """The one outcome that a row shows; None while the input is open."""
    if row.state is InputState.CONSUMED and row.turn is not None:
        return decode_consumed(row.turn)
    if row.state is InputState.ABANDONED and row.ending is not None:
        return decode_abandoned(row.ending)
    return None


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
    )
