"""Items 74 to 79 of ``reference/continuity.md`` section 5: what disturbs a live identity.

There is no roster and no embodiment apart from the owner; each docstring says what stands for them.
"""

from __future__ import annotations

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    IdentityBrokenError,
    MeerkatError,
    UsageError,
)
from meerkat_actors.records.effects import Claim
from meerkat_actors.records.events import Event, IdentityBroke, OwnerCrashed
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, Consumed
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.test_newer_owners import take_over
from tests.actors.world import Gate, count, echo, hang, running, said, told, until
from tests.recovery.lives import in_time
from tests.recovery.places import Place

AGENTS = {"count": count, "echo": echo, "hang": hang}
AT_ONCE = Limits(shutdown_seconds=0)


async def test_item_74_who_lost_its_claim_ends_its_turn_and_writes_nothing_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It is not broken: the owner ends with an event, its late result is refused, and a successor runs the turn."""
    store = MemoryStore()
    gate = Gate()
    events: list[Event] = []
    async with running(store, {"gate": gate}, events=events) as runtime:
        agent = await runtime.agent("a", kind="gate")
        admission = await agent.send("x")
        await until(lambda: gate.begun == 1)
        token = take_over(store, "a")
        gate.open()
        await trio.sleep(1)
        assert isinstance(await agent.wait(admission.input_id), Consumed)
        assert (await agent.status()).fencing_token == token + 1
        assert await told(agent) == ["x"]
    assert {"CommitRefused", "OwnerCrashed"} <= {type(event).__name__ for event in events}
    assert gate.begun == 2


def test_item_75_news_of_a_former_life_change_nothing(place: Place) -> None:
    """A turn that ends late, after a reset began the next generation, ends nobody else's run."""
    late = trio.Event()
    begun: list[str] = []

    async def stubborn(turn: Turn) -> str:
        begun.append(turn.text)
        if turn.text == "former":
            with trio.CancelScope(shield=True):
                await late.wait()
        return turn.text

    async def reset_under_it() -> None:
        nonlocal late
        late = trio.Event()
        async with running(place.store(), {"stubborn": stubborn}) as runtime:
            agent = await runtime.agent("a", kind="stubborn")
            former = await agent.send("former")
            await until(lambda: len(begun) == 1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(agent.reset)
                await trio.sleep(1)
                late.set()
            outcome = await agent.wait(former.input_id)
            assert isinstance(outcome, Abandoned)
            assert (await agent.ask("latter")).text == "latter"
            assert await said(agent) == ["latter"]
            assert (await agent.status()).generation == 1

    in_time(reset_under_it)


async def test_item_76_who_fails_again_and_again_is_set_apart_and_nobody_else(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its owner: three crashes in five seconds are borne, the next one parks it. The next runtime tries anew."""
    store = FaultyStore(MemoryStore())
    events: list[Event] = []
    async with running(store, AGENTS, limits=Limits(passivate_seconds=1), events=events) as runtime:
        good, bad = await runtime.agent("good", kind="count"), await runtime.agent("bad", kind="count")

        def refuse(name: str, identity: AgentIdentity | None) -> None:
            if name == "activate" and identity == "bad":
                message = "odd"
                raise KeyError(message)

        await trio.sleep(10)
        assert runtime.statistics().live == 0
        store.before_read = refuse
        with pytest.raises((IdentityBrokenError, MeerkatError)):
            await bad.ask("x")
        await trio.sleep(100)
        with pytest.raises(IdentityBrokenError, match="owner_crashed"):
            await bad.status()
        assert (await good.ask("x")).text == "1"
    assert [type(event) for event in events] == [OwnerCrashed] * 4 + [IdentityBroke]
    async with running(store.inner, AGENTS) as runtime:
        assert (await (await runtime.agent("bad")).ask("x", idempotency_key="k")).text


def test_item_77_one_that_can_not_be_restored_keeps_none_from_it(place: Place) -> None:
    async def leave_work() -> None:
        async with running(place.store(), AGENTS, limits=AT_ONCE) as runtime:
            for name, kind in (("a", "hang"), ("b", "echo"), ("c", "hang")):
                agent = await runtime.agent(name, kind=kind)
                await agent.pause() if kind == "echo" else None
                await agent.send(name)
            await trio.sleep(1)

    async def restore() -> None:
        async with running(place.store(), {"hang": echo}) as runtime:
            await runtime.wait_idle()
            assert runtime.statistics().broken == ("b",)
            for name in ("a", "c"):
                assert await told(await runtime.agent(name)) == [name]

    in_time(leave_work)
    in_time(restore)


def test_item_78_opening_an_agent_does_nothing_yet(place: Place) -> None:
    """No commit, no claim and no turn: the claim rides on its first unit."""

    async def make() -> None:
        async with running(place.store(), AGENTS) as runtime:
            await runtime.agent("a", kind="count")

    async def open_only() -> None:
        store = place.store()
        async with running(store, AGENTS) as runtime:
            agent = await runtime.agent("a")
            await agent.status()
            assert (store.batches, store.effects(Claim)) == ([], [])
            await agent.ask("x")
            assert len(store.effects(Claim)) == 1

    in_time(make)
    in_time(open_only)


def test_item_79_asking_for_an_agent_again_changes_nothing(place: Place) -> None:
    """Its configuration is what can be renewed, and keeps its session; its kind can't be changed."""

    async def ask_again() -> None:
        async with running(place.store(), AGENTS) as runtime:
            agent = await runtime.agent("a", kind="count")
            await agent.ask("x")
            before = await agent.status()
            for _ in range(3):
                assert await (await runtime.agent("a", kind="count")).status() == before
            await runtime.agent("a", kind="count", config={"unit": "letters"})
            after = await agent.status()
            assert (after.session_id, after.generation) == (before.session_id, before.generation)
            with pytest.raises(UsageError, match="is of kind 'count', not 'echo'"):
                await runtime.agent("a", kind="echo")
            assert await agent.status() == after
            # Who is not asked for is not retired for that.
            assert [row.identity async for row in runtime.identities()] == ["a"]

    in_time(ask_again)
