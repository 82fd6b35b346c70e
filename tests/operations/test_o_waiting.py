"""O10 to O12 of ``reference/runtime.md`` section 10.2, by name, over both stores; restarts; hostile starts."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    InvalidValueError,
    OperationWaitEndedError,
    StoreFullError,
    UnknownOperationError,
    UsageError,
)
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.ids import OperationId
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.operation import OperationStatus
from meerkat_actors.records.operation_listing import OperationCursors
from meerkat_actors.records.operation_record import OperationRecord
from meerkat_actors.store import Store
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, echo, gathered, passes
from tests.operations.world import Again, begun, said, wake_ups

S = OperationStatus
FULL = Refused(reason=RefusalReason.STORE_FULL, effect=-1, current="full")


# -- O10: waiting for all -----------------------------------------------------------------


async def test_o10_outcomes_come_in_the_order_asked_for(again: Again, autojump_clock: trio.testing.MockClock) -> None:
    async with again(echo) as (runtime, agent):
        jobs = await begun(agent, 100)

        async def end() -> tuple[OperationRecord, ...]:
            for place in (*range(50, 100), *range(50)):
                await trio.sleep(1)
                await agent.operations.complete(jobs[place], place)
            return ()

        asked = jobs[::-1]
        told, _ = await gathered(partial(agent.operations.wait_all, asked), end)
        assert isinstance(told, tuple)
        assert [each.operation_id for each in told] == asked
        assert [each.content for each in told] == list(range(100))[::-1]
        # Satisfied already: at once.
        with trio.fail_after(0.001):
            assert await agent.operations.wait_all(asked[:2]) == told[:2]
        assert await agent.operations.wait_all(()) == ()
        await runtime.wait_idle()


async def test_o10_what_cannot_be_waited_for_is_refused_before(
    again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    async with again() as (runtime, agent):
        (job,) = await begun(agent, 1)
        with pytest.raises(UsageError, match="twice"):
            await agent.operations.wait_all([job, job])
        with pytest.raises(UnknownOperationError):
            await agent.operations.wait_all([job, OperationId(runtime.new_id())])
        with pytest.raises(InvalidValueError, match="no operation id"):
            await agent.operations.wait_all([OperationId("job")])
        with pytest.raises(UsageError, match="use a collection of ids"):
            await agent.operations.wait_all(job)  # type: ignore[arg-type]
        ended = await agent.operations.complete(job)
        assert await agent.operations.wait_all([job]) == (ended,)


async def test_o10_a_second_wait_for_all_is_rejected_and_a_cancelled_one_ends_nothing_else(
    again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    async with again() as (runtime, agent):
        jobs = await begun(agent, 2)
        other = await runtime.agent("a")
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(agent.operations.wait_all, jobs)
                await trio.sleep(1)
                with pytest.raises(UsageError, match="waits for several of its operations already"):
                    await other.operations.wait_all(jobs)
                scope.cancel()
        assert {each.status for each in await agent.operations.list()} == {S.RUNNING}
        elsewhere = await runtime.agent("b", kind="worker")
        assert await elsewhere.operations.wait_all([]) == ()
        ends = [await agent.operations.complete(job) for job in jobs]
        assert await other.operations.wait_all(jobs) == tuple(ends)


async def test_o10_a_wait_fails_with_its_runtime_and_does_not_hang(
    again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    raised: list[BaseException] = []

    async def wait(agent: AgentHandle, job: OperationId) -> None:
        try:
            await agent.operations.wait_all([job])
        except OperationWaitEndedError as error:
            raised.append(error)

    async with trio.open_nursery() as nursery, again() as (_, agent):
        (job,) = await begun(agent, 1)
        nursery.start_soon(wait, agent, job)
        await trio.sleep(1)
    [error] = raised
    assert "the runtime ended before operation" in str(error)


async def test_o10_a_barrier_of_a_turn_ends_with_its_last_member_and_wakes_once(
    again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    async def fan_out(turn: Turn) -> str:
        if turn.inputs[0].kind is InputKind.PROMPT:
            turn.when_all([turn.start_operation(name, external=True) for name in ("x", "y")])
            return "waits"
        return " ".join(f"{each.name}={each.content!r}" for each in turn.completions)

    async with again(fan_out) as (_, agent):
        await agent.ask("go")
        assert [each.status for each in await agent.operations.list()] == [S.RUNNING] * 3
        named = {each.name: each for each in await agent.operations.list()}
        assert named["when_all"].members == (named["x"].operation_id, named["y"].operation_id)
        await agent.operations.complete(named["x"].operation_id, 1)
    async with again(fan_out) as (runtime, agent):
        # The barrier outlived the process, and so did what nobody in it carried out.
        named = {each.name: each for each in await agent.operations.list()}
        y, barrier = named["y"], named["when_all"]
        assert [y.status, barrier.status] == [S.RUNNING, S.RUNNING]
        await runtime.wait_idle()
        assert await wake_ups(agent) == []
        await agent.operations.fail(y.operation_id, 2)
        ended = await agent.operations.wait(barrier.operation_id)
        assert (ended.status, ended.content) == (S.COMPLETED, ["completed", "failed"])
        await runtime.wait_idle()
        assert len(await wake_ups(agent)) == 1
        assert (await said(agent))[-1] == "x=1 y=2 when_all=['completed', 'failed']"


# -- O11 and O12: what a store refuses, and bursts ----------------------------------------


async def test_o11_an_end_that_a_full_disk_refuses_did_not_happen_and_may_be_tried_again(
    again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    faulty: list[FaultyStore] = []

    def wrapped(store: Store) -> Store:
        faulty.append(FaultyStore(store))
        return faulty[-1]

    async with again(wrap=wrapped) as (_, agent):
        (job,) = await begun(agent, 1)
        faulty[0].refusal = lambda _: FULL
        with pytest.raises(StoreFullError):
            await agent.operations.complete(job)
        [record] = await agent.operations.list()
        assert (record.status, record.sequence) == (S.RUNNING, 0)
        faulty[0].refusal = lambda _: None
        await trio.sleep(10)
        assert (await agent.operations.complete(job)).sequence == 1
    async with again() as (_, agent):
        assert [each.status for each in await agent.operations.list()] == [S.COMPLETED]


async def test_o12_a_burst_of_ends_loses_none(again: Again, autojump_clock: trio.testing.MockClock) -> None:
    async with again() as (runtime, agent):
        jobs = await begun(agent, 200)
        waits = await gathered(*(partial(agent.operations.complete, job) for job in jobs))
        assert sorted(each.sequence for each in waits if isinstance(each, OperationRecord)) == list(range(1, 201))
        await runtime.wait_idle()
        woken = await wake_ups(agent)
        assert 1 <= len(woken) < 20
        assert sum(text.count("completed") for text in await said(agent) if isinstance(text, str)) == 200
    async with again() as (_, agent):
        assert [each.sequence for each in await agent.operations.feed()] == list(range(1, 201))


async def test_o12_what_ends_under_a_turn_wakes_one_more(again: Again, autojump_clock: trio.testing.MockClock) -> None:
    gate = Gate()
    async with again(gate) as (runtime, agent):
        jobs = await begun(agent, 10)
        await agent.send("works")
        await passes(20)
        for job in jobs:
            await agent.operations.complete(job)
        gate.open()
        await runtime.wait_idle()
        assert len(await wake_ups(agent)) == 1
        assert await agent.operations.cursors() == OperationCursors(applied=10, injected=10, observed=10)


# -- restarts and memory ------------------------------------------------------------------


async def test_o_what_died_with_its_process_is_terminated_and_wakes_once(
    again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    async with again() as (_, agent):
        jobs = await begun(agent, 2)
        outside = await agent.operations.start("outside", external=True)
    async with again() as (runtime, agent):
        assert [(await agent.operations.wait(job)).status for job in jobs] == [S.TERMINATED] * 2
        await runtime.wait_idle()
        [text] = await said(agent)
        # Lost at once: in the order of their ids, which is that of their starts as far as milliseconds tell.
        assert text in {"continuation job 0:failed,job 1:failed", "continuation job 1:failed,job 0:failed"}
        assert outside in await agent.operations.list()
        assert (await agent.operations.complete(outside.operation_id)).sequence == 3


async def test_o_an_agent_with_an_operation_of_this_process_stays_and_the_runtime_is_idle(
    again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    async with again(limits=Limits(passivate_seconds=1)) as (runtime, agent):
        (job,) = await begun(agent, 1)
        await runtime.wait_idle()
        await trio.sleep(100)
        assert runtime.statistics().live == 1
        assert (await agent.operations.complete(job)).status is S.COMPLETED
        await trio.sleep(100)
        assert runtime.statistics().live == 0


async def test_o_registries_are_distinct(again: Again, autojump_clock: trio.testing.MockClock) -> None:
    async with again() as (runtime, agent):
        other = await runtime.agent("b", kind="worker")
        (job,) = await begun(agent, 1)
        assert await other.operations.list() == ()
        with pytest.raises(UnknownOperationError):
            await other.operations.complete(job)


@pytest.mark.parametrize(
    ("name", "options"),
    [("", {}), ("a\n", {}), ("x" * 257, {}), ("x", {"kind": "barrier"}), ("x", {"kind": "job"}), ("x", {"kind": 3}),
     ("x", {"external": 1}), ("x", {"provisioning": "yes"}), ("x", {"operation_id": "job"})],
)  # fmt: skip
async def test_o_hostile_starts_are_refused(
    name: str, options: dict[str, object], again: Again, autojump_clock: trio.testing.MockClock
) -> None:
    async with again() as (_, agent):
        with pytest.raises(InvalidValueError):
            await agent.operations.start(name, **options)  # type: ignore[arg-type]
        (job,) = await begun(agent, 1)
        with pytest.raises(InvalidValueError):
            await agent.operations.complete(job, float("nan"))
        assert [each.status for each in await agent.operations.list()] == [S.RUNNING]
