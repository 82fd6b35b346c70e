"""How a synchronous facade is called from the event loop: whole, in one place of storage's order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

import trio

from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.errors import StoreFailedError, StoreFullError
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import Unit
from meerkat_actors.store.port import Store

F = TypeVar("F")
T = TypeVar("T")


class Asking(Generic[F]):
    """A synchronous facade over the runtime's store, asked by any task of its loop.

    Each call runs to its end where storage makes its own calls: behind everything that was given before,
    and with nobody else at the store. So what the facade reads, decides and commits is one step to everyone.
    """

    def __init__(self, storage: StorageHandle, make: Callable[[Store], F]) -> None:
        self._storage = storage
        self._make = make
        self._facade: F | None = None

    async def _ask(self, call: Callable[[F], T]) -> T:
        self._storage.check_home()
        # Who is cancelled already writes nothing. From here on nothing is withdrawn.
        await trio.lowlevel.checkpoint_if_cancelled()
        return await self._storage.query(lambda store: call(self._over(store)), writes=True)

    def _over(self, store: Store) -> F:
        # Made at the first call, where the store is: a runtime without such a caller pays nothing.
        if self._facade is None:
            self._facade = self._make(cast("Store", _FatalStore(store)))
        return self._facade


class _FatalStore:
    """A store whose failed commit ends the runtime, as it does after an owner's.

    To storage a facade's call is a read, whose error is its asker's alone: all but ``StoreFailedError``.
    Whatever else a commit raises, nobody knows what is durable.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    # All else is the store's: hence the cast, and not some twenty methods that forward.
    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        try:
            return self._store.commit(units)
        except (StoreFailedError, StoreFullError):
            raise
        except Exception as error:
            problem = f"the store raised {error!r}; whether the write is durable is unknown, reopen it to learn"
            raise StoreFailedError(path=self._store.location, problem=problem) from error
