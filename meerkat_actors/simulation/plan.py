"""What is to go wrong in one simulation, as data: drawn from a seed, printed, saved, edited, played again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast, get_args

import attrs
import cattrs
import orjson
from attrs import Attribute, field, frozen
from cattrs import transform_error
from cattrs.v import format_exception

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.checks import a_count, a_first
from meerkat_actors.records.ids import shown
from meerkat_actors.records.status import Verb
from meerkat_actors.simulation.disk.faults import FITTING, Failure, Operation
from meerkat_actors.simulation.disk.images import Image


class Moment(StrEnum):
    """Where in a process something happens."""

    NOW = "now"
    BEFORE_COMMIT = "before commit"
    """Nothing of the next commit is written."""
    IN_COMMIT = "in commit"
    """The next commit is written, and nobody hears of it."""
    AFTER_COMMIT = "after commit"
    """Whoever asked was answered, and had no time to do anything with it."""


_SECONDS_MAX: Final = 1e9
_JUMP_MS_MAX: Final = 1_000_000_000_000
"""Some thirty years."""


def _real(value: Any) -> Any:  # noqa: ANN401 - what it is, its validator says
    return float(value) if type(value) is int else value


def _a_time(fault: object, attribute: Attribute[Any], value: object) -> None:
    if type(value) is not float or not (isfinite(value) and 0 <= value <= _SECONDS_MAX):
        problem = f"{type(fault).__name__}.{attribute.name}={shown(value)}: use seconds from 0 to {_SECONDS_MAX:g}"
        raise InvalidValueError(problem=problem)


def _a_jump(_: object, __: Attribute[Any], value: object) -> None:
    if type(value) is not int or abs(value) > _JUMP_MS_MAX:
        problem = f"ClockJumps.ms={shown(value)}: use an int from {-_JUMP_MS_MAX} to {_JUMP_MS_MAX}"
        raise InvalidValueError(problem=problem)


def _fitting(fault: DiskFails, _: Attribute[Failure], failure: Failure) -> None:
    if failure not in FITTING[fault.operation]:
        problem = f"DiskFails: a {fault.operation} fails by {', '.join(FITTING[fault.operation])}; not by {failure}"
        raise InvalidValueError(problem=problem)


@frozen(kw_only=True)
class _Timed:
    at: float = field(converter=_real, validator=_a_time)
    """Virtual seconds from the beginning."""


@frozen(kw_only=True)
class Crash(_Timed):
    """A process is killed; what it wrote stays. Another one begins."""

    moment: Moment = Moment.NOW


@frozen(kw_only=True)
class PowerCut(_Timed):
    """The machine loses power: of what was not synced stays what ``image`` says. Another process begins."""

    moment: Moment = Moment.NOW
    image: Image = Image.SUBSET


@frozen(kw_only=True)
class Restart(_Timed):
    """A process leaves in good order. Another one begins."""


@frozen(kw_only=True)
class DiskFails(_Timed):
    """One operation of the disk fails, the ``nth`` of its kind from then on."""

    operation: Operation
    failure: Failure = field(validator=_fitting)
    nth: int = field(default=1, validator=a_first)


@frozen(kw_only=True)
class DiskFull(_Timed):
    """No write fits for so long."""

    seconds: float = field(converter=_real, validator=_a_time)


@frozen(kw_only=True)
class SlowCommits(_Timed):
    """For so long every call to a store waits up to ``each`` seconds before it is made, and as long again after it.

    Long ones are those of a paused owner.
    """

    seconds: float = field(converter=_real, validator=_a_time)
    each: float = field(converter=_real, validator=_a_time)


@frozen(kw_only=True)
class TurnsRaise(_Timed):
    """So many of the next turns raise, before they do anything or after all that they did."""

    times: int = field(default=1, validator=a_first)


@frozen(kw_only=True)
class TurnsHang(_Timed):
    """The next turn sleeps for so long."""

    seconds: float = field(converter=_real, validator=_a_time)


@frozen(kw_only=True)
class CallerCancelled(_Timed):
    """The next call of a client is cancelled after so many steps of a task beside it; the client asks again."""

    steps: int = field(validator=a_first)


@frozen(kw_only=True)
class SentTwice(_Timed):
    """The next message of a client is sent by two at once, under one id."""


@frozen(kw_only=True)
class Delayed(_Timed):
    """The next call of a client leaves it so much later."""

    seconds: float = field(converter=_real, validator=_a_time)


@frozen(kw_only=True)
class ClockJumps(_Timed):
    """The wall clock of every process is set wrong by so much, for good."""

    ms: int = field(validator=_a_jump)


@frozen(kw_only=True)
class Stall(_Timed):
    """The world's subscriber takes no event for so long."""

    seconds: float = field(converter=_real, validator=_a_time)


@frozen(kw_only=True)
class Govern(_Timed):
    """An operator uses a verb on an agent, by its number among those that are there, counted round and round."""

    agent: int = field(validator=a_count)
    verb: Verb


Fault: TypeAlias = (
    Crash | PowerCut | Restart | DiskFails | DiskFull | SlowCommits | TurnsRaise | TurnsHang | CallerCancelled
    | SentTwice | Delayed | ClockJumps | Stall | Govern
)  # fmt: skip
KINDS: Final[Mapping[str, type[Any]]] = MappingProxyType({kind.__name__: kind for kind in get_args(Fault)})
"""Every kind of fault, by name."""
OF_DISK: Final = frozenset({"PowerCut", "DiskFails", "DiskFull"})
"""Those that only a store on a disk knows."""
_CONVERTER: Final = cattrs.Converter(forbid_extra_keys=True)
# Numbers as they are: what is none of the right kind its field refuses, and none is cut to fit.
_CONVERTER.register_structure_hook(float, lambda value, _: value)
_CONVERTER.register_structure_hook(int, lambda value, _: value)


def line_of(fault: Fault) -> str:
    """For people: its second, its kind, and the rest of it."""
    names = [each.name for each in attrs.fields(type(fault)) if each.name != "at"]
    told = ", ".join(f"{name} {getattr(fault, name)}" for name in names)
    return f"{fault.at:>14.6f}  {type(fault).__name__}{': ' if told else ''}{told}"


def _in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(sorted(faults, key=lambda fault: fault.at))


@frozen
class Plan:
    """What goes wrong, and when."""

    faults: tuple[Fault, ...] = field(default=(), converter=_in_order)
    """In the order of their times; given at one time, in the order in which they were given."""

    def __str__(self) -> str:
        return "\n".join(map(line_of, self.faults)) or "no faults"

    def without(self, *numbers: int) -> Plan:
        """The same without the faults of these places."""
        return Plan(tuple(fault for place, fault in enumerate(self.faults) if place not in numbers))

    def to_json(self) -> bytes:
        """For a file: one fault a line."""
        lines = [
            orjson.dumps({"fault": type(fault).__name__, **_CONVERTER.unstructure(fault)}) for fault in self.faults
        ]
        return b"[\n" + b",\n".join(lines) + b"\n]\n"

    @classmethod
    def from_json(cls, text: bytes | str) -> Plan:
        """The plan that was written.

        Raises:
            InvalidValueError: it is none.
        """
        try:
            told = orjson.loads(text)
        except (orjson.JSONDecodeError, TypeError) as error:
            problem = f"a plan is JSON, as Plan.to_json writes it: {error}"
            raise InvalidValueError(problem=problem) from error
        if not isinstance(told, list):
            problem = f"a plan is a list of faults, as Plan.to_json writes it; not {shown(told)}"
            raise InvalidValueError(problem=problem)
        return cls(tuple(_fault_of(place, each) for place, each in enumerate(cast("list[object]", told))))


def _fault_of(place: int, told: object) -> Fault:
    given = shown(told)
    fields: dict[str, Any] = dict(cast("dict[str, Any]", told)) if isinstance(told, dict) else {}
    name = fields.pop("fault", None)
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        problem = f"fault {place} of a plan: {given}: kinds are {', '.join(KINDS)}"
        raise InvalidValueError(problem=problem)
    try:
        return cast("Fault", _CONVERTER.structure(fields, kind))
    except cattrs.BaseValidationError as error:
        problem = f"fault {place} of a plan: {name}: {'; '.join(_reasons(error))}"
        raise InvalidValueError(problem=problem) from error


def _reasons(error: cattrs.BaseValidationError) -> Iterator[str]:
    return (each.removesuffix(" @ ") for each in transform_error(error, path="", format_exception=_reason))


def _reason(error: BaseException, kind: type | None) -> str:
    return str(error) if isinstance(error, InvalidValueError) else format_exception(error, kind)
