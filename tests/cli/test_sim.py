"""``sim``: seeds that hold and seeds that fail, saved and played again, on a terminal, interrupted, and refused."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Final

import orjson
import pytest

from tests.cli.command import MEERKAT, here, meerkat, refused, rows, shown, told
from tests.examples.command import environment

MODULE: Final = "simulated_mobs"
SOURCE: Final = """
import os
import attrs
import trio
from meerkat_actors.simulation.scenario import Scenario

async def counter(turn):
    turn.set_state((turn.state or 0) + 1)
    return str(turn.state)

async def drive(world):
    client = world.client("anna")
    while world.is_open:
        await client.ask("counter", "next", kind="counter")
        await trio.sleep(1)

def nobody_dies(seen):
    if seen.deaths:
        yield "somebody died\\x1b[2J"

GOOD = Scenario(name="good", agents={"counter": counter}, drive=drive, seconds=20, is_durable=False)
BAD = attrs.evolve(GOOD, name="bad", checks=(nobody_dies,))
NUMBER = 7

async def drop_dead(world):
    os._exit(9)

DYING = attrs.evolve(GOOD, name="dying", drive=drop_dead)
"""
CRASHES: Final = ("--faults", "Crash=6", "--jobs", "1")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """A folder with scenarios, as a user's."""
    folder = tmp_path_factory.mktemp("mobs")
    (folder / f"{MODULE}.py").write_text(SOURCE)
    (folder / "raising.py").write_text("\n1 / 0\n")
    (folder / "leaving.py").write_text("import sys\nsys.exit(5)\n")
    (folder / "talking.py").write_text("raise ValueError('one\\ntwo\\x1b[2J')\n")
    path = [*sys.path]
    yield folder
    sys.path[:] = path
    sys.modules.pop(MODULE, None)


def test_seeds_that_hold_end_with_a_summary(work: Path) -> None:
    out = told("sim", f"{MODULE}:GOOD", "--seeds", "0..3", *CRASHES, cwd=work)
    facts = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert facts["scenario"].strip() == "good"
    assert facts["runs"].startswith("4,")
    assert facts["virtual"].startswith("time")
    assert int(facts["boots"]) > 4
    assert int(facts["inputs"].split()[0]) > 4
    assert int(facts["turns"]) > 4
    assert re.fullmatch(r"Crash \d+ *", facts["faults"])
    assert facts["violations"].strip() == "0"
    assert out.splitlines()[-1].strip() == "none of 4 seeds failed"


def test_the_first_failure_comes_first_with_its_story_and_what_plays_it_again(work: Path, tmp_path: Path) -> None:
    ended = here("sim", f"{MODULE}:BAD", "--seeds", "0..3", *CRASHES, "--save", tmp_path / "kept", cwd=work)
    assert (ended.returncode, ended.stderr) == (1, "")
    lines = ended.stdout.splitlines()
    assert lines[0] == "First failure: seed 0"
    assert "\x1b" not in ended.stdout
    assert "somebody died\\x1b[2J" in lines[1]
    (again,) = [line for line in lines if line.startswith("Play it again: meerkat-actors ")]
    assert lines[-1].startswith(f"4 of 4 seeds failed: 0, 1, 2, 3; saved in {tmp_path}")
    replayed = here(*again.split()[4:], cwd=work)
    assert (replayed.returncode, replayed.stderr) == (1, "")
    assert "the same history" in replayed.stdout
    assert re.search(r"\nPlan:\n.*Crash.*\n\nsomebody died", replayed.stdout)
    assert "somebody died" in replayed.stdout
    assert "\x1b" not in replayed.stdout
    assert replayed.stdout.splitlines()[-1].strip() == "1 violation"


def test_a_failure_that_is_not_saved_is_told_how_to_save(work: Path) -> None:
    ended = here("sim", f"{MODULE}:BAD", "--seeds", "2", *CRASHES, cwd=work)
    assert ended.returncode == 1
    assert f"Play it again: meerkat-actors sim {MODULE}:BAD --seeds 2 --faults Crash=6 --save DIR" in ended.stdout


def test_a_failure_whose_plan_was_edited_is_told_to_be_another_history(work: Path, tmp_path: Path) -> None:
    here("sim", f"{MODULE}:BAD", "--seeds", "1", *CRASHES, "--save", tmp_path, cwd=work)
    path = tmp_path / "failure-1.json"
    failed = orjson.loads(path.read_bytes())
    path.write_bytes(orjson.dumps({**failed, "plan": []}))
    ended = here("sim", "--replay", path, cwd=work)
    assert ended.returncode == 0
    assert ended.stderr.startswith("warning: seed 1 is another history ")
    assert ended.stderr.count("\n") == 1
    assert "another history" in ended.stdout


def test_no_faults_hurt_nobody_and_json_is_a_line_a_seed(work: Path) -> None:
    found = rows("sim", f"{MODULE}:BAD", "--seeds", "5..6", "--faults", "none", "--jobs", "1", cwd=work)
    assert [row["seed"] for row in found] == [5, 6]
    assert [row["violations"] for row in found] == [[], []]
    assert len({row["trace"] for row in found}) == 2


def test_several_processes_find_the_same_and_what_is_saved_is_not_run_again(work: Path, tmp_path: Path) -> None:
    asked = ("sim", f"{MODULE}:GOOD", "--seeds", "0..3", "--faults", "all:2", "--json")
    beside = meerkat(*asked, "--jobs", 2, "--save", tmp_path, cwd=work)
    assert (beside.returncode, beside.stderr) == (0, "")
    assert here(*asked, "--jobs", 1, cwd=work).stdout == beside.stdout
    written = (tmp_path / "rows.jsonl").read_bytes()
    assert here(*asked, "--jobs", 1, "--save", tmp_path, cwd=work).stdout == beside.stdout
    assert (tmp_path / "rows.jsonl").read_bytes() == written


def test_a_plan_is_played_as_it_is_written(work: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('[{"fault":"Crash","at":3.0,"moment":"now"}]')
    (row,) = rows("sim", f"{MODULE}:GOOD", "--seeds", "0", "--faults", plan, "--jobs", "1", cwd=work)
    assert row["fired"] == {"Crash": 1}
    assert row["boots"] == 2


def test_without_a_scenario_those_that_ship_are_listed_and_run_by_their_names(work: Path) -> None:
    names = [line.split()[0] for line in told("sim", cwd=work).splitlines()[2:-1]]
    assert [row["scenario"] for row in rows("sim", cwd=work)] == names
    (row,) = rows("sim", "asks-memory", "--seeds", "0", "--faults", "none", "--jobs", "1", cwd=work)
    assert (row["scenario"], row["violations"]) == ("asks-memory", [])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("no_such_module:MOB",), "No module named 'no_such_module'"),
        ((f"{MODULE}:MOB",), "GOOD, BAD"),
        ((f"{MODULE}:NUMBER",), "GOOD, BAD"),
        ((f"{MODULE}.py:GOOD",), "such as tests.test_team:GOOD"),
        ((f"{MODULE}:",), "module:name"),
        ((":GOOD",), "module:name"),
        (("leaving:MOB",), "raises SystemExit: 5 ("),
        (("talking:MOB",), "raises ValueError: one\\ntwo\\x1b[2J ("),
        (("raising:MOB",), "raises ZeroDivisionError: division by zero"),
        (("nobody",), "asks"),
        ((f"{MODULE}:GOOD", "--seeds", "3..1"), "1 comes before 3"),
        ((f"{MODULE}:GOOD", "--faults", "Crush=1"), "there are Crash, "),
        ((f"{MODULE}:GOOD", "--faults", f"{MODULE}.py"), "a plan"),
        ((f"{MODULE}:GOOD", "--jobs", "0"), "--jobs"),
        ((f"{MODULE}:GOOD", "--save", "raising.py"), "raising.py"),
        ((f"{MODULE}:GOOD", "--save", ""), "--save"),
        ((f"{MODULE}:GOOD", "--replay", "a.json"), "--replay takes everything from the file, and no SCENARIO;"),
        (("--replay", "a.json", "--seeds", "0..99", "--jobs", "1"), "and no --seeds, --jobs;"),
        (("--replay", ""), "--replay"),
        (("--replay", "a.json"), "a.json"),
        (("--replay", f"{MODULE}.py"), "not a failure"),
    ],
)
def test_bad_arguments_are_one_line(work: Path, arguments: tuple[str, ...], problem: str) -> None:
    assert problem in refused("sim", *arguments, cwd=work)


@pytest.mark.parametrize("columns", [80, 120])
def test_on_a_terminal_there_is_a_bar_and_then_only_the_summary(work: Path, columns: int) -> None:
    received, code = shown("sim", f"{MODULE}:GOOD", "--seeds", "0..5", "--jobs", "1", cwd=work, columns=columns)
    assert code == 0
    assert b"Traceback" not in received
    assert "\u2501".encode() in received
    assert b"6/6" in received
    # What moved was cleared, and the cursor is there again.
    bar, _, after = received.rpartition(b"\x1b[?25h")
    assert b"\x1b[?25l" in bar
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", after.decode()).replace("\r", "").splitlines()
    assert "none of 6 seeds failed" in lines[-1]
    assert max(map(len, lines)) <= columns
    assert not any("\u2501" in line for line in lines)


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupted_it_keeps_what_was_run_and_the_same_command_continues(
    work: Path, tmp_path: Path, jobs: int
) -> None:
    kept = tmp_path / "rows.jsonl"
    running = subprocess.Popen(
        [*MEERKAT, "sim", f"{MODULE}:GOOD", "--seeds", "0..99999", "--jobs", str(jobs), "--save", str(tmp_path)],
        cwd=work,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (kept.exists() and kept.stat().st_size):
        # Not in circles: that would take a CPU from what it waits for.
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.02)
    # As a terminal does: to all of its processes.
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    found = re.fullmatch(r"interrupted: ([0-9,]+) of 100,000 seeds were run; they are saved in .*\n", err)
    assert found is not None, err
    saved = [orjson.loads(line)["seed"] for line in kept.read_bytes().splitlines()]
    # Ctrl-C may come between a seed that is saved and the count of it.
    assert len(saved) - int(found[1].replace(",", "")) in {0, 1}
    last = max(saved)
    asked = ("sim", f"{MODULE}:GOOD", "--seeds", f"0..{last}", "--jobs", "1", "--save", tmp_path)
    assert [row["seed"] for row in rows(*asked, cwd=work)] == list(range(last + 1))


def test_a_process_that_is_killed_is_told_in_a_line(work: Path) -> None:
    assert "a process of the sweep was killed" in refused("sim", f"{MODULE}:DYING", "--jobs", "2", cwd=work)


def test_other_commands_need_no_simulation(tmp_path: Path) -> None:
    code = "import sys, meerkat_actors.cli.commands; print('meerkat_actors.simulation' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert ended.stdout == "False\n"
