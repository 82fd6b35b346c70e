"""Many seeds of one scenario: in one process or several, killed and gone on with; and one failure played again.

A sweep is a loop of its own, and runs no other one's tasks: call it from plain functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

import trio
from attrs import frozen

from meerkat_actors.errors import UsageError
from meerkat_actors.simulation.arguments import SEEDS_MAX
from meerkat_actors.simulation.failures import FailedSeed
from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.naming import reference_of, required_reference_of, scenario_of
from meerkat_actors.simulation.outcome import Lived
from meerkat_actors.simulation.parameters import parameters_of
from meerkat_actors.simulation.plan import Plan
from meerkat_actors.simulation.report import Report
from meerkat_actors.simulation.rows import Key, Row, RowsFile, kept, open_rows, row_of
from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.shrinking import kind_of, lived_through, shrunk
from meerkat_actors.simulation.workers import Each, workers

JOBS_MAX: Final = 256
SHRUNK_MAX: Final = 4
"""Failures of one sweep that are shrunk: the first of each kind, then the first."""
_ALL: Final = Faults.all()

_Told: TypeAlias = "Callable[[Row], object]"


def _nobody(row: Row) -> None:
    """Nobody wants to know."""


class AnotherHistoryWarning(UserWarning):
    """A failure was played again and was another history: the code, or the plan in the file, has changed since."""


@frozen(kw_only=True)
class _Sweep:
    """What every seed of a sweep has in common."""

    scenario: Scenario | str
    """As it is, or for another process by its name."""
    faults: Faults
    plan: Plan | None
    parameters: str


def simulate(
    scenario: Scenario | str,
    seeds: Iterable[int],
    *,
    faults: Faults = _ALL,
    plan: Plan | None = None,
    jobs: int = 1,
    save: str | Path | None = None,
    on_row: _Told = _nobody,
) -> Report:
    """Live through one history for each seed, and tell what went wrong.

    A failing seed's plan is shrunk, for the first of each kind of failure. Interrupted or killed, a sweep that saves
    goes on where it was, when it is called again with the same arguments.

    Args:
        scenario: what is simulated, as it is or as ``module:name``.
        seeds: whole numbers from 0; each is run once, the lowest first.
        faults: how much goes wrong; the plan of a seed is drawn from it.
        plan: what goes wrong under every seed, instead.
        jobs: processes at a time. For more than one the scenario is a name at the top of a module.
        save: a folder for a line a seed, in ``rows.jsonl``, and a ``failure-SEED.json`` for each that failed.
        on_row: told of each seed as it is done, of those too that were saved before.

    Raises:
        UsageError: an argument makes no sense, or it is called inside of ``trio.run``.
        WorkerKilledError: one of the processes was killed.
    """
    _require_no_loop()
    _require_jobs(jobs)
    numbers = _seeds(seeds)
    found = scenario_of(scenario) if isinstance(scenario, str) else scenario
    if jobs > 1 and not isinstance(scenario, str):
        scenario = required_reference_of(found)
    sweep = _Sweep(
        scenario=scenario if jobs > 1 else found,
        faults=faults,
        plan=plan,
        parameters=parameters_of(found, faults, plan),
    )
    folder = None if save is None else Path(save)
    with ExitStack() as stack:
        file = None if folder is None else stack.enter_context(open_rows(folder))
        each = stack.enter_context(workers(jobs))
        rows = _rows(sweep, found, numbers, each, file, on_row)
        found_at = scenario if isinstance(scenario, str) else reference_of(found)
        failures = _failures(sweep, found, [row for row in rows if row.violations], each, folder, found_at)
    return Report(scenario=found.name, found_at=found_at, rows=tuple(rows), failures=tuple(failures), folder=folder)


def replay(source: FailedSeed | str | Path, scenario: Scenario | None = None) -> Lived:
    """Play a failure again: the same seed under the same plan.

    Warns with ``AnotherHistoryWarning`` where the trace hash is another one than that of the failure.

    Args:
        source: of a report, or its file.
        scenario: what is simulated; None: it is looked up by the name that it had.

    Raises:
        UsageError: there is no such file, or the scenario isn't found.
        InvalidValueError: the file holds something else.
    """
    _require_no_loop()
    failed = source if isinstance(source, FailedSeed) else FailedSeed.load(source)
    if scenario is None:
        if failed.found_at is None:
            problem = f"{failed.scenario!r} was no name at the top of a module: give replay() the scenario"
            raise UsageError(problem=problem)
        scenario = scenario_of(failed.found_at)
    lived = lived_through(scenario, str(failed.seed), failed.plan)
    if lived.trace != failed.trace:
        message = (
            f"seed {failed.seed} is another history than the one that was saved (trace {lived.trace or '-'}, "
            f"not {failed.trace or '-'}): code or plan changed since, or the scenario isn't of its seed alone"
        )
        warnings.warn(message, AnotherHistoryWarning, stacklevel=2)
    return lived


# -- seeds --------------------------------------------------------------------------------------


def _rows(
    sweep: _Sweep,
    scenario: Scenario,
    numbers: Sequence[int],
    each: Each,
    file: RowsFile | None,
    on_row: _Told,
) -> list[Row]:
    saved = file.found if file is not None else dict[Key, Row]()
    keys = [(scenario.name, sweep.parameters, number) for number in numbers]
    rows = [saved[key] for key in keys if key in saved]
    for row in rows:
        on_row(row)
    for row in each([partial(_row, sweep, key[2]) for key in keys if key not in saved]):
        rows.append(row)
        if file is not None:
            file.append(row)
        on_row(row)
    return sorted(rows, key=lambda row: row.seed)


def _row(sweep: _Sweep, seed: int) -> Row:
    scenario = _scenario(sweep)
    return row_of(lived_through(scenario, str(seed), _plan(sweep, scenario, seed)), sweep.parameters)


def _plan(sweep: _Sweep, scenario: Scenario, seed: int) -> Plan:
    if sweep.plan is not None:
        return sweep.plan
    return sweep.faults.plan(str(seed), scenario.seconds, is_durable=scenario.is_durable)


def _scenario(sweep: _Sweep) -> Scenario:
    if isinstance(sweep.scenario, Scenario):
        return sweep.scenario
    scenario = scenario_of(sweep.scenario)
    if parameters_of(scenario, sweep.faults, sweep.plan) != sweep.parameters:
        problem = f"{sweep.scenario} is another scenario in another process: build it from constants, or use jobs=1"
        raise UsageError(problem=problem)
    return scenario


# -- failures -----------------------------------------------------------------------------------


def _failures(
    sweep: _Sweep, scenario: Scenario, failing: list[Row], each: Each, folder: Path | None, found_at: str | None
) -> list[FailedSeed]:
    drawn = [_drawn(row, _plan(sweep, scenario, row.seed), found_at) for row in failing]
    saved = {failed.seed: _saved(failed, folder) for failed in drawn}
    firsts = {kind_of(failed.violations[0]): failed.seed for failed in reversed(drawn)}
    chosen = [*sorted(firsts.values()), *(failed.seed for failed in drawn)]
    to_shrink = set(islice(dict.fromkeys(chosen), SHRUNK_MAX))
    todo = [failed for failed in drawn if failed.seed in to_shrink and saved[failed.seed] is None]
    found = {failed.seed: failed for failed in each([partial(_shrunk, sweep, failed) for failed in todo])}
    failures = [saved[failed.seed] or found.get(failed.seed) or failed for failed in drawn]
    if folder is not None:
        for failed in failures:
            failed.save(failed.path_in(folder))
    return failures


def _drawn(row: Row, plan: Plan, found_at: str | None) -> FailedSeed:
    return FailedSeed(
        scenario=row.scenario,
        found_at=found_at,
        parameters=row.parameters,
        seed=row.seed,
        plan=plan,
        trace=row.trace,
        seconds=row.seconds,
        violations=row.violations,
        lines=(),
        faults_drawn=len(plan.faults),
        is_shrunk=False,
        is_repeatable=True,
    )


def _saved(failed: FailedSeed, folder: Path | None) -> FailedSeed | None:
    """What an earlier sweep made of it."""
    if folder is None:
        return None
    try:
        found = FailedSeed.load(failed.path_in(folder))
    except UsageError:
        return None
    return found if found.is_shrunk and found.parameters == failed.parameters else None


def _shrunk(sweep: _Sweep, failed: FailedSeed) -> FailedSeed:
    scenario = _scenario(sweep)
    lived = lived_through(scenario, str(failed.seed), failed.plan)
    if (lived.trace, kept(lived.violations)) != (failed.trace, failed.violations):
        return failed.unrepeatable(lived.lines)
    return failed.with_lived(shrunk(scenario, lived))


# -- arguments ----------------------------------------------------------------------------------


def _require_no_loop() -> None:
    if trio.lowlevel.in_trio_run():
        raise UsageError(
            problem="a simulation is a trio.run of its own: call it from a plain function, not an async one"
        )


def _seeds(seeds: Iterable[int]) -> list[int]:
    """Each once, the lowest first."""
    numbers: set[int] = set()
    for seed in seeds:
        # The letters of a text, and True, are seeds only by accident.
        if type(seed) is not int or seed < 0:
            raise UsageError(problem=f"seed {seed!r}: whole numbers from 0, as in range(100)")
        numbers.add(seed)
        if len(numbers) > SEEDS_MAX:
            raise UsageError(problem=f"more than {SEEDS_MAX:,} seeds: run a sweep for each part")
    if not numbers:
        raise UsageError(problem="no seeds, so nothing would be simulated")
    return sorted(numbers)


def _require_jobs(jobs: int) -> None:
    if type(jobs) is not int or not 1 <= jobs <= JOBS_MAX:
        raise UsageError(problem=f"jobs={jobs!r}: 1 to {JOBS_MAX} processes")
