"""How late timers start, by the real clock: 10,000 that come one after the other, and 10,000 that are overdue at start.

A file is filled by one runtime and opened by another whose wall clock is ahead, so nobody waits for the time between.
"Spread": the timers come over ten seconds, from a second after the opening on; late is the time from a timer's own to
the begin of the turn that it starts. "Overdue": all are due as the runtime opens; late is the time from then on,
opening included. "Idle": none is due within a day, and what the processor does is counted.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import trio
from attrs import Factory, define, frozen

from _common import fresh_folder, memory_folder, quantile
from _table import print_table
from meerkat_actors import Runtime, Turn, open_runtime
from meerkat_actors.records.env import SystemEnv

TIMERS: Final = 10_000
CROWDS: Final = (10_000, 1_000, 1)
"""Agents that have all these timers together."""
SPREAD_SECONDS: Final = 10
IDLE_SECONDS: Final = 10
DAY_SECONDS: Final = 86_400
"""From the filling of a file to the first timer, by the wall clock."""
AT_ONCE: Final = 500
"""Agents that set their timers at once."""
SETTLE_SECONDS: Final = 1.0
"""From the opening to the first timer that is not overdue."""

LATE_MAX: Final = 1.0
"""Seconds that no timer may be late while they come one after the other."""
FIRST_MAX: Final = 1.0
"""Seconds to the first of a crowd that is overdue."""
IDLE_MAX: Final = 0.03
"""Share of a processor."""


class AheadEnv(SystemEnv):
    """A wall clock that is ahead."""

    def __init__(self, ahead_seconds: float) -> None:
        super().__init__()
        self._ahead_ms = round(1000 * ahead_seconds)

    def wall_ms(self) -> int:
        return super().wall_ms() + self._ahead_ms


@define(eq=False)
class Starts:
    """How late turns began; the content of an input says when it was due, by the wall clock of the runtime."""

    ahead_seconds: float = 0.0
    late_seconds: list[float] = Factory(list[float])
    are_all: trio.Event = Factory(trio.Event)

    async def __call__(self, turn: Turn) -> None:
        now = time.time() + self.ahead_seconds
        self.late_seconds += [now - float(str(each.content)) for each in turn.inputs]
        if len(self.late_seconds) >= TIMERS:
            self.are_all.set()


@frozen(kw_only=True)
class Lateness:
    """Of all timers of one file."""

    what: str
    agents: int
    open_seconds: float
    cpu_seconds: float
    late_seconds: tuple[float, ...]
    """Ascending."""


async def fill(path: Path, agents: int, *, spread_seconds: float) -> float:
    """Let so many agents have all timers, by turns, over some seconds; the time of the first."""
    first = round(time.time()) + DAY_SECONDS

    async def set_some(runtime: Runtime, agent: int) -> None:
        handle = await runtime.agent(f"agent-{agent}", kind="timed")
        for number in range(agent, TIMERS, agents):
            due = first + spread_seconds * number / TIMERS
            await handle.schedule(f"timer-{number}", due, at=datetime.fromtimestamp(due, UTC))

    async with open_runtime(path, agents={"timed": Starts()}, synchronous="normal") as runtime:
        for begin in range(0, agents, AT_ONCE):
            async with trio.open_nursery() as nursery:
                for agent in range(begin, min(begin + AT_ONCE, agents)):
                    nursery.start_soon(set_some, runtime, agent)
    return first


async def measure(path: Path, agents: int, *, is_spread: bool) -> Lateness:
    """Open a file of timers, and wait until all have begun."""
    first = await fill(path, agents, spread_seconds=SPREAD_SECONDS if is_spread else 0)
    begun, cpu = time.time(), time.process_time()
    # What is overdue counts from the opening on.
    ahead_seconds = first - begun - (SETTLE_SECONDS if is_spread else 0)
    starts = Starts(ahead_seconds)
    async with open_runtime(path, agents={"timed": starts}, env=AheadEnv(ahead_seconds)) as runtime:
        opened = time.time()
        await starts.are_all.wait()
        await runtime.wait_idle()
        return Lateness(
            what="spread" if is_spread else "overdue",
            agents=agents,
            open_seconds=opened - begun,
            cpu_seconds=time.process_time() - cpu,
            late_seconds=tuple(sorted(starts.late_seconds)),
        )


async def measure_idle(path: Path) -> float:
    """The share of a processor that a runtime takes whose timers are far from due."""
    await fill(path, 1_000, spread_seconds=0)
    async with open_runtime(path, agents={"timed": Starts()}):
        await trio.sleep(SETTLE_SECONDS)
        cpu = time.process_time()
        await trio.sleep(IDLE_SECONDS)
        return (time.process_time() - cpu) / IDLE_SECONDS


def row(each: Lateness) -> tuple[str, ...]:
    late = each.late_seconds
    return (
        each.what,
        f"{each.agents:,}",
        f"{each.open_seconds:.2f}",
        *(f"{late_seconds:.3f}" for late_seconds in (late[0], quantile(late, 0.5), quantile(late, 0.99), late[-1])),
        f"{each.cpu_seconds:.2f}",
    )


def failures(found: Sequence[Lateness], idle: float) -> list[str]:
    """What misses its bound."""
    problems = [
        f"{each.agents:,} agents, {each.what}: {which} after {late:.2f} s, at most {most} wanted"
        for each in found
        for which, late, most in (
            ("the latest", each.late_seconds[-1], LATE_MAX)
            if each.what == "spread"
            else ("the first", each.late_seconds[0], FIRST_MAX),
        )
        if late >= most
    ]
    if idle >= IDLE_MAX:
        problems.append(f"idle: {idle:.3f} of a processor, at most {IDLE_MAX} wanted")
    return problems


def main(arguments: Sequence[str]) -> int:
    """Measure, print, check; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail if a bound is missed")
    parser.add_argument("--disk", action="store_true", help="below the current folder, not in memory")
    parser.add_argument("--profile", action="store_true", help="print a profile of 10,000 overdue agents, and end")
    options = parser.parse_args(arguments)
    with fresh_folder(Path.cwd() if options.disk else memory_folder() or Path.cwd()) as folder:
        if options.profile:
            with cProfile.Profile() as profile:
                trio.run(lambda: measure(folder / "profile.db", TIMERS, is_spread=False))
            pstats.Stats(profile).sort_stats("tottime").print_stats(40)
            return 0
        found = [
            trio.run(lambda: measure(folder / f"{agents}-{is_spread}.db", agents, is_spread=is_spread))  # noqa: B023
            for is_spread in (True, False)
            for agents in CROWDS
        ]
        idle = trio.run(measure_idle, folder / "idle.db")
    columns = ("timers", "agents", "open s", "first late s", "p50 late s", "p99 late s", "last late s", "processor s")
    print_table(f"{TIMERS:,} timers", columns, [row(each) for each in found])
    print(f"idle, {TIMERS:,} timers that are not due: {100 * idle:.1f} % of a processor")
    problems = failures(found, idle)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if options.check and problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
