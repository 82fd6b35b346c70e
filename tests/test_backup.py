"""``Runtime.backup``: beside agents at work, cancellable, one at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import trio

import meerkat_actors as meerkat
from meerkat_actors.errors import StoreError, UnsupportedError, UsageError
from meerkat_actors.store import open_reader
from meerkat_actors.store.sqlite.examining import examine


async def counter(turn: meerkat.Turn) -> str:
    count = turn.state if isinstance(turn.state, int) else 0
    turn.set_state(count + 1)
    return f"{count + 1}"


async def until(holds: Callable[[], bool]) -> None:
    """Let others go on until it holds; threads and folders can't wake anybody."""
    while True:
        await trio.lowlevel.checkpoint()
        if holds():
            return


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "team.db"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies" / "monday.db"


async def test_a_backup_beside_agents_has_what_was_acknowledged_before_and_no_half_turn(
    database: Path, copy: Path
) -> None:
    counts = {f"counter-{number}": 0 for number in range(20)}
    async with meerkat.open_runtime(database, agents={"counter": counter}) as runtime, trio.open_nursery() as nursery:
        is_done = False

        async def drive(name: str) -> None:
            agent = await runtime.agent(name, kind="counter")
            while not is_done:
                counts[name] = int((await agent.ask("on")).text or 0)

        for name in counts:
            nursery.start_soon(drive, name)
        await until(lambda: min(counts.values()) >= 3)
        before = dict(counts)
        report = await runtime.backup(copy)
        is_done = True
    assert report.identities == 20
    assert report.findings == 0
    assert os.listdir(copy.parent) == ["monday.db"]
    async with meerkat.open_runtime(copy, agents={"counter": counter}) as runtime:
        await runtime.wait_idle()
        for name, count in before.items():
            agent = await runtime.agent(name)
            assert int((await agent.ask("on")).text or 0) > count
    assert examine(copy).number == 0


async def test_a_run_that_was_under_way_is_not_charged_for_the_backup(database: Path, copy: Path) -> None:
    begun, go = trio.Event(), trio.Event()

    async def slow(_: meerkat.Turn) -> str:
        begun.set()
        await go.wait()
        return "done"

    async with meerkat.open_runtime(database, agents={"slow": slow}) as runtime:
        agent = await runtime.agent("slow-1", kind="slow")
        admission = await agent.send("work")
        await begun.wait()
        await runtime.backup(copy)
        go.set()
        await agent.wait(admission.input_id)
    async with meerkat.open_runtime(copy, agents={"slow": slow}) as runtime:
        agent = await runtime.agent("slow-1", kind="slow")
        outcome = await agent.wait(admission.input_id)
        assert isinstance(outcome, meerkat.Consumed)
    with closing(open_reader(copy)) as reader:
        row = reader.find_input(meerkat.AgentIdentity("slow-1"), admission.input_id)
    assert row is not None
    assert (row.interruptions, row.attempts) == (0, 0)


async def test_backups_of_one_runtime_are_made_one_after_another(database: Path, copy: Path) -> None:
    at_once: list[int] = []
    async with meerkat.open_runtime(database, agents={"counter": counter}) as runtime:
        for number in range(50):
            await (await runtime.agent(f"counter-{number}", kind="counter")).ask("on")
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(runtime.backup, copy.with_name(f"{number}.db"))
            while sorted(names := os.listdir(copy.parent)) != ["0.db", "1.db", "2.db"]:
                at_once.append(sum(name.endswith(".copying") for name in names))
                await trio.lowlevel.checkpoint()
    assert max(at_once) == 1


async def test_a_cancelled_backup_leaves_nothing_and_the_runtime_goes_on(database: Path, copy: Path) -> None:
    async with meerkat.open_runtime(database, agents={"counter": counter}) as runtime:
        for number in range(50):
            await (await runtime.agent(f"counter-{number}", kind="counter")).ask("on")
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(runtime.backup, copy)
                await until(lambda: os.listdir(copy.parent) == ["monday.db.copying"])
                scope.cancel()
        assert scope.cancelled_caught
        assert os.listdir(copy.parent) == []
        report = await runtime.backup(copy, check="pages")
    assert report.identities == 50


async def test_what_is_refused_leaves_the_runtime_as_it_was(database: Path, copy: Path) -> None:
    os.mkfifo(copy)
    async with meerkat.open_runtime(database, agents={"counter": counter}) as runtime:
        for target in (copy, database, copy.parent / "none" / "copy.db"):
            with pytest.raises(StoreError):
                await runtime.backup(target)
        with pytest.raises(UsageError):
            await runtime.backup("")
        assert (await (await runtime.agent("counter-1", kind="counter")).ask("on")).text == "1"
    assert os.listdir(copy.parent) == ["monday.db"]
    with pytest.raises(UsageError, match="closed"):
        await runtime.backup(copy.with_name("late.db"))


async def test_a_store_in_memory_has_no_file_to_copy(copy: Path) -> None:
    async with meerkat.open_runtime(agents={"counter": counter}) as runtime:
        with pytest.raises(UnsupportedError, match="backup"):
            await runtime.backup(copy)
    assert os.listdir(copy.parent) == []
