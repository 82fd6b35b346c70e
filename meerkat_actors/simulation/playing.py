"""The plan, played: each fault at its time, in the world that it is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, assert_never

import trio

from meerkat_actors.errors import MeerkatError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.status import Verb
from meerkat_actors.simulation.disk import faults as of_disk
from meerkat_actors.simulation.harms import Death
from meerkat_actors.simulation.plan import (
    CallerCancelled,
    ClockJumps,
    Crash,
    Delayed,
    DiskFails,
    DiskFull,
    Fault,
    Govern,
    Moment,
    Plan,
    PowerCut,
    Restart,
    SentTwice,
    SlowCommits,
    Stall,
    TurnsHang,
    TurnsRaise,
)
from meerkat_actors.simulation.processes import Life

if TYPE_CHECKING:
    from meerkat_actors.simulation.world import World


async def play(world: World, plan: Plan) -> None:
    """Let everything go wrong that is to, each at its time. Cancelling it lets the rest go well."""
    for fault in plan.faults:
        await trio.sleep_until(fault.at)
        world.trace.note(str(fault))
        _begin(world, fault)


def _begin(world: World, fault: Fault) -> None:
    harms, machine = world.harms, world.machine
    match fault:
        case Crash(moment=moment):
            _let_die(world, moment, lambda life: life.kill(), "Crash")
        case PowerCut(moment=moment, image=image):
            _let_die(world, moment, lambda _: world.cut_power(image), "PowerCut")
        case Restart():
            harms.fired["Restart"] += world.restart()
        case DiskFails(operation=operation, failure=failure, nth=nth):
            machine.plan(of_disk.Fault(operation=operation, failure=failure, nth=nth))
        case DiskFull(seconds=seconds):
            full = of_disk.Fault(operation=of_disk.Operation.WRITE, failure=of_disk.Failure.FULL, times=None)
            machine.plan(full)
            world.nursery.start_soon(_mend_after, world, full, seconds)
        case SlowCommits(seconds=seconds, each=each):
            harms.slow_until, harms.slow_seconds = trio.current_time() + seconds, each
        case TurnsRaise(times=times):
            harms.raising = times
        case TurnsHang(seconds=seconds):
            harms.hanging = seconds
        case CallerCancelled(steps=steps):
            harms.steps = steps
        case SentTwice():
            harms.is_doubled = True
        case Delayed(seconds=seconds):
            harms.delay = seconds
        case ClockJumps(ms=ms):
            harms.fired["ClockJumps"] += 1
            world.jump(ms)
        case Stall(seconds=seconds):
            harms.stalled_until = trio.current_time() + seconds
        case Govern(agent=agent, verb=verb):
            world.nursery.start_soon(_govern, world, agent, verb)
        case _:
            assert_never(fault)


def _let_die(world: World, moment: Moment, kill: Callable[[Life], object], name: str) -> None:
    def comes(life: Life) -> None:
        world.harms.fired[name] += 1
        kill(life)

    if moment is Moment.NOW:
        life = world.some_life()
        if life is not None:
            comes(life)
    else:
        world.harms.death = Death(moment, comes)


async def _mend_after(world: World, fault: of_disk.Fault, seconds: float) -> None:
    await trio.sleep(seconds)
    world.machine.mend(fault)


async def _govern(world: World, agent: int, verb: Verb) -> None:
    """An operator uses a verb on somebody who is there; what becomes of the call is the operator's matter."""
    _, runtime = await world.process()
    try:
        names = [str(each.identity) async for each in runtime.identities()]
        if names:
            handle: AgentHandle = await runtime.agent(names[agent % len(names)])
            await _VERBS[verb](handle)
            world.harms.fired["Govern"] += 1
    except MeerkatError as error:
        world.trace.note(f"{verb}: {type(error).__name__}")


_VERBS: Final = {
    Verb.PAUSE: AgentHandle.pause,
    Verb.RESUME: AgentHandle.resume,
    Verb.RETIRE: AgentHandle.retire,
    Verb.STOP: AgentHandle.stop,
    Verb.RESET: AgentHandle.reset,
    Verb.RECYCLE: AgentHandle.recycle,
    Verb.DESTROY: AgentHandle.destroy,
}
