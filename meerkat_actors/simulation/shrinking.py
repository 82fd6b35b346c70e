"""A failing plan, made small: the fewest faults, and the simplest, that still fail in the same way."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from itertools import islice, takewhile
from time import monotonic
from typing import Any, Final, cast

import attrs
from attrs import define, field

from meerkat_actors.simulation.disk.images import Image
from meerkat_actors.simulation.outcome import Lived
from meerkat_actors.simulation.plan import Crash, Fault, Moment, Plan, PowerCut
from meerkat_actors.simulation.rows import ID, gist_of
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.scenario import Scenario

RUNS_MAX: Final = 100
"""Of one shrinking."""
SECONDS_MAX: Final = 120.0
"""Real ones, after which no further run of a shrinking begins: a big scenario takes minutes each."""
_ALONE_RUNS_MAX: Final = 40
"""In which each fault that is left, the last one first, is tried alone and a little later."""
_LATER_SECONDS: Final = (0.0, 0.3, 1.0, 2.0, 5.0)
_ADDRESS: Final = re.compile(r"0x[0-9a-f]+")
_NUMBER: Final = re.compile(r"\d+(\.\d+)?(e[-+]?\d+)?")


def lived_through(scenario: Scenario, seed: str, plan: Plan) -> Lived:
    """Run it. What the run itself raises is a violation, with its traceback."""
    try:
        return run(scenario, seed, plan)
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is not None:
            raise KeyboardInterrupt from group  # as it is known outside of nurseries
        return _raised(scenario, seed, plan, group)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - an edge: whatever a user's scenario raises is its result
        return _raised(scenario, seed, plan, error)


def kind_of(violation: str) -> str:
    """What the violation is, whomever and whenever it befell: its gist without ids and numbers."""
    return _NUMBER.sub("#", _ADDRESS.sub("#", ID.sub("#", gist_of(violation))))


def shrunk(scenario: Scenario, lived: Lived) -> Lived:
    """Live again with fewer and simpler faults, as long as the first violation is of the same kind.

    Takes at most ``RUNS_MAX`` runs, begun within ``SECONDS_MAX`` real seconds. What comes out failed that
    way; where nothing smaller did, it is ``lived``.
    """
    if not lived.violations:
        return lived
    trials = _Trials(scenario, kind_of(lived.violations[0]), lived)
    _drop(trials)
    _leave_one(trials)
    _simplify(trials)
    _drop(trials)  # what was needed at another time may not be now
    return trials.best


@define(eq=False)
class _Trials:
    scenario: Scenario
    kind: str
    best: Lived
    """The smallest that failed so far."""
    runs: int = 0
    _ends: float = field(factory=lambda: monotonic() + SECONDS_MAX)
    _failed_not: set[Plan] = field(factory=set[Plan])

    def fails(self, plan: Plan) -> bool:
        """Whether it fails in the same way; then it is the best."""
        if plan in self._failed_not or plan == self.best.plan:
            return False
        if self.runs == RUNS_MAX or monotonic() > self._ends:
            return False
        self.runs += 1
        lived = lived_through(self.scenario, self.best.seed, plan)
        if lived.violations and kind_of(lived.violations[0]) == self.kind:
            self.best = lived
            return True
        self._failed_not.add(plan)
        return False


def _drop(trials: _Trials) -> None:
    """Leave out all, halves, quarters, and at last one by one, until each is needed."""
    size = len(trials.best.plan.faults)
    while size:
        was, place = trials.best, 0
        while place < len(trials.best.plan.faults):
            if not trials.fails(trials.best.plan.without(*range(place, place + size))):
                place += size
        if size > 1 or trials.best is was:
            size //= 2


def _leave_one(trials: _Trials) -> None:
    """One of several, at a better moment: the others may have been there only to bring it about."""
    faults = trials.best.plan.faults
    if len(faults) > 1:
        alone = (each for fault in reversed(faults) for each in _elsewhere(fault))
        any(trials.fails(Plan((fault,))) for fault in islice(alone, _ALONE_RUNS_MAX))


def _elsewhere(fault: Fault) -> Iterator[Fault]:
    moments = (Moment.BEFORE_COMMIT, Moment.IN_COMMIT)
    for later in _LATER_SECONDS:
        at = round(fault.at, 1) + later
        if isinstance(fault, Crash | PowerCut):
            yield from (attrs.evolve(fault, at=at, moment=moment) for moment in moments)
        else:
            yield _changed(fault, "at", at)


def _simplify(trials: _Trials) -> None:
    place = 0
    while place < len(trials.best.plan.faults):
        for each in attrs.fields(type(trials.best.plan.faults[place])):
            for plan in [*_simpler(trials.best.plan, place, each.name)]:
                if trials.fails(plan):
                    break
        place += 1


def _simpler(plan: Plan, place: int, name: str) -> Iterator[Plan]:
    """The plan with simpler values of one field of one fault, the simplest first. Times stay in their order."""
    faults = plan.faults
    fault, value = faults[place], getattr(faults[place], name)
    before = faults[place - 1].at if place else 0.0
    after = faults[place + 1].at if place + 1 < len(faults) else None
    for simpler in takewhile(lambda each: each != value, _values(name, value, before)):
        changed = _changed(fault, name, simpler)
        if before <= changed.at and (after is None or changed.at <= after):
            yield Plan((*faults[:place], changed, *faults[place + 1 :]))


def _changed(fault: Any, name: str, value: object) -> Fault:  # noqa: ANN401 - of whichever kind has the field
    return cast("Fault", attrs.evolve(fault, **{name: value}))


def _values(name: str, value: object, before: float) -> Iterator[float | Moment | Image]:
    """Values that are simpler than this one, the simplest first, and then perhaps itself."""
    match value:
        case Moment():
            yield from Moment
        case Image():
            yield from Image
        case float() if name == "at":
            yield before
            yield from (round(value, digits) for digits in (0, 1, 3))
        case float():
            yield from (each for each in (1.0, 10.0, *(round(value, digits) for digits in (0, 1))) if each > 0)
        case int():
            yield 0 if name == "agent" else 1
        case _:
            return


def _raised(scenario: Scenario, seed: str, plan: Plan, error: BaseException) -> Lived:
    return Lived(
        scenario=scenario.name,
        seed=seed,
        plan=plan,
        trace="",
        lines=(),
        violations=("the run raised:\n" + "".join(traceback.format_exception(error)).rstrip(),),
        seconds=0.0,
        steps=0,
        boots=0,
        inputs=0,
        turns=0,
    )
