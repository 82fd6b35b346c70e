"""The storage owner: it batches what waits, answers every slot, and ends the runtime when its store fails."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
import trio

from meerkat_actors.actors.storage import StorageHandle, open_storage
from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    StoreCorruptError,
    StoreError,
    StoreFailedError,
    StoreFullError,
    UnknownOutcomeError,
    UsageError,
)
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.commits import CommitOutcome, Committed, RefusalReason, Refused
from meerkat_actors.records.effects import AppendTurn, CreateIdentity, EndInput, Unit
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import (
    AgentIdentity,
    CheckpointVersion,
    FencingToken,
    Generation,
    IdentityKey,
    SessionId,
)
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Admission
from meerkat_actors.store import MemoryStore, Store
from tests.actors.faulty import FaultyStore, broken
from tests.actors.world import Gate, VirtualEnv, echo, gathered, hang, passes, running, told, until

FULL = Refused(reason=RefusalReason.STORE_FULL, effect=-1, current="full")
IDS = VirtualEnv()


def creation(number: int) -> Unit:
    """A unit of its own for each number."""
    fence = IdentityFence(
        AgentIdentity(f"a{number}"), IdentityKey(number), FencingToken(1), Generation(0), CheckpointVersion(0)
    )
    return Unit(fence, (CreateIdentity("kind", SessionId(IDS.new_id())),))


def open_over(store: FaultyStore, limits: Limits | None = None) -> AbstractAsyncContextManager[StorageHandle]:
    return open_storage(store, limits or Limits(), after_commit=lambda _: None, notify=lambda _: None)


class Brake:
    """Holds the writer thread in a commit until it is released."""

    def __init__(self) -> None:
        self.is_in = threading.Event()
        self._may_go = threading.Event()

    def __call__(self, _: object) -> None:
        self.is_in.set()
        assert self._may_go.wait(20)

    def release(self) -> None:
        self._may_go.set()


async def test_whoever_asks_in_one_pass_is_in_one_transaction(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    async with open_over(store) as storage:
        await trio.testing.wait_all_tasks_blocked()
        outcomes = await gathered(*(partial(storage.commit, creation(number)) for number in range(1, 101)))
        assert outcomes == [Committed(CheckpointVersion(0))] * 100
        assert (storage.counters.commits, storage.counters.units) == (1, 100)
    assert [len(batch) for batch in store.batches] == [100]


async def test_a_transaction_holds_no_more_units_than_its_limit(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    async with open_over(store, Limits(batch_max=30)) as storage:
        await trio.testing.wait_all_tasks_blocked()
        await gathered(*(partial(storage.commit, creation(number)) for number in range(1, 101)))
    assert [len(batch) for batch in store.batches] == [30, 30, 30, 10]


async def test_a_batch_grows_while_the_one_before_it_commits() -> None:
    """In a real thread: what a slow disk does to latency, it does not do to throughput."""
    store = FaultyStore(MemoryStore(), inline=False)
    brake = Brake()
    store.before_commit = brake
    async with open_over(store) as storage, trio.open_nursery() as nursery:
        nursery.start_soon(storage.commit, creation(1))
        await trio.to_thread.run_sync(brake.is_in.wait)
        for number in range(2, 52):
            nursery.start_soon(storage.commit, creation(number))
        await passes(5)
        assert storage.counters.commits == 0
        brake.release()
    assert [len(batch) for batch in store.batches] == [1, 50]


async def test_a_commit_waits_whatever_is_cancelled_meanwhile() -> None:
    """Who gave a unit learns its outcome: cancellation can't come between COMMIT and the reply."""
    store = FaultyStore(MemoryStore(), inline=False)
    brake = Brake()
    store.before_commit = brake
    outcomes: list[CommitOutcome] = []
    async with open_over(store) as storage:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                async def commit() -> None:
                    outcomes.append(await storage.commit(creation(1)))

                nursery.start_soon(commit)
                await trio.to_thread.run_sync(brake.is_in.wait)
                scope.cancel()
                await passes_shielded(10)
                assert outcomes == []
                brake.release()
    assert outcomes == [Committed(CheckpointVersion(0))]


async def passes_shielded(count: int) -> None:
    with trio.CancelScope(shield=True):
        await passes(count)


async def test_a_query_may_be_given_up_and_disturbs_nobody() -> None:
    store = FaultyStore(MemoryStore(), inline=False)
    brake = Brake()
    store.before_commit = brake
    async with open_over(store) as storage, trio.open_nursery() as nursery:
        nursery.start_soon(storage.commit, creation(1))
        await trio.to_thread.run_sync(brake.is_in.wait)
        with trio.move_on_after(0) as scope:
            await storage.query(lambda opened: opened.identities_with_work())
        assert scope.cancelled_caught
        brake.release()


@pytest.mark.parametrize("inline", [True, False])
async def test_a_read_sees_every_unit_that_was_given_before_it(inline: bool) -> None:
    store = FaultyStore(MemoryStore(), inline=inline)
    async with open_over(store) as storage, trio.open_nursery() as nursery:
        for number in range(1, 6):
            nursery.start_soon(storage.commit, creation(number))
        await until(lambda: len(store.batches) > 0)
        rows = await storage.read(lambda opened: opened.page_identities(after=None, limit=10))
        assert [row.identity for row in rows] == [f"a{number}" for number in range(1, 6)]


async def test_a_unit_that_is_refused_does_not_disturb_its_neighbours(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    store.refusal = lambda unit: FULL if unit.fence.identity == "a2" else None
    async with open_over(store) as storage:
        await trio.testing.wait_all_tasks_blocked()
        outcomes = await gathered(*(partial(storage.commit, creation(number)) for number in range(1, 4)))
    assert [type(outcome) for outcome in outcomes] == [Committed, Refused, Committed]
    assert len(store.batches) == 1


async def test_an_outcome_is_heard_in_the_step_that_gives_it(autojump_clock: trio.testing.MockClock) -> None:
    heard: list[CommitOutcome] = []
    async with open_over(FaultyStore(MemoryStore())) as storage:
        outcome = await storage.commit(creation(1), heard.append)
    assert heard == [outcome]


async def test_what_hearing_an_outcome_raises_is_raised_at_whoever_gave_the_unit(
    autojump_clock: trio.testing.MockClock,
) -> None:
    def odd(_: CommitOutcome) -> None:
        message = "odd"
        raise KeyError(message)

    async with open_over(FaultyStore(MemoryStore())) as storage:
        with pytest.raises(KeyError, match="odd"):
            await storage.commit(creation(1), odd)
        assert isinstance(await storage.commit(creation(2)), Committed)


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("error", [broken(), StoreError(path="x", problem="odd"), OSError("disk"), KeyError("bug")])
async def test_a_commit_that_raises_ends_storage_and_answers_everyone(error: Exception, inline: bool) -> None:
    store = FaultyStore(MemoryStore(), inline=inline)
    answers: list[object] = []

    async def commit(storage: StorageHandle, number: int) -> None:
        with pytest.raises(StoreFailedError) as caught:
            await storage.commit(creation(number))
        answers.append(caught.value)

    async def read(ask: Callable[[Callable[[Store], object]], Awaitable[object]]) -> None:
        with pytest.raises(StoreFailedError) as caught:
            await ask(lambda opened: opened.identities_with_work())
        answers.append(caught.value)

    def fail(_: object) -> None:
        raise error

    store.before_commit = fail
    with pytest.RaisesGroup(pytest.RaisesExc(StoreError), flatten_subgroups=True) as group:
        async with open_over(store, Limits(batch_max=5)) as storage, trio.open_nursery() as nursery:
            await trio.testing.wait_all_tasks_blocked()
            for number in range(1, 11):
                nursery.start_soon(commit, storage, number)
            nursery.start_soon(read, storage.read)
            nursery.start_soon(read, storage.query)
    assert len(answers) == 12
    assert (store.ends, store.closings) == ([], 1)
    leaf: BaseException = group.value
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    assert leaf is error or leaf.__cause__ is error


async def test_a_store_that_answers_too_little_is_a_failed_store(autojump_clock: trio.testing.MockClock) -> None:
    """The port is public: who breaks its contract is told so, and nobody waits for ever."""

    class ForgetfulStore(FaultyStore):
        def commit(self, units: object) -> list[CommitOutcome]:
            return []

    store = ForgetfulStore(MemoryStore())
    with pytest.RaisesGroup(pytest.RaisesExc(StoreFailedError), flatten_subgroups=True):
        async with open_over(store) as storage:
            with pytest.raises(StoreFailedError):
                await storage.commit(creation(1))
            await trio.sleep_forever()
    assert store.ends == []


@pytest.mark.parametrize("error", [StoreCorruptError(path="x", problem="rotten"), KeyError("bug")])
async def test_a_read_that_raises_fails_its_asker_only(
    error: Exception, autojump_clock: trio.testing.MockClock
) -> None:
    store = FaultyStore(MemoryStore())

    def fail(opened: object) -> None:
        raise error

    async with open_over(store) as storage:
        results = await gathered(
            partial(storage.commit, creation(1)),
            partial(storage.read, fail),
            partial(storage.query, fail),
            partial(storage.read, lambda opened: opened.identities_with_work()),
        )
        assert results == [Committed(CheckpointVersion(0)), error, error, ()]
        assert len(store.batches) == 1
    assert store.ends == [True]


async def test_a_store_that_failed_while_reading_ends_storage_too(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())

    def fail(opened: object) -> None:
        raise broken()

    with pytest.RaisesGroup(pytest.RaisesExc(StoreFailedError), flatten_subgroups=True):
        async with open_over(store) as storage:
            with pytest.raises(StoreFailedError):
                await storage.query(fail)
            await trio.sleep_forever()
    assert store.ends == []


async def test_what_waits_when_storage_is_left_is_served_and_what_comes_later_is_refused() -> None:
    """However long the commit under way takes, and however many ask meanwhile."""
    store = FaultyStore(MemoryStore(), inline=False)
    brake = Brake()
    store.before_commit = brake
    results: dict[str, object] = {}

    async def note(name: str, job: Callable[[], Awaitable[object]]) -> None:
        [results[name]] = await gathered(job)

    async def late(storage: StorageHandle) -> None:
        await passes(50)
        await note("late", partial(storage.query, lambda opened: opened.identities_with_work()))
        brake.release()

    async with trio.open_nursery() as outside, open_over(store, Limits(drain_seconds=0, batch_max=1)) as storage:
        outside.start_soon(note, "under way", partial(storage.commit, creation(1)))  # noqa: ASYNC111
        await trio.to_thread.run_sync(brake.is_in.wait)
        outside.start_soon(note, "waits", partial(storage.commit, creation(2)))  # noqa: ASYNC111
        await passes(5)
        assert results == {}
        outside.start_soon(late, storage)  # noqa: ASYNC111
    assert {name: type(result) for name, result in results.items()} == {
        "late": UsageError,
        "under way": Committed,
        "waits": Committed,
    }
    assert (len(store.batches), store.ends) == (2, [True])


async def test_storage_that_ended_says_so(autojump_clock: trio.testing.MockClock) -> None:
    async with open_over(FaultyStore(MemoryStore())) as storage:
        pass
    for ask in (storage.read, storage.query):
        with pytest.raises(UsageError, match="the runtime is closed"):
            await ask(lambda opened: opened.identities_with_work())
    with pytest.raises(UsageError, match="the runtime is closed"):
        await storage.commit(creation(1))


@pytest.mark.parametrize("call", ["begin", "end", "close"])
async def test_a_store_that_fails_at_its_ends_is_closed_all_the_same(
    call: str, autojump_clock: trio.testing.MockClock
) -> None:
    store = FaultyStore(MemoryStore())
    calls: list[str] = []

    def fail(name: str) -> None:
        calls.append(name)
        if name == call:
            raise broken()

    store.before_call = fail
    with pytest.raises(StoreFailedError):
        async with running(store, {"echo": echo}):
            pass
    # A store that did not begin is not marked clean.
    assert (
        calls
        == {"begin": ["begin", "close"], "end": ["begin", "end", "close"], "close": ["begin", "end", "close"]}[call]
    )


async def test_storage_checkpoints_a_long_log(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    async with open_over(store, Limits(wal_pages_max=10)) as storage:
        await storage.commit(creation(1))
        assert store.checkpoints == 0
        store.wal_pages = 11

        def shorten(name: str) -> None:
            if name == "checkpoint":
                store.wal_pages = 0

        store.before_call = shorten
        await storage.commit(creation(2))
        await storage.commit(creation(3))
        assert store.checkpoints == 1


@pytest.mark.parametrize("inline", [True, False])
async def test_a_log_that_stays_long_delays_nobody(inline: bool) -> None:
    """A visitor who reads for hours keeps a checkpoint from finishing; it is not tried again and again."""
    store = FaultyStore(MemoryStore(), inline=inline)
    store.wal_pages = 5_000
    async with open_over(store) as storage:
        with trio.fail_after(10):
            for number in range(1, 101):
                await storage.commit(creation(number))
    assert 1 <= store.checkpoints < 10


async def test_a_disk_that_is_too_full_for_a_checkpoint_ends_nothing(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    store.wal_pages = 5_000

    def full(name: str) -> None:
        if name == "checkpoint":
            raise StoreFullError(path="x", problem="full")

    store.before_call = full
    async with open_over(store) as storage:
        assert isinstance(await storage.commit(creation(1)), Committed)
    assert store.ends == [True]


async def test_a_checkpoint_that_fails_ends_storage(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())

    def fail(name: str) -> None:
        if name == "checkpoint":
            raise broken()

    store.before_call = fail
    with pytest.RaisesGroup(pytest.RaisesExc(StoreFailedError), flatten_subgroups=True):
        async with open_over(store) as storage:
            await storage.commit(creation(1))
            store.wal_pages = 5_000
            with pytest.raises(StoreFailedError):
                await storage.commit(creation(2))
            await trio.sleep_forever()
    assert store.ends == []


# -- what a runtime makes of it ------------------------------------------------------------


@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("error", [broken(), OSError("disk")])
async def test_everyone_who_waits_is_told_within_a_second_when_a_commit_raises(
    error: Exception, is_written: bool, autojump_clock: trio.testing.MockClock
) -> None:
    store = FaultyStore(MemoryStore())
    gate = Gate()
    told_at: list[tuple[float, BaseException]] = []

    async def hear(ask: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises((UnknownOutcomeError, StoreError)) as caught:
            await ask()
        told_at.append((trio.current_time(), caught.value))

    def fail(*_: object) -> None:
        raise error

    async def life(outside: trio.Nursery) -> None:
        async with running(store, {"gate": gate, "hang": hang}) as runtime:
            hanging = await runtime.agent("hangs", kind="hang")
            agents = [await runtime.agent(f"a{number}", kind="gate") for number in range(10)]
            admitted = await hanging.send("x")
            for agent in agents:
                outside.start_soon(hear, partial(agent.ask, "x"))
            outside.start_soon(hear, partial(hanging.wait, admitted.input_id))
            await until(lambda: gate.begun == 10)
            await trio.sleep_until(100)
            if is_written:
                store.after_commit = fail
            else:
                store.before_commit = fail
            gate.open()
            for agent in agents:
                outside.start_soon(hear, partial(agent.send, "y"))
            await trio.sleep_forever()

    async with trio.open_nursery() as outside:
        with pytest.raises(StoreError) as ended:
            await life(outside)
    assert len(told_at) == 21
    assert all(100 <= at < 101 for at, _ in told_at)
    assert ended.value is error or ended.value.__cause__ is error
    assert (store.ends, store.closings) == ([], 1)


async def test_a_failed_store_is_one_error_also_for_a_body_that_lets_its_own_pass(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def one_task(store: FaultyStore) -> None:
        async with running(store, {"echo": echo}) as runtime:
            agent = await runtime.agent("a", kind="echo")
            store.fail_from(0)
            await agent.send("x")

    async def many_tasks(store: FaultyStore) -> None:
        async with running(store, {"echo": echo}) as runtime, trio.open_nursery() as nursery:
            store.fail_from(3)
            for number in range(5):
                agent = await runtime.agent(f"a{number}", kind="echo")
                nursery.start_soon(agent.ask, "x")

    async def last_words(store: FaultyStore) -> None:
        async with running(store, {"echo": echo}) as runtime:
            agent = await runtime.agent("a", kind="echo")
            try:
                store.fail_from(0)
                await agent.send("x")
            finally:
                with trio.CancelScope(shield=True):
                    await agent.send("sorry")

    for life in (one_task, many_tasks, last_words):
        with pytest.raises(StoreFailedError):
            await life(FaultyStore(MemoryStore()))


async def test_a_full_disk_refuses_what_is_new_and_holds_what_is_finished(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Nothing is lost, nothing is charged, and it goes on by itself when there is room."""
    store = FaultyStore(MemoryStore())
    gate = Gate()
    async with running(store, {"gate": gate}, limits=Limits(full_retry_seconds=1)) as runtime:
        agent = await runtime.agent("a", kind="gate")
        admission = await agent.send("x")
        queued = await agent.send("y")
        await until(lambda: gate.begun == 1)
        store.refusal = lambda _: FULL
        gate.open()
        for _ in range(5):
            with pytest.raises(StoreFullError):
                await agent.send("z")
            await trio.sleep(10)
            assert (await agent.status()).checkpoint_version == 0
        with pytest.raises(StoreFullError):
            await runtime.agent("b", kind="gate")
        tried = len(store.batches)
        await trio.sleep(10)
        assert len(store.batches) - tried <= 11
        store.refusal = lambda _: None
        for each in (admission, queued):
            await agent.wait(each.input_id)
        assert await told(agent) == ["x", "y"]
        assert gate.begun == 2
        assert [(record.attempts, record.interruptions) async for record in agent.inputs()] == [(0, 0)] * 2
        assert runtime.statistics().broken == ()


async def test_mail_waits_out_a_full_disk_and_a_step_does_too(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    gate = Gate()
    steps = 0

    async def count_it() -> int:
        nonlocal steps
        steps += 1
        return steps

    async def write(turn: Turn) -> str:
        await gate(turn)
        turn.send("reader", f"step {await turn.step('count', count_it)}")
        return "sent"

    async with running(store, {"write": write, "echo": echo}) as runtime:
        writer, reader = await runtime.agent("w", kind="write"), await runtime.agent("reader", kind="echo")
        admission = await writer.send("x")
        await until(lambda: gate.begun == 1)
        # First the step finds no room; then, with room for it, the mail finds none.
        store.refusal = lambda _: FULL
        gate.open()
        await trio.sleep(10)
        store.refusal = lambda unit: FULL if unit.fence.identity == "reader" else None
        await writer.wait(admission.input_id)
        tried = len(store.batches)
        await trio.sleep(60)
        assert 0 < len(store.batches) - tried <= 60 / Limits().full_retry_seconds + 1
        store.refusal = lambda _: None
        await runtime.wait_idle()
        assert await told(reader) == ["step 1"]
        assert steps == 1
        assert runtime.statistics().broken == ()


async def test_a_full_disk_does_not_hold_up_the_end(autojump_clock: trio.testing.MockClock) -> None:
    inner = MemoryStore()
    store = FaultyStore(inner)
    gate = Gate()
    async with running(store, {"gate": gate}, limits=Limits(shutdown_seconds=5, drain_seconds=1)) as runtime:
        agent = await runtime.agent("a", kind="gate")
        await agent.send("x", idempotency_key="k")
        await until(lambda: gate.begun == 1)
        store.refusal = lambda _: FULL
        gate.open()
        left = trio.current_time()
    assert trio.current_time() - left <= 6
    async with running(inner, {"gate": gate}) as runtime:
        assert (await (await runtime.agent("a")).ask("x", idempotency_key="k")).text == "x"


async def test_group_commit_serves_a_crowd_in_few_transactions(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"echo": echo}) as runtime:
        agents = await gathered(*(partial(runtime.agent, f"a{number}", kind="echo") for number in range(100)))
        handles = [agent for agent in agents if isinstance(agent, AgentHandle)]
        before = runtime.statistics()
        admissions = await gathered(*(partial(agent.send, "x") for agent in handles))
        assert all(isinstance(admission, Admission) for admission in admissions)
        await runtime.wait_idle()
        after = runtime.statistics()
    assert after.units - before.units == 200
    # All admissions in one or two, and the boundaries as their turns end: a handful of passes.
    assert after.commits - before.commits <= 10
    boundaries = [unit for unit in store.units if any(type(effect) is AppendTurn for effect in unit.effects)]
    assert len(boundaries) == 100
    assert all(any(type(effect) is EndInput for effect in unit.effects) for unit in boundaries)
