"""A simulation of ours beside SimPy: how many questions a second are asked and answered, and what an agent takes.

Ours is the real runtime over a store, with clients whose history is kept and checked; SimPy's is an event loop with a
``Store`` for each inbox. Clients ask in step, one for each agent, so that many commits are one, as of agents that a
round of a game wakes; or each at times of its own, so that every question has its commits for itself. Both sides are
measured one after the other in fresh processes; a ratio is that of a pair.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cattrs
import orjson
from attrs import evolve, frozen

from _common import measure_in_child, median
from _machine import describe_machine
from _sim import SimJob, SimResult
from _table import print_table

RATIO_MIN: Final = 0.1
BOUND_AGENTS: Final = 10_000
"""The size at which the bound holds, with a client for each agent, all of them in step."""
CLIENTS_MAX: Final = 1_000
"""Of those that ask at times of their own."""
THINKING_SECONDS: Final = 10.0
SIMPY_EVENTS_FACTOR: Final = 10
"""It is that much faster; its window should not be too short to measure."""
COLUMNS: Final = (
    "store", "clients", "agents", "events/s", "SimPy's", "ratio", "virtual s/s", "bytes per sleeping agent", "SimPy's",
)  # fmt: skip


@frozen(kw_only=True)
class Options:
    """What the command line asked for."""

    agents: tuple[int, ...]
    durable_agents: int
    events: int
    rounds: int
    json: Path | None
    check: bool


@frozen(kw_only=True)
class Pair:
    """Ours, and SimPy's right after it."""

    job: SimJob
    ours: SimResult
    simpy: SimResult

    @property
    def events_per_second(self) -> float:
        return self.job.events / self.ours.seconds

    @property
    def simpy_per_second(self) -> float:
        return SIMPY_EVENTS_FACTOR * self.job.events / self.simpy.seconds

    @property
    def ratio(self) -> float:
        return self.events_per_second / self.simpy_per_second


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a mistake ends the program with a message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--agents", type=int, nargs="*", default=[100, BOUND_AGENTS, 100_000], help="in memory (default: %(default)s)"
    )
    parser.add_argument("--durable-agents", type=int, default=1_000, help="on a disk (default: %(default)s; 0: none)")
    parser.add_argument("--events", type=int, default=5_000, help="in a window of ours (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="pairs for each size (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every pair to FILE")
    parser.add_argument("--check", action="store_true", help="fail if the bound is missed")
    given = parser.parse_args(arguments)
    if min([*given.agents, given.events, given.rounds]) < 1 or given.durable_agents < 0:
        parser.error("agents, events and rounds start at 1")
    return Options(
        agents=tuple(given.agents),
        durable_agents=given.durable_agents,
        events=given.events,
        rounds=given.rounds,
        json=given.json,
        check=given.check,
    )


def job_of(store: str, agents: int, events: int, *, in_step: bool) -> SimJob:
    """At least one question of each client."""
    clients = agents if in_step else min(agents, CLIENTS_MAX)
    thinking = 0.0 if in_step else THINKING_SECONDS
    return SimJob(side=store, agents=agents, events=max(events, clients), clients=clients, thinking_seconds=thinking)


def measure_pair(job: SimJob) -> Pair:
    """One of each."""
    beside = evolve(job, side="simpy", events=SIMPY_EVENTS_FACTOR * job.events)
    return Pair(
        job=job,
        ours=measure_in_child("_measure_sim.py", job, SimResult),
        simpy=measure_in_child("_measure_sim.py", beside, SimResult),
    )


def row(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Medians of the pairs of one size."""
    job = pairs[0].job
    return (
        job.side,
        "scattered" if job.thinking_seconds else "in step",
        f"{job.agents:,}",
        f"{median([each.events_per_second for each in pairs]):,.0f}",
        f"{median([each.simpy_per_second for each in pairs]):,.0f}",
        f"{median([each.ratio for each in pairs]):.3f}",
        f"{median([each.ours.virtual_per_second for each in pairs]):,.1f}",
        f"{median([each.ours.sleeping_bytes / job.agents for each in pairs]):,.0f}",
        f"{median([each.simpy.sleeping_bytes / job.agents for each in pairs]):,.0f}",
    )


def failures(pairs: Sequence[Pair]) -> list[str]:
    """One sentence if the bound was missed."""
    bound = ("memory", BOUND_AGENTS, 0.0)
    ratios = [each.ratio for each in pairs if (each.job.side, each.job.agents, each.job.thinking_seconds) == bound]
    if not ratios:
        return [f"nothing was measured with {BOUND_AGENTS:,} agents"]
    ratio = median(ratios)
    return [f"{ratio:.3f} of SimPy with {BOUND_AGENTS:,} agents, {RATIO_MIN} wanted"] if ratio < RATIO_MIN else []


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write, check; the exit code."""
    options = parse_options(arguments)
    print(*describe_machine(Path.cwd()).lines(), sep="\n")
    sides = [("memory", agents) for agents in options.agents]
    if options.durable_agents:
        sides.append(("durable", options.durable_agents))
    jobs = [job_of(*side, options.events, in_step=in_step) for side in sides for in_step in (True, False)]
    pairs = [measure_pair(job) for _ in range(options.rounds) for job in jobs]
    rows = [row([each for each in pairs if each.job == job]) for job in jobs]
    title = f"{options.events:,} questions or more, {options.rounds} rounds: medians, by seconds of a processor"
    print_table(title, COLUMNS, rows)
    if options.json is not None:
        options.json.write_bytes(orjson.dumps(cattrs.unstructure(pairs), option=orjson.OPT_INDENT_2))
    missed = failures(pairs) if options.check else []
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
