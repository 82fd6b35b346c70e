"""An owner gives way to a newer one, and so does a turn that ignores its end."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    IdentityBrokenError,
    OwnershipLostError,
    OwnerStoppedError,
    UnknownOutcomeError,
    WaitEndedError,
)
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.commits import Committed
from meerkat_actors.records.effects import Claim, Unit
from meerkat_actors.records.events import Event
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import AgentIdentity, FencingToken
from meerkat_actors.store import MemoryStore
from tests.actors.world import Gate, count, gathered, hang, passes, running, told, until


def take_over(store: MemoryStore, name: str) -> FencingToken:
    """Claim an identity behind the runtime's back, as another process would."""
    identity = AgentIdentity(name)
    found = store.activate(identity)
    assert isinstance(found, Activation)
    assert found.head is not None
    token = FencingToken(found.head.token + 1)
    fence = IdentityFence(identity, found.key, token, found.head.generation, found.head.version)
    [outcome] = store.commit([Unit(fence, (Claim(found.head.token),))])
    assert isinstance(outcome, Committed)
    return token


async def test_an_owner_with_an_old_token_stops_and_the_next_post_claims_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = MemoryStore()
    events: list[Event] = []
    async with running(store, {"count": count}, events=events) as runtime:
        agent = await runtime.agent("a", kind="count")
        await agent.ask("x")
        token = take_over(store, "a")
        with pytest.raises((OwnershipLostError, UnknownOutcomeError)):
            await agent.send("y")
        assert (await agent.ask("z")).text == "2"
        assert (await agent.status()).fencing_token == token + 1
        assert await told(agent) == ["x", "z"]
    assert [type(event).__name__ for event in events] == ["CommitRefused", "OwnerCrashed"]


async def test_a_turn_whose_owner_lost_its_fence_changes_nothing(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    gate = Gate()
    async with running(store, {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        results: list[object] = []

        async def ask() -> None:
            results.extend(await gathered(partial(agent.ask, "x", idempotency_key="k")))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await until(lambda: gate.begun == 1)
            take_over(store, "a")
            gate.open()
        # Its waiter's question was taken by a successor, which claimed again and ran the turn anew.
        assert [getattr(result, "text", result) for result in results] == ["x"]
        assert await told(agent) == ["x"]
        assert gate.begun == 2


async def test_everyone_behind_a_lost_fence_is_told(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    async with running(store, {"hang": hang}) as runtime:
        agent = await runtime.agent("a", kind="hang")
        take_over(store, "a")
        results = await gathered(*(partial(agent.send, number) for number in range(100)), *[partial(agent.status)] * 10)
        assert len(results) == 110
        # Some were in the refused lap, some behind it, and some found the successor.
        admitted = [result for result in results[:100] if not isinstance(result, BaseException)]
        refused = [result for result in results if isinstance(result, BaseException)]
        assert refused
        assert all(isinstance(each, OwnerStoppedError | UnknownOutcomeError | OwnershipLostError) for each in refused)
        contents = [record.content async for record in agent.inputs()]
        assert len(contents) == len(admitted)


async def test_a_turn_that_ignores_its_cancellation_is_stuck(autojump_clock: trio.testing.MockClock) -> None:
    """Its identity is kept apart while it lives: no second turn of it may run beside the first."""
    store = MemoryStore()
    events: list[Event] = []
    may_end = trio.Event()
    begun = 0

    async def stubborn(_: Turn) -> str:
        nonlocal begun
        begun += 1
        with trio.CancelScope(shield=True):
            await may_end.wait()
        return "late"

    async with running(store, {"stubborn": stubborn, "count": count}, events=events) as runtime:
        agent = await runtime.agent("a", kind="stubborn")
        waiter: list[object] = []

        async def wait() -> None:
            waiter.extend(await gathered(partial(agent.ask, "x")))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await until(lambda: begun == 1)
            take_over(store, "a")
            with pytest.raises((OwnershipLostError, UnknownOutcomeError)):
                await agent.send("y")
        assert [type(each) for each in waiter] == [WaitEndedError]
        await trio.sleep(10)
        with pytest.raises(IdentityBrokenError, match="turn_stuck"):
            await agent.send("z")
        assert (await (await runtime.agent("b", kind="count")).ask("x")).text == "1"
        assert begun == 1
        may_end.set()
        await passes(10)
        assert await told_by(store) == []
    assert [type(event).__name__ for event in events] == ["CommitRefused", "TurnStuck", "IdentityBroke"]


async def test_a_stuck_turn_that_goes_on_is_told_that_it_is_over(autojump_clock: trio.testing.MockClock) -> None:
    """Shielded from its cancellation, it waits for nothing that nobody answers."""
    store = MemoryStore()
    may_go_on = trio.Event()
    heard: list[object] = []

    async def nothing() -> None:
        """A step without effect."""

    async def stubborn(turn: Turn) -> None:
        with trio.CancelScope(shield=True):
            await may_go_on.wait()
            try:
                await turn.step("late", nothing)
            except OwnerStoppedError as error:
                heard.append(error)

    async with running(store, {"stubborn": stubborn}) as runtime:
        agent = await runtime.agent("a", kind="stubborn")
        await agent.send("x")
        take_over(store, "a")
        with pytest.raises((OwnershipLostError, UnknownOutcomeError)):
            await agent.send("y")
        await trio.sleep(10)
        assert runtime.statistics().broken == ("a",)
        may_go_on.set()
    assert len(heard) == 1


async def told_by(store: MemoryStore) -> list[object]:
    return list(store.page_turns(AgentIdentity("a"), before=None, limit=10))
