"""A mail storm: a ring of agents, each of which forwards at once whatever it is sent; memory flat, and fair.

Each agent begins with one token. A turn forwards each of its inputs, as a message of its own, to the next agent, so
there are always as many tokens as agents, and no one else takes part. In the end the agents keep what they get: then
each token must be there once. The store is SQLite in a folder of the memory file system, or in --disk; the database
grows all the while, by design.

Resident memory is looked at ten times a second: the mean of the second half of the time may not be more than 5 %
above that of the first, which begins after a warm-up. The slowest agent must have got half of the mean number of turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

import apsw
import trio
from attrs import Factory, define, frozen

import meerkat_actors as meerkat
from scripts.campaigns._load import MEMORY_FOLDER, create_agents, name_of, require_room, resident_bytes

WARM_UP_SHARE: Final = 1 / 6
"""Of the time that is asked for, before it begins: caches fill up to their bounds."""

LOOK_SECONDS: Final = 0.1
BYTES_PER_SECOND: Final = 20 * 1024 * 1024
"""Room that the folder must have: some 10,000 turns a second."""

RSS_GROWTH_MAX: Final = 1.05
SLOWEST_MIN: Final = 0.5


@frozen(kw_only=True)
class Options:
    """What the command line asked for."""

    agents: int
    seconds: float
    folder: Path


@define(eq=False)
class Ring:
    """The agents, and how they fare: kept in this process."""

    turns: list[int]
    """Of each agent, so far."""
    forwarded: int = 0
    is_over: bool = False
    kept: set[int] = Factory(set[int])
    """Tokens that came to rest."""
    wrong: list[str] = Factory(list[str])
    """What was seen of tokens that can't be."""

    async def forward(self, turn: meerkat.Turn) -> str:  # noqa: ASYNC124 - an agent that need not wait is an agent
        """Send each token on, or keep it when the storm is over."""
        number = int(turn.identity.removeprefix("a-"))
        self.turns[number] += 1
        for each in turn.inputs:
            content: Any = each.content
            if not self.is_over:
                self.forwarded += 1
                turn.send(name_of((number + 1) % len(self.turns)), content)
            elif content["token"] in self.kept:
                self.wrong.append(f"token {content['token']} was there twice")
            else:
                self.kept.add(content["token"])
        return "kept" if self.is_over else "forwarded"


@frozen(kw_only=True)
class Seen:
    """What was seen of a storm."""

    seconds: float
    forwarded: int
    cpu_seconds: float
    turns: tuple[int, ...]
    """Of each agent, in that time."""
    units: int
    rss: tuple[int, ...]
    """Of each look."""
    sqlite: tuple[int, ...]
    """What SQLite held of it: nearly all of it pages of its cache, which is bounded."""


async def storm(path: Path, options: Options) -> tuple[Seen, list[str]]:
    """Let the tokens go round for so long. Returns what was seen, and what was wrong with the tokens."""
    ring = Ring([0] * options.agents)
    limits = meerkat.Limits(live_max=options.agents + 1, passivate_seconds=3_600.0)
    async with meerkat.open_runtime(path, agents={"ring": ring.forward}, limits=limits, observers=()) as runtime:
        handles = await create_agents(runtime, options.agents, kind="ring")
        async with trio.open_nursery() as nursery:
            for number, handle in enumerate(handles):
                nursery.start_soon(handle.send, {"token": number})
        await trio.sleep(options.seconds * WARM_UP_SHARE)
        seen = await watch(runtime, ring, options.seconds)
        ring.is_over = True
        await runtime.wait_idle()
    if len(ring.kept) != options.agents:
        ring.wrong.append(f"{len(ring.kept):,} of {options.agents:,} tokens came to rest")
    return seen, ring.wrong


async def watch(runtime: meerkat.Runtime, ring: Ring, seconds: float) -> Seen:
    """Look at the process and the agents for so long."""
    turns, forwarded, units = tuple(ring.turns), ring.forwarded, runtime.statistics().units
    started, cpu = perf_counter(), process_time()
    rss: list[int] = []
    sqlite: list[int] = []
    while perf_counter() - started < seconds:
        await trio.sleep(LOOK_SECONDS)
        rss.append(resident_bytes())
        sqlite.append(apsw.status(apsw.SQLITE_STATUS_MEMORY_USED)[0])
    return Seen(
        seconds=perf_counter() - started,
        forwarded=ring.forwarded - forwarded,
        cpu_seconds=process_time() - cpu,
        turns=tuple(after - before for before, after in zip(turns, ring.turns, strict=True)),
        units=runtime.statistics().units - units,
        rss=tuple(rss),
        sqlite=tuple(sqlite),
    )


def judge(seen: Seen) -> list[str]:
    """Print what was seen; one sentence for each bound that was missed."""
    turns, mean = sum(seen.turns), sum(seen.turns) / len(seen.turns)
    first, second = halves(seen.rss)
    slowest = min(seen.turns) / mean
    print(
        f"{seen.seconds:.0f} s: {turns / seen.seconds:,.0f} turns/s, {seen.forwarded / seen.seconds:,.0f} messages/s, "
        f"{seen.units / seen.forwarded:.2f} units a message, CPU {1e6 * seen.cpu_seconds / turns:,.0f} us a turn"
    )
    print(
        f"turns of an agent: {min(seen.turns):,} to {max(seen.turns):,}, {mean:,.1f} on average: the slowest got "
        f"{slowest:.2f} of that"
    )
    parts = " and ".join(f"{each / 1e6:.1f}" for each in halves(seen.sqlite))
    print(
        f"RSS: {first / 1e6:.1f} MB in the first half, {second / 1e6:.1f} in the second: x {second / first:.3f}; "
        f"{parts} of it SQLite's; {seen.rss[0] / 1e6:.1f} at first, {seen.rss[-1] / 1e6:.1f} at last"
    )
    found: list[str] = []
    if second > RSS_GROWTH_MAX * first:
        found.append(f"RSS grew to {second / first:.3f} times, at most {RSS_GROWTH_MAX} wanted")
    if slowest < SLOWEST_MIN:
        found.append(f"the slowest agent got {slowest:.2f} of the mean, at least {SLOWEST_MIN} wanted")
    return found


def halves(looks: Sequence[int]) -> tuple[float, float]:
    """The mean of the first half, and of the second."""
    middle = len(looks) // 2
    return sum(looks[:middle]) / middle, sum(looks[middle:]) / (len(looks) - middle)


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a mistake ends the program with a message."""
    parser = argparse.ArgumentParser(
        prog="scripts/campaign storm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", type=int, default=1_000, help="in the ring (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: %(default)s)")
    parser.add_argument("--disk", type=Path, metavar="FOLDER", help=f"where (default: {MEMORY_FOLDER})")
    given = parser.parse_args(arguments)
    folder = given.disk or MEMORY_FOLDER
    if given.agents < 2 or given.seconds < 1:
        parser.error("agents start at 2, seconds at 1")
    require_room(parser, folder, round(given.seconds * BYTES_PER_SECOND))
    return Options(agents=given.agents, seconds=given.seconds, folder=folder)


def main(arguments: Sequence[str]) -> int:
    """Run the campaign; 0 when no bound was missed, else 1."""
    options = parse_options(arguments)
    print(f"{options.agents:,} agents, {options.seconds:.0f} seconds, in {options.folder}")
    with tempfile.TemporaryDirectory(prefix="meerkat-storm-", dir=options.folder) as folder:
        seen, wrong = trio.run(storm, Path(folder) / "storm.db", options)
    missed = [*wrong, *judge(seen)]
    for sentence in missed:
        print(f"VIOLATION {sentence}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
