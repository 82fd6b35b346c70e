"""Simulations as tests of pytest: one test for each seed, which is in its name.

pytest finds it by itself where the package is installed::

    @pytest.mark.simulate(seeds=range(50), faults=Faults.all(2))
    def test_my_mob_loses_nothing(simulate: Simulate) -> None:
        simulate(Scenario(...))

A test that fails tells its story, with as few faults as still make it fail, and the command that plays these again.
``pytest --simulate-seeds 0..999 --simulate-faults all:5`` takes others than the marks say.

It imports the simulation only where it is asked for: pytest may import this one in every project, before coverage is
measured.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest
from attrs import define, frozen

from meerkat_actors.errors import InvalidValueError, UsageError

if TYPE_CHECKING:
    from meerkat_actors.simulation.faults import Faults
    from meerkat_actors.simulation.plan import Plan
    from meerkat_actors.simulation.rows import Row
    from meerkat_actors.simulation.scenario import Scenario

MARK: Final = "simulate"
_SEEDS: Final = "--simulate-seeds"
_FAULTS: Final = "--simulate-faults"
_NAME_MAX: Final = 200
"""Characters of a file's name."""
_HELP: Final = """\
simulate(seeds=range(10), faults=Faults.all()): one test for each seed; its fixture ``simulate`` plays a scenario with \
that seed, and with such faults: ``Faults``, or one ``Plan`` for all."""


@frozen(kw_only=True)
class _Marked:
    """What a mark says."""

    seeds: tuple[int, ...]
    faults: Faults | Plan

    @classmethod
    def of(cls, *, seeds: Iterable[int] = range(10), faults: object = None) -> _Marked:
        """Refuse what is no seed, and what are no faults."""
        numbers = tuple(dict.fromkeys(seeds))
        if not numbers or not all(type(seed) is int and seed >= 0 for seed in numbers):
            raise InvalidValueError(problem="seeds are whole numbers from 0, and at least one")
        from meerkat_actors.simulation.faults import Faults
        from meerkat_actors.simulation.plan import Plan

        if faults is None:
            return cls(seeds=numbers, faults=Faults.all())
        if not isinstance(faults, Faults | Plan):
            raise InvalidValueError(problem=f"faults are Faults or a Plan, not {type(faults).__name__}")
        return cls(seeds=numbers, faults=faults)


@define(eq=False)
class Simulate:
    """Plays scenarios with the seed of the test: its fixture ``simulate``."""

    seed: int
    faults: Faults | Plan
    """What goes wrong: drawn by the seed, or told."""
    again: str
    """The command that runs the test with the faults of a file, without the file's name."""
    kept: Path
    """For the faults of the failure."""

    def __call__(self, scenario: Scenario) -> Row:
        """Live through one history, and see that nothing happens that must not; else the test fails.

        Plays it some 100 times more to find the few faults that it takes, if it fails.
        """
        from meerkat_actors.simulation.faults import Faults
        from meerkat_actors.simulation.plan import Plan
        from meerkat_actors.simulation.sweep import simulate as run_seeds

        faults = self.faults
        report = run_seeds(
            scenario,
            [self.seed],
            faults=faults if isinstance(faults, Faults) else Faults.none(),
            plan=faults if isinstance(faults, Plan) else None,
        )
        if report.first is not None:
            self.kept.write_bytes(report.first.plan.to_json())
            pytest.fail(report.told(again=f"{self.again} {shlex.quote(_near(self.kept))}"), pytrace=False)
        return report.rows[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    """See pytest."""
    group = parser.getgroup("meerkat-actors")
    group.addoption(_SEEDS, metavar="A..B", help="seeds of simulations, both included, instead of those of marks")
    group.addoption(_FAULTS, metavar="PLAN|RATES", help="what goes wrong in simulations: all:5, Crash=2, or a plan")


_Told: TypeAlias = "tuple[tuple[int, ...] | None, Faults | Plan | None]"
_TOLD: Final[pytest.StashKey[_Told]] = pytest.StashKey()
"""Seeds and faults of the command line."""


def pytest_configure(config: pytest.Config) -> None:
    """See pytest."""
    config.addinivalue_line("markers", _HELP)
    config.stash[_TOLD] = (None, None)
    seeds, faults = config.getoption(_SEEDS), config.getoption(_FAULTS)
    if seeds is None and faults is None:
        return
    from meerkat_actors.simulation.arguments import faults_of, seeds_of

    try:
        config.stash[_TOLD] = (
            None if seeds is None else tuple(seeds_of(seeds)),
            None if faults is None else faults_of(faults),
        )
    except InvalidValueError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each seed."""
    mark = metafunc.definition.get_closest_marker(MARK)
    if mark is None or "simulate" not in metafunc.fixturenames:
        return
    if iscoroutinefunction(metafunc.function):
        pytest.fail("a simulation runs a loop of its own: its test is a plain function", pytrace=False)
    seeds, _ = metafunc.config.stash[_TOLD]
    numbers = _marked(mark).seeds if seeds is None else seeds
    metafunc.parametrize("simulate", numbers, indirect=True, ids=[f"seed-{seed}" for seed in numbers])


@pytest.fixture
def simulate(request: pytest.FixtureRequest) -> Simulate:
    """Play a scenario with the seed of this test."""
    mark = request.node.get_closest_marker(MARK)
    if mark is None:
        pytest.fail("which seeds? mark the test: @pytest.mark.simulate(seeds=range(50))", pytrace=False)
    _, faults = request.config.stash[_TOLD]
    place = f"{_near(request.path)}{request.node.nodeid.removeprefix(request.node.nodeid.partition('::')[0])}"
    return Simulate(
        seed=request.param,
        faults=_marked(mark).faults if faults is None else faults,
        again=f"pytest {shlex.quote(place)} {_FAULTS}",
        kept=_folder(request) / f"{re.sub(r'[^A-Za-z0-9_]+', '-', place)[-_NAME_MAX:].strip('-')}.json",
    )


def _marked(mark: pytest.Mark) -> _Marked:
    try:
        return _Marked.of(*mark.args, **mark.kwargs)
    except (TypeError, UsageError) as error:
        pytest.fail(f"@pytest.mark.{_HELP.partition(':')[0]}: {error}", pytrace=False)


def _folder(request: pytest.FixtureRequest) -> Path:
    cache: pytest.Cache | None = getattr(request.config, "cache", None)  # -p no:cacheprovider: there is none
    if cache is not None:
        return cache.mkdir("simulate")
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    return factory.mktemp("simulate")


def _near(path: Path) -> str:
    """As somebody types it who ran pytest."""
    return os.path.relpath(path)
