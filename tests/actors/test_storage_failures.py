"""A store that fails ends storage and everyone is told; a full disk refuses, and loses nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio

from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    StoreCorruptError,
    StoreError,
    StoreFailedError,
    StoreFullError,
    UnknownOutcomeError,
)
from meerkat_actors.records.commits import CommitOutcome, Committed
from meerkat_actors.records.ids import (
    CheckpointVersion,
)
from meerkat_actors.records.limits import Limits
from meerkat_actors.store import MemoryStore, Store
from tests.actors.faulty import FaultyStore, broken
from tests.actors.storage_world import FULL, creation, open_over
from tests.actors.world import Gate, echo, gathered, hang, running, told, until


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
