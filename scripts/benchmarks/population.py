"""Many identities, few of them in memory: what the population costs, what coming and going costs, and who is live.

Each part is a fresh process with a fresh database on the memory file system. Identities: all are created and asked
once in one runtime that keeps 1,000 live; the resident memory may not follow their number. Cycles: requests to agents
that left memory, beside the same requests to live ones. Live: memory per agent that made its turn and idles.
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

from _common import fresh_folder, measure_in_child, median, memory_folder
from _machine import Machine, describe_machine
from _population import Cost, CycleRound, Look, PopulationJob, PopulationResult
from _table import print_table

IDENTITIES: Final = 100_000
FIRST_LOOK: Final = 1_000
LIVE_MAX: Final = 1_000
CLIENTS: Final = 500
CYCLED: Final = 5_000
"""Identities that the cycles go round: five times as many as may be live."""

LIVE_BASE: Final = 1_000
LIVE_AGENTS: Final = 10_000
"""Live idle agents, and those before them that make everything warm."""

LIVE_MAX_ROOMY: Final = 20_000

GROWN_BYTES_MAX: Final = 30 * 1_000_000
CYCLE_SECONDS_MAX: Final = 250e-6
LIVE_BYTES_MAX: Final = 12_000

LOOK_COLUMNS: Final = ("identities", "live", "RSS MB", "trimmed", "of it SQLite", "grown by", "trimmed", "seconds")
CYCLE_COLUMNS: Final = ("request", "parked: wall us", "cpu", "live: wall us", "cpu", "difference: wall us", "cpu")
LIVE_COLUMNS: Final = ("live agents", "RSS kB each", "without SQLite's", "tracemalloc kB each")


@frozen(kw_only=True)
class Options:
    """What the command line asked for."""

    identities: int
    rounds: int
    only: str | None
    json: Path | None
    check: bool


@frozen(kw_only=True)
class Report:
    """What --json writes; a part that was left out is empty."""

    machine: Machine
    identities: tuple[Look, ...]
    cycles: tuple[CycleRound, ...]
    live: tuple[Look, ...]
    live_traced: tuple[Look, ...]


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a mistake ends the program with a message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--identities", type=int, default=IDENTITIES, help="the population (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="passes over the cycles (default: %(default)s)")
    parser.add_argument("--only", choices=("identities", "cycles", "live"), help="measure one part alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to FILE")
    parser.add_argument("--check", action="store_true", help="fail if a bound of what was measured is missed")
    given = parser.parse_args(arguments)
    if given.identities <= FIRST_LOOK or given.rounds < 1:
        parser.error(f"identities start above {FIRST_LOOK:,}, rounds at 1")
    return Options(
        identities=given.identities, rounds=given.rounds, only=given.only, json=given.json, check=given.check
    )


def measure(options: Options, what: str, counts: tuple[int, ...], live_max: int) -> PopulationResult:
    """One part, in a fresh process with a fresh database."""
    print(f"{what}: {', '.join(f'{count:,}' for count in counts)} identities, {live_max:,} live", file=sys.stderr)
    with fresh_folder(memory_folder() or Path.cwd()) as fresh:
        job = PopulationJob(
            what=what,
            path=str(fresh / "population.db"),
            counts=counts,
            live_max=live_max,
            clients=CLIENTS,
            rounds=options.rounds,
        )
        return measure_in_child("_measure_population.py", job, PopulationResult)


def look_counts(identities: int) -> tuple[int, ...]:
    """Where to look on the way: the first thousand, every power of ten after it, and the end."""
    counts = [FIRST_LOOK]
    while counts[-1] * 10 < identities:
        counts.append(counts[-1] * 10)
    return (*counts, identities)


def look_row(first: Look, look: Look) -> tuple[str, ...]:
    """One look, and what grew since the first, as the cells of the table."""
    memory, before = look.memory, first.memory
    figures = (memory.rss, memory.rss_trimmed, memory.sqlite, memory.rss - before.rss)
    return (
        f"{look.identities:,}",
        f"{look.live:,}",
        *(f"{figure / 1e6:.1f}" for figure in (*figures, memory.rss_trimmed - before.rss_trimmed)),
        f"{look.seconds:.1f}",
    )


def cycle_row(
    name: str,
    rounds: Sequence[CycleRound],
    parked: Callable[[CycleRound], Cost],
    live: Callable[[CycleRound], Cost],
) -> tuple[str, ...]:
    """Medians of the rounds, in microseconds, as the cells of the table."""
    pairs = [(parked(each), live(each)) for each in rounds]
    values = (
        [each.wall for each, _ in pairs],
        [each.cpu for each, _ in pairs],
        [each.wall for _, each in pairs],
        [each.cpu for _, each in pairs],
        [one.wall - other.wall for one, other in pairs],
        [one.cpu - other.cpu for one, other in pairs],
    )
    return (name, *(f"{1e6 * median(each):,.0f}" for each in values))


def bytes_each(looks: Sequence[Look], figure: Callable[[Look], int]) -> float:
    """What one agent between the two looks adds."""
    first, last = looks
    return (figure(last) - figure(first)) / (last.live - first.live)


def live_row(live: Sequence[Look], traced: Sequence[Look]) -> tuple[str, ...]:
    """Memory per live idle agent, by each way of counting, as the cells of the table."""
    figures = (
        bytes_each(live, lambda look: look.memory.rss),
        bytes_each(live, lambda look: look.memory.rss - look.memory.sqlite),
        bytes_each(traced, lambda look: look.traced_bytes),
    )
    return (f"{live[1].live - live[0].live:,}", *(f"{figure / 1_000:.2f}" for figure in figures))


def measure_parts(options: Options, machine: Machine) -> Report:
    """Every part that was asked for, a table after each."""
    parts = (options.only,) if options.only else ("identities", "cycles", "live")
    looks: tuple[Look, ...] = ()
    rounds: tuple[CycleRound, ...] = ()
    live: tuple[Look, ...] = ()
    traced: tuple[Look, ...] = ()
    if "identities" in parts:
        looks = measure(options, "identities", look_counts(options.identities), LIVE_MAX).looks
        title = f"identities created and asked once, {LIVE_MAX:,} live at most"
        print_table(title, LOOK_COLUMNS, [look_row(looks[0], look) for look in looks])
    if "cycles" in parts:
        rounds = measure(options, "cycles", (CYCLED,), LIVE_MAX).cycles
        rows = [
            cycle_row("status", rounds, lambda each: each.status_parked, lambda each: each.status_live),
            cycle_row("turn", rounds, lambda each: each.turn_parked, lambda each: each.turn_live),
        ]
        title = f"a request to a parked agent: activation and passivation; {CLIENTS} at once, medians of {len(rounds)}"
        print_table(title, CYCLE_COLUMNS, rows)
    if "live" in parts:
        counts = (LIVE_BASE, LIVE_BASE + LIVE_AGENTS)
        live = measure(options, "live", counts, LIVE_MAX_ROOMY).looks
        traced = measure(options, "live_traced", counts, LIVE_MAX_ROOMY).looks
        print_table("a live idle agent, after one turn", LIVE_COLUMNS, [live_row(live, traced)])
    return Report(machine=machine, identities=looks, cycles=rounds, live=live, live_traced=traced)


def failures(report: Report) -> list[str]:
    """One sentence per bound that was missed."""
    found: list[str] = []
    if report.identities:
        first, last = report.identities[0], report.identities[-1]
        grown = last.memory.rss - first.memory.rss
        if grown > GROWN_BYTES_MAX:
            found.append(
                f"RSS grew by {grown / 1e6:.1f} MB from {first.identities:,} to {last.identities:,} identities, "
                f"at most {GROWN_BYTES_MAX / 1e6:.0f} wanted"
            )
    if report.cycles:
        cycle = median([each.status_parked.wall for each in report.cycles])
        if cycle > CYCLE_SECONDS_MAX:
            found.append(f"activation plus passivation took {1e6 * cycle:.0f} us, {1e6 * CYCLE_SECONDS_MAX:.0f} wanted")
    if report.live:
        # Not SQLite's part: its cache fills with the agents' history, to the same bound however few they are.
        each = bytes_each(report.live, lambda look: look.memory.rss - look.memory.sqlite)
        if each > LIVE_BYTES_MAX:
            found.append(f"a live idle agent takes {each / 1_000:.1f} kB, {LIVE_BYTES_MAX / 1_000:.0f} wanted")
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write, check; the exit code."""
    options = parse_options(arguments)
    machine = describe_machine(Path.cwd())
    print(*machine.lines(), sep="\n")
    report = measure_parts(options, machine)
    if options.json is not None:
        options.json.write_bytes(orjson.dumps(cattrs.unstructure(report), option=orjson.OPT_INDENT_2))
    missed = failures(report) if options.check else []
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
