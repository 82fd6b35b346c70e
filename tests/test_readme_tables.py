"""The tables in the README are those of the machines, and the script that draws them tells when they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from meerkat_actors.machines.governing import GOVERNING
from meerkat_actors.machines.input import ENTRIES, TRANSITIONS, InputEvent
from meerkat_actors.machines.policy import RULES
from meerkat_actors.records.headers import Mode
from meerkat_actors.records.inputs import InputKind, InputState
from meerkat_actors.records.status import Desired, Verb
from scripts.draw_tables import TABLES, main, problems, redrawn

README: Final = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
NAMES: Final = ("policy", "input", "lifecycle")


def rows_of(table: str) -> dict[str, dict[str, str]]:
    """Per first cell, the other cells by their headings."""
    heading, below, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.strip().splitlines()]
    assert set(below) == {"---"}
    assert {len(row) for row in rows} == {len(heading)}
    return {row[0]: dict(zip(heading[1:], row[1:], strict=True)) for row in rows}


def empty(*names: str) -> str:
    """A file that holds a place for each table."""
    return "# A file\n\n" + "".join(f"<!-- table: {name} -->\nold\n<!-- /table -->\n\n" for name in names)


# -- the drawing --------------------------------------------------------------------------


def test_the_tables_are_three() -> None:
    assert tuple(TABLES) == NAMES


def test_the_policy_table_draws_every_rule_in_order() -> None:
    rows = rows_of(TABLES["policy"]())
    assert list(rows) == [str(rule.policy.number) for rule in RULES]
    assert [row["lane"] for row in rows.values()] == [rule.policy.lane.name.lower() for rule in RULES]
    silent = rows["10"]
    assert silent == {
        "kind": "`peer_request`, silent",
        "mode": "none",
        "enters at": "run start",
        "idle agent": "none",
        "busy agent": "none",
        "lane": "queue",
        "transcript": "yes",
        "turn": "content turn",
    }
    assert (rows["9"]["kind"], rows["9"]["mode"], rows["9"]["turn"]) == (
        "`prompt`",
        "none, queue",
        "content turn, alone",
    )
    assert rows["8"]["busy agent"] == "interrupt yielding"
    assert rows["3"]["turn"] == "content turn, append and run"
    assert (rows["12"]["kind"], rows["1"]["mode"], rows["1"]["turn"]) == ("any other", "any", "none")
    drawn = " ".join(row["kind"] for row in rows.values())
    assert all(
        f"`{rule_kind}`" in drawn for rule in RULES if len(rule.kinds) < len(InputKind) for rule_kind in rule.kinds
    )
    assert {mode.value for mode in Mode} <= {row["mode"] for row in rows.values()}


def test_the_input_table_draws_every_cell() -> None:
    table = TABLES["input"]()
    entries = "\n".join(table.splitlines()[: 2 + len(ENTRIES)])
    events = "\n".join([*table.splitlines()[:2], *table.splitlines()[2 + len(ENTRIES) :]])
    assert {row: cells["new"] for row, cells in rows_of(entries).items()} == {
        entry.value.replace("_", " "): state.value for entry, state in ENTRIES.items()
    }
    rows = rows_of(events)
    assert list(rows) == [event.value.replace("_", " ") for event in InputEvent]
    drawn = {
        (state, event, after)
        for event, cells in rows.items()
        for state, after in cells.items()
        if after and state != "new"
    }
    assert drawn == {
        (state.value, event.value.replace("_", " "), after.value) for (state, event), after in TRANSITIONS.items()
    }
    assert set(rows["taken"]) == {"new"} | {state.value for state in InputState if not state.is_terminal}


def test_the_lifecycle_table_draws_every_verb_and_every_wish() -> None:
    verbs, wishes = map(rows_of, TABLES["lifecycle"]().split("\n\n"))
    assert list(verbs) == [verb.value for verb in Verb]
    for (desired, verb), then in GOVERNING.items():
        assert verbs[verb.value][desired.value] == (then.value if isinstance(then, Desired) else "refused")
    assert verbs["reset"]["turn in progress"] == "interrupted"
    assert (verbs["stop"]["what is queued"], verbs["retire"]["what is queued"]) == ("abandoned (stopped)", "kept")
    assert list(wishes) == [desired.value for desired in Desired]
    assert wishes["retired"] == {"admits": "no", "takes mail": "no", "begins runs": "yes", "for ever": "no"}


# -- the check ----------------------------------------------------------------------------


def test_every_table_in_the_readme_is_as_it_is_now_and_none_is_missing() -> None:
    assert problems(README) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_table_that_is_not_as_it_is_now_is_told_and_can_be_drawn(name: str) -> None:
    text = redrawn(empty(*NAMES))
    assert problems(text) == []
    first_row = TABLES[name]().splitlines()[2]
    stale = text.replace(first_row, first_row.replace("|", "| more", 1))
    assert stale != text
    assert problems(stale) == [f"the table {name!r} is not as it is now; scripts/draw_tables --write draws it"]
    assert redrawn(stale) == text


@pytest.mark.parametrize("name", NAMES)
def test_a_table_that_is_missing_beside_others_is_told(name: str) -> None:
    text = redrawn(empty(*(other for other in NAMES if other != name)))
    assert problems(text) == [f"the table {name!r} is not there; mark its place"]


def test_a_file_without_tables_has_nothing_wrong() -> None:
    assert problems("# A file\n") == []
    assert redrawn("# A file\n") == "# A file\n"


def test_a_name_that_is_no_table_and_a_table_that_is_not_closed_are_told() -> None:
    text = redrawn(empty(*NAMES, "roles"))
    assert problems(text) == ["there is no table 'roles'; there are: policy, input, lifecycle"]
    open_end = redrawn(empty(*NAMES)).removesuffix("<!-- /table -->\n\n")
    assert problems(open_end) == ["a table is not closed; put <!-- /table --> below each"]


def test_the_script_draws_checks_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "README.md"
    assert main([]) == 0
    drawn = capsys.readouterr().out
    assert problems(drawn) == []
    assert drawn == redrawn(drawn)
    path.write_text(empty(*NAMES), encoding="utf-8")
    assert main(["--check", str(path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        f"error: {path}: the table {name!r} is not as it is now; scripts/draw_tables --write draws it" for name in NAMES
    ]
    assert main(["--write", str(path)]) == 0
    assert main(["--check", str(path)]) == 0
    assert capsys.readouterr() == ("", "")
    assert path.read_text(encoding="utf-8") == redrawn(empty(*NAMES))
