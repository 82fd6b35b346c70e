"""What turn 10, 100, 1,000 and 10,000 of one session cost: CPU time, bytes written, and bytes kept.

Each session is alone at work in its database. In every round the windows of all marks follow each other in one
process, the early ones in sessions made for them, so a drifting machine favours no mark. Bytes written are counted by
the system for the whole process (``wchar``); nothing else is written between the looks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import cattrs
import orjson
from attrs import frozen

from _common import PAYLOAD_BYTES, fresh_folder, measure_in_child, median, memory_folder, quantile
from _growth import GrowthJob, GrowthResult, TurnCost
from _machine import Machine, describe_machine
from _table import print_table

MARKS: Final = (10, 100, 1_000, 10_000)

SPREAD_MAX: Final = 1.2
"""Of the dearest mark over the cheapest."""

KEPT_MAX: Final = 1.5
"""Bytes on disk over the bytes of content."""

COLUMNS: Final = (
    "turn", "CPU us p25", "p50", "p25 to turn 10", "log bytes", "file bytes", "written", "to turn 10",
)  # fmt: skip


@frozen(kw_only=True)
class Options:
    """What the command line asked for."""

    rounds: int
    turns: int
    disk: Path | None
    json: Path | None
    check: bool


@frozen(kw_only=True)
class Medium:
    """All rounds on one medium."""

    name: str
    result: GrowthResult

    def costs(self, mark: int) -> list[TurnCost]:
        """All windows of one mark."""
        index = MARKS.index(mark)
        return [costs[index] for costs in self.result.rounds]

    def spread(self, figure: Callable[[Sequence[TurnCost]], float]) -> float:
        """How many times the dearest mark costs the cheapest."""
        values = [figure(self.costs(mark)) for mark in MARKS]
        return max(values) / min(values)

    @property
    def kept(self) -> float:
        """Bytes on disk over the bytes of content, in a session whose messages have any length."""
        return self.result.mixed_file_bytes / self.result.mixed_payload_bytes


@frozen(kw_only=True)
class Report:
    """What --json writes."""

    machine: Machine
    payload_bytes: int
    media: tuple[Medium, ...]


def cpu(costs: Sequence[TurnCost]) -> float:
    """Seconds of all threads: the lower quartile, because what else the machine does only ever adds.

    While both processors are wanted, a lone commit is not waited for in place and costs two wake-ups more.
    """
    return quantile([cost.cpu_seconds for cost in costs], 0.25)


def written(costs: Sequence[TurnCost]) -> float:
    """Log and file together: the median."""
    return median([cost.log_bytes + cost.file_bytes for cost in costs])


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a mistake ends the program with a message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25, help="windows at each mark (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=40, help="turns of a window (default: %(default)s)")
    parser.add_argument("--disk", type=Path, metavar="FOLDER", help="measure on this folder's disk, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to FILE")
    parser.add_argument("--check", action="store_true", help="fail if a bound is missed")
    given = parser.parse_args(arguments)
    if given.rounds < 1 or not 1 <= given.turns <= MARKS[0] * 10:
        parser.error(f"rounds start at 1, turns go from 1 to {MARKS[0] * 10}: the log must stay short")
    if given.disk is not None and not given.disk.is_dir():
        parser.error(f"--disk {given.disk}: not a folder")
    return Options(rounds=given.rounds, turns=given.turns, disk=given.disk, json=given.json, check=given.check)


def measure(name: str, folder: Path, options: Options) -> Medium:
    """All rounds on one medium, in a fresh process with fresh databases, and their table."""
    print(f"{name}: {options.rounds} rounds of {len(MARKS)} windows, after {MARKS[-1]:,} turns", file=sys.stderr)
    with fresh_folder(folder) as fresh:
        job = GrowthJob(folder=str(fresh), marks=MARKS, turns=options.turns, rounds=options.rounds)
        medium = Medium(name=name, result=measure_in_child("_measure_growth.py", job, GrowthResult))
    title = (
        f"{name} ({folder}): {options.rounds} windows of {options.turns} turns for each mark, each with its checkpoint"
    )
    print_table(title, COLUMNS, [row(medium, mark) for mark in MARKS])
    print(f"dearest over cheapest turn: CPU {medium.spread(cpu):.3f}, written {medium.spread(written):.3f}")
    fixed = medium.result.file_bytes / (medium.result.turns * PAYLOAD_BYTES)
    print(f"kept per byte of content: {medium.kept:.3f}; in the longest session, of one length all, {fixed:.3f}\n")
    return medium


def row(medium: Medium, mark: int) -> tuple[str, ...]:
    """One mark, as the cells of the table."""
    costs, first = medium.costs(mark), medium.costs(MARKS[0])
    return (
        f"{mark:,}",
        f"{1e6 * cpu(costs):,.0f}",
        f"{1e6 * median([cost.cpu_seconds for cost in costs]):,.0f}",
        f"{cpu(costs) / cpu(first):.3f}",
        f"{median([cost.log_bytes for cost in costs]):,.0f}",
        f"{median([cost.file_bytes for cost in costs]):,.0f}",
        f"{written(costs):,.0f}",
        f"{written(costs) / written(first):.3f}",
    )


def failures(medium: Medium) -> list[str]:
    """One sentence per bound that was missed."""
    found = [
        f"{medium.name}: {what} of the dearest turn is {medium.spread(figure):.3f} of the cheapest, "
        f"under {SPREAD_MAX} wanted"
        for what, figure in (("CPU time", cpu), ("bytes written", written))
        if medium.spread(figure) >= SPREAD_MAX
    ]
    if medium.kept > KEPT_MAX:
        found.append(f"{medium.name}: {medium.kept:.3f} bytes kept per byte of content, at most {KEPT_MAX} wanted")
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write, check; the exit code. Only the memory file system is checked, where there is one."""
    options = parse_options(arguments)
    memory = memory_folder()
    machine = describe_machine(options.disk or Path.cwd())
    print(*machine.lines(), sep="\n")
    folders = [("memory", memory)] if memory is not None else []
    if options.disk is not None or memory is None:
        folders.append(("disk", options.disk or Path.cwd()))
    media = tuple(measure(name, folder, options) for name, folder in folders)
    if options.json is not None:
        report = Report(machine=machine, payload_bytes=PAYLOAD_BYTES, media=media)
        options.json.write_bytes(orjson.dumps(cattrs.unstructure(report), option=orjson.OPT_INDENT_2))
    missed = failures(media[0]) if options.check else []
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
