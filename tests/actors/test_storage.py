"""The storage owner: it batches what waits, answers every slot, and keeps the log short."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio

from meerkat_actors.actors.storage import StorageHandle
from meerkat_actors.errors import (
    StoreFullError,
    UsageError,
)
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.commits import CommitOutcome, Committed, Refused
from meerkat_actors.records.effects import AppendTurn, EndInput
from meerkat_actors.records.ids import (
    CheckpointVersion,
)
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Admission
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.storage_world import FULL, Brake, creation, open_over
from tests.actors.world import echo, gathered, passes, running, until


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
