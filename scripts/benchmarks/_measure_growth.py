"""One session per database, at several ages, in this process: the job as JSON in, the rounds as JSON out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from random import Random
from time import process_time
from typing import Final

import apsw
import trio
from attrs import define

import meerkat_actors as meerkat
from _common import TEXT, answer, freeze_collector, payload_bytes, raise_collector_threshold, read_job
from _growth import GrowthJob, GrowthResult, TurnCost
from _ours import echo
from _process import written_bytes

APPROACH_TURNS: Final = 60
"""Turns right before a window, untimed: another session was at work since the last one."""

MIXED_TURNS: Final = 3_000
MIXED_LENGTHS: Final = (50, 800)
"""The shortest and the longest message of the session that tells what a byte of content takes on disk."""

WARM_UP_TURNS: Final = 130
"""Turns of another session in each database, a log's worth: or turn 10 would pay for making the log's file longer."""


@define(eq=False)
class Session:
    """One agent, alone at work in its database."""

    path: Path
    handle: meerkat.AgentHandle
    turns: int = 0

    async def go_on_to(self, turns: int) -> None:
        """Make turns, one at a time, until there are so many. Cancelling it leaves the session shorter."""
        while self.turns < turns:
            await self.handle.ask(TEXT)
            self.turns += 1


@asynccontextmanager
async def open_session(path: Path) -> AsyncGenerator[Session, None]:
    """A runtime with one agent at work, on a new database."""
    async with meerkat.open_runtime(path, agents={"echo": echo}) as runtime:
        await Session(path, await runtime.agent("warm-up", kind="echo")).go_on_to(WARM_UP_TURNS)
        yield Session(path, await runtime.agent("session", kind="echo"))


def checkpoint(path: Path) -> None:
    """Move the whole log into the file, so that the next write begins the log anew."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.pragma("journal_mode")  # before its first read, a connection does not know that there is a log
        logged, moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    assert logged == moved >= 0, f"{logged} pages in the log, {moved} moved: somebody reads"


def closed_size(path: Path) -> int:
    """The size of a database that is closed: the log is moved and gone."""
    return path.stat().st_size


async def measure_window(session: Session, mark: int, turns: int) -> TurnCost:
    """The turns from ``mark`` on, if the session is younger, and their checkpoint.

    The log is short at the start, so the runtime itself checkpoints nothing: every window pays for its own turns,
    and for all of them. Checkpoints of a thousand pages would come to one window in five.
    """
    await session.go_on_to(max(mark, session.turns + APPROACH_TURNS) - 1)
    checkpoint(session.path)
    first, written, cpu = session.turns, written_bytes(), process_time()
    await session.go_on_to(first + turns)
    logged = written_bytes()
    checkpoint(session.path)
    cpu_seconds, moved = process_time() - cpu, written_bytes()
    return TurnCost(
        cpu_seconds=cpu_seconds / turns, log_bytes=(logged - written) / turns, file_bytes=(moved - logged) / turns
    )


async def measure_fresh(path: Path, mark: int, turns: int) -> TurnCost:
    """A window of a session that is made for it."""
    async with open_session(path) as session:
        return await measure_window(session, mark, turns)


async def measure_growth(job: GrowthJob) -> GrowthResult:
    """All rounds: a fresh session per round for every mark but the last, whose session goes on.

    Every other round begins at the last mark.
    """
    folder = Path(job.folder)
    last = job.marks[-1]
    raise_collector_threshold()
    rounds: list[tuple[TurnCost, ...]] = []
    async with open_session(folder / "long.db") as session:
        await session.go_on_to(last - APPROACH_TURNS)
        freeze_collector()
        for number in range(job.rounds):
            costs: dict[int, TurnCost] = {}
            for mark in job.marks if number % 2 == 0 else job.marks[::-1]:
                if mark == last:
                    costs[mark] = await measure_window(session, mark, job.turns)
                else:
                    costs[mark] = await measure_fresh(folder / f"{number}-{mark}.db", mark, job.turns)
            rounds.append(tuple(costs[mark] for mark in job.marks))
        turns = WARM_UP_TURNS + session.turns
    size = closed_size(session.path)
    payload, mixed_size = await measure_mixed(folder / "mixed.db")
    return GrowthResult(
        rounds=tuple(rounds), turns=turns, file_bytes=size, mixed_payload_bytes=payload, mixed_file_bytes=mixed_size
    )


async def repeat(turn: meerkat.Turn) -> str:
    """Say what was said."""
    return turn.text


async def measure_mixed(path: Path) -> tuple[int, int]:
    """Content, and size on disk, of a session whose messages have any length, as messages have.

    Of one length all, the size says how well that length divides a page: from 1.3 to 1.8 of the content.
    """
    random, content = Random(1), 0
    async with meerkat.open_runtime(path, agents={"repeat": repeat}) as runtime:
        agent = await runtime.agent("session", kind="repeat")
        for _ in range(MIXED_TURNS):
            text = (TEXT * 2)[: random.randint(*MIXED_LENGTHS)]
            await agent.ask(text)
            content += payload_bytes(text, text)
    return content, closed_size(path)


def main() -> None:
    """Measure, and answer to the parent."""
    answer(trio.run(measure_growth, read_job(GrowthJob)))


if __name__ == "__main__":
    main()
