"""What a runtime says of itself: what waits, how large its transactions are, and how long they take."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.actors.mailbox import Envelope, Mailbox
from meerkat_actors.actors.storage import StorageCounters, StorageHandle, open_storage
from meerkat_actors.records.commands import GetStatus
from meerkat_actors.records.commits import CommitOutcome, RefusalReason, Refused
from meerkat_actors.records.effects import CreateIdentity, Unit
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
from meerkat_actors.records.status import Quantiles
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, VirtualEnv, echo, gathered, passes, running, until

NAME = AgentIdentity("a")
IDS = VirtualEnv()
HELD_SECONDS = 0.005


def creation(number: int) -> Unit:
    """A unit of its own for each number."""
    fence = IdentityFence(
        AgentIdentity(f"a{number}"), IdentityKey(number), FencingToken(1), Generation(0), CheckpointVersion(0)
    )
    return Unit(fence, (CreateIdentity("kind", SessionId(IDS.new_id())),))


async def commit_at_once(storage: StorageHandle, count: int) -> list[CommitOutcome | BaseException]:
    await trio.testing.wait_all_tasks_blocked()
    return await gathered(*(partial(storage.commit, creation(number)) for number in range(1, count + 1)))


def work(_: object) -> None:
    """Keep the processor for a while: nobody sleeps in a test."""
    until_then = perf_counter() + HELD_SECONDS
    while perf_counter() < until_then:
        pass


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1))
def test_quantiles_are_measured_values_with_few_above_them(values: list[float]) -> None:
    told = Quantiles.of(values)
    assert {told.p50, told.p99, told.max} <= set(values)
    assert sum(value > told.p50 for value in values) <= len(values) / 2
    assert sum(value > told.p99 for value in values) <= len(values) / 100
    assert told.max == max(values)


def test_quantiles_of_nothing_are_0() -> None:
    assert Quantiles.of([]) == Quantiles(p50=0.0, p99=0.0, max=0.0)


def test_quantiles_of_a_hundred_are_the_51st_the_100th_and_the_last() -> None:
    assert Quantiles.of(range(100, 0, -1)) == Quantiles(p50=51, p99=100, max=100)


def test_only_the_last_thousand_transactions_are_told_apart() -> None:
    counters = StorageCounters()
    counters.count(5_000, 9.0, 8.0, 9.0)
    for number in range(1_000):
        counters.count(2 + number % 2, 0.5, 0.125, 0.25)
    assert (counters.commits, counters.units) == (1_001, 7_500)
    assert (counters.batch_mean, counters.batch_max) == (2.5, 3)
    assert counters.commit_seconds == Quantiles(p50=0.5, p99=0.5, max=0.5)
    assert counters.sync_seconds == Quantiles(p50=0.125, p99=0.125, max=0.125)
    assert counters.wait_seconds == Quantiles(p50=0.25, p99=0.25, max=0.25)


async def test_a_mailbox_counts_what_waits_in_it_and_no_wakes(autojump_clock: trio.testing.MockClock) -> None:
    box = Mailbox(NAME, Limits())
    box.wake()
    assert (box.depth, box.is_empty) == (0, False)
    box.post_control(Envelope(GetStatus(), None, wants_outcome=False))
    for _ in range(3):
        box.post(Envelope(GetStatus(), None, wants_outcome=False))
    assert box.depth == 4
    assert len(box.drain(3)) == 3
    assert box.depth == 1
    assert len(box.drain(3)) == 1
    assert box.drain(3) == []
    assert (box.depth, box.is_empty) == (0, True)
    box.wake()
    assert await box.wait() is None
    assert (box.depth, box.is_empty) == (0, True)


async def test_what_waits_for_owners_is_summed_over_who_is_live() -> None:
    store = FaultyStore(MemoryStore(), inline=False)
    is_in, may_go = threading.Event(), threading.Event()

    def hold(_: Sequence[Unit]) -> None:
        is_in.set()
        assert may_go.wait(20)

    async with running(store, {"echo": echo}) as runtime:
        agents = [await runtime.agent(name, kind="echo") for name in ("a", "b", "c")]
        await runtime.wait_idle()
        store.before_commit = hold
        async with trio.open_nursery() as nursery:
            for agent in agents[:2]:
                nursery.start_soon(agent.send, "first")
            await until(is_in.is_set)
            await passes(5)
            quiet = runtime.statistics()
            assert (quiet.live, quiet.queued_envelopes, quiet.deepest_mailbox) == (3, 0, 0)
            for agent, count in zip(agents, (5, 3), strict=False):
                for number in range(count):
                    nursery.start_soon(agent.send, number)
            await passes(5)
            busy = runtime.statistics()
            assert (busy.live, busy.queued_envelopes, busy.deepest_mailbox) == (3, 8, 5)
            may_go.set()
        await runtime.wait_idle()
        idle = runtime.statistics()
        assert (idle.queued_envelopes, idle.deepest_mailbox) == (0, 0)


async def test_open_inputs_and_who_waits_for_them_are_summed_until_they_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gate = Gate()
    async with running(MemoryStore(), {"gate": gate}) as runtime, trio.open_nursery() as nursery:
        agents = [await runtime.agent(name, kind="gate") for name in ("a", "b")]
        for agent, count in zip(agents, (3, 1), strict=True):
            await agent.send("nobody waits")
            for number in range(count):
                nursery.start_soon(agent.ask, number)
        await trio.testing.wait_all_tasks_blocked()
        busy = runtime.statistics()
        assert (busy.open_inputs, busy.waiters) == (6, 4)
        gate.open()
        await runtime.wait_idle()
        idle = runtime.statistics()
        assert (idle.open_inputs, idle.waiters) == (0, 0)


async def test_batches_are_counted_in_units(autojump_clock: trio.testing.MockClock) -> None:
    async with open_storage(
        MemoryStore(), Limits(batch_max=30), after_commit=lambda _: None, notify=lambda _: None
    ) as storage:
        await commit_at_once(storage, 100)
        told = storage.counters
        assert (told.commits, told.units, told.batch_mean, told.batch_max) == (4, 100, 25, 30)


async def test_a_batch_of_which_nothing_was_committed_counts_for_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = FaultyStore(MemoryStore())
    refused = Refused(reason=RefusalReason.STORE_FULL, effect=-1, current="full")
    store.refusal = lambda _: refused
    async with open_storage(store, Limits(), after_commit=lambda _: None, notify=lambda _: None) as storage:
        assert await commit_at_once(storage, 3) == [refused] * 3
        told = storage.counters
        assert (told.commits, told.batch_max, told.commit_seconds) == (0, 0, Quantiles())


@pytest.mark.parametrize("inline", [True, False])
async def test_a_commit_is_timed_where_it_is_made(inline: bool) -> None:
    store = FaultyStore(MemoryStore(), inline=inline)
    async with open_storage(store, Limits(), after_commit=lambda _: None, notify=lambda _: None) as storage:
        await storage.commit(creation(1))
        quick = storage.counters.commit_seconds
        store.before_commit = work
        await storage.commit(creation(2))
        told = storage.counters.commit_seconds
        assert quick.max < HELD_SECONDS <= told.max == told.p99


async def test_who_comes_while_a_batch_is_under_way_has_waited_for_its_end() -> None:
    store = FaultyStore(MemoryStore(), inline=False)
    is_in, may_go = threading.Event(), threading.Event()

    def hold(_: Sequence[Unit]) -> None:
        is_in.set()
        assert may_go.wait(20)

    store.before_commit = hold
    async with (
        open_storage(store, Limits(), after_commit=lambda _: None, notify=lambda _: None) as storage,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(storage.commit, creation(1))
        await until(is_in.is_set)
        nursery.start_soon(storage.commit, creation(2))
        await passes(3)
        work(None)
        may_go.set()
        await until(lambda: storage.counters.commits == 2)
        assert storage.counters.wait_seconds.max >= HELD_SECONDS


async def test_a_runtime_tells_what_its_store_measured(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        assert (runtime.statistics().batch_max, runtime.statistics().commit_seconds) == (0, Quantiles())
        agents = [await runtime.agent(f"a{number}", kind="echo") for number in range(10)]
        await gathered(*(partial(agent.ask, "hello") for agent in agents))
        told = runtime.statistics()
        assert told.batch_max == 10
        assert 1 < told.batch_mean < 10
        assert 0 < told.commit_seconds.p50 <= told.commit_seconds.p99 <= told.commit_seconds.max
        assert 0 < told.wait_seconds.p50 <= told.wait_seconds.max
        assert told.sync_seconds == Quantiles()


async def test_an_fsync_is_part_of_its_commit(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    async with open_runtime(tmp_path / "team.db", agents={"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        await agent.ask("hello")
        told = runtime.statistics()
    assert 0 < told.sync_seconds.p50 < told.commit_seconds.p50
