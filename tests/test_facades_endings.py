"""Calls of a runtime's facades that do not end well: cancelled, on a full disk, over a failing store, at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import pytest
import trio

from meerkat_actors.errors import (
    StoreCorruptError,
    StoreFailedError,
    StoreFullError,
    UsageError,
)
from meerkat_actors.records.continuity import LoadedHead, Ready
from meerkat_actors.records.ids import AgentIdentity, CheckpointVersion, FencingToken, Generation
from meerkat_actors.records.machine_lifecycle import RuntimeState
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore, broken
from tests.actors.storage_world import FULL, Brake
from tests.actors.world import Gate, count, gathered, passes, until
from tests.store.continuity_calling import ANN, record, said, session
from tests.store.runtime_writing import delta, input_id, queued
from tests.test_facades_alike import Opened, opened, served

__all__ = ["opened"]  # a fixture

Call = Callable[[Runtime], Awaitable[object]]


async def upsert(runtime: Runtime) -> None:
    await runtime.continuity.upsert_continuity_record(record=record(), fencing_token=FencingToken(1))


async def save(runtime: Runtime, version: int = 1) -> None:
    await runtime.continuity.save_session_snapshot(
        identity=ANN,
        session_id=session(0),
        generation=Generation(0),
        version=CheckpointVersion(version),
        fencing_token=FencingToken(1),
        snapshot=said(f"v{version}"),
    )


def version_of(head: LoadedHead) -> int:
    """The version of a head that agrees with its snapshot."""
    assert isinstance(head.state, Ready), head.state
    version = head.state.record.checkpoint_version
    assert head.snapshot == (said(f"v{version}") if version else None)
    return version


# -- cancellation -----------------------------------------------------------------------------


@pytest.mark.parametrize("moment", range(8))
async def test_item_49_a_cancelled_save_is_wholly_there_or_wholly_absent(moment: int, opened: Opened) -> None:
    """Reading again decides, and who read can go on from there."""
    async with served(opened()) as runtime:
        await upsert(runtime)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(save, runtime)
            await passes(moment)
            nursery.cancel_scope.cancel()
        version = version_of(await runtime.continuity.load_head(identity=ANN))
        assert version in ({0} if moment == 0 else {0, 1})
        await save(runtime, version + 1)
    async with served(opened()) as runtime:
        assert version_of(await runtime.continuity.load_head(identity=ANN)) == version + 1


async def test_item_49_a_save_that_is_cancelled_in_its_commit_is_there(opened: Opened) -> None:
    """The caller hears at once that it was cancelled, while the writer is still at it."""
    store, brake = FaultyStore(opened(), inline=False), Brake()
    async with served(store) as runtime:
        await upsert(runtime)
        store.before_commit = brake
        async with trio.open_nursery() as nursery:
            nursery.start_soon(save, runtime)
            await trio.to_thread.run_sync(brake.is_in.wait)
            nursery.cancel_scope.cancel()
        brake.release()
        assert version_of(await runtime.continuity.load_head(identity=ANN)) == 1


async def test_a_save_that_is_cancelled_while_it_waits_is_there_too(opened: Opened) -> None:
    store, brake = FaultyStore(opened(), inline=False), Brake()
    async with served(store) as runtime:
        await upsert(runtime)
        store.before_commit = brake
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runtime.runtime_store.persist_input_state, "lead", queued(1))
            await trio.to_thread.run_sync(brake.is_in.wait)
            scope = trio.CancelScope()
            nursery.start_soon(cancel_later, scope)
            with scope:
                await save(runtime)
            assert scope.cancelled_caught
            brake.release()
        assert version_of(await runtime.continuity.load_head(identity=ANN)) == 1


async def cancel_later(scope: trio.CancelScope) -> None:
    await passes(5)
    scope.cancel()


async def test_a_list_is_taken_as_it_was_when_the_call_was_made(opened: Opened) -> None:
    """Its caller was cancelled, and used it for something else, before the writer came to it."""
    store, brake = FaultyStore(opened(), inline=False), Brake()
    async with served(store) as runtime:
        states = [queued(1)]
        store.before_commit = brake
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runtime.runtime_store.persist_input_state, "other", queued(2))
            await trio.to_thread.run_sync(brake.is_in.wait)
            scope = trio.CancelScope()
            nursery.start_soon(cancel_later, scope)
            with scope:
                await runtime.runtime_store.atomic_lifecycle_commit("lead", RuntimeState.IDLE, states)
            states.clear()
            brake.release()
        assert [state.input_id for state in await runtime.runtime_store.load_input_states("lead")] == [input_id(1)]


# -- a full disk ------------------------------------------------------------------------------


async def test_a_full_disk_refuses_and_ends_nothing(opened: Opened) -> None:
    store = FaultyStore(opened())
    async with served(store, {"count": count}) as runtime:
        await upsert(runtime)
        await runtime.runtime_store.persist_input_state("lead", queued(1))
        store.refusal = lambda _: FULL
        for write in (save, persist):
            with pytest.raises(StoreFullError, match="nothing was written"):
                await write(runtime)
        store.refusal = lambda _: None
        store.before_commit = full
        with pytest.raises(StoreFullError):
            await save(runtime)
        store.before_commit = lambda _: None
        assert version_of(await runtime.continuity.load_head(identity=ANN)) == 0
        await save(runtime)
        await persist(runtime)
        assert (await (await runtime.agent("a", kind="count")).ask("x")).text == "1"


async def persist(runtime: Runtime) -> None:
    await runtime.runtime_store.persist_input_state("lead", queued(2))


def full(_: object) -> None:
    raise StoreFullError(path="x", problem="no room to begin in")


# -- a failing store --------------------------------------------------------------------------

FAILURES: Final[dict[str, Callable[[], Exception]]] = {
    "failed": broken,
    "corrupt": lambda: StoreCorruptError(path=":faulty:", problem="is damaged"),
    "not the port's": lambda: OSError("the disk is gone"),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("is_written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("inline", [False, True], ids=["thread", "inline"])
async def test_a_failed_commit_ends_the_runtime_and_everyone_is_answered(
    failure: str, is_written: bool, inline: bool
) -> None:
    """As an owner's: nobody knows what is durable, until the store is opened again and read."""
    memory = MemoryStore()
    store, gate = FaultyStore(memory, inline=inline), Gate()
    answers: list[BaseException | None] = []

    async def answered(job: Callable[[], Awaitable[object]]) -> None:
        try:
            await job()
        except BaseException as error:
            answers.append(error)
            raise
        answers.append(None)

    def fail(*_: object) -> None:
        raise FAILURES[failure]()

    async def live() -> None:
        async with served(store, {"gate": gate}) as runtime, trio.open_nursery() as nursery:
            await upsert(runtime)
            agent = await runtime.agent("a", kind="gate")
            nursery.start_soon(answered, partial(agent.ask, "x"))
            await until(lambda: gate.begun == 1)
            if is_written:
                store.after_commit = fail
            else:
                store.before_commit = fail
            for job in (save, partial(load, times=1), partial(load, times=20)):
                nursery.start_soon(answered, partial(job, runtime))

    with pytest.raises(StoreFailedError):
        await live()
    assert len(answers) == 4
    assert any(isinstance(error, StoreFailedError) for error in answers)
    assert store.ends == []
    async with served(memory) as runtime:
        assert version_of(await runtime.continuity.load_head(identity=ANN)) == int(is_written)


async def load(runtime: Runtime, *, times: int) -> None:
    for _ in range(times):
        await runtime.continuity.load_head(identity=ANN)


async def test_who_wrote_when_the_store_failed_is_told_from_what() -> None:
    store = FaultyStore(MemoryStore())
    errors: list[object] = []

    async def live() -> None:
        async with served(store) as runtime:
            store.before_commit = disk_error
            errors.extend(await gathered(partial(upsert, runtime)))
            await trio.sleep_forever()

    with pytest.raises(StoreFailedError, match="reopen it to learn"):
        await live()
    (error,) = errors
    assert isinstance(error, StoreFailedError)
    assert isinstance(error.__cause__, OSError)


def disk_error(_: object) -> None:
    message = "no disk"
    raise OSError(message)


async def test_a_document_that_can_not_be_read_is_its_askers_trouble_only(opened: Opened) -> None:
    store = FaultyStore(opened())
    async with served(store) as runtime:
        await runtime.runtime_store.commit_session_snapshot("lead", delta())
        store.before_read = rotten
        with pytest.raises(StoreCorruptError, match="rotten"):
            await runtime.runtime_store.load_session_snapshot("lead")
        with pytest.raises(StoreCorruptError, match="rotten"):
            await runtime.runtime_store.commit_session_snapshot("lead", delta())
        await runtime.runtime_store.persist_input_state("lead", queued(1))
        store.before_read = nothing
        assert await runtime.runtime_store.load_session_snapshot("lead") == delta().session_snapshot


def nothing(_: str, __: AgentIdentity | None) -> None:
    return None


def rotten(method: str, _: AgentIdentity | None) -> None:
    if method == "find_document":
        raise StoreCorruptError(path=":faulty:", problem="rotten")


async def test_a_call_that_is_under_way_when_the_block_is_left_is_answered(opened: Opened) -> None:
    """Storage drains what it took: who asked before the end hears what came of it."""
    results: list[object] = []

    async def late(runtime: Runtime) -> None:
        results.extend(await gathered(partial(save, runtime)))

    async with trio.open_nursery() as nursery, served(opened()) as runtime:
        await upsert(runtime)
        nursery.start_soon(late, runtime)  # noqa: ASYNC111 - it outlives the block on purpose
        await passes(1)
    (result,) = results
    async with served(opened()) as runtime:
        version = version_of(await runtime.continuity.load_head(identity=ANN))
    assert version == (1 if result is None else 0)
    assert result is None or isinstance(result, UsageError)
