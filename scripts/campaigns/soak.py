"""Thousands of agents at full load for minutes: memory, latency and tasks may not creep.

Each agent has one client in a closed loop, which asks, or sends and goes on; turns record a step, write to a
neighbour, change their state, say a word, or fail once and are tried again after a backoff. The store is SQLite in a
folder of the memory file system, or in --disk. The database grows all the while, by design: nothing is pruned. What
may not grow is the process (``VmRSS``, with SQLite's page cache in it, which has a bound) and the time to an answer.

Looks are a minute apart, in runs of less than three minutes half of that. The last look is compared with the second
one, or with the first where there are but two; the load has run for some seconds before the first begins.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from math import exp, log
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Final

import apsw
import trio
from attrs import Factory, define, frozen

import meerkat_actors as meerkat
from scripts.campaigns._load import MEMORY_FOLDER, create_agents, name_of, require_room, resident_bytes

MINUTE: Final = 60.0
WARM_UP_SECONDS: Final = 10.0
SETTLE_SECONDS: Final = 1.0
"""After the last answer: owners park, and tasks that are over end."""

BYTES_PER_MINUTE: Final = 300 * 1024 * 1024
"""Room that the folder must have: some 8,000 turns a second."""

IDLE_SECONDS: Final = 3_600.0
"""Nobody leaves memory for being idle: the tasks before and after the load are counted."""

RSS_GROWTH_MAX: Final = 1.05
P99_GROWTH_MAX: Final = 1.2

ASK_SHARE: Final = 0.8
"""Of a client's requests; the others are sent, and nobody waits for what comes of them."""

ACTIONS: Final = ("step", "send", "state", "word", "fail")
WEIGHTS: Final = (250, 250, 250, 245, 5)
"""Failures are fewer than one in a hundred: each waits a second, and the 99th percentile is not to be about them."""

BUCKET: Final = log(1.01)
"""Latencies are counted in buckets one percent wide: a list of them would be the growth that we look for."""

HEADER: Final = (
    f"{'seconds':>8} {'turns/s':>8} {'CPU us each':>12} {'ask p50 ms':>11} {'p99':>8} {'RSS MB':>8} {'SQLite MB':>10} "
    f"{'file MB':>8} {'tasks':>6} {'live':>6} {'batch':>6} {'commit p99 ms':>14} {'waited p99':>11} {'mailboxes':>10} "
    f"{'deepest':>8}"
)


@frozen(kw_only=True)
class Options:
    """What the command line asked for."""

    minutes: int
    agents: int
    folder: Path
    seed: str


@define(eq=False)
class Latencies:
    """How many requests took how long, in constant memory."""

    counts: Counter[int] = Factory(Counter[int])

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[round(log(seconds) / BUCKET)] += 1

    def quantile(self, share: float) -> float:
        """The time, in seconds, that this share of the requests did not exceed; 0 when there were none."""
        left = share * self.counts.total()
        for bucket in sorted(self.counts):
            left -= self.counts[bucket]
            if left <= 0:
                return exp(bucket * BUCKET)
        return 0.0


@frozen(kw_only=True)
class Look:
    """What one look saw; turns and latencies are those since the look before it."""

    seconds: float
    """Since the load was warm."""
    turns_per_second: float
    cpu_per_turn: float
    """Seconds of all threads, clients included: where it stays the same and latency grows, the machine was busy."""
    p50: float
    p99: float
    rss: int
    sqlite: int
    """What SQLite holds of it."""
    file: int
    """Bytes of the database; its log apart."""
    tasks: int
    statistics: meerkat.Statistics

    def line(self) -> str:
        """For people, under ``HEADER``."""
        told = self.statistics
        return (
            f"{self.seconds:8.0f} {self.turns_per_second:8,.0f} {1e6 * self.cpu_per_turn:12,.0f} "
            f"{1e3 * self.p50:11.1f} {1e3 * self.p99:8.1f} {self.rss / 1e6:8.1f} "
            f"{self.sqlite / 1e6:10.1f} {self.file / 1e6:8,.0f} {self.tasks:6,} {told.live:6,} "
            f"{told.batch_mean:6.0f} {1e3 * told.commit_seconds.p99:14.1f} {1e3 * told.wait_seconds.p99:11.1f} "
            f"{told.queued_envelopes:10,} {told.deepest_mailbox:8,}"
        )


@define(eq=False)
class Load:
    """The clients at work."""

    options: Options
    latencies: Latencies = Factory(Latencies)
    is_over: bool = False

    async def run_client(self, agent: meerkat.AgentHandle, number: int) -> None:
        """Ask or send, again and again. Ends with its request in flight."""
        random = Random(f"{self.options.seed}-{number}")
        neighbour = name_of((number + 1) % self.options.agents)
        while not self.is_over:
            (action,) = random.choices(ACTIONS, WEIGHTS)
            content: meerkat.JSON = {"do": action, "to": neighbour, "number": number}
            if random.random() < ASK_SHARE:
                started = perf_counter()
                await agent.ask(content)
                self.latencies.add(perf_counter() - started)
            else:
                await agent.send(content)


class OnceOnlyError(Exception):
    """What a turn fails with on its first attempt."""


async def look_up(number: int) -> dict[str, int]:
    """A side effect that is recorded."""
    await trio.lowlevel.checkpoint()
    return {"found": number}


async def work(turn: meerkat.Turn) -> str:
    """Do what the input says; messages of neighbours, one or several, are only read."""
    content = turn.inputs[0].content
    if not isinstance(content, dict):
        return "read"
    match content["do"]:
        case "step":
            return str(await turn.step("look up", look_up, content["number"]))
        case "send":
            turn.send(str(content["to"]), "How do you do?")
        case "state":
            turn.set_state((turn.state or 0) + 1)
        case "fail" if turn.attempt == 1:
            raise OnceOnlyError
        case _:
            pass
    return "done"


async def tasks_at_rest(runtime: meerkat.Runtime) -> int:
    """How many tasks there are when nobody has work."""
    await runtime.wait_idle()
    await trio.sleep(SETTLE_SECONDS)
    return trio.lowlevel.current_statistics().tasks_living


async def soak(path: Path, options: Options) -> list[str]:
    """Bear the load and look now and then; one sentence for each bound that was missed."""
    limits = meerkat.Limits(live_max=options.agents, passivate_seconds=IDLE_SECONDS)
    async with meerkat.open_runtime(path, agents={"work": work}, limits=limits, observers=()) as runtime:
        handles = await create_agents(runtime, options.agents, kind="work")
        before = await tasks_at_rest(runtime)
        load = Load(options)
        async with trio.open_nursery() as nursery:
            for number, handle in enumerate(handles):
                nursery.start_soon(load.run_client, handle, number)  # noqa: ASYNC113 - they are warmed up below
            await trio.sleep(WARM_UP_SECONDS)
            looks = await look_now_and_then(runtime, load, path)
            load.is_over = True
        after = await tasks_at_rest(runtime)
        last = runtime.statistics()
    print(f"at rest: {before:,} tasks before the load, {after:,} after it; {last.turns:,} turns in all")
    return [*growth(looks), *leftovers(last, options.agents, before, after)]


async def look_now_and_then(runtime: meerkat.Runtime, load: Load, path: Path) -> list[Look]:
    """A look at the end of each interval, printed at once."""
    interval = MINUTE if load.options.minutes >= 3 else MINUTE / 2
    started = since = perf_counter()
    turns, cpu = runtime.statistics().turns, process_time()
    looks: list[Look] = []
    load.latencies = Latencies()
    print(HEADER, flush=True)
    while len(looks) < load.options.minutes * MINUTE / interval:
        await trio.sleep(started + (len(looks) + 1) * interval - perf_counter())
        now, cpu_now, told = perf_counter(), process_time(), runtime.statistics()
        latencies, load.latencies = load.latencies, Latencies()
        sqlite, _ = apsw.status(apsw.SQLITE_STATUS_MEMORY_USED)
        looks.append(
            Look(
                seconds=now - started,
                turns_per_second=(told.turns - turns) / (now - since),
                cpu_per_turn=(cpu_now - cpu) / (told.turns - turns),
                p50=latencies.quantile(0.50),
                p99=latencies.quantile(0.99),
                rss=resident_bytes(),
                sqlite=sqlite,
                file=file_bytes(path),
                tasks=trio.lowlevel.current_statistics().tasks_living,
                statistics=told,
            )
        )
        since, cpu, turns = now, cpu_now, told.turns
        print(looks[-1].line(), flush=True)
    return looks


def file_bytes(path: Path) -> int:
    """The size of the database."""
    return path.stat().st_size


def growth(looks: Sequence[Look]) -> list[str]:
    """What grew beyond its bound from the second look to the last; from the first, where there are but two."""
    first, last = looks[1 if len(looks) > 2 else 0], looks[-1]
    rss, p99 = last.rss / first.rss, last.p99 / first.p99
    print(f"from {first.seconds:.0f} s to {last.seconds:.0f} s: RSS x {rss:.3f}, p99 x {p99:.3f}")
    found: list[str] = []
    if rss > RSS_GROWTH_MAX:
        found.append(f"RSS grew to {rss:.3f} times, at most {RSS_GROWTH_MAX} wanted")
    if p99 > P99_GROWTH_MAX:
        found.append(f"p99 of ask grew to {p99:.3f} times, at most {P99_GROWTH_MAX} wanted")
    return found


def leftovers(last: meerkat.Statistics, agents: int, before: int, after: int) -> list[str]:
    """What a runtime at rest still holds and should not."""
    found: list[str] = []
    if after != before:
        found.append(f"{after:,} tasks at rest after the load, {before:,} before it")
    if last.live != agents or last.broken:
        found.append(f"{last.live:,} of {agents:,} agents are live, {len(last.broken):,} are broken")
    waiting = (last.running, last.queued_envelopes, last.open_inputs, last.waiters)
    if any(waiting):
        found.append(f"turns, envelopes, open inputs and waiters at rest: {waiting}, nothing wanted")
    return found


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a mistake ends the program with a message."""
    parser = argparse.ArgumentParser(
        prog="scripts/campaign soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=10, help="how long (default: %(default)s)")
    parser.add_argument("--agents", type=int, default=2_000, help="how many (default: %(default)s)")
    parser.add_argument("--disk", type=Path, metavar="FOLDER", help=f"where (default: {MEMORY_FOLDER})")
    parser.add_argument("--seed", default="1", help="of what clients ask (default: %(default)s)")
    given = parser.parse_args(arguments)
    folder = given.disk or MEMORY_FOLDER
    if given.minutes < 1 or given.agents < 2:
        parser.error("minutes start at 1, agents at 2")
    require_room(parser, folder, given.minutes * BYTES_PER_MINUTE)
    return Options(minutes=given.minutes, agents=given.agents, folder=folder, seed=given.seed)


def main(arguments: Sequence[str]) -> int:
    """Run the campaign; 0 when no bound was missed, else 1."""
    options = parse_options(arguments)
    print(f"seed={options.seed}, {options.agents:,} agents, {options.minutes} minutes, in {options.folder}")
    with tempfile.TemporaryDirectory(prefix="meerkat-soak-", dir=options.folder) as folder:
        missed = trio.run(soak, Path(folder) / "soak.db", options)
    for sentence in missed:
        print(f"VIOLATION {sentence}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
