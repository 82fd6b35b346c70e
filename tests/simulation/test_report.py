"""Reports: what people read when a seed failed, and what their tests fail with."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from meerkat_actors.errors import InvalidValueError, UsageError
from meerkat_actors.simulation import (
    Crash,
    DiskFails,
    FailedSeed,
    Moment,
    Operation,
    Plan,
    Report,
    Row,
    SimulationFailedError,
)
from meerkat_actors.simulation.disk.faults import FITTING
from meerkat_actors.simulation.report import LINES_TOLD, lines_around
from meerkat_actors.simulation.rows import VIOLATIONS_KEPT, kept

INPUT = "01977421-8428-7a76-bdc7-b1ba7b8142f3"
ROW = Row(
    scenario="mob",
    parameters="ab",
    seed=3,
    trace="0" * 32,
    seconds=1060.0,
    steps=9,
    boots=1,
    inputs=4,
    turns=5,
    fired={"Crash": 2},
    violations=(),
)
FAILED = FailedSeed(
    scenario="mob",
    found_at="my.mob:MOB",
    parameters="ab",
    seed=7,
    plan=Plan(
        (
            Crash(at=1.5, moment=Moment.IN_COMMIT),
            DiskFails(at=2.0, operation=Operation.SYNC, failure=FITTING[Operation.SYNC][0]),
        )
    ),
    trace="1" * 32,
    seconds=66.0,
    violations=(f"{INPUT} is lost\nin two lines", "i07 something"),
    lines=tuple(f"{number:14.6f}  line {number}{f' {INPUT}' if number in {20, 30} else ''}" for number in range(90)),
    faults_drawn=24,
    is_shrunk=True,
    is_repeatable=True,
)
WELL = Report(scenario="mob", found_at="my.mob:MOB", rows=(ROW, evolve(ROW, seed=4)), failures=())
ILL = evolve(
    WELL,
    rows=(ROW, evolve(ROW, seed=7, violations=FAILED.violations), evolve(ROW, seed=9, violations=("other",))),
    failures=(FAILED, evolve(FAILED, seed=9, violations=("other",))),
)


def test_a_report_of_no_failure_is_short_and_requires_nothing() -> None:
    WELL.require()
    assert WELL.first is None
    assert str(WELL).splitlines() == [
        "mob: none of 2 seeds failed",
        "  2,120 virtual seconds, 2 boots, 8 inputs acknowledged, 10 turns",
        "  faults that hurt: Crash 4",
    ]


def test_the_first_failure_is_told_in_full_and_the_others_in_a_line(tmp_path: Path) -> None:
    report = evolve(ILL, folder=tmp_path / "a folder")
    with pytest.raises(SimulationFailedError) as caught:
        report.require()
    text = str(caught.value)
    assert text.startswith("mob: 2 of 3 seeds failed\n")
    for told in (
        "First failure: seed 7",
        f"  {INPUT} is lost\n  in two lines\n  i07 something",
        "Plan (2 of the 24 faults drawn):",
        "      1.500000  Crash: moment in commit",
        "DiskFails: operation sync, failure ",
        "virtual second 66.000; trace " + "1" * 32,
        f"line 20 {INPUT}",
        f"Play it again: meerkat-actors sim --replay '{tmp_path}/a folder/failure-7.json'",
        "Also failed:\n  seed 9: other",
    ):
        assert told in text
    assert "another history" not in text
    assert max(map(len, text.splitlines())) <= 120 + len(str(tmp_path))


def test_a_history_that_differed_is_said_to() -> None:
    report = evolve(ILL, failures=(evolve(FAILED, is_repeatable=False),))
    assert "another history a second time" in str(report)


def test_without_a_folder_or_a_name_the_command_says_what_to_do() -> None:
    assert "report.failures[0].save('failure-7.json')" in str(ILL)
    nameless = evolve(FAILED, found_at=None)
    assert "replay(report.failures[0], scenario)" in str(evolve(ILL, failures=(nameless,)))


def test_the_lines_told_are_those_around_what_failed() -> None:
    places = [line.split()[2] if line != "..." else line for line in lines_around(FAILED)]
    assert places == ["18", "19", "20", "21", "22", "...", "28", "29", "30", "31", "32"]
    nobody = evolve(FAILED, violations=("something",))
    assert lines_around(nobody) == [*FAILED.lines[-LINES_TOLD:]]
    assert lines_around(evolve(FAILED, lines=())) == []


def test_many_failures_are_told_in_few_lines() -> None:
    report = evolve(ILL, failures=tuple(evolve(FAILED, seed=seed) for seed in range(7, 100)))
    assert "and 82 seeds more" in str(report)


def test_the_table_has_a_line_for_each_seed() -> None:
    heading, *lines = ILL.table().splitlines()
    assert heading.split()[:3] == ["seed", "trace", "seconds"]
    assert [line.split()[0] for line in lines] == ["3", "7", "9"]
    assert [line.split()[-1] for line in lines] == ["2", "2", "1"]
    assert "1,060" in lines[0]


def test_a_failure_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    path = FAILED.save(tmp_path / "failure-7.json")
    assert FailedSeed.load(path) == FAILED
    assert [each.name for each in tmp_path.iterdir()] == ["failure-7.json"]


def test_the_same_seed_of_another_sweep_keeps_its_file(tmp_path: Path) -> None:
    FAILED.save(FAILED.path_in(tmp_path))
    assert FAILED.path_in(tmp_path).name == "failure-7.json"
    assert evolve(FAILED, parameters="cd").path_in(tmp_path).name == "failure-7-cd.json"


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"7", b"null", b"\xff", b'{"seed": 1}'])
def test_a_file_of_something_else_is_said_to_be(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(text)
    with pytest.raises(InvalidValueError, match=r"other\.json"):
        FailedSeed.load(path)


def test_an_edited_plan_that_is_none_is_refused() -> None:
    text = FAILED.to_json().replace(b'"Crash"', b'"Crush"')
    with pytest.raises(InvalidValueError, match=r"fault 0 of a plan"):
        FailedSeed.from_json(text)


def test_a_file_that_is_not_there_is_said_not_to_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no failure can be read"):
        FailedSeed.load(tmp_path / "nothing.json")
    with pytest.raises(UsageError, match="nothing can be saved"):
        FAILED.save(tmp_path / "no" / "folder.json")


def test_violations_are_kept_so_many_so_long_and_printable() -> None:
    few = kept(("\ud800 odd", "x" * 100_000, *(str(each) for each in range(50))))
    assert few[0] == "\\ud800 odd"
    assert len(few[1]) == 8_000
    assert len(few) == VIOLATIONS_KEPT + 1
    assert few[-1] == "and 32 more"
