"""In-memory turns, and owner round trips without a commit, against a bare Trio loop of channels and slots.

Each agent, or bare owner, has one client in a closed loop. Each measurement is a fresh process; the three sides take
turns and another one begins each round, so a drifting machine favours none. Only the medians of the ratios paired by
round decide: see DESIGN.md, "What we measure ourselves against".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import cattrs
import orjson
from attrs import frozen

from _ask import SIDES, SLOT, STATUS, TURN, AskJob, AskResult
from _common import measure_in_child, median
from _machine import Machine, describe_machine
from _table import print_table

AGENTS_PER_SECOND: Final = 2_500
"""A window grows with the number of agents, or the last of many thousands would not end a turn in it."""

RATIO_AGENTS: Final = 1_000
RATIO_MIN: Final = {TURN: 0.08, STATUS: 0.35}
"""What --check wants of the median ratios at ``RATIO_AGENTS``."""

COLUMNS: Final = (
    "agents", "turns/s", "status/s", "slot/s", "turn ratio", "status ratio",
    "turn p50/p99 ms", "status p50/p99 ms", "slot p50/p99 ms",
)  # fmt: skip


@frozen(kw_only=True)
class Options:
    """What the command line asked for."""

    agents: tuple[int, ...]
    rounds: int
    seconds: float
    json: Path | None
    check: bool


@frozen(kw_only=True)
class Comparison:
    """All rounds of one number of agents; the sides' results are paired by round."""

    agents: int
    results: Mapping[str, tuple[AskResult, ...]]
    """By side."""

    def ratio(self, side: str) -> float:
        """The median of the paired ratios of that side to the bare loop."""
        pairs = zip(self.results[side], self.results[SLOT], strict=True)
        return median([ours.per_second / bare.per_second for ours, bare in pairs])


@frozen(kw_only=True)
class Report:
    """What --json writes."""

    machine: Machine
    comparisons: tuple[Comparison, ...]
    turn_ratios: tuple[float, ...]
    status_ratios: tuple[float, ...]
    """One per comparison, in order."""


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a mistake ends the program with a message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", default="100,1000,10000", help="numbers of agents (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each side (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a window; more above 2,500 agents")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to FILE")
    parser.add_argument("--check", action="store_true", help=f"fail if a ratio at {RATIO_AGENTS:,} is below its bound")
    given = parser.parse_args(arguments)
    try:
        agents = tuple(int(number) for number in given.agents.split(","))
    except ValueError:
        parser.error(f"--agents {given.agents}: numbers with commas between them are wanted")
    if min(agents) < 1 or given.rounds < 1 or given.seconds <= 0:
        parser.error("agents, rounds and seconds start at 1, 1 and above 0")
    if given.check and RATIO_AGENTS not in agents:
        parser.error(f"--check needs {RATIO_AGENTS} among --agents")
    return Options(agents=agents, rounds=given.rounds, seconds=given.seconds, json=given.json, check=given.check)


def compare(agents: int, options: Options) -> Comparison:
    """Measure the sides in turn; each round begins with another one."""
    results: dict[str, list[AskResult]] = {side: [] for side in SIDES}
    seconds = options.seconds * max(1.0, agents / AGENTS_PER_SECOND)
    for number in range(options.rounds):
        first = number % len(SIDES)
        for side in SIDES[first:] + SIDES[:first]:
            print(f"{agents:,} agents, round {number + 1} of {options.rounds}, {side}", file=sys.stderr)
            job = AskJob(side=side, agents=agents, seconds=seconds)
            results[side].append(measure_in_child("_measure_ask.py", job, AskResult))
    return Comparison(agents=agents, results={side: tuple(results[side]) for side in SIDES})


def row(comparison: Comparison) -> tuple[str, ...]:
    """The medians of one comparison, as the cells of the table."""
    sides = [comparison.results[side] for side in SIDES]
    return (
        f"{comparison.agents:,}",
        *(f"{median([each.per_second for each in side]):,.0f}" for side in sides),
        *(f"{comparison.ratio(side):.3f}" for side in (TURN, STATUS)),
        *(
            f"{1_000 * median([each.p50_seconds for each in side]):,.2f} / "
            f"{1_000 * median([each.p99_seconds for each in side]):,.2f}"
            for side in sides
        ),
    )


def failures(comparisons: Sequence[Comparison]) -> list[str]:
    """One sentence per bound that was missed."""
    return [
        f"{each.agents:,} agents, {side}: {each.ratio(side):.3f} of the bare loop, {least} wanted"
        for each in comparisons
        if each.agents == RATIO_AGENTS
        for side, least in RATIO_MIN.items()
        if each.ratio(side) < least
    ]


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write, check; the exit code."""
    options = parse_options(arguments)
    machine = describe_machine(Path.cwd())
    print(*machine.lines(), sep="\n")
    comparisons = tuple(compare(agents, options) for agents in options.agents)
    print_table(f"in memory, {options.rounds} rounds, medians", COLUMNS, [row(each) for each in comparisons])
    if options.json is not None:
        report = Report(
            machine=machine,
            comparisons=comparisons,
            turn_ratios=tuple(each.ratio(TURN) for each in comparisons),
            status_ratios=tuple(each.ratio(STATUS) for each in comparisons),
        )
        options.json.write_bytes(orjson.dumps(cattrs.unstructure(report), option=orjson.OPT_INDENT_2))
    missed = failures(comparisons) if options.check else []
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
