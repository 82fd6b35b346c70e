"""Items 63 to 73 of ``reference/continuity.md`` section 5: how identities come, are reset, and go.

There is no roster here: who embeds the runtime says which agents there are, by ``runtime.agent``. What an item says of
rosters, addressability and leases is asked of what stands in their place, and its docstring says which.
"""

from __future__ import annotations

import inspect
from functools import partial

import pytest
import trio
from attrs import fields

from meerkat_actors.actors.turn import AgentKind, Turn
from meerkat_actors.errors import (
    AlreadyOwnedError,
    DestroyedError,
    IdentityBrokenError,
    MeerkatError,
    NotReadyError,
    StoreFailedError,
    StoreInUseError,
    UnknownIdentityError,
)
from meerkat_actors.records.effects import Claim, CreateIdentity
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.status import Desired
from meerkat_actors.runtime import Runtime, open_runtime
from tests.actors.faulty import FaultyStore
from tests.actors.test_sharing import serving, shared_store
from tests.actors.world import count, echo, gathered, hang, running, told
from tests.recovery.lives import in_time
from tests.recovery.places import Place

AGENTS = {"count": count, "echo": echo, "hang": hang}


def test_item_63_nobody_is_hidden_from_who_holds_the_runtime(place: Place) -> None:
    """There is no ``internal_only``: every agent is addressed by its name, from outside and from turns alike.

    So nothing can be refused for it; neither a kind nor an agent has a word that could say it.
    """
    assert not {"addressability", "internal", "internal_only"} & {each.name for each in fields(AgentKind)}
    assert set(inspect.signature(Runtime.agent).parameters) == {"self", "name", "kind", "config", "recreate"}

    async def write(turn: Turn) -> None:
        turn.send("b", turn.text)

    async def reach() -> None:
        async with running(place.store(), {"write": write, "echo": echo}) as runtime:
            agent = await runtime.agent("b", kind="echo")
            await agent.ask("from outside")
            await (await runtime.agent("a", kind="write")).ask("from a turn")
            await runtime.wait_idle()
            assert await told(agent) == ["from outside", "from a turn"]

    in_time(reach)


def test_item_64_who_is_unknown_is_said_to_be(place: Place) -> None:
    async def look() -> None:
        async with running(place.store(), AGENTS) as runtime:
            with pytest.raises(UnknownIdentityError, match="nobody"):
                await runtime.agent("nobody")
        assert place.look().heads == {}

    in_time(look)


def test_item_65_two_who_begin_at_once_make_one_agent_and_one_claim(place: Place) -> None:
    async def begin_together() -> None:
        store = place.store()
        async with running(store, AGENTS) as runtime:

            async def first_send(text: str) -> str | None:
                return (await (await runtime.agent("a", kind="count")).ask(text)).text

            answers = await gathered(*(partial(first_send, text) for text in ("one", "two")))
            assert set(answers) == {"1", "2"}
        assert len(store.effects(CreateIdentity)) == 1
        assert store.effects(Claim) == []
        async with running(store := place.store(), AGENTS) as runtime:
            agent = await runtime.agent("a")
            await gathered(*(partial(agent.ask, text) for text in ("three", "four")))
        assert len(store.effects(Claim)) == 1

    in_time(begin_together)


def test_item_66_a_second_instance_is_told_who_holds_it_and_touches_nothing(place: Place) -> None:
    """Of a whole store, which is what is owned by default; the item below asks of one agent."""

    async def come_second() -> None:
        async with running(place.store(), AGENTS) as runtime:
            await (await runtime.agent("a", kind="count")).ask("x")
            before = place.look()
            if not place.is_memory:
                with pytest.raises(StoreInUseError, match="held by process"):
                    async with open_runtime(before.location, agents=AGENTS):
                        pytest.fail("it was opened")
            assert place.look() == before

    in_time(come_second)


async def test_item_66_of_one_agent_in_a_shared_store(autojump_clock: trio.testing.MockClock) -> None:
    store = shared_store()
    async with serving(store, AGENTS) as mine, serving(store.beside(), AGENTS) as other:
        agent = await mine.agent("a", kind="count")
        token = (await agent.status()).fencing_token
        with pytest.raises(AlreadyOwnedError) as caught:
            await (await other.agent("a")).status()
        assert caught.value.holder
        assert (await agent.status()).fencing_token == token


def test_item_67_what_can_not_be_resumed_is_broken_and_untouched_and_goes_on_when_that_is_mended(place: Place) -> None:
    async def resume() -> None:
        async with running(place.store(), AGENTS) as runtime:
            agent = await runtime.agent("a", kind="count")
            await agent.ask("x")
            session = (await agent.status()).session_id
        before = place.look()
        async with running(place.store(), {"echo": echo}) as runtime:
            with pytest.raises(IdentityBrokenError, match="unknown_kind: kind 'count' is not registered"):
                await runtime.agent("a")
        after = place.look()
        assert (after.heads, after.inputs, after.turns) == (before.heads, before.inputs, before.turns)
        async with running(place.store(), AGENTS) as runtime:
            agent = await runtime.agent("a")
            assert (await agent.ask("y")).text == "2"
            status = await agent.status()
            assert (status.session_id, status.generation) == (session, 0)

    in_time(resume)


@pytest.mark.parametrize("is_written", [False, True])
def test_item_68_a_creation_that_fails_leaves_nothing(place: Place, is_written: bool) -> None:
    """It has one step, which is one commit: an agent with its configuration, or nothing at all."""

    async def fail_to_create() -> None:
        store = place.store()
        store.fail_next(is_written=is_written)
        with pytest.raises(MeerkatError):
            async with running(store, AGENTS) as runtime:
                await runtime.agent("a", kind="count", config={"unit": 1})
        assert len(store.units) == 1

    async def look() -> None:
        async with running(place.store(), AGENTS) as runtime:
            if is_written:
                assert (await (await runtime.agent("a")).ask("x")).text == "1"
            else:
                with pytest.raises(UnknownIdentityError):
                    await runtime.agent("a")

    in_time(fail_to_create)
    assert len(place.look().heads) == is_written
    in_time(look)


@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("step", [0, 1])
def test_item_69_a_reset_that_fails_at_any_step_leaves_a_generation_that_goes_on(
    place: Place, step: int, is_written: bool
) -> None:
    """Its steps are the interrupted boundary and the reset itself; after either, the agent is there."""

    async def reset_at_work(store: FaultyStore) -> None:
        async with running(store, AGENTS) as runtime:
            agent = await runtime.agent("a", kind="hang")
            await agent.send("at work")
            await agent.send("queued")
            await trio.sleep(1)
            if is_written:
                store.fail_after(step)
            else:
                store.fail_from(step)
            await agent.reset()

    async def fail_to_reset() -> None:
        store = place.store()
        with pytest.raises(StoreFailedError):
            await reset_at_work(store)

    async def go_on() -> None:
        async with running(place.store(), {**AGENTS, "hang": echo}) as runtime:
            await runtime.wait_idle()
            agent = await runtime.agent("a")
            status = await agent.status()
            assert status.generation in {0, 1}
            assert (await agent.ask("again")).text == "again"
            assert {record.state async for record in agent.inputs()} <= {InputState.CONSUMED, InputState.ABANDONED}

    in_time(fail_to_reset)
    in_time(go_on)


def test_item_70_who_was_broken_at_generation_7_is_reset_to_8(place: Place) -> None:
    """Nobody gets a handle of a broken identity; once it is served again, its generation is the next one."""

    async def reset_often() -> None:
        async with running(place.store(), AGENTS) as runtime:
            agent = await runtime.agent("a", kind="count")
            for _ in range(7):
                await agent.reset()
        async with running(place.store(), {"echo": echo}) as runtime:
            with pytest.raises(IdentityBrokenError):
                await runtime.agent("a")
        async with running(place.store(), AGENTS) as runtime:
            agent = await runtime.agent("a")
            assert (await agent.status()).generation == 7
            await agent.reset()
            assert (await agent.status()).generation == 8

    in_time(reset_often)


def test_item_71_a_reset_begins_with_the_configuration_of_now(place: Place) -> None:
    """What the roster says stands in the store here: an outage has nothing to fall back from."""

    async def say_unit(turn: Turn) -> str:
        return str(turn.config)

    async def reset() -> None:
        async with running(place.store(), {"say": say_unit}) as runtime:
            agent = await runtime.agent("a", kind="say", config="old")
            assert (await agent.ask("x")).text == "old"
            await runtime.agent("a", kind="say", config="new")
            await agent.reset()
            assert (await agent.ask("x")).text == "new"
        async with running(place.store(), {"say": say_unit}) as runtime:
            assert (await (await runtime.agent("a")).ask("y")).text == "new"

    in_time(reset)


async def test_item_72_who_is_retired_and_done_may_be_held_by_another(autojump_clock: trio.testing.MockClock) -> None:
    """It is released when it leaves memory: nobody waits for a lease."""
    store = shared_store()
    async with serving(store, AGENTS, passivate_seconds=1) as mine, serving(store.beside(), AGENTS) as other:
        agent = await mine.agent("a", kind="count")
        await agent.ask("x")
        await agent.retire()
        with pytest.raises(NotReadyError):
            await agent.send("y")
        await trio.sleep(10)
        assert (await (await other.agent("a")).status()).desired is Desired.RETIRED


def test_item_73_who_was_destroyed_is_not_resurrected_by_a_restart(place: Place) -> None:
    """DESIGN.md: the authority row stays, as a tombstone; its session is readable, and nobody works in it."""

    async def destroy() -> None:
        async with running(place.store(), AGENTS) as runtime:
            agent = await runtime.agent("a", kind="count")
            await agent.ask("x")
            await agent.destroy()
        for kind in (None, "count"):
            async with running(place.store(), AGENTS) as runtime:
                await runtime.wait_idle()
                with pytest.raises(DestroyedError):
                    await runtime.agent("a", kind=kind)
        async with running(place.store(), AGENTS) as runtime:
            agent = await runtime.agent("a", kind="count", recreate=True)
            assert ((await agent.status()).generation, (await agent.ask("x")).text) == (1, "1")

    in_time(destroy)
