"""Two processes on one file, each with a clockwork that sees all timers; one of them is killed amid them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import trio

import meerkat_actors as meerkat
from tests.actors.world import silent, told
from tests.examples.command import REPOSITORY, environment

AGENTS: Final = 60
TIMES: Final = 3
"""Timers of each agent, a second apart."""
KILLED_AFTER: Final = 40
"""Timers that both processes have told of together, before one is killed."""
PATIENCE_SECONDS: Final = 60
"""What takes so long hangs."""

_WORKER: Final = Path(__file__).with_name("sharing_worker.py")


async def test_of_two_processes_one_is_killed_and_each_timer_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    wanted = {f"agent-{number} {time}" for number in range(AGENTS) for time in range(TIMES)}
    with trio.fail_after(PATIENCE_SECONDS):
        await set_timers(path)
        async with worker(path) as first, worker(path) as second:
            workers = (first, second)
            said: list[list[str]] = [[], []]
            has_enough, is_done = trio.Event(), trio.Event()

            def note(number: int, line: str) -> None:
                said[number].append(line)
                if sum(map(len, said)) >= KILLED_AFTER:
                    has_enough.set()
                if {*said[0], *said[1]} >= wanted:
                    is_done.set()

            async with trio.open_nursery() as nursery:
                for number in range(2):
                    nursery.start_soon(hear, workers[number], partial(note, number))
                await has_enough.wait()
                victim = 0 if len(said[0]) >= len(said[1]) else 1
                workers[victim].kill()
                await is_done.wait()
                other = workers[1 - victim]
                assert other.stdin is not None
                await other.stdin.aclose()
                await other.wait()
                assert (other.returncode, workers[victim].returncode) == (0, -9)
        assert said[1 - victim]
        await require_told(path)


async def set_timers(path: Path) -> None:
    begin = datetime.now(UTC) + timedelta(seconds=1.5)
    async with (
        meerkat.open_runtime(path, agents={"say": silent}, ownership="shared") as runtime,
        trio.open_nursery() as nursery,
    ):
        for number in range(AGENTS):
            agent = await runtime.agent(f"agent-{number}", kind="say")
            for time in range(TIMES):
                at = begin + timedelta(seconds=time + number / AGENTS)
                nursery.start_soon(partial(agent.schedule, f"t{time}", time, at=at))


async def require_told(path: Path) -> None:
    async with meerkat.open_runtime(path, agents={"say": silent}) as runtime:
        for number in range(AGENTS):
            agent = await runtime.agent(f"agent-{number}")
            assert await told(agent) == list(range(TIMES)), agent.identity
            assert [schedule async for schedule in agent.schedules()] == []


@asynccontextmanager
async def worker(path: Path) -> AsyncGenerator[trio.Process, None]:
    """A process that serves the store for as long as the block, or until it is killed."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-P", _WORKER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        env=environment(),
    )
    try:
        yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def hear(process: trio.Process, note: Callable[[str], None]) -> None:
    """Note each whole line that it says, until it ends."""
    assert process.stdout is not None
    rest = ""
    async for piece in process.stdout:
        *whole, rest = (rest + piece.decode()).split("\n")
        for line in whole:
            note(line)
