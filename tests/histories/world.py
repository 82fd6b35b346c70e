"""One history in one world: processes that end and begin on one store, agents, callers, and virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import trio
import trio.testing
from attrs import define, field

from meerkat_actors.actors.turn import AgentKind
from meerkat_actors.errors import DestroyedError, MeerkatError
from meerkat_actors.machines.policy import Wake, policy_of
from meerkat_actors.records.events import IdentityBroke, OwnerCrashed, TurnStuck
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.status import Desired, IdentityStatus, Phase
from meerkat_actors.runtime import Runtime
from meerkat_actors.simulation.scheduling import Watchdog
from tests.actors.world import VirtualEnv
from tests.histories.agents import scripted
from tests.histories.callers import Asking, Callers
from tests.histories.choosing import History
from tests.histories.ledger import Ledger
from tests.histories.moves import AGENTS, SILENT_INTENT, Close, GiveUp, Kill, Move, Pass, Release, Step
from tests.histories.outside import Outside
from tests.histories.processes import Opener, Processes


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
    processes: Processes = field(init=False)

    def __attrs_post_init__(self) -> None:
        """No process has begun yet."""
        kind = AgentKind(scripted(self.outside, self.ledger), silent_intents=(SILENT_INTENT,))
        self.processes = Processes(
            self.outside, self.opener, self.nursery, {"k": kind}, self.history.limits, self.env, self.ledger.note
        )

    @property
    def runtime(self) -> Runtime | None:
        """Of the process that is alive."""
        return self.processes.runtime

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
        processes, store = self.processes, self.opener()
        self.ledger.store = store
        for name in AGENTS:
            self.ledger.begin(AgentIdentity(name), self.env.wall_ms(), is_unclean=processes.is_unclean)
        if not await processes.begin(store):
            return
        runtime = processes.runtime
        assert runtime is not None
        self.callers.handles.clear()
        for name in AGENTS:
            try:
                await self.callers.handle(runtime, name)
            except DestroyedError:
                continue
            except MeerkatError:
                if not self.outside.life.is_dead:
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
        for event in self.processes.events:
            if isinstance(event, OwnerCrashed | IdentityBroke | TurnStuck) and not self.outside.life.is_dead:
                self.outside.complain(f"an agent's {type(event).__name__}", event)
        self.processes.events.clear()
        if self.outside.complaints:
            raise self.outside.complaints[0]

    async def _do(self, move: Move) -> None:
        outside = self.outside
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
            case Kill():
                self.processes.kill(move)
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
        await self.processes.end()
        self.callers.check_waiting()
        self.raise_complaints()
        await self.begin()
        for name in AGENTS:
            self.ledger.look(AgentIdentity(name))
        self.ledger.check_ends()

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
