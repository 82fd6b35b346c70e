"""Small pieces of work, each around one kind of unit. Played again, each ends where it would have ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from attrs import frozen

from meerkat_actors.errors import DestroyedError
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.status import Desired
from tests.fates.beliefs import Client, begin
from tests.fates.world import LIMITS

D = Desired


@frozen
class Act:
    """One piece of work."""

    play: Callable[[Client], Awaitable[None]]
    free: frozenset[str] = frozenset()
    """Words of what depends on where a kill came: of inputs, of the transcript, of timers and operations."""
    limits: Limits = LIMITS
    is_loose: bool = False
    """Whether it depends on that, too, what is worked on together, and what of different senders or lanes comes first.
    """

    def __str__(self) -> str:
        return self.play.__name__


async def create_and_configure(client: Client) -> None:
    agent = await client.agent("a")
    await client.send(agent, "one")
    await client.agent("a", config="new")
    await client.send(agent, "two")
    await client.wait(agent, "one", "two")


async def step(client: Client) -> None:
    agent = await client.agent("a")
    await client.send(agent, "step 1", "once 2", "step 3")
    await client.wait(agent, "step 1", "once 2", "step 3")


async def steer_into_a_checkpoint(client: Client) -> None:
    agent = await client.agent("a")
    await client.send(agent, "listen", "next")
    await client.steer(agent, "told")
    await client.wait(agent, "listen", "next", "told")


async def interrupt(client: Client) -> None:
    agent = await client.agent("a")
    await client.send(agent, "long", "next")
    await begin()
    if await agent.interrupt():
        await client.wait(agent, "long")
    await client.wait(agent, "next")


async def fail_redrive_and_drop(client: Client) -> None:
    agent = await client.agent("a")
    await client.send(agent, "fail", "next")
    await client.wait(agent, "fail", "next")
    for letter in await client.letters():
        await client.settle(letter, is_redriven=letter.header.redrives is None)
    await client.runtime.wait_idle()
    for letter in await client.letters():
        await client.settle(letter, is_redriven=False)


async def fail_as_a_batch(client: Client) -> None:
    agent = await client.agent("a")
    await client.govern(agent, "pause", D.PAUSED)
    await client.send(agent, "fail 1", "two", "three", kind=InputKind.PEER_MESSAGE)
    await client.govern(agent, "resume", D.OPEN)
    await client.wait(agent, "fail 1", "two", "three")


async def cancel_one_of_a_batch(client: Client) -> None:
    agent = await client.agent("a")
    await client.govern(agent, "pause", D.PAUSED)
    await client.send(agent, "long 1", "two", "three", kind=InputKind.PEER_MESSAGE)
    await client.govern(agent, "resume", D.OPEN)
    await begin()
    await client.cancel(agent, "two")
    await client.wait(agent, "long 1", "three")


async def cancel_queued_and_running(client: Client) -> None:
    agent = await client.agent("a")
    await client.send(agent, "long", "next", "last")
    await client.cancel(agent, "next")
    await begin()
    await client.cancel(agent, "long")
    await client.wait(agent, "last")


async def displace(client: Client) -> None:
    agent = await client.agent("a")
    await client.govern(agent, "pause", D.PAUSED)
    await client.send(agent, "note", kind=InputKind.OPERATION)
    await client.send(agent, "old", "newer", "newest", supersession_key="only one")
    await client.govern(agent, "resume", D.OPEN)
    await client.wait(agent, "note", "old", "newer", "newest")


async def mail(client: Client) -> None:
    agent, _ = await client.agent("a"), await client.agent("b")
    await client.send(agent, "mail 1")
    await client.runtime.wait_idle()  # or both messages may be in one turn
    await client.send(agent, "mail 2")
    await client.wait(agent, "mail 1", "mail 2")


async def pause_and_resume(client: Client) -> None:
    agent = await client.agent("a")
    await client.govern(agent, "pause", D.PAUSED)
    await client.send(agent, "one", "two")
    await client.govern(agent, "recycle", D.OPEN)
    await client.wait(agent, "one", "two")


async def retire(client: Client) -> None:
    agent = await client.agent("a")
    await client.govern(agent, "resume", D.OPEN)
    await client.send(agent, "long", "next")
    await client.govern(agent, "retire", D.RETIRED)
    await client.wait(agent, "long", "next")


async def stop(client: Client) -> None:
    agent = await client.agent("a")
    await client.govern(agent, "resume", D.OPEN)
    await client.send(agent, "long", "next", "last")
    await begin()
    await client.steer(agent, "told")
    await client.govern(agent, "stop", D.STOPPED)
    await client.wait(agent, "long", "next", "last", "told")


async def reset(client: Client) -> None:
    agent = await client.agent("a")
    await client.send(agent, "first", "long", "next")
    await begin()
    await client.reset(agent, 1)
    await client.wait(agent, "first", "long", "next")
    await client.send(agent, "new")
    await client.wait(agent, "new")


async def destroy(client: Client) -> None:
    try:
        agent = await client.agent("a")
    except DestroyedError:
        return
    await client.send(agent, "long", "next")
    await begin()
    await client.govern(agent, "destroy", D.DESTROYED)
    await client.wait(agent, "next", "long")


async def destroy_and_recreate(client: Client) -> None:
    try:
        agent = await client.agent("a")
        if (await agent.status()).generation == 0:
            await client.send(agent, "old")
            await client.wait(agent, "old")
            async with client.beliefs.asking("desired a", before=D.OPEN, then=D.DESTROYED):
                await agent.destroy()
    except DestroyedError:
        pass
    async with (
        client.beliefs.asking("desired a", before=D.OPEN, then=D.OPEN),
        client.beliefs.asking("generation a", before=0, then=1),
    ):
        agent = await client.runtime.agent("a", kind="worker", recreate=True)
    await client.send(agent, "new")
    await client.wait(agent, "new")


ACTS: Final = (
    Act(create_and_configure),
    Act(step),
    Act(steer_into_a_checkpoint),
    Act(interrupt),
    Act(fail_redrive_and_drop),
    Act(fail_as_a_batch),
    Act(cancel_one_of_a_batch),
    Act(cancel_queued_and_running),
    Act(displace),
    Act(mail),
    Act(pause_and_resume),
    Act(retire),
    Act(stop),
    Act(reset, frozenset({"next"})),
    Act(destroy, frozenset({"long"})),
    Act(destroy_and_recreate),
)
