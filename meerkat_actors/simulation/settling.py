"""The end of a simulated world: nothing goes wrong any more, and whatever is promised to end does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import trio

from meerkat_actors.errors import AlreadyOwnedError, DestroyedError, MeerkatError, UnknownIdentityError
from meerkat_actors.simulation.subscriber import compare
from meerkat_actors.simulation.world import Rest

if TYPE_CHECKING:
    from meerkat_actors.simulation.world import World

_COMMITS_MAX: Final = 10_000
"""Beside as many again as there were before, in which whatever was begun has ended: some half a minute."""


async def settle(world: World) -> None:
    """Nothing goes wrong any more: let everything end that has to, then every process."""
    end_faults(world)
    with trio.move_on_after(world.long_seconds) as scope:
        world.rest = Rest(_COMMITS_MAX + 2 * world.commits, scope)
        await _come_to_rest(world)
        if world.scenario.is_followed:
            world.problems += await compare(world.subscriber, world)
            await _come_to_rest(world)  # a timer may have been due meanwhile
    world.rest = None
    if scope.cancelled_caught:
        world.problems.append("agents never come to rest after the faults")
    world.is_ending = True
    for life in [*world.lives.values()]:
        life.leave.set()
    with trio.move_on_after(world.long_seconds) as scope:
        for life in [*world.lives.values()]:
            await life.ended.wait()
    if scope.cancelled_caught:
        world.problems.append("a process never ends")


def end_faults(world: World) -> None:
    """The workload's time is over, and nothing more goes wrong than did."""
    world.is_open = False
    world.harms.end()
    world.machine.mend()


async def resume_all(world: World) -> None:
    """An operator lets every agent go on that somebody governed, or that was quarantined."""
    for slot in sorted(world.runtimes):
        life, runtime = world.lives[slot], world.runtimes[slot]
        try:
            for each in runtime.quarantined():
                await runtime.repair(each.identity)
            for name in [str(row.identity) async for row in runtime.identities()]:
                # Who is gone, or moved to another process meanwhile, waits for nobody here.
                with suppress(DestroyedError, AlreadyOwnedError, UnknownIdentityError):
                    await (await runtime.agent(name)).resume()
        except MeerkatError as error:
            world.trace.note(f"not resumed: {type(error).__name__}")
            await world.pause(life, 1.0)


async def _come_to_rest(world: World) -> None:
    """Every process is idle, and does nothing more in the time in which one takes over what another left."""
    before, boots = -1, -1
    while before != world.commits:
        await world.process()
        if boots != world.boots:
            # Only then: whoever is asked anything is in memory again, and leaves it with a commit.
            boots = world.boots
            await resume_all(world)
        before = world.commits
        for slot in sorted(world.runtimes):
            life = world.lives[slot]
            try:
                await world.runtimes[slot].wait_idle()
            except MeerkatError as error:
                before, boots = -1, -1
                world.trace.note(f"not at rest: {type(error).__name__}")
                await world.pause(life, 1.0)
                break
        if world.scenario.processes > 1:
            await trio.sleep(2 * world.scenario.limits.lease_seconds)
