"""What the store adds to SQLite: fenced units per second against raw APSW, and bytes per turn by table.

No Trio and no owners: ``Store.commit`` of the units of durable turns, an admission and a boundary each, against
``executemany`` of the very same rows on an equal database through an equal connection. The reference guards nothing,
and gets its rows for nothing: they were packed before, and what a guard looks up is bound. The sides take turns in
one process, and the first of a round alternates. In memory processor time is measured, on a disk all time, and
checkpoints, which are off the hot path, are not; only memory is checked. ``--without INDEX`` drops an index first,
so that the difference is what it costs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import cattrs
import orjson
from attrs import frozen

from _common import freeze_collector, fresh_folder, median, memory_folder, raise_collector_threshold
from _machine import Machine, describe_machine
from _store_bytes import Size, measure_size
from _store_sides import GUARDED, OURS, PLAIN, Clock, Spent, open_contest
from _store_units import create_writers, serving
from _table import print_table
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.store import MemoryStore
from meerkat_actors.store.sqlite.schema import INDEXES

INDEX_NAMES: Final = tuple(index.partition(" INDEX ")[2].split()[0] for index in INDEXES)

BATCHES: Final = (1, 10, 100, 1_000)

WARM_UP_ROUNDS: Final = 2
"""Statements are compiled, and the log is as long as it will be."""

DISK_BATCHES: Final = 100
"""At most so many in half a round on a disk, where each waits for an fsync."""

RATIO_MIN: Final = {100: 0.6, 1_000: 0.6}
"""What --check wants of the median ratio, by batch size."""

SIZE_FACTOR: Final = 1.4
SIZE_BYTES: Final = 300
"""A turn takes at most so many times its payload (its input and its boundary's messages), and so much more."""


@frozen(kw_only=True)
class Options:
    """What the command line asked for."""

    agents: int
    rounds: int
    batches: tuple[int, ...]
    disk: Path | None
    without: str | None
    is_memory_store: bool
    is_profile: bool
    json: Path | None
    check: bool


@frozen(kw_only=True)
class Comparison:
    """All rounds of one batch size on one medium."""

    medium: str
    batch: int
    rounds: tuple[Spent, ...]

    @property
    def ratio(self) -> float:
        """The median of the paired ratios."""
        return median([spent.ratio for spent in self.rounds])

    @property
    def ours(self) -> float:
        return median([spent.ours for spent in self.rounds])

    @property
    def plain(self) -> float:
        return median([spent.plain for spent in self.rounds])

    @property
    def guarded(self) -> float:
        return median([spent.guarded for spent in self.rounds if spent.guarded is not None])

    @property
    def checking(self) -> float:
        return median([spent.checking for spent in self.rounds])

    @property
    def packing(self) -> float:
        return median([spent.packing for spent in self.rounds])


@frozen(kw_only=True)
class Report:
    """What --json writes."""

    machine: Machine
    comparisons: tuple[Comparison, ...]
    ratios: tuple[float, ...]
    """One per comparison, in order."""
    size: Size


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a mistake ends the program with a message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1_000, help="one unit of each in a batch (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=30, help="turns of each agent on each side (default: %(default)s)"
    )
    parser.add_argument("--batch", type=int, choices=BATCHES, help="only this batch size")
    parser.add_argument("--disk", type=Path, metavar="FOLDER", help="measure on this folder's disk, too")
    parser.add_argument("--without", choices=INDEX_NAMES, metavar="INDEX", help="drop this index first, on all sides")
    parser.add_argument("--memory", action="store_true", help="the memory store instead, beside nothing")
    parser.add_argument("--profile", action="store_true", help="say what our time goes into")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to FILE")
    parser.add_argument("--check", action="store_true", help="fail if a bound is missed")
    given = parser.parse_args(arguments)
    batches = BATCHES if given.batch is None else (given.batch,)
    if given.agents < max(batches) or given.rounds < 1:
        parser.error(f"--rounds starts at 1, and --agents at {max(batches)}: a batch holds one unit of an agent")
    if given.disk is not None and not given.disk.is_dir():
        parser.error(f"--disk {given.disk}: not a folder")
    if given.memory and (given.check or given.disk or given.json or given.profile or given.without):
        parser.error("--memory has no disk, no index and no reference: give it --agents, --rounds and --batch only")
    if given.check and given.batch is not None:
        parser.error("--check needs all batch sizes")
    return Options(
        agents=given.agents,
        rounds=given.rounds,
        batches=batches,
        disk=given.disk,
        without=given.without,
        is_memory_store=given.memory,
        is_profile=given.profile,
        json=given.json,
        check=given.check,
    )


def compare(medium: str, parent: Path, batch: int, options: Options) -> Comparison:
    """All rounds of one batch size, on new databases under ``parent``."""
    print(f"{medium}: batches of {batch:,}", file=sys.stderr)
    on_disk = medium == "disk"
    clock: Clock = time.perf_counter if on_disk else time.thread_time
    with (
        fresh_folder(parent) as folder,
        open_contest(
            folder,
            agents=min(options.agents, DISK_BATCHES * batch) if on_disk else options.agents,
            batch=batch,
            without=options.without,
            sides=(OURS, PLAIN, GUARDED) if options.is_profile else (OURS, PLAIN),
            clock=clock,
        ) as contest,
    ):
        for number in range(WARM_UP_ROUNDS):
            contest.round(number)
        freeze_collector()
        rounds = tuple(contest.round(number) for number in range(options.rounds))
        contest.require_equal()
    return Comparison(medium=medium, batch=batch, rounds=rounds)


def print_comparisons(comparisons: Sequence[Comparison], options: Options) -> None:
    """Print the ratios, and with --profile what our time goes into."""
    medium = comparisons[0].medium
    print_table(
        f"{medium}, {options.rounds} rounds, medians",
        ("batch", "ours units/s", "raw units/s", "ratio", "worst", "best", "ours us/unit", "raw us/unit"),
        [
            (
                f"{each.batch:,}",
                f"{1e6 / each.ours:,.0f}",
                f"{1e6 / each.plain:,.0f}",
                f"{each.ratio:.3f}",
                f"{min(spent.ratio for spent in each.rounds):.3f}",
                f"{max(spent.ratio for spent in each.rounds):.3f}",
                f"{each.ours:.2f}",
                f"{each.plain:.2f}",
            )
            for each in comparisons
        ],
    )
    if options.is_profile:
        print_table(
            f"{medium}, what a unit takes, us (share of ours): each part measured by itself, medians",
            ("batch", "ours", "range checks", "packing", "SQL with guards", "without", "the rest"),
            [_parts(each) for each in comparisons],
        )


def _parts(each: Comparison) -> tuple[str, ...]:
    rest = each.ours - each.checking - each.packing - each.guarded
    parts = (each.checking, each.packing, each.guarded, each.plain, rest)
    return f"{each.batch:,}", f"{each.ours:.2f}", *(f"{part:.2f} ({part / each.ours:.0%})" for part in parts)


def print_size(size: Size) -> None:
    """Print what each table and index takes of a turn."""
    rows = [(part.name, part.kind, f"{part.size_bytes:,.1f}", f"{part.unused_bytes:,.1f}") for part in size.parts]
    unused = sum(part.unused_bytes for part in size.parts)
    rows.append(("all", "", f"{size.total_bytes:,.1f}", f"{unused:,.1f}"))
    print_table("on disk after a checkpoint", ("name", "", "bytes/turn", "unused"), rows)
    print(
        f"payload, the input and its boundary's messages: {size.kept_bytes:,.0f} bytes; "
        f"on disk {size.total_bytes / size.kept_bytes:.2f} times, at most {_most(size.kept_bytes):,.0f} bytes wanted\n"
        f"content, each said once, in and out: {size.payload_bytes:,.0f} bytes; "
        f"on disk {size.total_bytes / size.payload_bytes:.2f} times\n"
    )


def _most(payload: float) -> float:
    return SIZE_FACTOR * payload + SIZE_BYTES


def measure_memory_store(agents: int, rounds: int, batch: int) -> Iterator[float]:
    """Microseconds of processor time per unit, one figure per round."""
    env = SystemEnv()
    with serving(MemoryStore()) as store:
        writers = create_writers(store, agents, env)
        for _ in range(rounds):
            pairs = [writer.turn(env) for writer in writers]
            units = [pair[half] for half in (0, 1) for pair in pairs]
            begun = time.thread_time()
            for start in range(0, len(units), batch):
                store.commit(units[start : start + batch])
            yield (time.thread_time() - begun) / len(units) * 1e6


def print_memory_store(options: Options) -> None:
    """Measure the memory store, and print."""
    rows: list[tuple[str, str, str]] = []
    for batch in options.batches:
        micros = [*measure_memory_store(options.agents, options.rounds, batch)]
        rows.append((f"{batch:,}", f"{1e6 / median(micros):,.0f}", f"{median(micros):.2f}"))
    print_table("the memory store, medians", ("batch", "units/s", "us/unit"), rows)


def failures(comparisons: Sequence[Comparison], size: Size) -> list[str]:
    """One sentence per bound that was missed."""
    found = [
        f"batches of {each.batch:,}: {each.ratio:.3f} of raw APSW, {RATIO_MIN[each.batch]} wanted"
        for each in comparisons
        if each.medium == "memory" and each.ratio < RATIO_MIN.get(each.batch, 0.0)
    ]
    if not any(each.medium == "memory" for each in comparisons):
        found.append("there is no memory file system at /dev/shm, and only it is checked")
    if size.total_bytes > _most(size.kept_bytes):
        found.append(f"{size.total_bytes:,.0f} bytes a turn, at most {_most(size.kept_bytes):,.0f} wanted")
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write, check; the exit code."""
    options = parse_options(arguments)
    raise_collector_threshold()
    if options.is_memory_store:
        print_memory_store(options)
        return 0
    memory = memory_folder()
    machine = describe_machine(options.disk or Path.cwd())
    print(*machine.lines(), sep="\n")
    media = [("memory", memory)] if memory is not None else []
    if options.disk is not None or memory is None:
        media.append(("disk", options.disk or Path.cwd()))
    comparisons: list[Comparison] = []
    for medium, parent in media:
        done = [compare(medium, parent, batch, options) for batch in options.batches]
        print_comparisons(done, options)
        comparisons += done
    with fresh_folder(memory or Path.cwd()) as folder:
        size = measure_size(folder / "size.db", options.without)
    print_size(size)
    if options.json is not None:
        ratios = tuple(each.ratio for each in comparisons)
        report = Report(machine=machine, comparisons=tuple(comparisons), ratios=ratios, size=size)
        options.json.write_bytes(orjson.dumps(cattrs.unstructure(report), option=orjson.OPT_INDENT_2))
    missed = failures(comparisons, size) if options.check else []
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
