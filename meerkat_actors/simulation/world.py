"""One simulated world: processes on a machine, clients beside them, and the faults of a plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from traceback import format_exception
from typing import TYPE_CHECKING, Final

import trio
from attrs import define, evolve, field, frozen

from meerkat_actors.actors.observer import Observers
from meerkat_actors.errors import StoreError
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.events import Event, IdentityBroke, OwnerCrashed, TurnStuck
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.supervision import STORE
from meerkat_actors.runtime import Runtime, serve
from meerkat_actors.simulation.client import Asked, Client
from meerkat_actors.simulation.collecting import collect
from meerkat_actors.simulation.disk.images import Image
from meerkat_actors.simulation.env import SimulatedEnv
from meerkat_actors.simulation.hands import SlowHands
from meerkat_actors.simulation.harms import Harms, hurt
from meerkat_actors.simulation.machine import Machine
from meerkat_actors.simulation.plan import Moment
from meerkat_actors.simulation.processes import Life, mortal, require_alive
from meerkat_actors.simulation.subscriber import Subscriber
from meerkat_actors.simulation.trace import Trace
from meerkat_actors.store import Store

if TYPE_CHECKING:
    from meerkat_actors.simulation.scenario import Scenario

_LONG_SECONDS: Final = 100_000.0
_LONG_SECONDS_SHARED: Final = 1_000.0
"""Who shares a store looks at it again and again, which takes real time."""
_REFUSED: Final = "write refused"
"""What an owner is told whose token isn't the newest: ``OwnershipLostError``."""
_RAISED: Final = re.compile(r"[A-Za-z_]\w*\(")
"""How an owner tells of an error that is none of ours, which no disk explains: by its ``repr``."""
_BOOT_SECONDS: Final = 0.05
"""From the end of one process to the beginning of the next."""
_REBOOT_SECONDS: Final = 1.0
"""The same, of one that never came to serve."""


@frozen
class Rest:
    """What is given up after so many commits of a world."""

    commits_max: int
    scope: trio.CancelScope


@define(eq=False)
class World:
    """What a workload is given."""

    scenario: Scenario
    seed: str
    machine: Machine
    harms: Harms
    trace: Trace
    nursery: trio.Nursery
    env: SimulatedEnv
    """Of the clients."""
    is_open: bool = True
    """Whether the workload's time is not over. Loops of a workload end with it."""
    boots: int = 0
    deaths: int = 0
    skew_ms: int = 0
    subscriber: Subscriber = field(factory=Subscriber)
    problems: list[str] = field(factory=list[str])
    """What went wrong before anybody looked at the database."""
    asked: list[Asked] = field(factory=list[Asked])
    begun: dict[InputId, str] = field(factory=dict[InputId, str])
    """What clients ask and have not been told yet, with the agent."""
    has_guests: bool = False
    """Whether the workload used a runtime by itself, beside its clients."""
    lives: dict[int, Life] = field(factory=dict[int, Life])
    """By slot."""
    runtimes: dict[int, Runtime] = field(factory=dict[int, Runtime])
    """Those that serve, by slot."""
    served: set[int] = field(factory=set[int])
    """The processes that ever came to serve."""
    commits: int = 0
    rest: Rest | None = None
    """Set while everything is to end, for which agents that wake one another for ever would take real hours."""
    is_ending: bool = False
    """Whether no process follows one that ended."""
    _image: Image | None = None
    """What the power cut that is under way leaves."""
    _is_down: bool = False
    """Whether the machine waits for the last of its dead processes."""
    _ticks: int = 0
    _news: trio.Event = field(factory=trio.Event)
    _clients: dict[str, Client] = field(factory=dict[str, Client])

    @property
    def long_seconds(self) -> float:
        """Virtual seconds in which whatever is promised to end has ended."""
        return _LONG_SECONDS if self.scenario.processes == 1 else _LONG_SECONDS_SHARED

    # -- for workloads --------------------------------------------------------------------

    def client(self, name: str) -> Client:
        """The client of that name: whoever asks agents, and survives their processes."""
        if name not in self._clients:
            self._clients[name] = Client(name, self)
        return self._clients[name]

    def random(self, stream: str) -> Random:
        """The workload's chance: one stream for each name, all of the seed."""
        return self.env.random(f"workload/{stream}")

    async def serving(self) -> tuple[Life, Runtime]:
        """``process``, for a workload that asks a runtime by itself: that is in no client's history."""
        self.has_guests = True
        return await self.process()

    # -- for clients ----------------------------------------------------------------------

    async def process(self) -> tuple[Life, Runtime]:
        """A process that serves, by chance one of several; waits while there is none."""
        while not self.runtimes:
            await self._news.wait()
        slots = sorted(self.runtimes)
        slot = slots[0] if len(slots) == 1 else self.env.random("slots").choice(slots)
        return self.lives[slot], self.runtimes[slot]

    async def pause(self, life: Life, seconds: float) -> None:
        """Wait so long, or until that process ended."""
        with trio.move_on_after(seconds):
            await life.ended.wait()
            await trio.sleep(_BOOT_SECONDS)

    def tick(self) -> int:
        """The number of this beginning or end among those of all clients."""
        self._ticks += 1
        return self._ticks

    def note_begun(self, input_id: InputId, agent: str) -> int:
        """A client begins to ask."""
        self.begun[input_id] = agent
        return self.tick()

    def note_asked(self, asked: Asked) -> None:
        """A client knows what became of what it asked."""
        del self.begun[asked.input_id]
        self.asked.append(asked)
        told = asked.refused or type(asked.outcome or asked.admission).__name__
        self.trace.note(f"{asked.client} {asked.what} {asked.agent} {asked.input_id}: {told}, try {asked.tries}")

    # -- processes ------------------------------------------------------------------------

    def begin(self) -> None:
        """Let the first processes begin."""
        for slot in range(self.scenario.processes):
            self.nursery.start_soon(self._processes, slot)
        if self.scenario.is_followed:
            self.nursery.start_soon(self.subscriber.follow, self)

    def jump(self, ms: int) -> None:
        """Set every wall clock wrong."""
        self.skew_ms += ms
        self.trace.note(f"the clocks jump by {ms} ms")

    def some_life(self) -> Life | None:
        """A process that is alive, by chance one of several."""
        alive = [life for _, life in sorted(self.lives.items()) if not life.is_over and not life.ended.is_set()]
        return self.env.random("slots").choice(alive) if alive else None

    def cut_power(self, image: Image) -> None:
        """Kill all, and what was not synced with them."""
        self._image = image
        self._is_down = True
        self.machine.die()
        for life in [*self.lives.values()]:
            if not life.ended.is_set():
                life.kill()

    def restart(self) -> bool:
        """Let one process end in good order; whether there was one."""
        life = self.some_life()
        if life is not None:
            life.leave.set()
        return life is not None

    async def _processes(self, slot: int) -> None:
        while not self.is_ending:
            self.boots += 1
            life = Life(self.boots, on_death=partial(self._died, slot))
            self.lives[slot] = life
            self.trace.note(f"process {life.number} begins")
            await self._live(slot, life)
            self.trace.note(f"process {life.number} ended")
            collect()  # a runtime is one knot; without this, ten dead ones lie in memory before anybody looks
            await self._power()
            await trio.sleep(_BOOT_SECONDS if life.number in self.served else _REBOOT_SECONDS)
            await self._power()

    async def _power(self) -> None:
        """Wait until the machine is up again, which it is when the last process that was on it has ended."""
        if not self._is_down:
            return
        for life in [*self.lives.values()]:
            await life.ended.wait()
        if self._is_down:
            self.machine.come_back(self._image)
            self._image, self._is_down = None, False

    async def _live(self, slot: int, life: Life) -> None:
        scenario = self.scenario
        env = SimulatedEnv(f"{self.seed}/process {life.number}", lambda: self.skew_ms)
        agents = {name: evolve(kind, fn=hurt(kind, self.harms)) for name, kind in scenario.agents.items()}
        try:
            with life.scope:
                async with serve(
                    self._source(env, life),
                    agents=agents,
                    limits=scenario.limits,
                    env=env,
                    observers=Observers((partial(self._observe, life),)),
                    wiring=scenario.wiring,
                    groups=scenario.groups,
                    hands=SlowHands(self.harms.delays, self.nursery),
                ) as runtime:
                    self.runtimes[slot] = runtime
                    self.served.add(life.number)
                    self._tell()
                    await life.leave.wait()
                    del self.runtimes[slot]
        except* StoreError as group:
            self.trace.note(f"process {life.number}: {_names(group)}")
            if not life.is_dead and not self.machine.is_hurt:
                self.problems.append(f"process {life.number} ended by itself: {group.exceptions[0]!r}")
        except* Exception as group:  # noqa: BLE001 - it ends this process, and is told; the world goes on
            self.trace.note(f"process {life.number}: {_names(group)}")
            if not life.is_dead:
                told = "".join(format_exception(group))
                self.problems.append(f"process {life.number} raised none of our errors:\n{told}")
        else:
            if not life.is_over:
                self.problems.append(f"process {life.number} ended by itself, and raised nothing")
        finally:
            self.runtimes.pop(slot, None)
            life.ended.set()

    def _source(self, env: SimulatedEnv, life: Life) -> Store | Callable[[], Store]:
        source = self.machine.opener(env, self.scenario.limits.lease_seconds)
        if not callable(source):
            return mortal(source, life, self, self.machine.stilled)

        def open_again() -> Store:
            require_alive(life)
            return mortal(source(), life, self, self.machine.stilled)

        return open_again

    def _died(self, slot: int) -> None:
        self.deaths += 1
        self.runtimes.pop(slot, None)
        self.trace.note(f"process {self.lives[slot].number} dies")
        if self.scenario.processes == 1:
            self._is_down = True
            self.machine.die()

    def _tell(self) -> None:
        news, self._news = self._news, trio.Event()
        news.set()

    def _observe(self, life: Life, event: Event) -> None:
        self.trace.note(f"{type(event).__name__} {getattr(event, 'identity', '')}")
        if life.is_dead or not isinstance(event, OwnerCrashed | IdentityBroke | TurnStuck):
            return
        if self.machine.is_hurt and _is_of_store(event):
            return
        if self.scenario.processes > 1 and isinstance(event, OwnerCrashed) and _REFUSED in event.error:
            return  # another process took over while this one slept, as it may
        self.problems.append(f"process {life.number}: {event}")

    # -- around every commit, as ``Meddler`` ------------------------------------------------

    def before_commit(self, life: Life, units: Sequence[Unit]) -> None:
        """See ``Meddler``."""
        self._meet(life, Moment.BEFORE_COMMIT)

    def after_commit(self, life: Life, units: Sequence[Unit], outcomes: Sequence[CommitOutcome]) -> None:
        """See ``Meddler``."""
        self.commits += 1
        self.trace.note(f"commit of {len(units)} in process {life.number}")
        if self.rest is not None and self.commits > self.rest.commits_max:
            self.rest.scope.cancel()
        self._meet(life, Moment.IN_COMMIT)
        if self.harms.death is not None and self.harms.death.moment is Moment.AFTER_COMMIT:
            # Whoever is answered in this step has no step of its own any more.
            self.nursery.start_soon(self._meet_later, life)

    async def _meet_later(self, life: Life) -> None:
        await trio.lowlevel.checkpoint()
        self._meet(life, Moment.AFTER_COMMIT)

    def _meet(self, life: Life, moment: Moment) -> None:
        death = self.harms.meets(moment)
        if death is not None:
            death.comes(life)


def _is_of_store(event: Event) -> bool:
    """Whether a disk that did harm may be behind it."""
    match event:
        case OwnerCrashed(error=error):
            return _RAISED.match(error) is None
        case IdentityBroke(reason=reason):
            return reason == STORE
        case _:
            return False


def _names(group: BaseExceptionGroup[BaseException]) -> str:
    return ", ".join(type(error).__name__ for error in group.exceptions)
