"""Edge 42: an owner that begins anew in place keeps what waits, as it is."""

from __future__ import annotations

import trio
import trio.testing

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.store import MemoryStore
from tests.actors.world import VirtualEnv, echo, running, until
from tests.edges.world import Place


async def test_edge_42_recycling_keeps_what_is_queued_what_is_ephemeral_and_what_waits_for_its_time(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    async def second_time(turn: Turn) -> str:
        if turn.attempt == 1:
            message = "not yet"
            raise ValueError(message)
        return turn.text

    async with place.life({"agent": second_time}, limits=Limits(backoff_seconds=60)) as runtime:
        agent = await runtime.agent("a", kind="agent")
        waiting = await agent.send("waits")
        await trio.sleep(1)
        behind = await agent.send("behind", kind="peer_message", durability="ephemeral")
        await agent.recycle()
        status = await agent.status()
        assert (status.attempts, status.interruptions, status.backlog) == (1, 0, 1)
        assert trio.current_time() < 10
        for admission in (waiting, behind):
            assert isinstance(await agent.wait(admission.input_id), Consumed)


async def test_edge_42_recycling_in_a_shared_store_is_no_unclean_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = MemoryStore(env=VirtualEnv(), ownership="shared", lease_seconds=5)

    async def failing(_: Turn) -> str:
        message = "no"
        raise ValueError(message)

    async with running(store, {"agent": failing, "echo": echo}, limits=Limits(backoff_seconds=60)) as runtime:
        agent = await runtime.agent("a", kind="agent")
        admission = await agent.send("x")
        await trio.sleep(1)
        await agent.recycle()
        await agent.wait(admission.input_id)
        assert [record.interruptions async for record in agent.inputs()] == [0]


async def test_edge_42_recycling_does_not_clear_a_suspect(place: Place, autojump_clock: trio.testing.MockClock) -> None:
    begun: list[str] = []

    async def agent(turn: Turn) -> None:
        begun.append(str(turn.identity))
        await trio.sleep_forever()

    limits = Limits(suspect_from=1)
    for _ in range(2):
        begun.clear()
        async with place.life({"agent": agent}, limits=limits, is_killed=True) as runtime:
            for name in "ab":
                await (await runtime.agent(name, kind="agent")).send("x", idempotency_key="x")
            await until(lambda: len(begun) == 2)
    begun.clear()
    async with place.life({"agent": agent}, limits=limits) as runtime:
        await trio.sleep(1)
        (other,) = (name for name in "ab" if name not in begun)
        handle = await runtime.agent(other)
        await handle.recycle()
        await handle.send("look again")
        await trio.sleep(1)
        assert len(begun) == 1
        await trio.sleep(20)
        assert begun[1:] == [other]
