"""One owner's fault never ends another: it starts again, or is kept apart."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    IdentityBrokenError,
    RejectedError,
    StoreCorruptError,
    UnknownKindError,
    UnknownOutcomeError,
)
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.activation import Activation, Broken
from meerkat_actors.records.commits import CommitOutcome, RefusalReason, Refused
from meerkat_actors.records.effects import AppendTurn, Unit
from meerkat_actors.records.events import Event, IdentityBroke, OwnerCrashed, TurnRaised, WorkLost
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Answer
from meerkat_actors.records.status import IdentityStatus
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore, failing_reads
from tests.actors.world import Gate, VirtualEnv, count, echo, gathered, hang, passes, running, silent, told, until


async def test_an_owner_that_crashes_starts_again(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    events: list[Event] = []
    async with running(store, {"count": count}, events=events) as runtime:
        failing_reads(store, "a", 3, KeyError("odd"))
        # Who asked is answered by the successor, or told that the owner ended; never left waiting.
        agent = await runtime.agent("a", kind="count")
        assert (await agent.ask("x")).text == "1"
        assert runtime.statistics().broken == ()
    assert events == [OwnerCrashed(identity=AgentIdentity("a"), error="KeyError('odd')")] * 3


async def test_a_crashed_owner_waits_longer_before_each_start(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    began: list[float] = []

    def fail(name: str, _: AgentIdentity | None) -> None:
        if name == "activate":
            began.append(trio.current_time())
            message = "odd"
            raise KeyError(message)

    store.before_read = fail
    limits = Limits(restart_seconds=1, restarts_max=4, restart_window_seconds=1000)
    async with running(store, {"count": count}, limits=limits) as runtime:
        with pytest.raises(IdentityBrokenError):
            await runtime.agent("a", kind="count")
    assert [later - earlier for earlier, later in pairwise(began)] == [1, 2, 4, 8]


async def test_an_owner_that_keeps_crashing_is_kept_apart_and_the_others_go_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = FaultyStore(MemoryStore())
    events: list[Event] = []
    async with running(store, {"count": count}, events=events) as runtime:
        good = await runtime.agent("good", kind="count")
        failing_reads(store, "bad", 1_000, KeyError("odd"))
        with pytest.raises(IdentityBrokenError, match=r"bad: broken \(owner_crashed: KeyError"):
            await runtime.agent("bad", kind="count")
        for attempt in (partial(runtime.agent, "bad"), partial(runtime.agent, "bad", kind="count")):
            with pytest.raises(IdentityBrokenError):
                await attempt()
        assert runtime.statistics().broken == ("bad",)
        assert (await good.ask("x")).text == "1"
        await runtime.wait_idle()
    assert [type(event).__name__ for event in events] == ["OwnerCrashed"] * 4 + ["IdentityBroke"]


async def test_crashes_far_apart_are_forgiven(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    limits = Limits(restarts_max=1, restart_window_seconds=5)
    refusals = 0

    def refuse(unit: Unit) -> CommitOutcome | None:
        nonlocal refusals
        if refusals == 0 and any(type(effect) is AppendTurn for effect in unit.effects):
            refusals = 1
            return Refused(reason=RefusalReason.INPUT_STATE_CONFLICT, effect=0, current="odd")
        return None

    store.refusal = refuse
    async with running(store, {"count": count}, limits=limits) as runtime:
        agent = await runtime.agent("a", kind="count")
        for number in range(1, 6):
            refusals = 0
            assert (await agent.ask("x")).text == str(number)
            await trio.sleep(10)
        assert runtime.statistics().broken == ()


async def test_whoever_waits_for_an_owner_that_crashes_hears_of_it_or_of_the_outcome(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Asked before the crash, in the crash, and while the successor waits to start."""
    store = FaultyStore(MemoryStore())
    gate = Gate()
    events: list[Event] = []

    def has_crashed() -> bool:
        return any(isinstance(event, OwnerCrashed) for event in events)

    def refuse(unit: Unit) -> CommitOutcome | None:
        if not has_crashed() and any(type(effect) is AppendTurn for effect in unit.effects):
            return Refused(reason=RefusalReason.INPUT_STATE_CONFLICT, effect=0, current="odd")
        return None

    store.refusal = refuse
    async with running(store, {"gate": gate}, limits=Limits(restart_seconds=10), events=events) as runtime:
        agent = await runtime.agent("a", kind="gate")
        results: list[object] = []

        async def ask(key: str) -> None:
            results.append((await gathered(partial(agent.ask, key, idempotency_key=key)))[0])

        async def wait() -> None:
            admission = await agent.send("first", idempotency_key="first")
            results.append(await agent.wait(admission.input_id))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "first")
            await until(lambda: gate.begun == 1)
            nursery.start_soon(wait)
            await passes(10)
            gate.open()
            nursery.start_soon(ask, "second")
            await until(has_crashed)
            await trio.sleep(1)
            nursery.start_soon(ask, "third")
        assert all(isinstance(result, Answer | UnknownOutcomeError) or hasattr(result, "receipt") for result in results)
        assert len(results) == 4
        await runtime.wait_idle()
        assert (await told(agent))[0] == "first"
        assert len(await told(agent)) >= 2
        [first] = [record async for record in agent.inputs() if record.content == "first"]
        # The owner ended uncleanly under the run: one interruption, and no failure, is charged.
        assert (first.attempts, first.interruptions) == (0, 1)


async def test_an_observer_that_raises_disturbs_nobody(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Event] = []

    def odd(_: Event) -> None:
        message = "odd observer"
        raise KeyError(message)

    async def fail(_: Turn) -> None:
        message = "no"
        raise ValueError(message)

    agents = {"fail": fail}
    async with open_runtime(
        MemoryStore(), agents=agents, env=VirtualEnv(), observers=(odd, heard.append, odd)
    ) as runtime:
        agent = await runtime.agent("a", kind="fail")
        admission = await agent.send("x")
        await agent.wait(admission.input_id)
        assert runtime.statistics().broken == ()
    assert sorted(map(type, heard), key=str) == [TurnRaised, TurnRaised, TurnRaised, WorkLost]
    assert caplog.text.count("odd observer") == 8


async def test_rows_that_contradict_each_other_break_one_identity(autojump_clock: trio.testing.MockClock) -> None:
    class RottenStore(FaultyStore):
        def activate(self, identity: AgentIdentity) -> Activation | Broken:
            if identity == "rotten":
                return Broken(identity=identity, reason="rows_contradict", detail="two runs at once")
            return super().activate(identity)

    events: list[Event] = []
    async with running(RottenStore(MemoryStore()), {"count": count}, events=events) as runtime:
        with pytest.raises(IdentityBrokenError, match=r"rotten: broken \(rows_contradict: two runs at once\)"):
            await runtime.agent("rotten", kind="count")
        assert (await (await runtime.agent("good", kind="count")).ask("x")).text == "1"
    assert events == [
        IdentityBroke(identity=AgentIdentity("rotten"), reason="rows_contradict", detail="two runs at once")
    ]


async def test_a_row_that_can_not_be_read_breaks_one_identity(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    failing_reads(store, "rotten", 1, StoreCorruptError(path="x", problem="row 7"))
    async with running(store, {"count": count}) as runtime:
        with pytest.raises(IdentityBrokenError, match=r"rotten: broken \(store: x: row 7\)"):
            await runtime.agent("rotten", kind="count")
        assert (await (await runtime.agent("good", kind="count")).ask("x")).text == "1"
    # In quarantine for this runtime only: the next one looks again.
    async with running(store.inner, {"count": count}) as runtime:
        await runtime.agent("rotten", kind="count")


async def test_an_identity_of_an_unknown_kind_is_broken_and_the_others_run(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = MemoryStore()
    async with running(store, {"old": hang, "new": hang}, limits=Limits(shutdown_seconds=0)) as runtime:
        for number in range(3):
            await (await runtime.agent(f"old{number}", kind="old")).send("x", idempotency_key="k")
            await (await runtime.agent(f"new{number}", kind="new")).send("x")
    events: list[Event] = []
    async with running(store, {"new": echo}, events=events) as runtime:
        await runtime.wait_idle()
        assert runtime.statistics().turns == 3
        assert set(runtime.statistics().broken) == {"old0", "old1", "old2"}
        with pytest.raises(IdentityBrokenError, match=r"unknown_kind: kind 'old' is not registered, only: new"):
            await runtime.agent("old0")
        with pytest.raises(UnknownKindError, match="knows: new"):
            await runtime.agent("old0", kind="old")
    assert {type(event) for event in events} == {IdentityBroke}
    # Nothing was lost: given its kind again, it goes on.
    async with running(store, {"new": echo, "old": echo}) as runtime:
        await runtime.wait_idle()
        assert runtime.statistics().turns == 3
        assert (await (await runtime.agent("old1")).ask("x", idempotency_key="k")).text == "x"


async def test_mail_for_a_broken_identity_waits(autojump_clock: trio.testing.MockClock) -> None:
    async def write(turn: Turn) -> None:
        turn.send("old", turn.text)

    store = MemoryStore()
    async with running(store, {"old": silent, "write": write}) as runtime:
        await runtime.agent("old", kind="old")
    async with running(store, {"write": write}) as runtime:
        writer = await runtime.agent("w", kind="write")
        for number in range(3):
            await writer.ask(number)
        await runtime.wait_idle()
        assert runtime.statistics().broken == ("old",)
    async with running(store, {"write": write, "old": echo}) as runtime:
        await runtime.wait_idle()
        assert await told(await runtime.agent("old")) == ["0", "1", "2"]


async def test_an_observer_that_exits_ends_the_runtime_in_order(autojump_clock: trio.testing.MockClock) -> None:
    """``sys.exit()`` is no failure to be logged: everyone is answered, and the program ends."""
    store = FaultyStore(MemoryStore())
    heard: list[object] = []

    def leave(event: Event) -> None:
        raise SystemExit(type(event).__name__)

    async def fail(_: Turn) -> None:
        message = "no"
        raise ValueError(message)

    async def hear(ask: Callable[[], Awaitable[object]]) -> None:
        heard.extend(await gathered(ask))

    async def life(outside: trio.Nursery) -> None:
        async with open_runtime(
            store, agents={"fail": fail, "hang": hang}, env=VirtualEnv(), observers=(leave,)
        ) as runtime:
            for number in range(5):
                agent = await runtime.agent(f"a{number}", kind="hang")
                outside.start_soon(hear, partial(agent.ask, "x"))
            agent = await runtime.agent("a", kind="fail")
            outside.start_soon(hear, partial(agent.ask, "x"))
            await trio.sleep_forever()

    with trio.fail_after(100):
        async with trio.open_nursery() as outside:
            with pytest.raises(SystemExit, match="TurnRaised"):
                await life(outside)
    assert len(heard) == 6
    assert all(isinstance(each, UnknownOutcomeError) for each in heard)
    assert (store.ends, store.closings) == ([True], 1)


async def test_a_mailbox_that_is_full_refuses_and_nothing_is_written() -> None:
    """In real time: the owner waits for a commit in the writer's thread while others post."""
    store = FaultyStore(MemoryStore(), inline=False)
    may_go = threading.Event()
    async with running(store, {"hang": hang}, limits=Limits(mailbox_max=5, shutdown_seconds=0)) as runtime:
        agent: AgentHandle = await runtime.agent("a", kind="hang")
        is_in = threading.Event()

        def brake(_: object) -> None:
            is_in.set()
            assert may_go.wait(20)

        store.before_commit = brake
        results: list[object] = []

        async def send(number: int) -> None:
            results.extend(await gathered(partial(agent.send, number)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, 0)
            await trio.to_thread.run_sync(is_in.wait)
            for number in range(1, 21):
                nursery.start_soon(send, number)
            await until(lambda: len(results) == 15)
            assert all(isinstance(result, RejectedError) for result in results)
            assert "mailbox full, nothing was written" in str(results[0])
            may_go.set()
        assert len([record async for record in agent.inputs()]) == 6
        status = await agent.status()
        assert isinstance(status, IdentityStatus)
        assert status.backlog == 5
