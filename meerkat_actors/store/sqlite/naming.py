"""The integer keys of names: looked up once, remembered when committed, fresh when never mentioned."""

from __future__ import annotations

from typing import Final

from meerkat_actors.records.ids import AgentIdentity, IdentityKey
from meerkat_actors.store.sqlite import queries
from meerkat_actors.store.sqlite.rows import Database

REMEMBERED_MAX: Final = 16_384
"""Names kept in memory, about 2 MB: a bound, because the population has none."""


class Naming:
    """Keys of names within one transaction, and those that earlier ones made true."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last_key = 0
        self._committed: dict[AgentIdentity, IdentityKey] = {}
        self._pending: dict[AgentIdentity, IdentityKey] = {}

    def begin(self, last_key: int) -> None:
        """Begin above the highest key that the store holds."""
        self._last_key = last_key
        self._committed.clear()
        self._pending.clear()

    def fresh(self) -> IdentityKey:
        """A key that was never given out. One that nothing uses is skipped."""
        self._last_key += 1
        return IdentityKey(self._last_key)

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

    def forget_pending(self) -> None:
        """The transaction was rolled back."""
        self._pending.clear()

    def keep_pending(self) -> None:
        """The transaction was committed."""
        for name, key in self._pending.items():
            self._remember(name, key)
        self._pending.clear()

    def _remember(self, name: AgentIdentity, key: IdentityKey) -> None:
        # The last one used is the last to be forgotten.
        while len(self._committed) >= REMEMBERED_MAX:
            del self._committed[next(iter(self._committed))]
        self._committed[name] = key
