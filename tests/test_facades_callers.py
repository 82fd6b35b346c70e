"""Who calls a runtime's facades, and what they bring: nonsense, code of their own, other threads and processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any, Final, cast

import outcome
import pytest
import trio

from meerkat_actors.errors import MeerkatError, StoreError, UsageError
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.run_boundary import RunApplyBoundary
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import gathered
from tests.store.continuity_calling import ANN, record
from tests.store.runtime_writing import RUN, delta
from tests.test_facades_alike import Opened, opened, served
from tests.test_facades_endings import persist, upsert

__all__ = ["opened"]  # a fixture

Call = Callable[[Runtime], Awaitable[object]]

# -- what callers bring -------------------------------------------------------------------------


async def test_nonsense_is_refused_and_ends_nothing(opened: Opened) -> None:
    async with served(opened()) as runtime:
        continuity, runtime_store = cast("Any", runtime.continuity), cast("Any", runtime.runtime_store)
        boundary = RunApplyBoundary.RUN_START
        for call in (
            partial(continuity.resolve_many, identities=None),
            partial(continuity.upsert_continuity_record, record="ann", fencing_token=1),
            partial(continuity.upsert_continuity_record, record=record(), fencing_token=2**63),
            partial(continuity.advance_fence, identity=7),
            partial(runtime_store.persist_input_state, "lead", None),
            partial(runtime_store.commit_session_boundary, "lead", delta(), RUN, boundary, None, None),
            partial(runtime_store.commit_session_boundary, "lead", delta(), RUN, boundary, [], 7),
            partial(runtime_store.update_auth_oauth_flow_snapshot, 7),
            partial(runtime_store.load_session_snapshot, b"lead"),
        ):
            (result,) = await gathered(call)
            assert isinstance(result, MeerkatError | TypeError | AttributeError), call
            assert not isinstance(result, StoreError), call
        await upsert(runtime)
        await runtime.runtime_store.commit_session_snapshot("lead", delta())


async def test_code_that_callers_bring_runs_in_their_own_thread(opened: Opened) -> None:
    threads: list[int] = []

    def names() -> Iterator[AgentIdentity]:
        threads.append(threading.get_ident())
        yield ANN

    def update(_: bytes | None) -> bytes:
        threads.append(threading.get_ident())
        return b"flows"

    async with served(opened()) as runtime:
        assert set(await runtime.continuity.resolve_many(identities=names())) == {ANN}
        await runtime.runtime_store.update_auth_oauth_flow_snapshot(update)
    assert threads == [threading.get_ident()] * 2


async def test_of_many_updates_at_once_none_is_lost(opened: Opened) -> None:
    calls: list[bytes] = []

    def append(letter: bytes, before: bytes | None) -> bytes:
        calls.append(letter)
        return (before or b"") + letter

    async with served(opened()) as runtime:
        flows = runtime.runtime_store
        letters = [b"%c" % number for number in b"abcdefgh"]
        await gathered(*(partial(flows.update_auth_oauth_flow_snapshot, partial(append, letter)) for letter in letters))
        kept = await flows.load_auth_oauth_flow_snapshot()
        assert kept is not None
        assert sorted(kept) == sorted(b"".join(letters))
        # They read before any of them wrote: all but one of them had to look again.
        assert len(calls) > len(letters)
        with pytest.raises(ZeroDivisionError):
            await flows.update_auth_oauth_flow_snapshot(lambda _: b"%d" % (1 // 0))
        assert await flows.load_auth_oauth_flow_snapshot() == kept


# -- elsewhere and too late -----------------------------------------------------------------------

CALLS: Final[dict[str, Call]] = {
    "a read of continuity": lambda runtime: runtime.continuity.load_head(identity=ANN),
    "a write of continuity": upsert,
    "a read of the runtime store": lambda runtime: runtime.runtime_store.load_input_states("lead"),
    "a write of the runtime store": persist,
    "an update": lambda runtime: runtime.runtime_store.update_auth_oauth_flow_snapshot(lambda _: b"x"),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_facade_is_of_no_use_in_another_threads_loop(name: str, opened: Opened) -> None:
    async with served(opened()) as runtime:

        def elsewhere() -> None:
            with pytest.raises(UsageError, match="lives in another thread"):
                trio.run(CALLS[name], runtime)

        await trio.to_thread.run_sync(elsewhere)
        await CALLS[name](runtime)


@pytest.mark.parametrize("name", CALLS)
async def test_a_facade_is_of_no_use_after_the_end(name: str, opened: Opened) -> None:
    async with served(opened()) as runtime:
        await CALLS[name](runtime)
    with pytest.raises(UsageError, match="closed"):
        await CALLS[name](runtime)


FORK: Final = dedent(
    """
    import os, sys, trio
    import meerkat_actors as meerkat

    async def main(path):
        async with meerkat.open_runtime(path) as runtime:
            calls = [
                lambda: runtime.runtime_store.persist_auth_oauth_flow_snapshot(b"x"),
                lambda: runtime.continuity.resolve_many(identities=["ann"]),
            ]
            for call in calls:
                await call()
            child = os.fork()
            if not child:
                for call in calls:
                    try:
                        await call()
                    except meerkat.UsageError as error:
                        print(error)
                sys.stdout.flush()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            print(await runtime.runtime_store.load_auth_oauth_flow_snapshot())

    trio.run(main, sys.argv[1])
    """
)


def test_a_forked_child_can_not_use_its_parents_facades(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", FORK, str(tmp_path / "a.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    *refusals, last = done.stdout.splitlines()
    assert last == "b'x'"
    assert len(refusals) == 2
    assert all("belongs to the parent of this forked process" in line for line in refusals)


@pytest.mark.parametrize("name", CALLS)
def test_a_facade_is_of_no_use_to_asyncio_beside_a_guest_run(name: str) -> None:
    """In the loop's thread, and yet no task of Trio's: half a call would do its work and fail all the same."""
    store = FaultyStore(MemoryStore())

    async def host() -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[tuple[Runtime, trio.Event, trio.lowlevel.TrioToken]] = loop.create_future()
        done: asyncio.Future[outcome.Outcome[None]] = loop.create_future()

        async def guest() -> None:
            async with served(store) as runtime:
                may_end = trio.Event()
                ready.set_result((runtime, may_end, trio.lowlevel.current_trio_token()))
                await may_end.wait()

        trio.lowlevel.start_guest_run(
            guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=done.set_result
        )
        runtime, may_end, token = await ready
        try:
            with pytest.raises(UsageError, match="only Trio's tasks"):
                await CALLS[name](runtime)
        finally:
            token.run_sync_soon(may_end.set)
        (await done).unwrap()

    asyncio.run(host())
    assert store.batches == []
