"""One owner's fault never ends another: it starts again, is kept apart, or gives way to a newer owner."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import pairwise

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    IdentityBrokenError,
    OwnershipLostError,
    OwnerStoppedError,
    RejectedError,
    StoreCorruptError,
    UnknownKindError,
    UnknownOutcomeError,
    UsageError,
    WaitEndedError,
)
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.activation import Activation, Broken
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.effects import AppendTurn, Claim, CreateIdentity, SendMail, Unit
from meerkat_actors.records.events import Event, IdentityBroke, OwnerCrashed, TurnRaised, WorkLost
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import AgentIdentity, FencingToken, InputId
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Answer
from meerkat_actors.records.status import IdentityStatus
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, VirtualEnv, count, echo, gathered, hang, passes, running, silent, told, until


def failing_reads(store: FaultyStore, who: str, times: int, error: Exception) -> None:
    """Let the next activations of one identity raise."""
    left = times

    def fail(name: str, identity: AgentIdentity | None) -> None:
        nonlocal left
        if name == "activate" and identity == who and left:
            left -= 1
            raise error

    store.before_read = fail


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


async def test_a_name_belongs_to_one_kind(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"count": count, "echo": echo}) as runtime:
        await runtime.agent("a", kind="count")
        with pytest.raises(UsageError, match="a: is of kind 'count', not 'echo'"):
            await runtime.agent("a", kind="echo")
        assert (await (await runtime.agent("a")).ask("x")).text == "1"


# -- a newer owner -------------------------------------------------------------------------


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


async def told_by(store: MemoryStore) -> list[object]:
    return list(store.page_turns(AgentIdentity("a"), before=None, limit=10))


async def test_a_name_that_got_its_key_from_mail_is_created_under_it(autojump_clock: trio.testing.MockClock) -> None:
    """Between our read and our first unit, somebody may write to the name."""
    inner = MemoryStore()
    store = FaultyStore(inner)
    has_written = False

    async def write(turn: Turn) -> None:
        turn.send("a", "hello")

    async with running(store, {"write": write, "echo": echo}) as runtime:
        writer = await runtime.agent("w", kind="write")

        def write_first(units: Sequence[Unit]) -> None:
            nonlocal has_written
            creates = any(type(effect) is CreateIdentity for unit in units for effect in unit.effects)
            if creates and not has_written:
                has_written = True
                mention(inner)

        store.before_commit = write_first
        agent = await runtime.agent("a", kind="echo")
        await writer.ask("x")
        await runtime.wait_idle()
        assert has_written
        assert await told(agent) == ["behind your back", "hello"]


def mention(store: MemoryStore) -> None:
    """Write to a name, as another agent's boundary would."""
    found = store.activate(AgentIdentity("w"))
    assert isinstance(found, Activation)
    assert found.head is not None
    content = b'"behind your back"'
    fence = IdentityFence(AgentIdentity("w"), found.key, found.head.token, found.head.generation, found.head.version)
    send = SendMail(
        AgentIdentity("a"),
        InputId(VirtualEnv().new_id()),
        InputKind.PEER_MESSAGE,
        content,
        content_digest(content),
        0,
    )
    [outcome] = store.commit([Unit(fence, (send,))])
    assert isinstance(outcome, Committed)


async def test_who_asked_is_answered_when_a_moved_key_can_not_be_read(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    moved = Refused(reason=RefusalReason.KEY_MISMATCH, effect=0, current="key 7")

    def refuse(unit: Unit) -> CommitOutcome | None:
        failing_reads(store, "a", 1, KeyError("odd"))
        store.refusal = lambda _: None
        return moved if unit.fence.identity == "a" else None

    store.refusal = refuse
    async with running(store, {"echo": echo}) as runtime:
        with pytest.raises(UnknownOutcomeError):
            await runtime.agent("a", kind="echo")
        assert (await (await runtime.agent("a", kind="echo")).ask("x")).text == "x"


async def test_an_unknown_name_is_told_so_and_leaves_nothing(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"echo": echo}) as runtime:
        for _ in range(3):
            with pytest.raises(UsageError, match=r"nobody: no such identity; create it with runtime.agent"):
                await runtime.agent("nobody")
        await runtime.wait_idle()
        assert (runtime.statistics().live, store.batches) == (0, [])


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
