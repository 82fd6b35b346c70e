"""What people type: which seeds, and which faults."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.simulation.failures import FailedSeed
from meerkat_actors.simulation.faults import RATE_MAX, Faults
from meerkat_actors.simulation.plan import KINDS, Plan

SEEDS_MAX: Final = 1_000_000
"""That one sweep may be asked for."""
_RANGE: Final = re.compile(r"([0-9]{1,18})(?:\.\.([0-9]{1,18}))?")
_USE: Final = "use all, none, all:RATE, KIND=RATE,..., or a file with a plan"
_ALL: Final = re.compile(r"all(?::(.+))?")


def seeds_of(text: str) -> Sequence[int]:
    """The seeds of ``7``, of ``0..99``, both included, or of several such with commas between; each once.

    Raises:
        InvalidValueError: it says no seeds, or too many.
    """
    ranges = [_range_of(part.strip(), text) for part in text.split(",")]
    if sum(map(len, ranges)) > SEEDS_MAX:
        raise InvalidValueError(problem=f"seeds {text!a}: {SEEDS_MAX:,} at most")
    return ranges[0] if len(ranges) == 1 else tuple(dict.fromkeys(seed for each in ranges for seed in each))


def faults_of(text: str) -> Faults | Plan:
    """What goes wrong: ``all``, ``none``, ``all:RATE``, ``Crash=2,PowerCut=1``, or the path of a plan.

    Rates are faults in a virtual minute. A saved failure is a file with a plan, too.

    Raises:
        InvalidValueError: it is none of these.
    """
    if text == "none":
        return Faults.none()
    if found := _ALL.fullmatch(text):
        return Faults.all() if found[1] is None else Faults.all(_rate_of(found[1], text))
    if "=" in text and not Path(text).exists():
        return Faults(rates=dict(_named_rate(part.strip(), text) for part in text.split(",")))
    if not text:
        raise InvalidValueError(problem=f"faults '': {_USE}")
    return _plan_of(Path(text))


def _range_of(part: str, text: str) -> range:
    found = _RANGE.fullmatch(part)
    if found is None:
        raise InvalidValueError(problem=f"seeds {text!a}: use A..B, both included, such as 0..99, or one, such as 7")
    first = int(found[1])
    last = first if found[2] is None else int(found[2])
    if last < first:
        raise InvalidValueError(problem=f"seeds {text!a}: {last} comes before {first}")
    return range(first, last + 1)


def _named_rate(part: str, text: str) -> tuple[str, float]:
    name, _, rate = part.partition("=")
    if name not in KINDS:
        raise InvalidValueError(problem=f"faults {text!a}: no kind {name!a}; there are {', '.join(KINDS)}")
    return name, _rate_of(rate, text)


def _rate_of(rate: str, text: str) -> float:
    try:
        number = float(rate)
    except ValueError:
        number = -1.0
    if not 0 <= number <= RATE_MAX:
        problem = f"faults {text!a}: {rate!a} is no number of faults in a virtual minute, from 0 to {RATE_MAX:,.0f}"
        raise InvalidValueError(problem=problem)
    return number


def _plan_of(path: Path) -> Plan:
    try:
        told = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        problem = f"faults {str(path)!a}: {reason}; {_USE}"
        raise InvalidValueError(problem=problem) from error
    try:
        return FailedSeed.from_json(told).plan if told.lstrip().startswith(b"{") else Plan.from_json(told)
    except InvalidValueError as error:
        raise InvalidValueError(problem=f"{path}: {error}") from error
