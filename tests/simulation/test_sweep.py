"""Sweeps: the same rows however they are run, killed and gone on with; failures played again anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from meerkat_actors.cli import sim as command
from meerkat_actors.errors import InvalidValueError, UsageError
from meerkat_actors.simulation import (
    AnotherHistoryWarning,
    Crash,
    FailedSeed,
    Faults,
    Plan,
    Row,
    Scenario,
    TurnsRaise,
    replay,
    simulate,
    sweep,
)
from meerkat_actors.simulation.naming import reference_of, scenario_of
from meerkat_actors.simulation.parameters import parameters_of
from meerkat_actors.simulation.rows import NAME, open_rows
from tests.simulation import planted
from tests.simulation.planted import COUNTING, COUNTING_ON_DISK, LEAKING, RAISING, WELL

ROOT = Path(__file__).parents[2]
FEW = Faults(rates={"Crash": 6.0, "TurnsRaise": 3.0})
RAISE = Plan((TurnsRaise(at=0.0),))
SWEEP = """
import sys
from meerkat_actors.simulation import Faults, simulate
if __name__ == "__main__":
    faults = Faults(rates={"Crash": 6.0, "TurnsRaise": 3.0})
    told = lambda row: print(row.seed, flush=True)
    simulate("tests.simulation.planted:WELL", range(200), faults=faults, save=sys.argv[1], on_row=told)
"""
REPLAY = """
import sys
from meerkat_actors.simulation import replay
print(replay(sys.argv[1]).trace)
"""


def started(program: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_same_seeds_are_the_same_rows_in_order_each_once() -> None:
    told: list[Row] = []
    report = simulate(WELL, [3, 1, 2, 1], faults=FEW, on_row=told.append)
    assert [row.seed for row in report.rows] == [1, 2, 3]
    assert [*report.rows] == told
    assert report.rows == simulate("tests.simulation.planted:WELL", range(1, 4), faults=FEW).rows
    assert len({row.trace for row in report.rows}) == 3
    assert report.totals.fired["Crash"] > 0
    report.require()


@pytest.mark.slow
def test_several_processes_find_what_one_does(tmp_path: Path) -> None:
    alone = simulate(COUNTING, range(4), faults=FEW)
    report = simulate(COUNTING, range(4), faults=FEW, jobs=2, save=tmp_path)
    assert report.rows == alone.rows
    assert report.failures == alone.failures
    assert report.first is not None


@pytest.mark.slow
def test_a_sweep_that_was_killed_goes_on_to_the_rows_of_an_undisturbed_one(tmp_path: Path) -> None:
    with started(SWEEP, tmp_path / "killed") as sweep:
        assert sweep.stdout is not None
        for line in sweep.stdout:
            if line == "5\n":
                break
        sweep.kill()
    saved = (tmp_path / "killed" / NAME).read_bytes()
    done = saved.count(b"\n")
    assert 6 <= done < 200
    (tmp_path / "killed" / NAME).write_bytes(saved + b'{"scenario":"we')
    seeds = range(done + 6)
    report = simulate(WELL, seeds, faults=FEW, save=tmp_path / "killed")
    undisturbed = simulate(WELL, seeds, faults=FEW, save=tmp_path / "undisturbed")
    assert report.rows == undisturbed.rows
    # Not one was run a second time, and the torn line is gone.
    text = (tmp_path / "killed" / NAME).read_bytes()
    assert text.startswith(saved)
    assert sorted(text.splitlines()) == sorted((tmp_path / "undisturbed" / NAME).read_bytes().splitlines())


def test_an_interrupted_sweep_keeps_what_was_done(tmp_path: Path) -> None:
    def interrupt(row: Row) -> None:
        if row.seed == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(WELL, range(4), faults=FEW, save=tmp_path, on_row=interrupt)
    with open_rows(tmp_path) as file:
        assert sorted(row.seed for row in file.found.values()) == [0, 1]


def test_rows_of_other_parameters_are_not_taken(tmp_path: Path) -> None:
    simulate(WELL, [0], faults=FEW, save=tmp_path)
    simulate(WELL, [0], faults=Faults.none(), save=tmp_path)
    simulate(evolve(WELL, seconds=11), [0], faults=FEW, save=tmp_path)
    with open_rows(tmp_path) as file:
        assert len(file.found) == 3


def test_parameters_are_the_same_in_any_process() -> None:
    program = (
        "from meerkat_actors.simulation import Faults\n"
        "from meerkat_actors.simulation.parameters import parameters_of\n"
        "from tests.simulation.planted import COUNTING\n"
        "print(parameters_of(COUNTING, Faults.all(), None))"
    )
    expected = parameters_of(COUNTING, Faults.all(), None)
    for seed in ("1", "2"):
        with started(program, PYTHONHASHSEED=seed) as process:
            assert process.communicate()[0] == f"{expected}\n"


@pytest.mark.slow
def test_a_failure_plays_again_exactly_in_a_fresh_process(tmp_path: Path) -> None:
    report = simulate(
        COUNTING_ON_DISK, [1], plan=Plan((Crash(at=1.0), TurnsRaise(at=2.0), Crash(at=9.0))), save=tmp_path
    )
    first = report.first
    assert first is not None
    assert (first.is_shrunk, first.is_repeatable, first.faults_drawn) == (True, True, 3)
    assert len(first.plan.faults) <= 2
    assert report.command(first) == f"meerkat-actors sim --replay {tmp_path / 'failure-1.json'}"
    for seed in ("1", "2"):
        with started(REPLAY, tmp_path / "failure-1.json", PYTHONHASHSEED=seed) as process:
            assert process.communicate()[0] == f"{first.trace}\n"
    again = simulate(
        COUNTING_ON_DISK, [1], plan=Plan((Crash(at=1.0), TurnsRaise(at=2.0), Crash(at=9.0))), save=tmp_path
    )
    assert again == report


def test_another_history_is_said_to_be_one() -> None:
    first = simulate(COUNTING, [1], plan=RAISE).first
    assert first is not None
    with pytest.warns(AnotherHistoryWarning, match="seed 1 is another history"):
        assert replay(evolve(first, plan=Plan())).violations == ()


def test_a_scenario_that_is_not_of_its_seed_is_said_not_to_be() -> None:
    report = simulate(LEAKING, [0], faults=Faults.none())
    assert report.first is not None
    assert (report.first.is_repeatable, report.first.is_shrunk) == (False, False)


def test_of_many_failures_the_first_of_each_kind_is_shrunk(tmp_path: Path) -> None:
    report = simulate(RAISING, range(6), faults=FEW, save=tmp_path)
    assert [failed.seed for failed in report.failures] == [0, 1, 2, 3, 4, 5]
    assert [failed.is_shrunk for failed in report.failures] == [True, True, True, True, False, False]
    assert all("LookupError" in failed.violations[0] for failed in report.failures)
    assert {path.name for path in tmp_path.iterdir()} == {NAME, *(f"failure-{seed}.json" for seed in range(6))}
    assert replay(tmp_path / "failure-5.json").violations == report.failures[5].violations


def test_a_scenario_without_a_name_is_simulated_here_and_played_again_with_it(tmp_path: Path) -> None:
    scenario = evolve(COUNTING, seconds=20)
    assert reference_of(scenario) is None
    simulate(scenario, [1], plan=RAISE, save=tmp_path)
    failed = FailedSeed.load(tmp_path / "failure-1.json")
    assert failed.found_at is None
    assert replay(failed, scenario).trace == failed.trace
    with pytest.raises(UsageError, match="give replay"):
        replay(failed)
    with pytest.raises(UsageError, match="top of a module"):
        simulate(scenario, [1], jobs=2)


def test_a_scenario_is_found_by_the_name_that_it_has() -> None:
    assert reference_of(COUNTING) == "tests.simulation.planted:COUNTING"
    assert scenario_of("tests.simulation.planted:COUNTING") is COUNTING


@pytest.mark.parametrize(
    "name", ["", ":", "nothing", "no.such:NAME", "tests.simulation.planted:", "tests.simulation.planted:RUNS", ".x:A"]
)
def test_a_name_of_no_scenario_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        simulate(name, [0])


def test_the_scenarios_that_are_there_are_named() -> None:
    with pytest.raises(UsageError, match="COUNTING, COUNTING_ON_DISK, WELL"):
        scenario_of("tests.simulation.planted:NONE")


def endless() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


@pytest.mark.parametrize("seeds", [[], [-1], [True], ["1"], "12", [1.0], [None], endless()])
def test_seeds_that_are_none_are_refused(seeds: Any) -> None:  # noqa: ANN401 - hostile
    with pytest.raises(UsageError, match="seed"):
        simulate(WELL, seeds)


@pytest.mark.parametrize("jobs", [0, -1, True, 1.0, "2", None, 100_000])
def test_jobs_that_are_none_are_refused(jobs: Any) -> None:  # noqa: ANN401 - hostile
    with pytest.raises(UsageError, match="jobs"):
        simulate(WELL, [0], jobs=jobs)


def test_the_command_takes_as_many_jobs_as_a_sweep_does() -> None:
    assert command.JOBS_MAX == sweep.JOBS_MAX


def test_rates_of_no_kind_are_refused_and_nothing_is_a_row_of_them(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="Crush"):
        simulate(WELL, [0], faults=Faults(rates={"Crush": 1.0}), save=tmp_path)


async def test_inside_of_a_loop_it_is_refused() -> None:
    with pytest.raises(UsageError, match="plain function"):
        simulate(WELL, [0])
    with pytest.raises(UsageError, match="plain function"):
        replay("failure.json")


def test_two_sweeps_do_not_write_to_one_folder_at_a_time(tmp_path: Path) -> None:
    with open_rows(tmp_path), pytest.raises(UsageError, match="another sweep"):
        simulate(WELL, [0], save=tmp_path)


def test_what_is_no_row_is_named_with_its_line(tmp_path: Path) -> None:
    simulate(WELL, [0], faults=FEW, save=tmp_path)
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes() + b"{}\n")
    with pytest.raises(InvalidValueError, match=f"{NAME}:2 is no row"):
        simulate(WELL, [0, 1], faults=FEW, save=tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="nothing can be saved"):
        simulate(WELL, [0], save=tmp_path / "file")


@pytest.mark.slow
def test_a_scenario_that_another_process_builds_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other: Scenario = evolve(WELL, seconds=9)
    monkeypatch.setattr(planted, "WELL", other)
    with pytest.raises(UsageError, match="another scenario in another process"):
        simulate(other, range(2), jobs=2)


def test_importing_the_package_imports_no_simulation() -> None:
    program = "import sys, meerkat_actors; print([name for name in sys.modules if 'meerkat_actors.simulation' in name])"
    with started(program) as process:
        assert process.communicate()[0] == "[]\n"
