"""One simulation, run: a scenario, a seed, a plan, and what came of them."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from traceback import format_exception
from typing import Final, cast

import trio
from attrs import define, field

from meerkat_actors.actors.turn.calling import HAS_THREADS
from meerkat_actors.records.leases import Ownership
from meerkat_actors.simulation.checks import violations
from meerkat_actors.simulation.clock import StuckError, VirtualClock
from meerkat_actors.simulation.collecting import seldom_collected
from meerkat_actors.simulation.disk.seeding import seeded_sqlite
from meerkat_actors.simulation.env import SimulatedEnv
from meerkat_actors.simulation.harms import Harms
from meerkat_actors.simulation.history import CHECKS, evidence_of
from meerkat_actors.simulation.looking import look_at
from meerkat_actors.simulation.machine import DiskMachine, MemoryMachine
from meerkat_actors.simulation.outcome import Lived, Seen
from meerkat_actors.simulation.plan import Plan
from meerkat_actors.simulation.playing import play
from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.scheduling import Watchdog, seeded
from meerkat_actors.simulation.settling import end_faults, resume_all, settle
from meerkat_actors.simulation.trace import Trace
from meerkat_actors.simulation.world import World

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
"""Where simulated disks lie, if it is there: what a simulation syncs is nothing that lasts."""

_RESUME_SECONDS: Final = 10.0
"""Between two times that everybody is resumed, when the faults are over; later ones are further apart."""
_RESUME_SECONDS_MAX: Final = 1_000.0


def run(scenario: Scenario, seed: str, plan: Plan) -> Lived:
    """Live through one history. Not for two threads at a time: Trio's chance, and the store's ``os``, are replaced.

    Whatever it comes to, also an error of the scenario's own functions, is told by ``Lived.violations``.
    """
    clock, harms = VirtualClock(), Harms(Random(f"{seed}/harms"))  # noqa: S311 - chance of a seed
    with (
        seldom_collected(),
        _machine(scenario, seed) as machine,
        seeded(seed),
        seeded_sqlite(Random(f"{seed}/sqlite")),  # noqa: S311 - chance of a seed
    ):
        history = _History(scenario, seed, plan, machine, harms)
        trace = history.trace
        try:
            trio.run(
                _simulated,
                history,
                clock=clock,
                instruments=(trace, history.watchdog),
                restrict_keyboard_interrupt_to_checkpoints=True,
            )
        except trio.TrioInternalError as error:
            told = [str(error.__cause__)] if isinstance(error.__cause__, StuckError) else format_exception(error)
            history.problems.append("the simulation itself had to be ended:\n" + "".join(told))
        except Exception as error:  # noqa: BLE001 - a history without an end is told of as any other
            history.problems.append("the simulation itself failed:\n" + "".join(format_exception(error)))
        seen = _look(history)
        problems = [*history.problems, *(() if seen is None else _problems(seen))]
    asked = () if seen is None else seen.asked
    return Lived(
        scenario=scenario.name,
        seed=seed,
        plan=plan,
        trace=trace.digest,
        lines=tuple(trace.lines),
        violations=tuple(machine.unplaced(each) for each in problems),
        seconds=clock.now,
        steps=trace.steps,
        boots=0 if history.world is None else history.world.boots,
        inputs=sum(1 for each in asked if each.admission is not None or each.outcome is not None),
        turns=0 if seen is None else len(seen.contents.turns),
        fired={**harms.fired, **machine.fired},
    )


@define(eq=False)
class _History:
    """What a simulation is made of, and what is left of it when it has ended, in whatever way."""

    scenario: Scenario
    seed: str
    plan: Plan
    machine: MemoryMachine | DiskMachine
    harms: Harms
    trace: Trace = field(factory=Trace)
    watchdog: Watchdog = field(factory=Watchdog)
    world: World | None = None
    """None: it had not begun."""
    problems: list[str] = field(factory=list[str])


@contextmanager
def _machine(scenario: Scenario, seed: str) -> Generator[MemoryMachine | DiskMachine]:
    ownership: Ownership = "shared" if scenario.processes > 1 else "exclusive"
    if not scenario.is_durable:
        yield MemoryMachine(ownership)
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None, prefix="simulated-") as folder:
        machine = DiskMachine(Path(folder), Random(f"{seed}/disk"), ownership)  # noqa: S311 - chance of a seed
        try:
            yield machine
        finally:
            machine.close()


async def _simulated(history: _History) -> None:
    scenario, seed, watchdog = history.scenario, history.seed, history.watchdog
    HAS_THREADS.set(False)
    async with trio.open_nursery() as nursery:
        outside = SimulatedEnv(f"{seed}/outside")
        world = World(scenario, seed, history.machine, history.harms, history.trace, nursery, outside)
        history.world, world.problems = world, history.problems
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, VirtualClock)
        with trio.CancelScope() as living:
            clock.on_stuck = partial(_stuck, world, living)
            watchdog.scope, watchdog.on_deaf = living, clock.stop
            world.begin()
            async with trio.open_nursery() as playing:
                playing.start_soon(play, world, history.plan)
                await _drive(world)
                playing.cancel_scope.cancel()
            await settle(world)
            clock.on_stuck = int  # from here on nobody has anything to wait for
        if watchdog.has_bitten:
            world.problems.append("somebody goes round in circles, and no time passes")
        nursery.cancel_scope.cancel()


async def _drive(world: World) -> None:
    scenario = world.scenario

    async def close() -> None:
        await trio.sleep(scenario.seconds)
        end_faults(world)
        pause = _RESUME_SECONDS
        while True:
            # What was governed at the last moment would keep its clients waiting.
            await resume_all(world)
            await trio.sleep(pause)
            pause = min(2 * pause, _RESUME_SECONDS_MAX)

    with trio.move_on_after(scenario.seconds + world.long_seconds) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(close)
            try:
                await scenario.drive(world)
            except Exception as error:  # noqa: BLE001 - the user's; what is wrong with it is told
                world.problems.append("the workload raised:\n" + "".join(format_exception(error)))
            nursery.cancel_scope.cancel()
    if scope.cancelled_caught:
        world.problems.append("the workload never ends: a client waits for ever, or asks for ever")


def _stuck(world: World, living: trio.CancelScope) -> None:
    if not living.cancel_called:
        world.problems.append("everybody waits, and nobody for time: a deadlock")
    living.cancel()
    world.nursery.cancel_scope.cancel()


def _look(history: _History) -> Seen | None:
    world = history.world
    try:
        if world is None or not world.boots:
            return None
        contents, given = look_at(history.machine)
    except Exception as error:  # noqa: BLE001 - a store that can't be read is what is wrong
        history.problems.append("the store can't be read:\n" + "".join(format_exception(error)))
        return None
    return Seen(
        scenario=history.scenario,
        seed=history.seed,
        plan=history.plan,
        contents=contents,
        given=given,
        asked=tuple(world.asked),
        unanswered=frozenset(world.begun),
        deaths=world.deaths,
        served=len(world.served),
        has_guests=world.has_guests,
    )


def _problems(seen: Seen) -> Iterator[str]:
    """What is wrong by every check; one that raises is wrong itself, or what it was told."""
    try:
        yield from violations(evidence_of(seen))
    except (LookupError, ValueError) as error:
        yield "a row that no check can read:\n" + "".join(format_exception(error))
    for check in (*CHECKS, *seen.scenario.checks):
        try:
            yield from map(str, _sentences(check(seen)))
        except Exception as error:  # noqa: BLE001 - the user's, or rows that make no sense
            yield f"{getattr(check, '__name__', repr(check))} raised:\n" + "".join(format_exception(error))


def _sentences(told: object) -> Iterable[object]:
    """What a check gave: sentences, and no text, which would be an iterable of letters by accident."""
    if isinstance(told, str | bytes) or not isinstance(told, Iterable):
        problem = f"a check yields a sentence for each thing that is wrong; it gave {told!r}"
        raise TypeError(problem)
    return cast("Iterable[object]", told)
