"""Simulated processes: each serves a store until it leaves or dies, and another one takes its place.

A process is a runtime in a cancel scope. When it dies, all of its tasks end at once, and from that moment nothing that
it does has any effect: its store answers with errors, and its disk takes nothing. What becomes of the files is the
disk's matter: a dead process leaves what it wrote, a power cut what was synced, and some of the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, cast

import trio
from attrs import Factory, define

from meerkat_actors.errors import StoreFailedError
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import Unit
from meerkat_actors.store import Store


class Meddler(Protocol):
    """Who may do harm around a commit."""

    def before_commit(self, life: Life, units: Sequence[Unit]) -> None:
        """About to be written. It may raise, block nothing, or end the life."""
        ...

    def after_commit(self, life: Life, units: Sequence[Unit], outcomes: Sequence[CommitOutcome]) -> None:
        """Written, and nobody heard of it. The same."""
        ...


@define(eq=False)
class Life:
    """One process."""

    number: int
    on_death: Callable[[], object]
    """Called once, in the moment in which it dies."""
    scope: trio.CancelScope = Factory(trio.CancelScope)
    leave: trio.Event = Factory(trio.Event)
    """Set to let it end in good order."""
    ended: trio.Event = Factory(trio.Event)
    is_dead: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it was told to end, in whatever way."""
        return self.is_dead or self.leave.is_set()

    def kill(self) -> None:
        """End it at once; nothing, if it ended before."""
        if not self.is_dead and not self.ended.is_set():
            self.is_dead = True
            self.on_death()
            self.scope.cancel()


def require_alive(life: Life) -> None:
    """Let what a dead process does fail before it begins.

    Raises:
        StoreFailedError: it is dead.
    """
    if life.is_dead:
        raise StoreFailedError(path=f"process {life.number}", problem="its process is dead")


def mortal(
    inner: Store, life: Life, meddler: Meddler, stilled: Callable[[], AbstractContextManager[object]] = nullcontext
) -> Store:
    """The store as one process has it: once that is dead, nothing is written, and nothing is marked as ended.

    ``stilled`` keeps the machine from taking anything, while what is left of a dead process is taken away.
    """
    return cast("Store", _Mortal(inner, life, meddler, stilled))


class _Mortal:
    def __init__(
        self, inner: Store, life: Life, meddler: Meddler, stilled: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._inner = inner
        self._life = life
        self._meddler = meddler
        self._stilled = stilled

    def commit(self, units: Sequence[Unit]) -> list[CommitOutcome]:
        require_alive(self._life)
        self._meddler.before_commit(self._life, units)
        require_alive(self._life)
        outcomes = self._inner.commit(units)
        self._meddler.after_commit(self._life, units, outcomes)
        require_alive(self._life)
        return outcomes

    def close(self) -> None:
        if self._life.is_dead:
            # SQLite copies its log as it closes; a process that dies only lets go of its locks.
            with self._stilled():
                self._inner.close()
        else:
            self._inner.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else the port has
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: object, **options: object) -> object:
            require_alive(self._life)
            answer = found(*arguments, **options)
            require_alive(self._life)
            return answer

        return call
