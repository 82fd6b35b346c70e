"""Simulations as tests: one for each seed, told of when they fail, and played again by the command that is printed."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Final

import pytest

from meerkat_actors.testing import pytest_plugin
from tests.examples.command import environment

SOURCE: Final = """
import pytest
import trio
from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.scenario import Scenario

async def counter(turn):
    turn.set_state((turn.state or 0) + 1)

async def drive(world):
    client = world.client("anna")
    while world.is_open:
        await client.ask("counter", "next", kind="counter")
        await trio.sleep(1)

def nobody_dies(seen):
    if seen.deaths:
        yield "somebody died"

@pytest.fixture
def mob():
    return Scenario(name="mob", agents={"counter": counter}, drive=drive, seconds=20, is_durable=False,
                    checks=(nobody_dies,))
"""
HOLDING: Final = """
@pytest.mark.simulate(seeds=(3, 1, 3), faults=Faults.none())
def test_it_holds(simulate, mob):
    assert simulate(mob).turns > 3
"""
FAILING: Final = """
@pytest.mark.simulate(seeds=range(2), faults=Faults(rates={"Crash": 6, "Stall": 6}))
def test_it_fails(simulate, mob):
    simulate(mob)
"""


def pytested(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run pytest with the plugin in a folder; its exit code, and what it says."""
    # In this process, as pytest tests its own plugins; what would change the outer run is left out.
    words = [
        "-q",
        "-p",
        "no:faulthandler",
        "-s",
        "--import-mode=importlib",
        "--rootdir=.",
        "-c",
        "pytest.ini",
    ]
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    with chdir(folder), redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = pytest.main([*words, *arguments], plugins=[pytest_plugin])
    sys.modules.pop("test_mob", None)  # the next one is of another folder
    return int(code), out.getvalue() + err.getvalue()


def written(folder: Path, *tests: str) -> Path:
    path = folder / "test_mob.py"
    path.write_text(SOURCE + "".join(tests))
    return folder


def collected(folder: Path, *arguments: str) -> list[str]:
    code, out = pytested(folder, "--collect-only", *arguments)
    assert code == 0, out
    return [line for line in out.splitlines() if "::" in line]


def test_each_seed_is_a_test_with_the_seed_in_its_name(tmp_path: Path) -> None:
    folder = written(tmp_path, HOLDING)
    assert collected(folder) == ["test_mob.py::test_it_holds[seed-3]", "test_mob.py::test_it_holds[seed-1]"]
    code, out = pytested(folder)
    assert code == 0, out
    assert "2 passed" in out


def test_a_mark_without_seeds_has_ten(tmp_path: Path) -> None:
    named = collected(written(tmp_path, "\n@pytest.mark.simulate\ndef test_it(simulate): pass\n"))
    assert named == [f"test_mob.py::test_it[seed-{seed}]" for seed in range(10)]


def test_the_command_line_says_other_seeds_and_faults_than_the_marks(tmp_path: Path) -> None:
    folder = written(tmp_path, HOLDING)
    assert collected(folder, "--simulate-seeds", "8..9") == [
        "test_mob.py::test_it_holds[seed-8]",
        "test_mob.py::test_it_holds[seed-9]",
    ]
    code, out = pytested(folder, "--simulate-seeds", "8", "--simulate-faults", "Crash=20")
    assert code == 1, out
    assert "somebody died" in out


@pytest.mark.parametrize("cache", [(), ("-p", "no:cacheprovider")])
def test_a_failure_tells_its_story_and_the_command_that_plays_it_again(tmp_path: Path, cache: tuple[str, ...]) -> None:
    code, out = pytested(written(tmp_path, FAILING), *cache)
    assert code == 1, out
    assert "First failure: seed 0\n  somebody died\nPlan (1 of the " in out
    assert "Traceback" not in out
    command = re.findall(r"^Play it again: pytest (.*)$", out, re.MULTILINE)[0]
    again, *arguments = shlex.split(command)
    assert again == "test_mob.py::test_it_fails[seed-0]"
    code, out = pytested(tmp_path, again, *arguments, *cache)
    assert code == 1, out
    assert "First failure: seed 0\n  somebody died\nPlan (1 of the 1 fault drawn)" in out


def test_seeds_go_with_other_parameters_and_with_a_mark_of_the_module(tmp_path: Path) -> None:
    tests = """
pytestmark = pytest.mark.simulate(seeds=[4])

@pytest.mark.parametrize("size", [1, 2])
def test_it(simulate, size): assert simulate.seed == 4
"""
    code, out = pytested(written(tmp_path, tests))
    assert code == 0, out
    assert "2 passed" in out


@pytest.mark.parametrize(
    ("mark", "problem"),
    [
        ("seeds=[]", "at least one"),
        ("seeds=['a']", "seeds are whole numbers"),
        ("seeds=[-1]", "seeds are whole numbers"),
        ("seeds=3", "'int' object is not iterable"),
        ("seed=[3]", "unexpected keyword argument 'seed'"),
        ("faults='all'", "faults are Faults or a Plan, not str"),
    ],
)
def test_a_mark_that_says_nothing_is_told_what_is_wrong(tmp_path: Path, mark: str, problem: str) -> None:
    code, out = pytested(written(tmp_path, f"\n@pytest.mark.simulate({mark})\ndef test_it(simulate): pass\n"))
    assert code == 2
    assert problem in out
    assert "Traceback" not in out


def test_a_test_without_a_mark_is_told_of_it(tmp_path: Path) -> None:
    code, out = pytested(written(tmp_path, "\ndef test_it(simulate): pass\n"))
    assert code == 1
    assert "@pytest.mark.simulate(seeds=range(50))" in out


def test_an_async_test_is_told_that_a_simulation_has_its_own_loop(tmp_path: Path) -> None:
    code, out = pytested(written(tmp_path, "\n@pytest.mark.simulate\nasync def test_it(simulate): pass\n"))
    assert code == 2
    assert "a simulation runs a loop of its own" in out


@pytest.mark.parametrize("arguments", [("--simulate-seeds", "x"), ("--simulate-faults", "Crush=1")])
def test_bad_options_are_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, out = pytested(written(tmp_path, HOLDING), *arguments)
    assert code == 4
    assert out.startswith("ERROR: ")
    assert arguments[1] in out


def test_one_line_in_a_conftest_brings_it(tmp_path: Path) -> None:
    (written(tmp_path, HOLDING) / "conftest.py").write_text(f'pytest_plugins = ["{pytest_plugin.__name__}"]\n')
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--simulate-seeds", "6..7"],
        cwd=tmp_path,
        env={**environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended
    assert "2 passed" in ended.stdout


def test_the_plugin_imports_no_simulation_until_a_test_asks_for_one(tmp_path: Path) -> None:
    """Nor Trio: pytest may import it in every project."""
    late = ("meerkat_actors.simulation", "meerkat_actors.store", "trio")
    source = f"""
import sys
pytest_plugins = ["{pytest_plugin.__name__}"]
def pytest_sessionfinish():
    print("LOADED", [name for name in {late} if name in sys.modules])
"""
    (tmp_path / "conftest.py").write_text(source)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s"],
        cwd=tmp_path,
        env={**environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended
    assert "LOADED []" in ended.stdout


@pytest.mark.parametrize(
    ("modules", "extra"),
    [
        ("meerkat_actors, meerkat_actors.testing.conformance, meerkat_actors.simulation.sweep", None),
        ("meerkat_actors.cli.simulating", "rich"),
    ],
)
def test_nothing_but_the_plugin_imports_pytest(modules: str, extra: str | None, tmp_path: Path) -> None:
    if extra is not None:
        pytest.importorskip(extra, reason="of the cli extra")
    code = f"import sys, {modules}; print('pytest' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert ended.stdout == "False\n"
