"""When the owner of one member crashes, its group begins anew as it says."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from random import Random
from typing import Final

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    OwnerStoppedError,
    StoreFullError,
    UnknownOutcomeError,
)
from meerkat_actors.records.events import Event, GroupRestarted
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.supervision import Strategy, SupervisionGroup
from meerkat_actors.store import MemoryStore
from tests.actors.group_world import CrashingStore, Doors, grouped, named, quarantined, team
from tests.actors.world import LONG, count, echo, gathered, passes, said, told, until

TEAM: Final = ("a", "b", "c")


@pytest.mark.parametrize(
    ("strategy", "restarted"),
    [("one_for_one", ("b",)), ("one_for_all", ("a", "b", "c")), ("rest_for_one", ("b", "c"))],
)
@pytest.mark.parametrize("ownership", ["exclusive", "shared"])
async def test_those_that_the_strategy_names_begin_anew_and_the_others_go_on(
    autojump_clock: trio.testing.MockClock, strategy: Strategy, restarted: tuple[str, ...], ownership: str
) -> None:
    """Each in the middle of a turn, which is begun again with its journal and is not charged for what others did."""
    store = CrashingStore(MemoryStore(ownership="shared") if ownership == "shared" else MemoryStore())
    doors, events = Doors(), list[Event]()
    names = (*TEAM, "alone")
    async with grouped(
        store, {"door": doors}, SupervisionGroup("team", TEAM, strategy=strategy), events=events
    ) as runtime:
        agents = await team(runtime, names, "door")
        inputs = {name: (await agents[name].send(f"for {name}")).input_id for name in names}
        await until(lambda: doors.stepped.total() == len(names))
        store.crashes["b"] = 1
        doors.open("b")
        await trio.sleep(1)
        assert doors.begun == {name: 2 if name in restarted else 1 for name in names}
        doors.open(*names)
        for name in names:
            await agents[name].wait(inputs[name])
            assert await told(agents[name]) == await said(agents[name]) == [f"for {name}"]
            [record] = [record async for record in agents[name].inputs()]
            assert (record.attempts, record.interruptions) == (0, 1 if name == "b" else 0)
        assert runtime.statistics().broken == ()
    assert doors.stepped == dict.fromkeys(names, 1)
    assert doors.cancelled == {name: 1 for name in restarted if name != "b"}
    assert [type(event).__name__ for event in events] == ["CommitRefused", "OwnerCrashed", "GroupRestarted"]
    assert events[-1] == GroupRestarted(
        group="team", identity=AgentIdentity("b"), members=named(*restarted), after_seconds=0.05
    )


async def test_whoever_waits_for_a_sibling_hears_of_its_outcome(autojump_clock: trio.testing.MockClock) -> None:
    """As when an owner crashes: it asks the successor."""
    store, doors = CrashingStore(), Doors()
    async with grouped(store, {"door": doors}, SupervisionGroup("team", TEAM, strategy="one_for_all")) as runtime:
        agents = await team(runtime, TEAM, "door")
        results: list[object] = []

        async def ask() -> None:
            results.extend(await gathered(partial(agents["a"].ask, "x", idempotency_key="k")))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await agents["b"].send("y")
            await until(lambda: doors.stepped.total() == 2)
            store.crashes["b"] = 1
            doors.open("b")
            await trio.sleep(1)
            assert (doors.begun["a"], doors.cancelled["a"]) == (2, 1)
            doors.open("a")
        assert [getattr(each, "text", each) for each in results] == ["x"]
        assert await told(agents["a"]) == ["x"]


async def test_who_is_not_in_memory_is_left_where_it_is(autojump_clock: trio.testing.MockClock) -> None:
    store, events = CrashingStore(), list[Event]()
    group = SupervisionGroup("team", ("a", "b", "never"), strategy="one_for_all")
    async with grouped(store, {"echo": echo}, group, limits=Limits(passivate_seconds=1), events=events) as runtime:
        agents = await team(runtime, ("a", "b"), "echo")
        await trio.sleep(10)
        assert runtime.statistics().live == 0
        store.crashes["b"] = 1
        await agents["b"].send("x")
        await runtime.wait_idle()
        assert runtime.statistics().live == 1
        assert await said(agents["b"]) == ["x"]
    assert [event.members for event in events if isinstance(event, GroupRestarted)] == [named("b")]


async def test_a_group_waits_longer_before_each_start_up_to_a_bound(autojump_clock: trio.testing.MockClock) -> None:
    store = CrashingStore()
    began: dict[str, list[float]] = {"a": [], "b": []}

    def note(name: str, identity: AgentIdentity | None) -> None:
        if name == "activate" and identity is not None:
            began[identity].append(trio.current_time())

    group = SupervisionGroup(
        "team",
        ("a", "b"),
        strategy="one_for_all",
        restarts_max=5,
        window_seconds=1000,
        backoff_seconds=1,
        backoff_seconds_max=6,
    )
    async with grouped(store, {"echo": echo}, group) as runtime:
        agents = await team(runtime, ("a", "b"), "echo")
        store.before_read = note
        store.crashes["b"] = 5
        began["b"].append(trio.current_time())
        assert not isinstance(await agents["b"].send("x"), BaseException)
        await runtime.wait_idle()
    assert [later - earlier for earlier, later in pairwise(began["b"])] == [1, 2, 4, 6, 6]
    assert began["a"] == began["b"][1:]


async def test_nobody_of_a_group_begins_before_the_last_one_has_ended(autojump_clock: trio.testing.MockClock) -> None:
    store = CrashingStore()
    happened: list[str] = []
    door = trio.Event()

    async def slow(turn: Turn) -> None:
        happened.append(f"{turn.identity} begins")
        try:
            await door.wait()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(3)
            happened.append(f"{turn.identity} ends")

    group = SupervisionGroup("team", TEAM, strategy="one_for_all")
    async with grouped(store, {"slow": slow, "echo": echo}, group) as runtime:
        first = await runtime.agent("a", kind="slow")
        await first.send("x")
        last = await runtime.agent("c", kind="echo")
        await until(lambda: len(happened) == 1)
        store.crashes["c"] = 1
        await last.send("y")
        await trio.sleep(2.9)
        assert (happened, await said(last)) == (["a begins"], [])
        await trio.sleep(1)
        assert await said(last) == ["y"]
        assert happened == ["a begins", "a ends", "a begins"]
        door.set()


async def test_nobody_waits_for_the_end_of_a_sibling_that_has_yet_to_begin(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It begins anew by itself when the full disk has room."""
    store = CrashingStore()
    group = SupervisionGroup("team", ("a", "b"), strategy="one_for_all")
    async with grouped(store, {"echo": echo}, group, limits=Limits(passivate_seconds=5)) as runtime:
        sibling = await runtime.agent("a", kind="echo")
        await trio.sleep(10)
        other = await runtime.agent("b", kind="echo")
        is_full = True

        def full(name: str, identity: AgentIdentity | None) -> None:
            if name == "activate" and identity == "a" and is_full:
                raise StoreFullError(path="x", problem="disk full")

        store.before_read = full
        with pytest.raises(StoreFullError):
            await sibling.status()
        is_full = False
        store.crashes["b"] = 1
        await other.send("x")
        await trio.sleep(1)
        assert runtime.statistics().live == 2
        assert await said(other) == ["x"]


async def test_a_sibling_whose_turn_is_stuck_is_kept_apart_and_the_group_goes_on_without_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, events, may_end = CrashingStore(), list[Event](), trio.Event()

    async def stubborn(_: Turn) -> None:
        with trio.move_on_after(LONG, shield=True):
            await may_end.wait()

    group = SupervisionGroup("team", ("a", "b"), strategy="one_for_all")
    async with grouped(store, {"stubborn": stubborn, "echo": echo}, group, events=events) as runtime:
        await (await runtime.agent("a", kind="stubborn")).send("x")
        other = await runtime.agent("b", kind="echo")
        await passes(20)
        store.crashes["b"] = 1
        await other.send("y")
        await trio.sleep(Limits().cancel_grace_seconds + 1)
        assert await said(other) == ["y"]
        assert quarantined(runtime) == [("a", "turn_stuck")]
        may_end.set()
    assert [type(event).__name__ for event in events][-2:] == ["TurnStuck", "IdentityBroke"]


async def test_what_a_sibling_acknowledged_in_the_same_moment_is_durable(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Owners end at their next look, so a commit under way is adopted and answered first."""
    store, doors = CrashingStore(), Doors()
    group = SupervisionGroup("team", TEAM, strategy="one_for_all", restarts_max=1000)
    async with grouped(store, {"door": doors, "count": count}, group) as runtime:
        crashing = await runtime.agent("b", kind="door")
        sibling = await runtime.agent("a", kind="count")
        doors.open("b")
        acknowledged = 0
        for number in range(30):
            store.crashes["b"] = 1
            await crashing.send(number)
            # Another moment of the crash each time.
            await passes(number)
            results = await gathered(*(partial(sibling.send, f"{number}.{each}") for each in range(3)))
            refused = [each for each in results if isinstance(each, BaseException)]
            assert all(isinstance(each, UnknownOutcomeError | OwnerStoppedError) for each in refused)
            acknowledged += len(results) - len(refused)
            await trio.sleep(10)
        await runtime.wait_idle()
        contents = await told(sibling)
        assert len(contents) == len(set(map(str, contents))) >= acknowledged >= 80
        assert await said(sibling) == [str(number) for number in range(1, len(contents) + 1)]


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_crashes_when_each_member_works_everything_off_once(
    autojump_clock: trio.testing.MockClock, seed: int
) -> None:
    chance = Random(f"groups {seed}")
    names = [f"m{number}" for number in range(6)]
    strategies: list[Strategy] = ["one_for_one", "one_for_all", "rest_for_one"]
    group = SupervisionGroup(
        "team", tuple(names), strategy=chance.choice(strategies), restarts_max=1000, backoff_seconds_max=0.2
    )
    store = CrashingStore()

    async def work(turn: Turn) -> str:
        await trio.sleep(chance.choice((0, 0.01, 0.1)))
        return turn.text

    limits = Limits(interruptions_max=1000, suspect_seconds=0)
    async with grouped(store, {"work": work}, group, limits=limits) as runtime:
        agents = await team(runtime, names, "work")
        for number in range(8):
            for name in names:
                await gathered(partial(agents[name].send, number, idempotency_key=str(number)))
            store.crashes[chance.choice(names)] += chance.randrange(3)
            await trio.sleep(chance.choice((0, 0.05, 1)))
        store.crashes.clear()
        for name in names:
            # Who was told that it is unknown asks again, by the same key.
            for number in range(8):
                await agents[name].send(number, idempotency_key=str(number))
        await runtime.wait_idle()
        for name in names:
            assert sorted(map(str, await told(agents[name]))) == [str(number) for number in range(8)]
        assert runtime.statistics().broken == ()
