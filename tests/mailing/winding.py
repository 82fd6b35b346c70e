"""The end of a history of mail: everybody is let go on, all is answered, and what nobody takes is returned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from meerkat_actors.errors import AlreadyOwnedError, DestroyedError, MeerkatError, UnknownIdentityError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.status import Desired
from tests.histories.outside import ViolationError
from tests.mailing.agents import content_of
from tests.mailing.choosing import UNDELIVERABLE_SECONDS, WALK_SECONDS
from tests.mailing.moves import LATE, NAMES, PRESENT
from tests.mailing.world import MailWorld, wait_idle

_ROUNDS_MAX: Final = 8
"""Times that everybody is told to go on, after which nobody has anything to answer."""
_TIMERS_SECONDS: Final = 100.0
"""Virtual seconds in which timers are due, and failed turns are tried again."""


async def wind_up(world: MailWorld) -> None:
    """Let everything end.

    Raises:
        ViolationError: something does not.
    """
    world.mood.is_winding_up = True
    for side in world.sides:
        side.processes.spare()
        side.refuses = None
    for _ in range(_ROUNDS_MAX):
        await _go_on(world)
        if not _open(world):
            break
    await _walk(world)
    await _go_on(world)
    left = _open(world)
    if left:
        raise ViolationError(kind="somebody is not done", detail=left[0])
    if world.pending:
        raise ViolationError(kind="a call is never answered", detail=world.pending[0])


async def _walk(world: MailWorld) -> None:
    """Let the courier look at everybody's mail: as an hour passes, or as a process begins."""
    if not world.history.is_shared:
        await trio.sleep(WALK_SECONDS)
        return
    await trio.sleep(2 * UNDELIVERABLE_SECONDS)
    for side in world.sides:
        await world.succeed(side)


async def _go_on(world: MailWorld) -> None:
    await wait_idle(world, "somebody stays busy")
    for tell in (_resume, _wake):
        for name in (*PRESENT, *LATE):
            await _tell(world, name, tell)
        await wait_idle(world, "somebody stays busy after a last word")
    await trio.sleep(_TIMERS_SECONDS)
    await wait_idle(world, "somebody stays busy after its timers")


async def _resume(agent: AgentHandle) -> None:
    await agent.resume()


async def _wake(agent: AgentHandle) -> None:
    await agent.send(content_of(f"last of {agent.identity}", 0))


async def _tell(world: MailWorld, name: str, tell: Callable[[AgentHandle], Awaitable[None]]) -> None:
    """A last word to an agent, through whichever process can reach it."""
    for runtime in world.runtimes():
        try:
            await tell(await runtime.agent(name))
        except (UnknownIdentityError, DestroyedError):
            return
        except AlreadyOwnedError:
            continue
        except MeerkatError as error:
            raise ViolationError(kind="a last word is refused", detail=f"{name}: {error!r}") from error
        return


def _open(world: MailWorld) -> list[str]:
    """Who has something to do yet, or owes an answer."""
    store = world.sides[0].processes.store
    assert store is not None
    left: list[str] = []
    for name in NAMES:
        found = store.inner.activate(AgentIdentity(name))
        if not isinstance(found, Activation):
            raise ViolationError(kind="rows that contradict each other", detail=str(found))
        if found.head is None or found.head.is_buried:
            continue
        told = [
            what
            for what, holds in {
                "queued": found.queued, "run": found.run, "parked": found.parked, "owed": found.owed,
                "mail": found.has_mail, "timer": found.next_due_ms, "not open": found.head.desired is not Desired.OPEN,
            }.items()
            if holds
        ]  # fmt: skip
        if told:
            left.append(f"{name}: {', '.join(told)}: {found}")
    return left
