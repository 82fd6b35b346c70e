"""The facades of a runtime and its agents share one store, and serve no identity together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import pytest
import trio

from meerkat_actors import AsyncContinuityStore, AsyncRuntimeStore
from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    AlreadyOwnedError,
    IdentityBrokenError,
    MeerkatError,
    MixedSessionError,
    RecordNotFoundError,
    StaleFencingTokenError,
)
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.continuity import ContinuityRecord, Ready
from meerkat_actors.records.ids import AgentIdentity, CheckpointVersion, FencingToken, Generation
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.machine_lifecycle import RuntimeState
from meerkat_actors.runtime import Runtime
from tests.actors.faulty import FaultyStore
from tests.actors.storage_world import Brake
from tests.actors.world import count, echo, gathered, passes, until
from tests.store.continuity_calling import ANN, record, said, session
from tests.store.runtime_writing import input_id, queued
from tests.test_facades_alike import Opened, opened, served

__all__ = ["opened"]  # a fixture

WORKER: Final = AgentIdentity("worker")
TOKEN: Final = FencingToken(9)
"""Above whatever these agents claimed."""

Write = Callable[[AsyncContinuityStore, ContinuityRecord], Awaitable[object]]
WRITES: Final[dict[str, Write]] = {
    "upsert": lambda facade, now: facade.upsert_continuity_record(record=now, fencing_token=TOKEN),
    "save": lambda facade, now: facade.save_session_snapshot(
        identity=now.identity,
        session_id=now.session_id,
        generation=now.generation,
        version=CheckpointVersion(now.checkpoint_version + 1),
        fencing_token=TOKEN,
        snapshot=said("v"),
    ),
    "delete": lambda facade, now: facade.delete_continuity_record(identity=now.identity, fencing_token=TOKEN),
    "drop": lambda facade, now: facade.delete_session_snapshot_if_current_revision(
        identity=now.identity,
        session_id=now.session_id,
        fencing_token=TOKEN,
        expected_current_revision=said("v").revision,
    ),
    "roll back": lambda facade, now: facade.rollback_continuity_record(attempt=now, previous=None, fencing_token=TOKEN),
    "advance": lambda facade, now: facade.advance_fence(identity=now.identity),
}
MIXED: Final = ("save", "delete")
RUNTIME_WRITES: Final[dict[str, Callable[[AsyncRuntimeStore, str], Awaitable[object]]]] = {
    "input": lambda facade, name: facade.persist_input_state(name, queued(1)),
    "state": lambda facade, name: facade.persist_runtime_state(name, RuntimeState.IDLE),
    "clear": lambda facade, name: facade.clear_session_snapshot(name),
}


async def record_of(runtime: Runtime, identity: AgentIdentity) -> ContinuityRecord:
    (state,) = (await runtime.continuity.resolve_many(identities=[identity])).values()
    assert isinstance(state, Ready), state
    return state.record


async def asleep(runtime: Runtime) -> AgentHandle:
    """An agent that has worked, and left memory for another one."""
    worker = await runtime.agent(WORKER, kind="count")
    assert (await worker.ask("x")).text == "1"
    await runtime.agent("other", kind="count")
    await until(lambda: runtime.statistics().live == 1)
    return worker


crowded = partial(served, agents={"count": count}, limits=Limits(live_max=1))
"""A runtime with room for one idle agent."""


@pytest.mark.parametrize("name", WRITES)
async def test_a_live_agent_is_nobody_elses_to_write(name: str, opened: Opened) -> None:
    async with served(opened(), {"count": count}) as runtime:
        worker = await runtime.agent(WORKER, kind="count")
        await worker.ask("x")
        before = await worker.status()
        now = await record_of(runtime, WORKER)
        with pytest.raises(AlreadyOwnedError, match="a live owner in this runtime"):
            await WRITES[name](runtime.continuity, now)
        assert await worker.status() == before
        assert (await worker.ask("y")).text == "2"


@pytest.mark.parametrize("name", MIXED)
async def test_an_agent_that_sleeps_keeps_its_session(name: str, opened: Opened) -> None:
    async with crowded(opened()) as runtime:
        worker = await asleep(runtime)
        with pytest.raises(MixedSessionError):
            await WRITES[name](runtime.continuity, await record_of(runtime, WORKER))
        assert (await worker.ask("y")).text == "2"


async def test_an_agent_that_was_fenced_while_it_slept_wakes_above_the_fence(opened: Opened) -> None:
    """Nothing that the runtime knew before the facade's write is still believed."""
    async with crowded(opened()) as runtime:
        worker = await asleep(runtime)
        now = await record_of(runtime, WORKER)
        assert await WRITES["upsert"](runtime.continuity, now) == now
        assert (await worker.ask("y")).text == "2"
        assert (await worker.status()).fencing_token > TOKEN


async def test_an_owner_that_starts_during_a_write_reads_behind_it(opened: Opened) -> None:
    store, brake = FaultyStore(opened(), inline=False), Brake()
    async with crowded(store) as runtime:
        worker = await asleep(runtime)
        now = await record_of(runtime, WORKER)
        store.before_commit = brake
        async with trio.open_nursery() as nursery:
            nursery.start_soon(WRITES["upsert"], runtime.continuity, now)
            await trio.to_thread.run_sync(brake.is_in.wait)
            nursery.start_soon(worker.ask, "y")
            await until(lambda: runtime.statistics().live == 2)
            brake.release()
        status = await worker.status()
        assert (status.checkpoint_version, status.message_count) == (2, 4)
        assert status.fencing_token > TOKEN


async def test_who_is_live_is_asked_where_the_write_would_be(opened: Opened) -> None:
    """The write was given before the owner started, and its turn came after."""
    store, brake = FaultyStore(opened(), inline=False), Brake()
    async with crowded(store) as runtime:
        worker = await asleep(runtime)
        now = await record_of(runtime, WORKER)
        store.before_commit = brake
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upsert_ann, runtime)
            await trio.to_thread.run_sync(brake.is_in.wait)
            results: list[object] = []

            async def write() -> None:
                results.extend(await gathered(partial(WRITES["upsert"], runtime.continuity, now)))

            nursery.start_soon(write)
            await passes(5)
            nursery.start_soon(worker.ask, "y")
            await until(lambda: runtime.statistics().live == 2)
            brake.release()
        assert [type(result) for result in results] == [AlreadyOwnedError]
        assert (await worker.status()).fencing_token < TOKEN


async def upsert_ann(runtime: Runtime) -> None:
    await runtime.continuity.upsert_continuity_record(record=record(), fencing_token=FencingToken(1))


@pytest.mark.parametrize("name", RUNTIME_WRITES)
async def test_an_agent_is_no_runtime_of_the_runtime_store_live_or_asleep(name: str, opened: Opened) -> None:
    async with crowded(opened()) as runtime:
        worker = await asleep(runtime)
        for text in "23":
            with pytest.raises(MixedSessionError):
                await RUNTIME_WRITES[name](runtime.runtime_store, WORKER)
            assert (await worker.ask("y")).text == text


async def test_what_a_facade_serves_is_no_agent_and_stays_the_facades(opened: Opened) -> None:
    """The runtime keeps it in quarantine, which is no owner: the facade goes on writing."""
    async with served(opened(), {"echo": echo}) as runtime:
        await upsert_ann(runtime)
        await runtime.runtime_store.persist_input_state("lead", queued(1))
        with pytest.raises(MixedSessionError):
            await runtime.runtime_store.persist_input_state(ANN, queued(2))
        for name in (ANN, "lead"):
            with pytest.raises(IdentityBrokenError):
                await runtime.agent(name, kind="echo")
        assert set(runtime.statistics().broken) == {ANN, "lead"}
        assert await runtime.continuity.advance_fence(identity=ANN) == 2
        await runtime.runtime_store.persist_input_state("lead", queued(2))
        assert len(await runtime.runtime_store.load_input_states("lead")) == 2


async def test_a_name_that_two_want_to_create_is_ones(opened: Opened) -> None:
    """Whoever comes first: the other is refused by a typed error, and sees what is there from then on."""

    async def create(runtime: Runtime, number: int) -> None:
        name = AgentIdentity(f"name-{number}")
        mine = record(identity=name, number=100 + number)
        jobs: list[Callable[[], Awaitable[object]]] = [
            partial(runtime.agent, name, kind="echo"),
            partial(runtime.runtime_store.persist_input_state, name, queued(number)),
            partial(runtime.continuity.upsert_continuity_record, record=mine, fencing_token=FencingToken(1)),
        ]
        results = await gathered(*jobs)
        errors = [result for result in results if isinstance(result, BaseException)]
        assert len(errors) == 2, results
        assert all(isinstance(error, MeerkatError) for error in errors), results
        again = await gathered(*jobs)
        assert [isinstance(result, BaseException) for result in again] == [
            isinstance(result, BaseException) for result in results
        ]

    async with served(opened(), {"echo": echo}) as runtime, trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(create, runtime, number)


async def test_facades_and_agents_write_beside_each_other(opened: Opened) -> None:
    """All at once through one storage owner: each history is whole, in order, and its owner's alone."""

    async def ask(runtime: Runtime, number: int) -> None:
        agent = await runtime.agent(f"agent-{number}", kind="count")
        for turn in range(1, 6):
            assert (await agent.ask("x")).text == str(turn)

    async def save(runtime: Runtime, number: int) -> None:
        mine = record(identity=f"record-{number}", number=number)
        await runtime.continuity.upsert_continuity_record(record=mine, fencing_token=FencingToken(1))
        for version in range(1, 6):
            await runtime.continuity.save_session_snapshot(
                identity=mine.identity,
                session_id=session(number),
                generation=Generation(0),
                version=CheckpointVersion(version),
                fencing_token=FencingToken(1),
                snapshot=said(f"{number}.{version}"),
            )
            head = await runtime.continuity.load_head(identity=mine.identity)
            assert head.snapshot == said(f"{number}.{version}")

    async def persist(runtime: Runtime, number: int) -> None:
        for each in range(1, 6):
            await runtime.runtime_store.persist_input_state(f"runtime-{number}", queued(10 * number + each))
            states = await runtime.runtime_store.load_input_states(f"runtime-{number}")
            assert [state.input_id for state in states] == [input_id(10 * number + one) for one in range(1, each + 1)]

    async with served(opened(), {"count": count}) as runtime, trio.open_nursery() as nursery:
        for number in range(6):
            for work in (ask, save, persist):
                nursery.start_soon(work, runtime, number)
    async with served(opened(), {"count": count}) as runtime:
        for number in range(6):
            assert (await record_of(runtime, AgentIdentity(f"record-{number}"))).checkpoint_version == 5
            assert len(await runtime.runtime_store.load_input_states(f"runtime-{number}")) == 5
            assert (await (await runtime.agent(f"agent-{number}")).ask("x")).text == "6"


async def test_a_turn_may_write_through_a_facade_and_its_failure_takes_nothing_back(opened: Opened) -> None:
    """As every effect outside of the turn's own unit: hence the id that comes from its run."""

    async def writer(turn: Turn) -> None:
        await runtime.runtime_store.persist_input_state("lead", queued(turn.attempt))
        if turn.attempt == 1:
            message = "the first attempt fails"
            raise ValueError(message)

    limits = Limits(backoff_seconds=0)
    async with served(opened(), {"writer": writer}, limits) as runtime:
        await (await runtime.agent("a", kind="writer")).ask("x")
        states = await runtime.runtime_store.load_input_states("lead")
        assert [state.input_id for state in states] == [input_id(1), input_id(2)]


async def test_a_record_that_was_never_written_is_told_from_one_that_is_fenced(opened: Opened) -> None:
    async with served(opened()) as runtime:
        with pytest.raises(RecordNotFoundError):
            await runtime.continuity.advance_fence(identity=ANN)
        await upsert_ann(runtime)
        assert await runtime.continuity.advance_fence(identity=ANN) == 2
        with pytest.raises(StaleFencingTokenError):
            await upsert_ann(runtime)
