"""``runtime.events``: who may ask, over real stores, shared ones, and copies."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import CursorExpiredError, UsageError
from meerkat_actors.records.runtime_events import EVENTS_BEGINNING, RuntimeEvent
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.world import echo, running
from tests.events.world import labels, taken


async def test_a_turn_subscribes_to_nothing_and_waits_for_no_event() -> None:
    async def ask(_: Turn) -> str:
        with pytest.raises(UsageError, match="a: events inside a turn"):
            runtime.events()
        for wait in (outside.__aenter__, inside.__anext__):
            with pytest.raises(UsageError, match="a: events inside a turn"):
                await wait()
        return "refused"

    async with running(MemoryStore(), {"ask": ask}) as runtime, runtime.events() as inside:
        outside = runtime.events()
        assert (await (await runtime.agent("a", kind="ask")).ask("x")).text == "refused"


async def test_another_thread_is_refused() -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime, runtime.events() as events:

        async def elsewhere() -> None:
            with pytest.raises(UsageError, match="thread"):
                await anext(events)
            with pytest.raises(UsageError, match="thread"):
                await runtime.events().__aenter__()

        await trio.to_thread.run_sync(trio.run, elsewhere)


async def test_two_runtimes_that_share_a_file_hear_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    async with (
        open_runtime(path, agents={"echo": echo}, ownership="shared") as ours,
        open_runtime(path, agents={"echo": echo}, ownership="shared") as theirs,
        ours.events() as events,
    ):
        await (await theirs.agent("b", kind="echo")).ask("hello")
        with trio.fail_after(10):
            assert labels(await taken(events, 3)) == ["Created", "InputAccepted", "TurnEnded"]


async def test_a_cursor_is_not_one_of_a_store_that_was_restored(tmp_path: Path) -> None:
    async def ask(runtime: Runtime) -> None:
        await (await runtime.agent("a", kind="echo")).ask("hello")

    async with open_runtime(tmp_path / "a.db", agents={"echo": echo}) as runtime:
        async with runtime.events() as events:
            await ask(runtime)
            last = (await taken(events, 3))[-1]
        await runtime.backup(tmp_path / "b.db")
    assert isinstance(last, RuntimeEvent)
    async with open_runtime(tmp_path / "b.db", agents={"echo": echo}) as runtime:
        with pytest.raises(CursorExpiredError):
            await runtime.events(last.cursor).__aenter__()
        async with runtime.events(EVENTS_BEGINNING) as events:
            assert labels(await taken(events, 3)) == ["Created", "InputAccepted", "TurnEnded"]
