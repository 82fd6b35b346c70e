"""Hold each floor to its coverage: python scripts/coverage_floors.py .coverage.json.

A share is coverage.py's own with branches measured: statements and branches reached, of all there are. The floor
as a whole decides; each of its files below the bound is named, and pytest's table above says which lines to look at.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import cattrs
from attrs import frozen

PURE_FLOORS: Final = ("errors", "records", "machines", "store")
PURE_PERCENT_MIN: Final = 98.0
UPPER_PERCENT_MIN: Final = 92.0


@frozen(kw_only=True)
class Summary:
    """How much of one file the tests reached, as ``coverage json`` says it."""

    covered_lines: int
    covered_branches: int
    num_statements: int
    num_branches: int


@frozen(kw_only=True)
class File:
    """One file's entry."""

    summary: Summary


@frozen(kw_only=True)
class Report:
    """What we read of the output of ``coverage json``."""

    files: Mapping[str, File]


def floor_of(path: str) -> str:
    """Name the folder or module right below the package."""
    return Path(path).parts[1].removesuffix(".py")


def percent_min(floor: str) -> float:
    return PURE_PERCENT_MIN if floor in PURE_FLOORS else UPPER_PERCENT_MIN


def percent(files: Iterable[File]) -> float:
    summaries = [file.summary for file in files]
    reached = sum(summary.covered_lines + summary.covered_branches for summary in summaries)
    total = sum(summary.num_statements + summary.num_branches for summary in summaries)
    return 100.0 * reached / total if total else 100.0


def main(report_path: str) -> int:
    report = cattrs.structure(json.loads(Path(report_path).read_text()), Report)
    floors: dict[str, dict[str, File]] = {}
    for path, file in sorted(report.files.items()):
        floors.setdefault(floor_of(path), {})[path] = file
    low: list[str] = []
    for floor, files in floors.items():
        print(f"coverage of {floor}: {percent(files.values()):.1f} % (at least {percent_min(floor):.0f} %)")
        for path, file in files.items():
            if percent([file]) < percent_min(floor):
                print(f"  below it: {path} {percent([file]):.1f} %")
        if percent(files.values()) < percent_min(floor):
            low.append(floor)
    if low:
        print(f"error: coverage is below its bound on {', '.join(low)}", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
