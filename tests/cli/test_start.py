"""Where the command begins: its help, and what it says where something is not installed."""

from __future__ import annotations

import importlib
import runpy
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

import meerkat_actors
from meerkat_actors.cli import main
from tests.cli.command import told
from tests.examples.command import REPOSITORY, environment

# Starts the command in an interpreter in which some packages can't be found.
BLOCKED: Final = """
import runpy
import sys
from importlib.abc import MetaPathFinder

missing = sys.argv[1].split(",")

class Absent(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
sys.argv[:2] = ["meerkat-actors"]
runpy.run_module("meerkat_actors", run_name="__main__")
"""


def without(missing: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, missing, *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("missing", ["click", "rich", "rich,click,ruff"])
def test_without_the_extra_it_says_how_to_install_it(tmp_path: Path, missing: str) -> None:
    first = missing.partition(",")[0]
    for arguments in ([], ["status", "a.db"], ["--help"]):
        ended = without(missing, *arguments, cwd=tmp_path)
        assert (ended.returncode, ended.stdout, ended.stderr) == (
            2,
            "",
            f"error: {first} is not installed; run: pip install 'meerkat-actors[cli]'\n",
        )


def test_without_its_extra_run_says_how_to_install_it(tmp_path: Path) -> None:
    ended = without("ruff", "run", cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        2,
        "",
        "error: ruff is not installed; run: pip install 'meerkat-actors[examples]'\n",
    )
    assert "Usage" in without("ruff", "run", "--help", cwd=tmp_path).stdout


def test_alone_it_shows_its_commands_in_the_order_of_use(tmp_path: Path) -> None:
    page = told(cwd=tmp_path)
    assert told("--help", cwd=tmp_path) == page
    assert told("-h", cwd=tmp_path) == page
    names = [line.split()[0] for line in page.partition("Commands:\n")[2].splitlines()]
    assert names == [
        "run",
        "status",
        "identities",
        "inputs",
        "history",
        "receipts",
        "schedules",
        "events",
        "dead-letters",
        "doctor",
        "backup",
        "prune",
        "sim",
    ]


@pytest.mark.parametrize(
    "command",
    ["run", "status", "identities", "inputs", "history", "receipts", "events", "doctor", "backup", "prune", "sim"],
)
def test_every_command_has_a_page_of_its_own(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"Usage: meerkat-actors {command}" in capsys.readouterr().out


def test_the_installed_command_is_the_module() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"meerkat-actors": "meerkat_actors.cli:main"}


def test_an_interrupted_command_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("meerkat_actors.cli.looking.open_reader", interrupt)
    assert main(["status", "a.db"]) == 130
    # A terminal shows ^C at the beginning of the line.
    assert capsys.readouterr().err.strip() == "interrupted"


def test_an_error_of_the_disk_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("meerkat_actors.cli.looking.open_reader", fail)
    assert main(["status", "a.db"]) == 2
    assert capsys.readouterr().err == "error: [Errno 28] No space left on device\n"


def test_what_is_missing_is_told_to_a_caller_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # None is how Python notes that there is no such module.
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main([]) == 2
    assert capsys.readouterr().err == "error: rich is not installed; run: pip install 'meerkat-actors[cli]'\n"
    monkeypatch.undo()
    for name in ("command", "analysis"):
        monkeypatch.delitem(sys.modules, f"meerkat_actors.examples.review.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "ruff", None)
    assert main(["run"]) == 2
    assert capsys.readouterr().err == "error: ruff is not installed; run: pip install 'meerkat-actors[examples]'\n"


def test_a_module_of_ours_that_is_missing_is_our_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "meerkat_actors.cli.commands", None)
    with pytest.raises(ModuleNotFoundError):
        main([])
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "meerkat_actors.examples.review.command", None)
    with pytest.raises(ModuleNotFoundError):
        main(["run"])


def test_the_module_runs_the_command_and_ends_with_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "argv", ["meerkat-actors", "status", "no-such.db"])
    try:
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(Path(meerkat_actors.__file__).with_name("__main__.py")), run_name="__main__")
    finally:
        signal.signal(signal.SIGINT, handler)
    assert ended.value.code == 2
    assert "there is no such file" in capsys.readouterr().err


def test_the_module_does_nothing_when_it_is_only_imported(capsys: pytest.CaptureFixture[str]) -> None:
    importlib.reload(importlib.import_module("meerkat_actors.__main__"))
    assert capsys.readouterr() == ("", "")
