"""An operator repairs what was quarantined: it begins anew where it stood, or says why it can't."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import IdentityBrokenError, NotReadyError, TurnAliveError, UsageError
from meerkat_actors.records.activation import Activation, Broken
from meerkat_actors.records.events import Event, GroupEscalated, GroupRestarted
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.supervision import SupervisionGroup
from meerkat_actors.store import MemoryStore
from tests.actors.group_world import CrashingStore, Doors, grouped, quarantined, team
from tests.actors.world import LONG, Gate, VirtualEnv, echo, gathered, passes, said, silent, told, until

CRASHES = Limits().restarts_max + 1
"""So many in a row, and the identity is quarantined."""


class RottenStore(CrashingStore):
    """Cannot read what one identity has, until it is mended."""

    is_rotten = True

    def activate(self, identity: AgentIdentity) -> Activation | Broken:
        if identity == "a" and self.is_rotten:
            return Broken(identity=identity, reason="rows_contradict", detail="two runs at once")
        return super().activate(identity)


@pytest.mark.parametrize("ownership", ["exclusive", "shared"])
async def test_a_repaired_agent_goes_on_where_it_stood(autojump_clock: trio.testing.MockClock, ownership: str) -> None:
    """What it was at, what waited behind that, what was sent to it, and what came due meanwhile: each once."""

    async def write(turn: Turn) -> None:
        turn.send("a", turn.text)

    store = CrashingStore(MemoryStore(ownership="shared") if ownership == "shared" else MemoryStore())
    gate = Gate()
    async with grouped(store, {"gate": gate, "write": write}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        writer = await runtime.agent("w", kind="write")
        now = datetime.fromtimestamp(VirtualEnv().wall_ms() / 1000, UTC)
        await agent.send("later", at=now + timedelta(seconds=30))
        await agent.send("at work")
        await agent.send("queued")
        store.crashes["a"] = CRASHES
        gate.open()
        await trio.sleep(10)
        assert quarantined(runtime) == [("a", "owner_crashed")]
        await writer.ask("mailed")
        await trio.sleep(60)
        assert await told(agent) == []
        await agent.repair()
        assert quarantined(runtime) == []
        await runtime.wait_idle()
        assert (await told(agent))[:2] == ["at work", "queued"]
        assert sorted(map(str, await told(agent))) == ["at work", "later", "mailed", "queued"]
        assert (await agent.ask("new")).text == "new"


async def test_an_agent_that_is_not_quarantined_needs_no_repair(autojump_clock: trio.testing.MockClock) -> None:
    async with grouped(MemoryStore(), {"echo": echo}, limits=Limits(passivate_seconds=1)) as runtime:
        agent = await runtime.agent("a", kind="echo")
        await agent.repair()
        await trio.sleep(10)
        await agent.repair()
        assert runtime.statistics().live == 0
        assert (await agent.ask("x")).text == "x"


async def test_repairs_at_once_are_one(autojump_clock: trio.testing.MockClock) -> None:
    store, events = CrashingStore(), list[Event]()
    async with grouped(store, {"echo": echo}, events=events) as runtime:
        agent = await runtime.agent("a", kind="echo")
        store.crashes["a"] = CRASHES
        await agent.send("x")
        await trio.sleep(10)
        assert await gathered(*[agent.repair] * 5) == [None] * 5
        await runtime.wait_idle()
        assert await said(agent) == ["x"]


async def test_a_repair_that_nobody_waits_for_is_done(autojump_clock: trio.testing.MockClock) -> None:
    store = CrashingStore()
    async with grouped(store, {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        store.crashes["a"] = CRASHES
        await agent.send("x")
        await trio.sleep(10)
        with trio.CancelScope() as scope:
            scope.cancel()
            await agent.repair()
        assert scope.cancelled_caught
        await runtime.wait_idle()
        assert await said(agent) == ["x"]


# -- where the cause is still there ----------------------------------------------------------


async def test_a_kind_that_is_still_unknown_breaks_the_agent_again(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    async with grouped(store, {"old": silent}) as runtime:
        await runtime.agent("a", kind="old")
    async with grouped(store, {"new": silent}) as runtime:
        with pytest.raises(IdentityBrokenError):
            await runtime.agent("a")
        for _ in range(2):
            with pytest.raises(IdentityBrokenError, match="unknown_kind: kind 'old' is not registered"):
                await runtime.repair("a")
            assert quarantined(runtime) == [("a", "unknown_kind")]


async def test_rows_that_are_still_rotten_break_the_agent_again_until_they_are_mended(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = RottenStore()
    async with grouped(store, {"echo": echo}) as runtime:
        with pytest.raises(IdentityBrokenError):
            await runtime.agent("a", kind="echo")
        with pytest.raises(IdentityBrokenError, match="two runs at once"):
            await runtime.repair("a")
        store.is_rotten = False
        await runtime.repair("a")
        assert (await (await runtime.agent("a", kind="echo")).ask("x")).text == "x"


async def test_an_owner_that_still_crashes_as_it_begins_breaks_the_agent_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = CrashingStore()

    def fail(name: str, identity: AgentIdentity | None) -> None:
        if name == "activate" and identity == "a":
            message = "odd"
            raise KeyError(message)

    store.before_read = fail
    async with grouped(store, {"echo": echo}) as runtime:
        with pytest.raises(IdentityBrokenError):
            await runtime.agent("a", kind="echo")
        with pytest.raises(IdentityBrokenError, match=r"owner_crashed: KeyError\('odd'\)"):
            await runtime.repair("a")
        assert quarantined(runtime) == [("a", "owner_crashed")]


async def test_an_agent_whose_stuck_turn_is_alive_is_not_begun_beside_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    may_end, begun = trio.Event(), 0

    async def stubborn(turn: Turn) -> str:
        nonlocal begun
        begun += 1
        if begun == 1:
            with trio.move_on_after(LONG, shield=True):
                await may_end.wait()
        return turn.text

    async with grouped(MemoryStore(), {"stubborn": stubborn}) as runtime:
        agent = await runtime.agent("a", kind="stubborn")
        await agent.send("x")
        await until(lambda: begun == 1)
        await gathered(agent.interrupt)
        await trio.sleep(Limits().cancel_grace_seconds + 1)
        assert quarantined(runtime) == [("a", "turn_stuck")]
        for _ in range(2):
            with pytest.raises(NotReadyError, match="its last turn is still ending"):
                await agent.repair()
            assert quarantined(runtime) == [("a", "turn_stuck")]
        assert begun == 1
        may_end.set()
        await passes(10)
        await agent.repair()
        await runtime.wait_idle()
        assert begun == 2
        assert await told(agent) == ["x"]


# -- groups ----------------------------------------------------------------------------------


async def test_the_first_repair_of_a_group_that_was_given_up_forgets_its_crashes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, events = CrashingStore(), list[Event]()
    group = SupervisionGroup("team", ("a", "b"), restarts_max=1, window_seconds=10_000)
    async with grouped(store, {"echo": echo}, group, events=events) as runtime:
        agents = await team(runtime, ("a", "b"), "echo")
        store.crashes["a"] = 2
        await agents["a"].send("x")
        await trio.sleep(10)
        assert quarantined(runtime) == [("a", "group_escalated"), ("b", "group_escalated")]
        await agents["b"].repair()
        assert quarantined(runtime) == [("a", "group_escalated")]
        store.crashes["b"] = 1
        await agents["b"].send("y")
        await runtime.wait_idle()
        assert await said(agents["b"]) == ["y"]
        # What happened since the first repair still counts.
        store.crashes["a"] = 1
        await agents["a"].repair()
        await trio.sleep(10)
        assert quarantined(runtime) == [("a", "group_escalated"), ("b", "group_escalated")]
        store.crashes.clear()
        for agent in agents.values():
            await agent.repair()
        await runtime.wait_idle()
        assert await said(agents["a"]) == ["x"]
    judged = [type(event).__name__ for event in events if isinstance(event, GroupRestarted | GroupEscalated)]
    assert judged == ["GroupRestarted", "GroupEscalated", "GroupRestarted", "GroupEscalated"]


async def test_a_sibling_that_is_still_ending_is_not_begun_before_it_has(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, doors = CrashingStore(), Doors()

    async def slow(_: Turn) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(2)

    group = SupervisionGroup("team", ("a", "b"), restarts_max=0)
    async with grouped(store, {"slow": slow, "door": doors}, group) as runtime:
        sibling = await runtime.agent("a", kind="slow")
        await sibling.send("x")
        culprit = await runtime.agent("b", kind="door")
        store.crashes["b"] = 1
        doors.open("b")
        await culprit.send("y")
        await trio.sleep(1)
        await culprit.repair()
        with pytest.raises(TurnAliveError):
            await sibling.repair()
        await trio.sleep(2)
        await sibling.repair()
        assert quarantined(runtime) == []
        assert (await sibling.status()).run_id is not None


# -- what an operator is told ----------------------------------------------------------------


async def test_who_is_quarantined_is_listed_in_the_order_of_breaking_with_what_to_do(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = CrashingStore()
    async with grouped(store, {"echo": echo}) as runtime:
        agents = await team(runtime, ("b", "c", "a"), "echo")
        for name, agent in agents.items():
            store.crashes[name] = CRASHES
            await agent.send("x")
            await trio.sleep(10)
        records = runtime.quarantined()
        assert [each.identity for each in records] == ["b", "c", "a"]
        assert all("AssertionError" in each.detail for each in records)
        assert {each.remedy for each in records} == {"mend what made its owner fail, then repair() it"}
        await agents["c"].repair()
        assert [each.identity for each in runtime.quarantined()] == ["b", "a"]


async def test_after_its_end_a_runtime_repairs_nothing(autojump_clock: trio.testing.MockClock) -> None:
    store = CrashingStore()
    async with grouped(store, {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        store.crashes["a"] = CRASHES
        await agent.send("x")
        await trio.sleep(10)
    [error] = await gathered(partial(agent.repair))
    assert isinstance(error, UsageError)
