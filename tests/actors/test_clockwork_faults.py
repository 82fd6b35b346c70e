"""Timers fire once, too, where a process, an owner, a unit or a look fails."""

from __future__ import annotations

from copy import deepcopy

import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import StoreFullError
from meerkat_actors.records.agenda_effects import FireTimer
from meerkat_actors.records.commits import CommitOutcome, RefusalReason, Refused
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.events import CommitRefused, Event, IdentityBroke, OwnerCrashed
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.schedules import Once
from meerkat_actors.store import MemoryStore
from tests.actors.clock_world import LOOK, WHOLE, SetEnv, clocked, listen, set_timer
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, told


async def test_a_kill_at_every_commit_lets_each_timer_fire_exactly_once(autojump_clock: trio.testing.MockClock) -> None:
    async def chain(turn: Turn) -> None:
        number = int(turn.text.split()[-1])
        if number:
            turn.after(1, f"link {number - 1}", name=f"link {number - 1}")

    inner, env = MemoryStore(), SetEnv()
    store = FaultyStore(inner)
    kills: list[MemoryStore] = []
    store.after_commit = lambda _, __: kills.append(deepcopy(inner))
    async with clocked(store, {"chain": chain}, env) as runtime:
        await (await runtime.agent("a", kind="chain")).send("begin 5", idempotency_key="k")
        await trio.sleep(10)
    assert len(kills) > 10
    for killed in kills:
        async with clocked(killed, {"chain": chain}, env) as runtime:
            agent = await runtime.agent("a", kind="chain")
            await agent.send("begin 5", idempotency_key="k")
            await trio.sleep(10)
            assert await told(agent) == ["begin 5", *(f"link {number}" for number in range(4, -1, -1))]


async def test_a_unit_refused_because_of_its_timers_is_committed_without_them(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What is asked of an agent doesn't depend on the time."""
    store, env, gate = FaultyStore(MemoryStore()), SetEnv(), Gate()
    events: list[Event] = []
    refused: list[Unit] = []

    def refuse(unit: Unit) -> CommitOutcome | None:
        if refused or len(unit.effects) < 3 or not any(type(effect) is FireTimer for effect in unit.effects):
            return None
        refused.append(unit)
        return Refused(reason=RefusalReason.REVISION_CONFLICT, effect=0, current="odd")

    store.refusal = refuse
    async with clocked(store, {"gate": gate}, env, events=events) as runtime:
        agent = await runtime.agent("a", kind="gate")
        await set_timer(agent, "t", Once(env.after(1)))
        await trio.sleep(1 - LOOK / 2)
        env.ahead_ms += 1_000

        def tell(method: str, _: AgentIdentity | None) -> None:
            if method == "due_timers":  # the caller's question is in the lap that the timer begins
                nursery.start_soon(agent.send, "x")

        store.before_read = tell
        async with trio.open_nursery() as nursery:
            await trio.sleep(LOOK)
        store.before_read = lambda _, __: None
        gate.open()
        await runtime.wait_idle()
        heard = await told(agent)
        assert sorted(map(str, heard)) == ["t", *["x"] * (len(heard) - 1)]
    assert len(refused) == 1
    assert {type(event) for event in events} == {CommitRefused}


async def test_a_timer_whose_input_was_admitted_already_ends(autojump_clock: trio.testing.MockClock) -> None:
    """Its id was a caller's to choose; an agent does not fail of it for ever."""
    env = SetEnv()
    events: list[Event] = []
    async with clocked(MemoryStore(), {"listen": listen}, env, events=events) as runtime:
        agent = await runtime.agent("a", kind="listen")
        input_id = runtime.new_id()
        await agent.ask("t", input_id=input_id)
        await set_timer(agent, "t", Once(env.after(1)), input_id=input_id)
        await trio.sleep(WHOLE + 2)
        assert (await agent.ask("x")).receipt.checkpoint_version == 2
        assert await told(agent) == ["t", "x"]
    assert not any(isinstance(event, OwnerCrashed | IdentityBroke) for event in events)


async def test_an_owner_that_crashed_over_its_timers_fires_them_after_its_restart(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, env = FaultyStore(MemoryStore()), SetEnv()
    events: list[Event] = []
    crashes: list[str] = []

    def crash(method: str, _: AgentIdentity | None) -> None:
        if method == "due_timers_of" and len(crashes) < 2:
            crashes.append(method)
            raise ValueError(method)

    store.before_read = crash
    async with clocked(store, {"listen": listen}, env, events=events) as runtime:
        agent = await runtime.agent("a", kind="listen")
        await set_timer(agent, "t", Once(env.after(1)))
        await trio.sleep(3)
        assert await told(agent) == ["t"]
    assert len(crashes) == 2


async def test_with_a_full_disk_nothing_fires_until_there_is_room(autojump_clock: trio.testing.MockClock) -> None:
    store, env = FaultyStore(MemoryStore()), SetEnv()
    is_full = False

    def refuse(_: Unit) -> CommitOutcome | None:
        return Refused(reason=RefusalReason.STORE_FULL, effect=-1, current="full") if is_full else None

    store.refusal = refuse
    async with clocked(store, {"listen": listen}, env) as runtime:
        agent = await runtime.agent("a", kind="listen")
        await set_timer(agent, "t", Once(env.after(1)))
        is_full = True
        await trio.sleep(10)
        tries = len(store.batches)
        assert tries < 100
        is_full = False
        await runtime.wait_idle()
        assert await told(agent) == ["t"]


async def test_a_look_that_came_to_nothing_is_begun_again(autojump_clock: trio.testing.MockClock) -> None:
    store, env = FaultyStore(MemoryStore()), SetEnv()
    failures: list[str] = []

    def fail(method: str, _: AgentIdentity | None) -> None:
        if method == "due_timers" and len(failures) < 3:
            failures.append(method)
            raise StoreFullError(path=":faulty:", problem="full")

    async with clocked(store, {"listen": listen}, env) as runtime:
        agent = await runtime.agent("a", kind="listen")
        await set_timer(agent, "t", Once(env.after(1)))
        store.before_read = fail
        await trio.sleep(1 + 4 * Limits().full_retry_seconds + LOOK)
        assert await told(agent) == ["t"]
    assert len(failures) == 3
