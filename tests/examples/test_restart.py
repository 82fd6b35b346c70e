"""The real command, killed and interrupted: the same command continues and writes the same report."""

from __future__ import annotations

import contextlib
import os
import pty
import random
import signal
import sqlite3
import subprocess
from pathlib import Path
from time import monotonic

import pytest

from tests.examples.command import REVIEW, environment, review

FILES = 24


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    for number in range(FILES):
        imports = "".join(f"import os as os{n}\n" for n in range(number))
        (folder / f"m{number:02}.py").write_text(f'"""Doc."""\n\n{imports}')
    return folder


def start(source: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*REVIEW, "src", "--out", "out"],
        cwd=source.parent,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def calm(source: Path) -> bytes:
    assert review("src", "--out", "calm", cwd=source.parent).returncode == 0
    return (source.parent / "calm" / "review.md").read_bytes()


def test_the_command_tells_each_phase_and_what_it_did(source: Path) -> None:
    ended = review("src", "--out", "out", cwd=source.parent)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[:4] == [
        "set-up: 24 files, 5 members",
        "admission: 24 files, 0 already there",
        "turns: 24 files, 0 already reviewed, 24 done now",
        "report: out/review.md",
    ]
    assert " turns, " in lines[4]
    assert lines[4].endswith(" turns/s")
    assert lines[5:] == ["database: out/review.db"]


def test_the_same_command_again_says_that_all_is_done(source: Path) -> None:
    review("src", "--out", "out", cwd=source.parent)
    page = (source.parent / "out" / "review.md").read_bytes()
    ended = review("src", "--out", "out", cwd=source.parent)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[1].startswith("  continuing: ")
    assert lines[1].endswith(" already committed by earlier runs")
    assert lines[2:4] == [
        "admission: 24 files, 24 already there",
        "turns: 24 files, 24 already reviewed, 0 done now",
    ]
    assert lines[5].startswith("0 turns, ")
    assert (source.parent / "out" / "review.md").read_bytes() == page


@pytest.mark.slow
def test_killed_at_random_instants_it_writes_the_same_report(source: Path) -> None:
    began = monotonic()
    page = calm(source)
    # By the host's own measure: what is left after each kill has a chance to come to its end.
    seconds = monotonic() - began
    chance = random.Random(7)
    kills = 0
    while True:
        running = start(source)
        try:
            out, err = running.communicate(timeout=seconds * chance.uniform(0.3, 1.2))
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            kills += 1
            continue
        assert running.returncode == 0, (out, err)
        if kills >= 3:
            break
        for path in (source.parent / "out").iterdir():
            path.unlink()
    assert (source.parent / "out" / "review.md").read_bytes() == page
    connection = sqlite3.connect(source.parent / "out" / "review.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("line", ["set-up", "admission"])
def test_interrupted_it_says_what_is_safe_and_continues(
    source: Path, line: str, number: signal.Signals, code: int
) -> None:
    page = calm(source)
    running = start(source)
    assert running.stdout is not None
    while not running.stdout.readline().startswith(line):
        pass
    running.send_signal(number)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (
        code,
        "interrupted: everything acknowledged is safe in out/review.db; the same command continues\n",
    )
    ended = review("src", "--out", "out", cwd=source.parent)
    assert ended.returncode == 0
    assert (source.parent / "out" / "review.md").read_bytes() == page


def test_ctrl_c_in_the_terminal_group_costs_no_attempt(source: Path) -> None:
    """Ctrl-C reaches every process of the group, ruff too; that is no failure of the files it had."""
    running = start(source)
    assert running.stdout is not None
    while not running.stdout.readline().startswith("admission"):
        pass
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130
    connection = sqlite3.connect(source.parent / "out" / "review.db")
    assert connection.execute("SELECT max(attempts) FROM input").fetchone() in {(0,), (None,)}
    connection.close()


def test_broken_files_are_left_out_when_told_to_and_named(source: Path) -> None:
    (source / "bad.py").write_text("x = = 1\n")
    ended = review("src", "--out", "out", "--skip-broken", cwd=source.parent)
    assert ended.returncode == 0
    assert ended.stdout.startswith("left out: 1 file, named in the report\nset-up: 24 files, 5 members\n")
    page = (source.parent / "out" / "review.md").read_text(encoding="utf-8")
    assert "- `bad.py`, line 1: does not parse: invalid syntax; mend it\n" in page


def test_a_reader_that_went_away_does_not_end_the_job(source: Path) -> None:
    with start(source) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        assert running.stderr.read() == ""
        assert running.wait(timeout=60) == 0
    assert (source.parent / "out" / "review.md").exists()


def test_on_a_terminal_a_bar_moves_and_the_lines_remain(source: Path) -> None:
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [*REVIEW, "src", "--out", "out"],
        cwd=source.parent,
        env={**environment(), "TERM": "xterm-256color", "COLUMNS": "80"},
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    # A terminal whose other end closed is an error to read on Linux.
    with contextlib.suppress(OSError):
        while received := os.read(ours, 65536):
            shown += received
    os.close(ours)
    assert running.wait(timeout=60) == 0
    assert "\u2501".encode() in shown
    for line in (b"set-up: 24 files, 5 members", b"turns: 24 files, ", b"out/review.md", b"out/review.db"):
        assert line in shown
    assert b"Traceback" not in shown
