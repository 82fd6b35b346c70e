"""A group that crashes too often is given up, groups come and go, and nobody else is disturbed."""

from __future__ import annotations

from functools import partial
from typing import Final

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    IdentityBrokenError,
    InvalidValueError,
    SupervisionError,
    UnknownOutcomeError,
    UsageError,
    WaitEndedError,
)
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.events import Event, GroupEscalated, GroupRestarted, IdentityBroke, OwnerCrashed
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Answer
from meerkat_actors.records.supervision import SupervisionGroup
from tests.actors.group_world import CrashingStore, Doors, grouped, named, quarantined, team
from tests.actors.world import count, echo, gathered, passes, said, told, until

TEAM: Final = ("a", "b", "c")


async def test_a_group_that_crashes_too_often_is_kept_apart_as_a_whole(autojump_clock: trio.testing.MockClock) -> None:
    store, doors, events = CrashingStore(), Doors(), list[Event]()
    group = SupervisionGroup("team", (*TEAM, "later"), strategy="rest_for_one", restarts_max=2)
    async with grouped(store, {"door": doors}, group, events=events) as runtime:
        agents = await team(runtime, (*TEAM, "other"), "door")
        results: list[object] = []

        async def ask(name: str) -> None:
            results.extend(await gathered(partial(agents[name].ask, "x", idempotency_key="k")))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "a")
            await agents["b"].send("y")
            await until(lambda: doors.stepped.total() == 2)
            store.crashes["b"] = 3
            doors.open("b")
        assert [type(each) for each in results] == [WaitEndedError]
        assert doors.cancelled == {"a": 1}
        detail = "group 'team' crashed too often, the last time b: AssertionError"
        for name in ("b", "a", "c", "later"):
            with pytest.raises(IdentityBrokenError, match=rf"{name}: broken \(group_escalated: {detail}"):
                await runtime.agent(name)
        assert runtime.statistics().broken == named("a", "b", "c", "later")
        assert runtime.statistics().live == 1
        doors.open("other")
        assert (await agents["other"].ask("z")).text == "z"
        await runtime.wait_idle()
    assert [type(event) for event in events if isinstance(event, OwnerCrashed | GroupRestarted | GroupEscalated)] == [
        *[OwnerCrashed, GroupRestarted] * 2,
        OwnerCrashed,
        GroupEscalated,
    ]
    assert [event.reason for event in events if isinstance(event, IdentityBroke)] == ["group_escalated"] * 4
    # In quarantine for this runtime only, and nothing is lost: the next one goes on.
    doors.open(*TEAM)
    async with grouped(store, {"door": doors}) as runtime:
        await runtime.wait_idle()
        assert await told(await runtime.agent("a")) == ["x"]
        assert await told(await runtime.agent("b")) == ["y"]


async def test_a_member_that_waits_to_begin_anew_is_kept_apart_at_once(autojump_clock: trio.testing.MockClock) -> None:
    """It has nothing to wait for any more, and nor have those in its mailbox."""
    store = CrashingStore()
    group = SupervisionGroup("team", ("a", "b"), restarts_max=1, window_seconds=100, backoff_seconds=50)
    limits = Limits(passivate_seconds=1000)
    async with grouped(store, {"echo": echo}, group, limits=limits) as runtime:
        agents = await team(runtime, ("a", "b"), "echo")
        store.crashes.update("ab")
        results: list[object] = []

        async def ask_status() -> None:
            results.extend(await gathered(agents["a"].status))

        await agents["a"].send("x")
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_status)
            await trio.sleep(1)
            assert results == []
            await agents["b"].send("y")
            began = trio.current_time()
        assert [type(each) for each in results] == [IdentityBrokenError]
        assert trio.current_time() - began < 1
        assert runtime.statistics().live == 0


async def test_a_member_that_breaks_by_itself_is_no_crash_of_its_group(autojump_clock: trio.testing.MockClock) -> None:
    """It would break again each time; the others go on."""
    store = CrashingStore()
    async with grouped(store, {"old": echo, "new": echo}) as runtime:
        await runtime.agent("a", kind="old")
        await runtime.agent("b", kind="new")
    events: list[Event] = []
    group = SupervisionGroup("team", ("a", "b"), strategy="one_for_all", restarts_max=0)
    async with grouped(store, {"new": echo}, group, events=events) as runtime:
        other = await runtime.agent("b")
        with pytest.raises(IdentityBrokenError, match="unknown_kind"):
            await runtime.agent("a")
        assert (await other.ask("x")).text == "x"
        assert [type(event) for event in events] == [IdentityBroke]
        store.crashes["b"] = 1
        await other.send("y")
        await runtime.wait_idle()
        # What is wrong with it besides is what its operator has to know.
        assert quarantined(runtime) == [("a", "unknown_kind"), ("b", "group_escalated")]


async def test_a_group_may_end_the_runtime(autojump_clock: trio.testing.MockClock) -> None:
    store, doors, events = CrashingStore(), Doors(), list[Event]()
    group = SupervisionGroup("team", TEAM, restarts_max=1, escalation="end_runtime")
    is_cancelled = False
    heard: list[object] = []

    async def ask(agent: AgentHandle, content: str) -> None:
        heard.extend(await gathered(partial(agent.ask, content, idempotency_key="k")))

    async def life(outside: trio.Nursery) -> None:
        nonlocal is_cancelled
        async with grouped(store, {"door": doors}, group, events=events) as runtime:
            agents = await team(runtime, (*TEAM, "other"), "door")
            for name, agent in agents.items():
                await agent.send(f"for {name}", idempotency_key="k")
            await until(lambda: doors.stepped.total() == 4)
            outside.start_soon(ask, agents["b"], "for b")
            outside.start_soon(ask, agents["other"], "for other")
            await passes(10)
            store.crashes["b"] = 100
            doors.open("b")
            try:
                await trio.sleep_forever()
            finally:
                is_cancelled = True

    async with trio.open_nursery() as outside:
        with pytest.raises(SupervisionError) as ended:
            await life(outside)
    assert is_cancelled
    assert (ended.value.group, ended.value.identity) == ("team", "b")
    assert "AssertionError" in ended.value.error
    assert isinstance(ended.value.__cause__, AssertionError)
    assert len(heard) == 2
    assert all(isinstance(each, WaitEndedError | UnknownOutcomeError) for each in heard)
    assert [event.escalation for event in events if isinstance(event, GroupEscalated)] == ["end_runtime"]
    store.crashes.clear()
    doors.open("a", "c", "other")
    async with grouped(store, {"door": doors}) as runtime:
        await runtime.wait_idle()
        for name in (*TEAM, "other"):
            assert await told(await runtime.agent(name)) == [f"for {name}"]


async def test_who_asks_the_member_that_ends_the_runtime_is_shown_what_ended_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What its own block was told in that moment follows from it, and says less."""
    store = CrashingStore()
    group = SupervisionGroup("team", TEAM, restarts_max=0, escalation="end_runtime")

    async def life() -> None:
        async with grouped(store, {"echo": echo}, group) as runtime:
            agent = await runtime.agent("a", kind="echo")
            store.crashes["a"] = 100
            await agent.send("x")
            for _ in range(100):
                await agent.status()

    with pytest.raises(SupervisionError, match=r"group 'team' crashed too often .* a: AssertionError"):
        await life()


# -- groups come and go ----------------------------------------------------------------------


async def test_a_group_replaces_one_of_its_name(autojump_clock: trio.testing.MockClock) -> None:
    store, events = CrashingStore(), list[Event]()
    async with grouped(
        store, {"echo": echo}, SupervisionGroup("team", TEAM, strategy="one_for_all"), events=events
    ) as runtime:
        agents = await team(runtime, TEAM, "echo")
        for group in (SupervisionGroup("team", ("a", "b"), strategy="one_for_all"), SupervisionGroup("c", ("c",))):
            runtime.supervise(group)
        with pytest.raises(InvalidValueError, match="b is in 'team' and in 'c'"):
            runtime.supervise(SupervisionGroup("c", ("b", "c")))
        for name in TEAM:
            store.crashes[name] = 1
            await agents[name].send("x")
            await runtime.wait_idle()
    told_groups = [(event.group, event.members) for event in events if isinstance(event, GroupRestarted)]
    assert told_groups == [("team", named("a", "b")), ("team", named("a", "b")), ("c", named("c"))]
    with pytest.raises(UsageError, match="closed"):
        runtime.supervise(SupervisionGroup("d", ("d",)))


async def test_crashes_of_a_group_that_was_replaced_are_forgotten(autojump_clock: trio.testing.MockClock) -> None:
    store = CrashingStore()
    group = SupervisionGroup("team", TEAM, restarts_max=1, window_seconds=1000)
    async with grouped(store, {"echo": echo}, group) as runtime:
        agents = await team(runtime, TEAM, "echo")
        for number in range(4):
            runtime.supervise(group)
            store.crashes["a"] = 1
            await agents["a"].send(number)
            await runtime.wait_idle()
        assert runtime.statistics().broken == ()
        assert await said(agents["a"]) == ["0", "1", "2", "3"]


# -- nobody else is disturbed ----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("poison", ["crashing", "raising"])
async def test_one_poisoned_agent_disturbs_no_sibling(autojump_clock: trio.testing.MockClock, poison: str) -> None:
    """Counted, not timed: every other one works everything off, each input once and in order."""
    siblings, turns = 1_000, 3
    store = CrashingStore()
    store.crashes["bad"] = 10**9

    async def raising(_: Turn) -> None:
        message = "poison"
        raise ValueError(message)

    agents = {"count": count, "crashing": echo, "raising": raising}
    async with grouped(store, agents, limits=Limits(live_max=2_000)) as runtime:
        good = [await runtime.agent(f"good{number}", kind="count") for number in range(siblings)]
        bad = await runtime.agent("bad", kind=poison)
        if poison == "raising":
            store.crashes.clear()
        heard: list[Answer | BaseException] = []
        for number in range(turns):
            # Of the broken one nobody hears more than that it is broken.
            await gathered(partial(bad.send, number))
            heard += await gathered(*(partial(agent.ask, number) for agent in good))
        assert [each.text for each in heard if isinstance(each, Answer)] == [
            str(number) for number in range(1, turns + 1) for _ in good
        ]
        assert runtime.statistics().turns == siblings * turns
        await runtime.wait_idle()
        assert runtime.statistics().broken == (("bad",) if poison == "crashing" else ())
        for agent in good[::100]:
            assert await said(agent) == [str(number) for number in range(1, turns + 1)]
