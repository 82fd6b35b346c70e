"""One history in one world: processes that end and begin on one store, agents, callers, and virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import trio
import trio.testing
from attrs import Factory, define

from meerkat_actors.actors.turn import AgentKind
from meerkat_actors.errors import DestroyedError, MeerkatError
from meerkat_actors.machines.policy import Wake, policy_of
from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.events import Event, IdentityBroke, OwnerCrashed, TurnStuck
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.status import Desired, IdentityStatus, Phase
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.store import Store
from tests.actors.faulty import broken
from tests.actors.world import VirtualEnv
from tests.histories.agents import scripted
from tests.histories.callers import Asking, Callers
from tests.histories.choosing import History
from tests.histories.ledger import Ledger
from tests.histories.mortal import mortal
from tests.histories.moves import AGENTS, SILENT_INTENT, Close, GiveUp, Kill, Moment, Move, Pass, Release, Step
from tests.histories.outside import Life, Outside, ViolationError
from tests.histories.scheduling import Watchdog

LONG: Final = 10_000.0
"""Virtual seconds in which whatever is promised to end has ended."""
Opener = Callable[[], Store]
"""The same store again, for the next process."""


class SeededEnv(VirtualEnv):
    """Virtual time, and ids of a seed."""

    def __init__(self, seed: str) -> None:
        super().__init__()
        self._chance = Random(seed)

    def new_id(self) -> str:
        bits = self._chance.getrandbits(74)
        ms = self.wall_ms()
        node = f"{bits & (1 << 62) - 1 | 1 << 63:016x}"
        return f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{bits >> 62:03x}-{node[:4]}-{node[4:]}"

    def random(self, stream: str) -> Random:
        return self._chance


@define(eq=False)
class World:
    """Whatever lives in one history."""

    history: History
    opener: Opener
    env: SeededEnv
    outside: Outside
    ledger: Ledger
    callers: Callers
    nursery: trio.Nursery
    watchdog: Watchdog
    runtime: Runtime | None = None
    kill_at: Kill | None = None
    commits_until_kill: int = 0
    is_unclean: bool = False
    """Whether the process before this one was killed."""
    events: list[Event] = Factory(list[Event])

    async def live(self, steps: Sequence[Step]) -> None:
        """Do every step, and look after each."""
        await self.begin()
        for step in steps:
            self.watchdog.pat()
            await self._do(step.move)
            await self._go_on(step.passes)
            if self.outside.life.is_dead:
                await self._succeed()
            self.raise_complaints()

    async def begin(self) -> None:
        """Let a process begin."""
        life = self.outside.life
        store = self.opener()
        self.ledger.store = store
        for name in AGENTS:
            self.ledger.begin(AgentIdentity(name), self.env.wall_ms(), is_unclean=self.is_unclean)
        began = trio.Event()
        self.nursery.start_soon(self._run, life, self._mortal(store, life), began)
        with trio.move_on_after(LONG):
            await began.wait()
        runtime = self.runtime
        if life.is_dead:
            return
        if runtime is None:
            raise ViolationError(kind="a process does not begin", detail=str(life.number))
        self.callers.handles.clear()
        for name in AGENTS:
            try:
                await self.callers.handle(runtime, name)
            except DestroyedError:
                continue
            except MeerkatError:
                if not life.is_dead:
                    raise

    async def close(self) -> None:
        """End the process in good order, and begin another one."""
        self.outside.closings += 1
        await self._succeed()

    async def settle(self) -> None:
        """Wait until everybody waits, without letting time pass."""
        self.watchdog.pat()
        await trio.testing.wait_all_tasks_blocked()

    async def look(self) -> None:
        """Everybody waits: nobody who need not; and what agents say of themselves is so."""
        self.callers.check_waiting()
        life, runtime = self.outside.life, self.runtime
        for name in AGENTS:
            if life.is_over or runtime is None:
                return
            try:
                status = await (await self.callers.handle(runtime, name)).status()
            except DestroyedError:
                continue
            self._check_status(AgentIdentity(name), status)

    def raise_complaints(self) -> None:
        """Raise what was found, the first of it."""
        for event in self.events:
            if isinstance(event, OwnerCrashed | IdentityBroke | TurnStuck) and not self.outside.life.is_dead:
                self.outside.complain(f"an agent's {type(event).__name__}", event)
        self.events.clear()
        if self.outside.complaints:
            raise self.outside.complaints[0]

    async def _do(self, move: Move) -> None:
        outside, life = self.outside, self.outside.life
        match move:
            case Pass(seconds=seconds):
                await trio.sleep(seconds)
            case Release():
                outside.open_gate()
            case GiveUp(index=index):
                pending = self.callers.pending
                if pending:
                    pending[index % len(pending)].scope.cancel()
            case Close():
                await self.close()
            case Kill(moment=Moment.NOW):
                life.kill()
            case Kill():
                self._kill_at_commit(life, move)
            case _:
                self._call(move)

    def _call(self, move: Asking) -> None:
        if self.runtime is not None and not self.outside.life.is_over:
            self.callers.begin(self.nursery, self.runtime, move)

    async def _go_on(self, passes: int | None) -> None:
        for _ in range(passes or 0):
            await trio.lowlevel.checkpoint()
        if passes is None:
            await self.settle()
            if not self.outside.life.is_dead:
                self.raise_complaints()
                await self.look()

    async def _succeed(self) -> None:
        """Let the process end as it was told to, and another one begin."""
        life = self.outside.life
        life.is_leaving = True
        life.leave.set()
        with trio.move_on_after(LONG):
            await life.ended.wait()
        if not life.ended.is_set():
            raise ViolationError(kind="a process does not end", detail=str(life.number))
        self.is_unclean = life.is_dead
        self.outside.kills += life.is_dead
        await self.settle()
        self.outside.life = Life(life.number + 1)
        self.callers.check_waiting()
        self.raise_complaints()
        self.runtime, self.kill_at = None, None
        await self.begin()
        for name in AGENTS:
            self.ledger.look(AgentIdentity(name))
        self.ledger.check_ends()

    async def _run(self, life: Life, store: Store, began: trio.Event) -> None:
        kind = AgentKind(scripted(self.outside, self.ledger), silent_intents=(SILENT_INTENT,))
        try:
            with life.scope:
                async with open_runtime(
                    store, agents={"k": kind}, limits=self.history.limits, env=self.env, observers=(self._observe,)
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

    def _kill_at_commit(self, life: Life, kill: Kill) -> None:
        self.kill_at, self.commits_until_kill = kill, kill.commits

    def _mortal(self, inner: Store, life: Life) -> Store:
        """The store of one process, which may die at a commit."""
        store = mortal(inner, life)
        require_alive = store.before_commit

        def before(units: Sequence[Unit]) -> None:
            require_alive(units)
            self.commits_until_kill -= 1
            if self._is_due(Moment.BEFORE):
                life.kill()
                raise broken()

        def after(units: Sequence[Unit], outcomes: Sequence[CommitOutcome]) -> None:
            for unit, outcome in zip(units, outcomes, strict=True):
                if isinstance(outcome, Committed):
                    self.ledger.note(unit)
            if self._is_due(Moment.IN):
                life.kill()
                raise broken()
            if self._is_due(Moment.AFTER):
                life.kill()

        store.before_commit, store.after_commit = before, after
        return store

    def _is_due(self, moment: Moment) -> bool:
        return self.kill_at is not None and self.kill_at.moment is moment and self.commits_until_kill == 0

    def _check_status(self, identity: AgentIdentity, status: IdentityStatus) -> None:
        found = self.ledger.activation(identity)
        if found is None or found.head is None:
            self.outside.complain("an agent that is not there has a status", status)
            return
        head, require = found.head, self.outside.require
        runs = {run.run_id: run for run in (found.run, found.parked) if run is not None}
        told = (
            status.generation, status.checkpoint_version, status.session_id, status.message_count, status.backlog,
            status.steered, status.desired,
        )  # fmt: skip
        steered = sum(item.lane == 1 for item in found.queued)
        stored = (
            head.generation, head.version, head.session_id, head.message_count, len(found.queued), steered,
            head.desired,
        )  # fmt: skip
        require(told == stored, "a status that is not so", f"{identity}: {told}, stored {stored}")
        running = self.outside.life.running.get(identity)
        require((status.phase is Phase.RUNNING) == (running is not None), "a phase that is not so", status)
        require(running is None or status.run_id == running, "another run is running", status)
        require(status.run_id is None or status.run_id in runs, "a run that is not stored", status)
        require(status.run_id is None or status.attempts == runs[status.run_id].attempts, "attempts not so", status)
        if status.phase is Phase.IDLE and status.desired in {Desired.OPEN, Desired.RETIRED}:
            awake = [
                item
                for item in found.queued
                if (item.header is None or item.header.wakes)
                and policy_of(item.policy, item.kind).wake_idle is not Wake.NONE
            ]
            require(not awake and not runs, "an agent sleeps over its work", f"{status}: {awake}")
