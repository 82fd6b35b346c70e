"""What people type for seeds and faults, and what they are told of what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.simulation.arguments import SEEDS_MAX, faults_of, seeds_of
from meerkat_actors.simulation.failures import FailedSeed
from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.plan import KINDS, Crash, Plan

PLAN = Plan((Crash(at=1.5),))


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("7", [7]),
        ("0..3", [0, 1, 2, 3]),
        ("5..5", [5]),
        ("9, 1..3,2..4", [9, 1, 2, 3, 4]),
        ("999999999999999999", [999999999999999999]),
    ],
)
def test_ranges_include_both_ends_and_name_no_seed_twice(text: str, seeds: list[int]) -> None:
    assert list(seeds_of(text)) == seeds


@pytest.mark.parametrize(
    "text", ["", "x", "1..", "..1", "-1", "3..1", "1...3", "1,", "0x10", "\u0663", f"0..{SEEDS_MAX}"]
)
def test_what_is_no_range_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        seeds_of(text)
    assert str(refused.value).startswith(f"seeds {text!a}: ")
    assert str(refused.value).isascii()


def test_faults_are_rates_in_words() -> None:
    assert faults_of("all") == Faults.all()
    assert faults_of("none") == Faults.none()
    assert faults_of("all:0.5") == Faults(rates=dict.fromkeys(KINDS, 0.5))
    assert faults_of("Crash=2, PowerCut=1e1") == Faults(rates={"Crash": 2.0, "PowerCut": 10.0})


def test_faults_are_a_plan_of_a_file_or_that_of_a_saved_failure(tmp_path: Path) -> None:
    path = tmp_path / "Crash=1"  # a file of that name is meant, where there is one
    path.write_bytes(PLAN.to_json())
    assert faults_of(str(path)) == PLAN
    failed = FailedSeed(
        scenario="a",
        found_at=None,
        parameters="",
        seed=1,
        plan=PLAN,
        trace="",
        seconds=1.0,
        violations=("so",),
        lines=(),
        faults_drawn=1,
        is_shrunk=True,
        is_repeatable=True,
    )
    path.write_bytes(failed.to_json())
    assert faults_of(str(path)) == PLAN


@pytest.mark.parametrize(
    "text",
    ["all:", "all:x", "all:nan", "all:-1", "all:inf", "all:1e7", "Crash=", "Crush=1", "Crash=1,", "", "no.json", "\0"],
)
def test_what_are_no_faults_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        faults_of(text)
    assert str(refused.value).startswith("faults ")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("told", [b"", b"{}", b"[1]", b'[{"fault":"Crush","at":1}]', b"\xff", b"null"])
def test_a_file_of_something_else_is_refused_by_its_name(tmp_path: Path, told: bytes) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(told)
    with pytest.raises(InvalidValueError, match=r"plan\.json: ") as refused:
        faults_of(str(path))
    assert len(str(refused.value)) < 400 + len(str(path))
