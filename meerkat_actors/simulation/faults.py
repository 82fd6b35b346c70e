"""How much goes wrong in a simulation, as rates; drawn from a seed it is a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any, Final, cast

from attrs import Attribute, Factory, field, frozen

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.ids import shown
from meerkat_actors.records.status import Verb
from meerkat_actors.simulation.disk.faults import FITTING, Operation
from meerkat_actors.simulation.disk.images import Image
from meerkat_actors.simulation.plan import (
    KINDS,
    OF_DISK,
    CallerCancelled,
    ClockJumps,
    Crash,
    Delayed,
    DiskFails,
    DiskFull,
    Fault,
    Govern,
    Moment,
    Plan,
    PowerCut,
    Restart,
    SentTwice,
    SlowCommits,
    Stall,
    TurnsHang,
    TurnsRaise,
)

RATE_MAX: Final = 1e6
"""Faults of one kind in a virtual minute."""


def _rates(rates: Mapping[str, float]) -> Mapping[str, float]:
    return dict(rates)


def _all_rates(_: object, __: Attribute[Any], rates: Mapping[str, object]) -> None:
    for name, rate in rates.items():
        if name not in KINDS or type(rate) not in {int, float} or not 0 <= cast("float", rate) <= RATE_MAX:
            problem = f"rate of {shown(name)}={shown(rate)}: use 0 to {RATE_MAX:g} a minute, of {', '.join(KINDS)}"
            raise InvalidValueError(problem=problem)


@frozen(kw_only=True)
class Faults:
    """How much goes wrong: faults of each kind in a virtual minute, on average. 0: none of that kind.

    Raises:
        InvalidValueError: a rate of no kind, below 0, or above ``RATE_MAX``.
    """

    rates: Mapping[str, float] = field(default=Factory(dict[str, float]), converter=_rates, validator=_all_rates)

    @classmethod
    def all(cls, per_minute: float = 2.0, *, without: tuple[str, ...] = ()) -> Faults:
        """So many of every kind, but for some.

        Raises:
            InvalidValueError: there is no such kind, or the rate is no rate.
        """
        unknown = [name for name in without if name not in KINDS]
        if unknown:
            raise InvalidValueError(problem=f"no such kinds: {shown(unknown)}; there are {', '.join(KINDS)}")
        return cls(rates={name: per_minute for name in KINDS if name not in without})

    @classmethod
    def none(cls) -> Faults:
        """Nothing goes wrong."""
        return cls()

    def plan(self, seed: str, seconds: float, *, is_durable: bool) -> Plan:
        """What goes wrong in so many seconds, by the seed. Without a disk nothing of a disk does."""
        faults: list[Fault] = []
        for name in sorted(self.rates):
            each_second = self.rates[name] / 60
            if not each_second or (name in OF_DISK and not is_durable):
                continue
            random = Random(f"{seed}/{name}")  # noqa: S311 - chance of a seed
            at = random.expovariate(each_second)
            while at < seconds:
                faults.append(_DRAWN[name](random, round(at, 6)))
                at += random.expovariate(each_second)
        return Plan(tuple(faults))


_OPERATIONS: Final = tuple(each for each in FITTING if each is not Operation.RENAME)
"""Nothing is renamed while a runtime serves; only a store that is opened for the first time does that."""


def _disk_fails(random: Random, at: float) -> Fault:
    operation = random.choice(_OPERATIONS)
    return DiskFails(at=at, operation=operation, failure=random.choice(FITTING[operation]), nth=random.randint(1, 9))


def _seconds(random: Random, most: float) -> float:
    """Short ones as often as long ones."""
    return round(float(most ** random.random()) - 1 + 0.001, 6)


_JUMPS_MS: Final = (1, 900, 60_000, 3_600_000)
_DRAWN: Final[Mapping[str, Callable[[Random, float], Fault]]] = MappingProxyType(
    {
        "Crash": lambda random, at: Crash(at=at, moment=random.choice([*Moment])),
        "PowerCut": lambda random, at: PowerCut(
            at=at, moment=random.choice([*Moment]), image=random.choice([*Image])
        ),
        "Restart": lambda random, at: Restart(at=at),
        "DiskFails": _disk_fails,
        "DiskFull": lambda random, at: DiskFull(at=at, seconds=_seconds(random, 10)),
        "SlowCommits": lambda random, at: SlowCommits(
            at=at, seconds=_seconds(random, 20), each=_seconds(random, 40) / 8
        ),
        "TurnsRaise": lambda random, at: TurnsRaise(at=at, times=random.choice((1, 1, 2, 5))),
        "TurnsHang": lambda random, at: TurnsHang(at=at, seconds=_seconds(random, 60)),
        "CallerCancelled": lambda random, at: CallerCancelled(at=at, steps=random.randint(1, 12)),
        "SentTwice": lambda random, at: SentTwice(at=at),
        "Delayed": lambda random, at: Delayed(at=at, seconds=_seconds(random, 30)),
        "ClockJumps": lambda random, at: ClockJumps(at=at, ms=random.choice((-1, 1)) * random.choice(_JUMPS_MS)),
        "Stall": lambda random, at: Stall(at=at, seconds=_seconds(random, 30)),
        "Govern": lambda random, at: Govern(
            at=at, agent=random.randrange(1 << 16), verb=random.choice([*Verb])
        ),
    }
)  # fmt: skip
"""One of each kind, drawn."""
