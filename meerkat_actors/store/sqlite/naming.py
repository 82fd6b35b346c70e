"""The integer keys of names: looked up once, remembered when committed, fresh when never mentioned."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.ids import AgentIdentity, IdentityKey
from meerkat_actors.store.sqlite import queries, statements
from meerkat_actors.store.sqlite.rows import Database

RESERVED: Final = 1_000
"""Keys that are set aside at a time, where a store is shared: what is not used by the end is skipped."""
REMEMBERED_MAX: Final = 16_384
"""Names kept in memory, about 2 MB: a bound, because the population has none."""


class Naming:
    """Keys of names within one transaction, and those that earlier ones made true."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last_key = 0
        self._end: int | None = None
        self._is_end_pending = False
        self._committed: dict[AgentIdentity, IdentityKey] = {}
        self._pending: dict[AgentIdentity, IdentityKey] = {}

    def begin(self, last_key: int, *, is_shared: bool) -> None:
        """Begin above the highest key that the store holds; where it is shared, with keys set aside for us."""
        self._last_key = last_key
        self._end = 0 if is_shared else None
        self._is_end_pending = False
        self._committed.clear()
        self._pending.clear()

    def fresh(self) -> IdentityKey:
        """A key that was never given out. One that nothing uses is skipped.

        Where the store is shared it may need a transaction: see ``spare``.
        """
        if self._end is not None and self._last_key >= self._end:
            self._reserve(RESERVED)
        self._last_key += 1
        return IdentityKey(self._last_key)

    def spare(self, count: int) -> None:
        """Make sure of so many keys before a read, which can't set any aside."""
        if self._end is not None and self._end - self._last_key < count:
            self._reserve(max(RESERVED, count))

    def find(self, name: AgentIdentity) -> IdentityKey | None:
        """The name's key, as the open transaction sees it."""
        key = self._pending.get(name)
        if key is not None:
            return key
        key = self._committed.pop(name, None)
        if key is None:
            row = self._database.execute(queries.READ_KEY, (name,)).fetchone()
            if row is None:
                return None
            # A name of our own transaction is pending still, so what is read here is committed.
            key = IdentityKey(row[0])
        self._remember(name, key)
        return key

    def add(self, name: AgentIdentity, key: IdentityKey) -> None:
        """Mention a name for the first time, in the unit at work."""
        self._pending[name] = key

    def mark(self) -> int:
        """How much is pending, to forget everything after it if the unit at work is refused."""
        return len(self._pending)

    def forget_since(self, mark: int) -> None:
        """The unit at work was refused: its names were never mentioned."""
        while len(self._pending) > mark:
            self._pending.popitem()  # the last one added
        self._forget_end()

    def forget_pending(self) -> None:
        """The transaction was rolled back."""
        self._pending.clear()
        self._forget_end()

    def keep_pending(self) -> None:
        """The transaction was committed."""
        for name, key in self._pending.items():
            self._remember(name, key)
        self._pending.clear()
        self._is_end_pending = False

    def _reserve(self, count: int) -> None:
        self._is_end_pending = self._database.in_transaction
        # All of its rows: outside a transaction it commits with the last one.
        ((end,),) = self._database.execute(statements.RESERVE_KEYS, (count,)).fetchall()
        self._end = int(end)
        self._last_key = self._end - count

    def _forget_end(self) -> None:
        # What was set aside in a transaction that did not happen may be set aside for another.
        if self._is_end_pending:
            self._end, self._is_end_pending = self._last_key, False

    def _remember(self, name: AgentIdentity, key: IdentityKey) -> None:
        # The last one used is the last to be forgotten.
        while len(self._committed) >= REMEMBERED_MAX:
            del self._committed[next(iter(self._committed))]
        self._committed[name] = key
