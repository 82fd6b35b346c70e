"""The command in this process: its lines, its exit codes, and its answer to signals."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from ruff import find_ruff_bin  # pyright: ignore[reportMissingTypeStubs]  # as in analysis.py

from meerkat_actors.examples.review import analysis, command, terminal
from meerkat_actors.examples.review.command import main


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("import os\n")
    (tmp_path / "src" / "b.py").write_text('"""Doc."""\n')
    return tmp_path


def use_ruff(work: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = work / "ruff"
    program.write_text(f'#!/bin/sh\n{script}\nexec {find_ruff_bin()} "$@"\n')
    program.chmod(0o700)
    monkeypatch.setattr(analysis, "find_ruff_bin", lambda: str(program))


def test_it_tells_each_phase_and_ends_with_0(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["src"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    told = (
        "set-up: 2 files, 5 members\nadmission: 2 files, 0 already there\n"
        "turns: 2 files, 0 already reviewed, 2 done now\nreport: out/review/review.md\n"
    )
    assert out.startswith(told)
    turns = out.removeprefix(told).partition(" turns, ")[0]
    # The lead takes both messages in one turn, or one each.
    assert turns in {"3", "4"}
    assert out.endswith(" turns/s\ndatabase: out/review/review.db\n")
    assert main(["src"]) == 0
    out, _ = capsys.readouterr()
    assert f"  continuing: {turns} turns already committed by earlier runs\n" in out
    assert "turns: 2 files, 2 already reviewed, 0 done now\n" in out


def test_a_file_that_is_given_up_on_is_named_and_ends_it_with_1(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_ruff(work, monkeypatch, 'case "$*" in *a.py*) echo no >&2; exit 2;; esac')
    assert main(["src"]) == 1
    _, err = capsys.readouterr()
    assert err.startswith("given up on: a.py by review/reviewer-")
    assert err.endswith("(attempts_exhausted: AnalysisFailedError: ruff ended with 2: no)\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_word_and_its_number(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    # Once: the reviewers start several, and a second signal insists, with nothing but the process to end.
    use_ruff(work, monkeypatch, f"mkdir {work}/struck 2>/dev/null && kill -{number.value} $PPID; exec sleep 60")
    assert main(["src", "--out", "out"]) == 128 + number
    _, err = capsys.readouterr()
    assert err == "interrupted: everything acknowledged is safe in out/review.db; the same command continues\n"
    assert signal.getsignal(number) is before
    monkeypatch.undo()
    monkeypatch.chdir(work)
    assert main(["src", "--out", "out"]) == 0


def test_ctrl_c_before_the_job_is_answered_too(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(folder: Path) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(command, "read_folder", interrupt)
    assert main(["src"]) == 130
    assert capsys.readouterr() == ("", "interrupted: the same command continues\n")
    assert not (work / "out").exists()


def test_bad_input_ends_it_with_2_and_writes_nothing(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "src" / "c.py").write_text("x = = 1\n")
    assert main(["src", "--mob", "gone.toml"]) == 2
    assert main(["gone"]) == 2
    assert main(["src", "--out", "src/a.py", "--skip-broken"]) == 2

    def missing() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(analysis, "find_ruff_bin", missing)
    assert main(["src", "--skip-broken"]) == 2
    out, err = capsys.readouterr()
    assert out == "left out: 1 file, named in the report\n" * 2
    assert err.splitlines() == [
        "error: gone.toml: unreadable: No such file or directory; name a TOML file",
        "error: src: 1 problem; nothing was written",
        "  c.py:1: does not parse: invalid syntax; mend it",
        "  or leave such files out with --skip-broken",
        "error: gone: no such folder",
        "error: src/a.py: File exists",
        "error: the ruff program is not installed; run: pip install --force-reinstall ruff",
    ]
    assert sorted(path.name for path in work.iterdir()) == ["src"]


def test_a_folder_with_nothing_left_has_nothing_to_review(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.py", "b.py"):
        (work / "src" / name).write_text("x = = 1\n")
    assert main(["src", "--skip-broken"]) == 2
    assert "  no file is left to review\n" in capsys.readouterr().err


def test_a_bug_is_no_bad_input(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is nobody's mistake but ours keeps its traceback."""

    def fail(path: Path, text: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("meerkat_actors.examples.review.job.write_page", fail)
    with pytest.RaisesGroup(ZeroDivisionError, allow_unwrapped=True, flatten_subgroups=True):
        main(["src"])


def test_on_a_terminal_a_bar_follows_the_phases(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["src"]) == 0
    out, _ = capsys.readouterr()
    assert "turns: 2 files, 0 already reviewed, 2 done now\n" in out


def test_problems_are_one_line_or_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.complain_of("x", ("bad",))
    terminal.complain_of("x", ("bad", "worse"))
    assert capsys.readouterr().err == "error: x: bad\nerror: x: 2 problems; nothing was written\n  bad\n  worse\n"
