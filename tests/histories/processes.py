"""Processes, one after the other on one store: killed at an instant or at a commit, or ended in good order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import trio
import trio.testing
from attrs import Factory, define

from meerkat_actors.actors.turn import AgentKind
from meerkat_actors.errors import MeerkatError
from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.env import Env
from meerkat_actors.records.events import Event
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.store import Store
from tests.actors.faulty import FaultyStore, broken
from tests.histories.mortal import mortal
from tests.histories.moves import Kill, Moment
from tests.histories.outside import Life, Outside, ViolationError

LONG: Final = 10_000.0
"""Virtual seconds in which whatever is promised to end has ended."""
Opener = Callable[[], Store]
"""The same store again, for the next process."""


def _nothing(_: Unit) -> None:
    return None


@define(eq=False)
class Processes:
    """One process at a time, and what the ones before it left."""

    outside: Outside
    opener: Opener
    nursery: trio.Nursery
    agents: Mapping[str, AgentKind]
    limits: Limits
    env: Env
    note: Callable[[Unit], None] = _nothing
    """Told each unit that was committed."""
    runtime: Runtime | None = None
    """None while none has begun."""
    store: FaultyStore | None = None
    """Of the process that began last."""
    is_unclean: bool = False
    """Whether the process before this one was killed."""
    events: list[Event] = Factory(list[Event])
    _kill_at: Kill | None = None
    _commits_until_kill: int = 0

    async def begin(self, store: Store | None = None) -> bool:
        """Let a process begin, on ``store`` or the opener's next; False when it was dead before that."""
        life = self.outside.life
        self.store = self._mortal(self.opener() if store is None else store, life)
        began = trio.Event()
        self.nursery.start_soon(self._run, life, self.store, began)
        with trio.move_on_after(LONG):
            await began.wait()
        if not life.is_dead and self.runtime is None:
            raise ViolationError(kind="a process does not begin", detail=str(life.number))
        return not life.is_dead

    async def end(self) -> None:
        """Let the process end as it was told to, and the next one be about to begin."""
        life = self.outside.life
        life.is_leaving = True
        life.leave.set()
        with trio.move_on_after(LONG):
            await life.ended.wait()
        if not life.ended.is_set():
            raise ViolationError(kind="a process does not end", detail=str(life.number))
        self.is_unclean = life.is_dead
        self.outside.kills += life.is_dead
        await trio.testing.wait_all_tasks_blocked()
        self.outside.life = Life(life.number + 1)
        self.runtime, self._kill_at = None, None

    def kill(self, kill: Kill) -> None:
        """Kill the process, now or at a commit from now on."""
        if kill.moment is Moment.NOW:
            self.outside.life.kill()
        else:
            self._kill_at, self._commits_until_kill = kill, kill.commits

    def spare(self) -> None:
        """Let it live: no commit kills it any more."""
        self._kill_at = None

    async def _run(self, life: Life, store: Store, began: trio.Event) -> None:
        try:
            with life.scope:
                async with open_runtime(
                    store, agents=self.agents, limits=self.limits, env=self.env, observers=(self._observe,)
                ) as runtime:
                    self.runtime = runtime
                    began.set()
                    await life.leave.wait()
        except* MeerkatError as group:
            self.outside.require(life.is_dead, "a process ends by itself", repr(group.exceptions))
        finally:
            life.ended.set()
            began.set()

    def _observe(self, event: Event) -> None:
        if not self.outside.life.is_dead:
            self.events.append(event)

    def _mortal(self, inner: Store, life: Life) -> FaultyStore:
        """The store of one process, which may die at a commit."""
        store = mortal(inner, life)
        require_alive = store.before_commit

        def before(units: Sequence[Unit]) -> None:
            require_alive(units)
            self._commits_until_kill -= 1
            if self._is_due(Moment.BEFORE):
                life.kill()
                raise broken()

        def after(units: Sequence[Unit], outcomes: Sequence[CommitOutcome]) -> None:
            for unit, outcome in zip(units, outcomes, strict=True):
                if isinstance(outcome, Committed):
                    self.note(unit)
            if self._is_due(Moment.IN):
                life.kill()
                raise broken()
            if self._is_due(Moment.AFTER):
                life.kill()

        store.before_commit, store.after_commit = before, after
        return store

    def _is_due(self, moment: Moment) -> bool:
        return self._kill_at is not None and self._kill_at.moment is moment and self._commits_until_kill == 0
