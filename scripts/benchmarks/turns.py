"""Durable turns per second and ask latency: ours against the bare reference, interleaved in one run.

Each measurement is a fresh process with a fresh database; the sides take turns and the first of a round alternates,
so a drifting machine favours neither. Only the median of the paired ratios decides, and only on the memory file
system: see DESIGN.md, "What we measure ourselves against".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cattrs
import orjson
from attrs import frozen

from _common import PAYLOAD_BYTES, Result, TurnsJob, fresh_folder, measure_in_child, median, memory_folder
from _machine import Machine, describe_machine
from _table import print_table

OURS: Final = "ours"
BARE: Final = "bare"

AGENTS_PER_SECOND: Final = 2_500
"""A window grows with the number of agents, or the last of many thousands would not end a turn in it."""

RATIO_MIN: Final = {1_000: 0.22, 1: 0.6}
"""What --check wants of the median ratio, by number of agents."""

COLUMNS: Final = (
    "agents", "ours turns/s", "bare", "ratio", "ours p50/p99 ms", "bare", "ours commits/turn", "bare",
    "ours bytes/turn (/ payload)", "bare",
)  # fmt: skip


@frozen(kw_only=True)
class Options:
    """What the command line asked for."""

    agents: tuple[int, ...]
    rounds: int
    seconds: float
    disk: Path
    memory_only: bool
    sides: tuple[str, ...]
    json: Path | None
    check: bool


@frozen(kw_only=True)
class Comparison:
    """All rounds of one number of agents on one medium; the sides' results are paired by round."""

    medium: str
    agents: int
    ours: tuple[Result, ...]
    bare: tuple[Result, ...]

    @property
    def ratio(self) -> float | None:
        """The median of the paired ratios; None unless both sides were measured."""
        pairs = zip(self.ours, self.bare, strict=False)
        ratios = [ours.turns_per_second / bare.turns_per_second for ours, bare in pairs]
        return median(ratios) if ratios else None


@frozen(kw_only=True)
class Report:
    """What --json writes."""

    machine: Machine
    payload_bytes: int
    comparisons: tuple[Comparison, ...]
    ratios: tuple[float | None, ...]
    """One per comparison, in order."""


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a mistake ends the program with a message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", default="1,10,100,1000,10000", help="numbers of agents (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each side (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a window; more above 2,500 agents")
    parser.add_argument("--disk", type=Path, default=Path.cwd(), help="folder on the disk to measure (default: here)")
    parser.add_argument("--memory-only", action="store_true", help="leave the disk out")
    parser.add_argument("--only", choices=(OURS, BARE), help="measure one side alone: no ratio")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to FILE")
    parser.add_argument("--check", action="store_true", help="fail if a ratio in memory is below its bound")
    given = parser.parse_args(arguments)
    try:
        agents = tuple(int(number) for number in given.agents.split(","))
    except ValueError:
        parser.error(f"--agents {given.agents}: numbers with commas between them are wanted")
    if min(agents) < 1 or given.rounds < 1 or given.seconds <= 0:
        parser.error("agents, rounds and seconds start at 1, 1 and above 0")
    if not given.disk.is_dir():
        parser.error(f"--disk {given.disk}: not a folder")
    if given.check and given.only:
        parser.error("--check needs both sides")
    return Options(
        agents=agents,
        rounds=given.rounds,
        seconds=given.seconds,
        disk=given.disk,
        memory_only=given.memory_only,
        sides=(given.only,) if given.only else (OURS, BARE),
        json=given.json,
        check=given.check,
    )


def compare(medium: str, folder: Path, agents: int, options: Options) -> Comparison:
    """Measure both sides alternately; the side that begins a round alternates too."""
    results: dict[str, list[Result]] = {OURS: [], BARE: []}
    seconds = options.seconds * max(1.0, agents / AGENTS_PER_SECOND)
    for number in range(options.rounds):
        for side in options.sides if number % 2 == 0 else options.sides[::-1]:
            print(f"{medium}: {agents:,} agents, round {number + 1} of {options.rounds}, {side}", file=sys.stderr)
            with fresh_folder(folder) as fresh:
                job = TurnsJob(side=side, path=str(fresh / "turns.db"), agents=agents, seconds=seconds)
                results[side].append(measure_in_child("_measure_turns.py", job, Result))
    return Comparison(medium=medium, agents=agents, ours=tuple(results[OURS]), bare=tuple(results[BARE]))


def row(comparison: Comparison) -> tuple[str, ...]:
    """The medians of one comparison, as the cells of the table."""
    sides, ratio = (comparison.ours, comparison.bare), comparison.ratio
    return (
        f"{comparison.agents:,}",
        *(_cell([each.turns_per_second for each in side], ",.0f") for side in sides),
        "-" if ratio is None else f"{ratio:.3f}",
        *(
            f"{_cell([1_000 * each.p50_seconds for each in side], ',.2f')} / "
            f"{_cell([1_000 * each.p99_seconds for each in side], ',.2f')}"
            for side in sides
        ),
        *(_cell([each.commits_per_turn for each in side], ".4f") for side in sides),
        *(
            f"{_cell([each.bytes_per_turn for each in side], ',.0f')} "
            f"({_cell([each.bytes_per_turn / PAYLOAD_BYTES for each in side], '.2f')})"
            for side in sides
        ),
    )


def _cell(values: Sequence[float], form: str) -> str:
    return format(median(values), form) if values else "-"


def measure_media(options: Options) -> tuple[Comparison, ...]:
    """Every number of agents on every medium, a table after each medium."""
    memory = memory_folder()
    media = [("memory", memory)] if memory is not None else []
    if memory is None:
        print("no memory file system at /dev/shm: only the disk is measured", file=sys.stderr)
    if not options.memory_only:
        media.append(("disk", options.disk))
    comparisons: list[Comparison] = []
    for medium, folder in media:
        done = [compare(medium, folder, agents, options) for agents in options.agents]
        print_table(f"{medium} ({folder}), {options.rounds} rounds, medians", COLUMNS, [row(each) for each in done])
        comparisons += done
    return tuple(comparisons)


def failures(comparisons: Sequence[Comparison]) -> list[str]:
    """One sentence per bound that was missed, or could not be looked at."""
    ratios = {each.agents: each.ratio for each in comparisons if each.medium == "memory"}
    found: list[str] = []
    for agents, least in RATIO_MIN.items():
        ratio = ratios.get(agents)
        if ratio is None:
            found.append(f"{agents:,} agents were not compared in memory; --check needs them")
        elif ratio < least:
            found.append(f"{agents:,} agents: {ratio:.3f} of the bare reference, {least} wanted")
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write, check; the exit code."""
    options = parse_options(arguments)
    machine = describe_machine(options.disk)
    print(*machine.lines(), sep="\n")
    comparisons = measure_media(options)
    if options.json is not None:
        report = Report(
            machine=machine,
            payload_bytes=PAYLOAD_BYTES,
            comparisons=comparisons,
            ratios=tuple(each.ratio for each in comparisons),
        )
        options.json.write_bytes(orjson.dumps(cattrs.unstructure(report), option=orjson.OPT_INDENT_2))
    missed = failures(comparisons) if options.check else []
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
