"""O1 to O9 and O13 of ``reference/runtime.md`` section 10.2, by name, over both stores, with restarts between."""

from __future__ import annotations

from functools import partial

import orjson
import pytest
import trio
import trio.testing

from meerkat_actors.errors import (
    InvalidValueError,
    TooManyOperationsError,
    UnknownOperationError,
    UsageError,
)
from meerkat_actors.records.agenda_codec import decode_facts
from meerkat_actors.records.facts import Fact, OperationEnded
from meerkat_actors.records.ids import OperationId
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.operation import OperationKind, OperationStatus
from meerkat_actors.records.operation_listing import OperationCursors
from meerkat_actors.records.operation_record import OperationRecord
from meerkat_actors.records.stored_events import StoredEvent
from meerkat_actors.store import Store
from tests.actors.faulty import FaultyStore
from tests.actors.world import gathered
from tests.operations.world import Again, begun, said, wake_ups

S = OperationStatus


def facts_of(event: StoredEvent) -> tuple[Fact, ...]:
    """What the unit told besides: a row of its own, or a part of its turn's."""
    if event.body is None:
        return ()
    told = orjson.loads(event.body)
    return decode_facts(orjson.dumps(told if isinstance(told, list) else told.get("events", [])))


# -- the life of one ----------------------------------------------------------------------


async def test_o_a_member_is_registered_gets_on_is_ready_completes_and_is_watched(
    again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    async with again() as (_, agent):
        operations = agent.operations
        started = await operations.start("child", kind="member", provisioning=True)
        assert (started.status, started.kind, started.public_status) == (
            S.PROVISIONING,
            OperationKind.MEMBER,
            "running",
        )
        child = started.operation_id
        with pytest.raises(UsageError, match="provisioning, so complete is not possible"):
            await operations.complete(child)
        assert (await operations.provisioned(child)).status is S.RUNNING
        assert (await operations.progress(child, {"done": 0.5})).content == {"done": 0.5}
        assert (await operations.ready(child)).content == {"done": 0.5}
        with pytest.raises(UsageError, match="said once"):
            await operations.ready(child)
        assert (await operations.retire(child)).status is S.RETIRING
        ended = await operations.complete(child, ["all", "of", "it"])
        assert (ended.status, ended.content, ended.sequence) == (S.COMPLETED, ["all", "of", "it"], 1)
        assert await operations.wait(child) == ended
        with pytest.raises(UsageError, match="completed, so fail is not possible"):
            await operations.fail(child)
    async with again() as (_, agent):
        assert await agent.operations.list() == (ended,)


@pytest.mark.parametrize(
    ("verb", "status", "public"),
    [("complete", S.COMPLETED, "completed"), ("fail", S.FAILED, "failed"), ("cancel", S.CANCELLED, "cancelled"),
     ("retired", S.RETIRED, "cancelled"), ("abort", S.ABORTED, "cancelled")],
)  # fmt: skip
async def test_o13_each_end_has_its_public_status(
    verb: str, status: OperationStatus, public: str, again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    async with again() as (_, agent):
        started = await agent.operations.start("job", provisioning=verb == "abort")
        assert started.public_status == "running"
        ended: OperationRecord = await getattr(agent.operations, verb)(started.operation_id, "so it ended")
        assert (ended.status, ended.public_status, ended.content) == (status, public, "so it ended")


async def test_o13_a_terminated_operation_failed(again: Again, autojump_clock: trio.testing.MockClock) -> None:
    async with again() as (_, agent):
        job = await agent.operations.start("job")
        await agent.reset()
        ended = await agent.operations.wait(job.operation_id)
        assert (ended.status, ended.public_status) == (S.TERMINATED, "failed")


# -- O1 to O6 -----------------------------------------------------------------------------


async def test_o1_a_duplicate_registration_is_rejected(again: Again, autojump_clock: trio.testing.MockClock) -> None:
    async with again() as (runtime, agent):
        chosen = OperationId(runtime.new_id())
        await agent.operations.start("job", operation_id=chosen, external=True)
        with pytest.raises(UsageError, match=f"operation {chosen} is registered; use another id"):
            await agent.operations.start("job", operation_id=chosen)
    async with again() as (_, agent):
        await agent.operations.complete(chosen)
        with pytest.raises(UsageError, match="registered"):
            await agent.operations.start("other", operation_id=chosen)
        assert [each.name for each in await agent.operations.list()] == ["job"]


async def test_o2_what_is_in_progress_is_bounded(again: Again, autojump_clock: trio.testing.MockClock) -> None:
    async with again(limits=Limits(operations_max=2)) as (_, agent):
        first, _ = await begun(agent, 2)
        with pytest.raises(TooManyOperationsError) as caught:
            await agent.operations.start("one more")
        assert (caught.value.limit, caught.value.active) == (2, 2)
        await agent.operations.fail(first)
        await agent.operations.start("one more")


async def test_o3_ends_are_remembered_up_to_a_bound_and_the_feed_of_events_has_them_all(
    again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    stores: list[Store] = []

    def kept(store: Store) -> Store:
        stores.append(store)
        return FaultyStore(store)

    limits = Limits(operations_kept=2)
    async with again(limits=limits, wrap=kept) as (runtime, agent):
        jobs = await begun(agent, 5)
        for job in jobs:
            await agent.operations.complete(job)
        await runtime.wait_idle()
        assert {each.operation_id for each in await agent.operations.list()} == {*jobs[3:]}
        assert [each.sequence for each in await agent.operations.feed()] == [4, 5]
        told = [
            (fact.operation_id, fact.sequence)
            for event in stores[0].page_events(after=0, limit=1_000)
            for fact in facts_of(event)
            if isinstance(fact, OperationEnded)
        ]
        assert told == list(zip(jobs, range(1, 6), strict=True))
    async with again(limits=limits) as (_, agent):
        assert {each.operation_id for each in await agent.operations.list()} == {*jobs[3:]}
        assert (await agent.operations.complete(*await begun(agent, 1))).sequence == 6


async def test_o4_any_number_watch_and_each_is_told_once(again: Again, autojump_clock: trio.testing.MockClock) -> None:
    async with again() as (runtime, agent):
        (job,) = await begun(agent, 1)
        other = await runtime.agent("a")
        waits = [partial(handle.operations.wait, job) for handle in (agent, other) for _ in range(20)]

        async def end() -> OperationRecord:
            await trio.sleep(5)
            return await agent.operations.complete(job, 7)

        *told, ended = await gathered(*waits, end)
        assert told == [ended] * 40
        assert await other.operations.wait(job) == ended
        with pytest.raises(UnknownOperationError, match="never started"):
            await agent.operations.wait(OperationId(runtime.new_id()))


async def test_o4_who_watches_an_external_operation_is_told_though_its_agent_left_memory(
    again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    async with again(limits=Limits(passivate_seconds=1)) as (_, agent):
        job = (await agent.operations.start("outside", external=True)).operation_id

        async def end() -> OperationRecord:
            await trio.sleep(30)
            return await agent.operations.complete(job)

        told, ended = await gathered(partial(agent.operations.wait, job), end)
        assert isinstance(told, OperationRecord)
        assert told == ended


async def test_o4_who_watches_does_not_drive_an_agent_round_that_has_no_room_in_memory(
    again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    async with again(limits=Limits(live_max=1)) as (runtime, agent):
        other = await runtime.agent("b", kind="worker")
        await other.operations.start("stays in memory")
        job = (await agent.operations.start("outside", external=True)).operation_id
        with trio.move_on_after(10) as scope:
            await agent.operations.wait(job)
        assert scope.cancelled_caught


@pytest.mark.parametrize("verb", ["reset", "destroy"])
async def test_o5_the_end_of_its_owner_ends_each_operation_once(
    verb: str, again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    async with again() as (_, agent):
        jobs = await begun(agent, 3)
        done = await agent.operations.complete(jobs[0])
        jobs.append((await agent.operations.start("outside", external=True)).operation_id)

        async def end() -> OperationRecord:
            await trio.sleep(5)
            await getattr(agent, verb)()
            return done

        *told, _ = await gathered(*(partial(agent.operations.wait, job) for job in jobs), end)
        assert told[0] == done
        ends = [each for each in told[1:] if isinstance(each, OperationRecord)]
        assert [each.status for each in ends] == [S.TERMINATED] * 3
        assert sorted(each.sequence for each in ends) == [2, 3, 4]
    if verb == "reset":
        async with again() as (_, agent):
            assert [each.sequence for each in await agent.operations.feed(1)] == [2, 3, 4]


async def test_o5_stop_leaves_operations_in_progress(again: Again, autojump_clock: trio.testing.MockClock) -> None:
    async with again() as (_, agent):
        (job,) = await begun(agent, 1)
        await agent.stop()
        assert (await agent.operations.complete(job)).status is S.COMPLETED


async def test_o6_collecting_drains_what_ended(again: Again, autojump_clock: trio.testing.MockClock) -> None:
    async with again() as (_, agent):
        jobs = await begun(agent, 3)
        ends = (await agent.operations.fail(jobs[2]), await agent.operations.complete(jobs[0]))
        assert await agent.operations.collect() == ends
        assert await agent.operations.collect() == ()
        assert [each.operation_id for each in await agent.operations.list()] == [jobs[1]]
        with pytest.raises(UnknownOperationError, match="collected"):
            await agent.operations.wait(jobs[0])
    async with again() as (runtime, agent):
        await runtime.wait_idle()
        # The one that its process took with it.
        assert [each.sequence for each in await agent.operations.collect()] == [3]


# -- O7 to O9: the feed, wake-ups, cursors ------------------------------------------------


async def test_o7_the_feed_is_in_the_order_of_the_ends_and_goes_on_from_a_sequence(
    again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    async with again() as (_, agent):
        jobs = await begun(agent, 4)
        for place in (2, 0, 3):
            await agent.operations.complete(jobs[place])
        feed = await agent.operations.feed()
        assert [(each.operation_id, each.sequence) for each in feed] == [(jobs[2], 1), (jobs[0], 2), (jobs[3], 3)]
        assert await agent.operations.feed(after=2) == feed[2:]
        assert await agent.operations.feed(after=3) == ()
        assert (await agent.operations.cursors()).observed == 3
        with pytest.raises(InvalidValueError, match="after=-1"):
            await agent.operations.feed(after=-1)


async def test_o8_only_background_operations_wake_and_both_kinds_are_in_the_feed(
    again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    async with again() as (runtime, agent):
        member = await agent.operations.start("child", kind="member")
        await agent.operations.complete(member.operation_id)
        await runtime.wait_idle()
        assert await wake_ups(agent) == []
        (job,) = await begun(agent, 1)
        await agent.operations.complete(job)
        await runtime.wait_idle()
        [wake_up] = await wake_ups(agent)
        assert wake_up.header.source == "operations"
        assert await said(agent) == ["continuation child:completed,job 0:completed"]
        assert [each.name for each in await agent.operations.feed()] == ["child", "job 0"]


async def test_o9_the_cursors_follow_and_survive(again: Again, autojump_clock: trio.testing.MockClock) -> None:
    def at(applied: int, injected: int, observed: int) -> OperationCursors:
        return OperationCursors(applied=applied, injected=injected, observed=observed)

    async with again() as (runtime, agent):
        assert await agent.operations.cursors() == at(0, 0, 0)
        jobs = await begun(agent, 2)
        await agent.operations.complete(jobs[0])
        await runtime.wait_idle()
        assert await agent.operations.cursors() == at(1, 1, 1)
        await agent.pause()
        await agent.operations.complete(jobs[1])
        assert await agent.operations.cursors() == at(1, 2, 2)
    async with again() as (runtime, agent):
        assert await agent.operations.cursors() == at(1, 2, 2)
        await agent.resume()
        await runtime.wait_idle()
        assert await agent.operations.cursors() == at(2, 2, 2)
        assert await said(agent) == ["continuation job 0:completed", "continuation job 1:completed"]
    async with again() as (_, agent):
        assert await agent.operations.cursors() == at(2, 2, 2)
