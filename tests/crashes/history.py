"""What a job told the outside before it died: one line for each thing, read from a pipe."""

from __future__ import annotations

from typing import Any, Final, cast

from attrs import frozen
from cattrs.preconf.orjson import make_converter
from cattrs.strategies import configure_tagged_union

from meerkat_actors.examples.review.progress import Phase


@frozen(kw_only=True)
class Started:
    """The interpreter has imported everything: from here on our code can answer a signal."""


@frozen(kw_only=True)
class PhaseBegan:
    """A part of the job begins."""

    phase: Phase


@frozen(kw_only=True)
class Ready:
    """A member exists durably."""

    identity: str
    version: int
    """Boundaries that it had."""


@frozen(kw_only=True)
class Acknowledged:
    """An input is durable."""

    identity: str
    input_id: str
    key: str
    path: str


@frozen(kw_only=True)
class Consumed:
    """An input's outcome was told, with its receipt."""

    identity: str
    input_id: str
    version: int
    digest: str


@frozen(kw_only=True)
class GivenUp:
    """An input's outcome was told, and is a dead letter."""

    identity: str
    input_id: str
    reason: str


@frozen(kw_only=True)
class Written:
    """The report is durable."""


Line = Started | PhaseBegan | Ready | Acknowledged | Consumed | GivenUp | Written


def encode_line(line: Line) -> bytes:
    """The line with its end: shorter than ``PIPE_BUF``, so a pipe holds all of it or nothing."""
    return _CONVERTER.dumps(line, unstructure_as=_LINE) + b"\n"


def decode_line(encoded: bytes) -> Line:
    """The line without its end."""
    return cast("Line", _CONVERTER.loads(encoded, _LINE))


# A union is a type to cattrs, and none to type checkers.
_LINE: Final[Any] = Line
_CONVERTER: Final = make_converter()
configure_tagged_union(_LINE, _CONVERTER)
