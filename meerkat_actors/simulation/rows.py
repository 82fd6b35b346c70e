"""The rows of a sweep, one for each seed, and the file that lets a killed sweep go on."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import cattrs
import orjson
from attrs import asdict, define, frozen

from meerkat_actors.errors import InvalidValueError, UsageError
from meerkat_actors.simulation.outcome import Lived

NAME: Final = "rows.jsonl"
VIOLATIONS_KEPT: Final = 20
"""Of one seed."""
_VIOLATION_LENGTH_MAX: Final = 8_000
_RAISED: Final = re.compile(r"[A-Za-z]")
ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""What a violation names inputs, runs and the like by."""
_ADDRESS: Final = re.compile(r"\b0x[0-9a-f]{6,16}\b")
_CONVERTER: Final = cattrs.Converter(forbid_extra_keys=True)

Key: TypeAlias = tuple[str, str, int]
"""Scenario, parameters and seed."""


@frozen(kw_only=True)
class Row:
    """What became of one seed, in plain values."""

    scenario: str
    """Its name."""
    parameters: str
    """A hash of everything else that was given: the scenario's fields and source files, the rates or the plan."""
    seed: int
    trace: str
    """The hash of all that happened; empty where the run itself raised."""
    seconds: float
    """Virtual."""
    steps: int
    boots: int
    inputs: int
    turns: int
    fired: Mapping[str, int]
    violations: tuple[str, ...]

    @property
    def key(self) -> Key:
        """What it is the row of."""
        return self.scenario, self.parameters, self.seed


def row_of(lived: Lived, parameters: str) -> Row:
    """The row of what was lived through."""
    return Row(
        scenario=lived.scenario,
        parameters=parameters,
        seed=int(lived.seed),
        trace=lived.trace,
        seconds=lived.seconds,
        steps=lived.steps,
        boots=lived.boots,
        inputs=lived.inputs,
        turns=lived.turns,
        fired=dict(sorted(lived.fired.items())),
        violations=kept(lived.violations),
    )


def kept(violations: tuple[str, ...]) -> tuple[str, ...]:
    """Violations as they are stored: so many, so long, and of characters that a file takes."""
    few = [_printable(str(each))[:_VIOLATION_LENGTH_MAX] for each in violations[:VIOLATIONS_KEPT]]
    more = len(violations) - len(few)
    return (*few, f"and {more} more") if more else tuple(few)


def gist_of(violation: str) -> str:
    """A violation in a line: its first, and with a traceback what was raised."""
    first, *others = violation.rstrip().splitlines() or [""]
    raised = next((line.strip() for line in reversed(others) if _RAISED.search(line)), None)
    return first if raised is None else f"{first} {raised}"


def _printable(text: str) -> str:
    # An address in a traceback would make rows differ that are the same.
    return _ADDRESS.sub("0x...", text).encode("utf-8", "backslashreplace").decode("utf-8")


@define(eq=False)
class RowsFile:
    """A file of rows, open for one sweep; made by ``open_rows``."""

    _file: BinaryIO
    found: Mapping[Key, Row]
    """What was there when it was opened."""

    def append(self, row: Row) -> None:
        """Add one. It is there when the process is killed; after a power cut it may be missing."""
        self._file.write(orjson.dumps(asdict(row), option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()


@contextmanager
def open_rows(folder: Path) -> Generator[RowsFile]:
    """The rows of a folder, which is made if need be. A torn last line is dropped.

    Raises:
        UsageError: another sweep writes there, or it is no folder.
        InvalidValueError: another line is no row.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / NAME).open("a+b")
    except OSError as error:
        raise UsageError(problem=f"nothing can be saved in {folder}: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(problem=f"another sweep writes to {folder}; wait for it, or save elsewhere") from error
        file.seek(0)
        text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        file.truncate(len(whole))
        yield RowsFile(file, {row.key: row for row in _rows_in(whole, folder / NAME)})


def _rows_in(text: bytes, path: Path) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            yield _CONVERTER.structure(orjson.loads(line), Row)
        except (AttributeError, TypeError, ValueError, LookupError, cattrs.BaseValidationError) as error:
            raise InvalidValueError(problem=f"{path}:{number} is no row of a sweep; remove the line") from error
