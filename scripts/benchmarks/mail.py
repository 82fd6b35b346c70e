"""Mail: what many send to one, and one to many; what a message costs; and who is not disturbed.

Each part is a fresh process. ``in``: 1,000 senders to one recipient, with the mail there already, beside a plain loop
over equal rows, and while the senders' turns go on. ``out``: one turn to as many as a turn may send to. ``crowd``:
10,000 senders to one that was paused. ``rings``: units and rows a message, counted. ``subscribers``, ``recipients``,
``poison``: agents' turns/s beside what must not slow them, in short windows that take turns.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cattrs
import orjson
from attrs import evolve, frozen

from _common import fresh_folder, measure_in_child, memory_folder
from _machine import Machine, describe_machine
from _mail import Beside, Crowd, FanIn, FanOut, MailJob, Rings
from _mail_tables import Report, failures, print_report

JOBS: Final[Mapping[str, MailJob]] = {
    job.part: job
    for job in (
        MailJob(part="in", folder="", agents=1_000, turns=5, messages=10, rounds=3, seconds=2.0),
        MailJob(part="out", folder="", agents=1_000, turns=10, messages=1, rounds=1, seconds=0),
        MailJob(part="crowd", folder="", agents=10_000, turns=2, messages=2, rounds=1, seconds=0),
        MailJob(part="rings", folder="", agents=100, turns=50, messages=1, rounds=1, seconds=0),
        MailJob(part="subscribers", folder="", agents=100, turns=0, messages=0, rounds=41, seconds=0.25),
        MailJob(part="recipients", folder="", agents=100, turns=0, messages=1, rounds=11, seconds=0.25),
        MailJob(part="poison", folder="", agents=1_000, turns=0, messages=0, rounds=31, seconds=0.5),
    )
}
"""Each part at its full size, which is what the bounds are about."""

RESULTS: Final[Mapping[str, type[Any]]] = {
    "in": FanIn, "out": FanOut, "crowd": Crowd, "rings": Rings,
    "subscribers": Beside, "recipients": Beside, "poison": Beside,
}  # fmt: skip

AGENTS_MIN: Final = 10
"""Of a part that was made smaller."""


@frozen(kw_only=True)
class Options:
    """What the command line asked for."""

    parts: tuple[str, ...]
    scale: float
    disk: Path
    memory_only: bool
    json: Path | None
    check: bool


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a mistake ends the program with a message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=tuple(JOBS), action="append", help="measure this part alone; may be repeated")
    parser.add_argument("--scale", type=float, default=1.0, help="of agents, messages and rounds (default: all)")
    parser.add_argument("--disk", type=Path, default=Path.cwd(), help="folder on the disk to measure (default: here)")
    parser.add_argument("--memory-only", action="store_true", help="leave the disk out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to FILE")
    parser.add_argument("--check", action="store_true", help="fail if a bound of what was measured is missed")
    given = parser.parse_args(arguments)
    if not 0 < given.scale <= 1:
        parser.error("--scale is above 0, and 1 at most")
    if not given.disk.is_dir():
        parser.error(f"--disk {given.disk}: not a folder")
    if given.check and given.scale < 1:
        parser.error("--check is about the full size: leave --scale out")
    return Options(
        parts=tuple(given.only or JOBS),
        scale=given.scale,
        disk=given.disk,
        memory_only=given.memory_only,
        json=given.json,
        check=given.check,
    )


def measure(part: str, options: Options, folder: Path) -> Any:  # noqa: ANN401 - each part has a result of its own
    """One part, in a fresh process with fresh databases."""
    print(f"{part}, in {folder}", file=sys.stderr)
    job = JOBS[part]
    with fresh_folder(folder) as fresh:
        job = evolve(
            job,
            folder=str(fresh),
            agents=max(AGENTS_MIN, round(job.agents * options.scale)),
            rounds=max(1, round(job.rounds * options.scale)),
        )
        return measure_in_child("_measure_mail.py", job, RESULTS[part])


def measure_parts(options: Options) -> Report:
    """Every part that was asked for: in memory, and the first one on the disk, too."""
    report = Report()
    memory = memory_folder()
    if memory is None:
        print("no memory file system at /dev/shm: the disk takes its place", file=sys.stderr)
    for part in options.parts:
        result = measure(part, options, memory or options.disk)
        match result:
            case FanIn():
                report.fan_in["memory" if memory else "disk"] = result
                if memory and not options.memory_only:
                    report.fan_in["disk"] = measure(part, options, options.disk)
            case FanOut():
                report.fan_out = result
            case Crowd():
                report.crowd = result
            case Rings():
                report.rings = result
            case _:
                report.beside[part] = result
    return report


def write_json(path: Path, machine: Machine, report: Report) -> None:
    """Everything that was measured, round by round."""
    told = {"machine": cattrs.unstructure(machine), "parts": cattrs.unstructure(report)}
    path.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write, check; the exit code."""
    options = parse_options(arguments)
    machine = describe_machine(options.disk)
    print(*machine.lines(), sep="\n")
    report = measure_parts(options)
    print_report(report)
    if options.json is not None:
        write_json(options.json, machine, report)
    missed = failures(report) if options.check else []
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
