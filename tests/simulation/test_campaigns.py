"""Small budgets of the campaigns under fire; scripts/campaign has larger ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.crashes import fire_known
from tests.crashes.fire_command import Campaign, run
from tests.crashes.fire_doublefaults import KINDS, doublefaults
from tests.crashes.fire_migration import migrations
from tests.crashes.fire_mutants import MUTANTS, hunt, no_mark, patched, planted
from tests.crashes.fire_pool import all_of
from tests.crashes.fire_powercuts import powercuts
from tests.crashes.fire_runs import Tally
from tests.crashes.fire_runtime import runtime_cuts
from tests.crashes.fire_sharers import sharers
from tests.crashes.fire_sweep import faults_of, strike_all, sweep

SEED = "test"
CAUGHT_AT = {"no-barrier": 16, "acknowledged-anyway": 134}
"""Numbers of that seed that are known to catch them, tried before all others."""


@pytest.mark.slow
def test_nothing_is_lost_at_any_of_these_cuts(tmp_path: Path) -> None:
    tally = powercuts(tmp_path, SEED, range(150))
    assert tally.violations == []
    assert tally.runs == 150
    assert tally.acknowledged > 1000


@pytest.mark.slow
def test_nothing_is_lost_by_these_faults(tmp_path: Path) -> None:
    faults = faults_of(tmp_path / "counted")
    every = len(faults) // 24
    tally = strike_all(tmp_path, SEED, [(number, faults[number]) for number in range(0, len(faults), every)])
    assert tally.violations == []
    assert tally.fired.total() >= 24
    assert {name.split()[0] for name in tally.fired} >= {"read", "write", "sync"}


@pytest.mark.slow
def test_the_last_numbers_of_the_sweep_are_cuts(tmp_path: Path) -> None:
    first = len(faults_of(tmp_path / "counted"))
    tally = sweep(tmp_path, SEED, range(first, first + 3))
    assert (tally.violations, tally.fired) == ([], {"any cut": 3})


@pytest.mark.slow
def test_nothing_that_was_believed_is_lost(tmp_path: Path) -> None:
    tally = doublefaults(tmp_path, SEED, range(2 * len(KINDS)))
    assert tally.violations == []
    assert {f"first {kind}" for kind in KINDS} <= set(tally.fired)


@pytest.mark.slow
def test_those_that_share_never_fail(tmp_path: Path) -> None:
    assert sharers(tmp_path, SEED, range(2)).violations == []


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_fault_is_caught(name: str, tmp_path: Path) -> None:
    few = max(1, MUTANTS[name].chunk // 25)
    numbers = [CAUGHT_AT.get(name, 0), *range(0, MUTANTS[name].numbers, few)]
    assert any(hunt(name, tmp_path, SEED, range(first, first + few)).violations for first in numbers)


@pytest.mark.slow
def test_what_is_planted_beside_a_fault_is_none(tmp_path: Path) -> None:
    with patched(no_mark()):
        assert powercuts(tmp_path, SEED, range(60)).violations == []


@pytest.mark.slow
def test_numbers_are_the_same_over_processes(tmp_path: Path) -> None:
    alone = all_of(sharers, SEED, range(2), chunk=1, jobs=1)
    together = all_of(sharers, SEED, range(2), chunk=1, jobs=2)
    assert (alone.runs, alone.violations) == (together.runs, together.violations) == (2, [])
    assert list(tmp_path.iterdir()) == []


def test_a_command_tells_where_to_go_on_and_fails_where_something_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: Path, seed: str, numbers: range) -> Tally:
        tally = Tally(runs=len(numbers))
        tally.blame(f"number {numbers.start} of {seed}", ["it is wrong"] if 4 in numbers else [])
        return tally

    campaign = Campaign(name="trial", about="", work=work, noun="cuts", numbers=8, chunk=2)
    assert run(campaign, ["--jobs", "1", "--cuts", "4"]) == 0
    assert "next: --seed 1 --from 4" in capsys.readouterr().out
    assert run(campaign, ["--jobs", "1", "--from", "4", "--seed", "s"]) == 1
    assert "VIOLATION number 4 of s: it is wrong" in capsys.readouterr().out


def test_a_command_fails_where_a_failure_never_came_to_pass(capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign(
        name="trial",
        about="",
        work=lambda _, __, ___: Tally(fired=Counter({"read error": 1})),
        noun="cuts",
        numbers=2,
        chunk=2,
        must_fire=("read error", "sync error"),
    )
    assert run(campaign, ["--jobs", "1"]) == 1
    assert "never came to pass: sync error" in capsys.readouterr().out
    assert run(campaign, ["--jobs", "1", "--cuts", "1"]) == 0


def test_a_command_that_is_interrupted_says_how_far_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: Path, __: str, numbers: range) -> Tally:
        if numbers.start:
            raise KeyboardInterrupt
        return Tally()

    assert run(Campaign(name="trial", about="", work=work, noun="cuts", numbers=8, chunk=2), ["--jobs", "1"]) == 130
    assert "--from 2 goes on" in capsys.readouterr().out


def test_known_faults_are_counted_and_all_others_are_violations(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_it(told: str) -> bool:
        return "garbage" in told

    monkeypatch.setattr(fire_known, "KNOWN", {"a known one": is_it})
    tally = Tally()
    tally.blame("here", ["garbage: is not a database", "is lost"])
    assert (tally.known.total(), tally.violations) == (1, ["here: is lost"])
    assert set(tally.known) == {"a known one"}


def test_a_cut_amid_a_migration_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    tally = Tally()
    assert migrations(tmp_path, Random(1), 10, tally) == []
    assert tally.images.total() == 10


@pytest.mark.slow
def test_a_runtime_finishes_its_work_after_any_cut(tmp_path: Path) -> None:
    tally = runtime_cuts(tmp_path, SEED, range(2))
    assert tally.violations == []
    assert tally.acknowledged > 50


@pytest.mark.slow
def test_what_a_runtime_loses_is_seen(tmp_path: Path) -> None:
    with planted("synchronous-normal"):
        assert runtime_cuts(tmp_path, SEED, range(1)).violations
