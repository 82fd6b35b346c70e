"""``run``: the shipped job, on a terminal and without one, quiet, as JSON, and interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import MEERKAT, meerkat, refused, shown, told
from tests.examples.command import environment, review

FILES = 24


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with ``src`` in it: sources, and one link that leaves it."""
    source = tmp_path / "src"
    source.mkdir()
    for number in range(FILES):
        imports = "".join(f"import os as os{n}\n" for n in range(number))
        (source / f"m{number:02}.py").write_text(f'"""Doc."""\n\n{imports}')
    return tmp_path


def test_it_is_the_same_job_with_the_same_lines_and_the_same_report(work: Path) -> None:
    ended = meerkat("run", "src", "--out", "out", cwd=work)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[:4] == [
        "set-up: 24 files, 5 members",
        "admission: 24 files, 0 already there",
        "turns: 24 files, 0 already reviewed, 24 done now",
        "report: out/review.md",
    ]
    assert lines[5:] == ["database: out/review.db"]
    assert review("src", "--out", "other", cwd=work).returncode == 0
    assert (work / "other" / "review.md").read_bytes() == (work / "out" / "review.md").read_bytes()


def test_quiet_says_nothing_of_what_goes_well(work: Path) -> None:
    (work / "src" / "bad.py").write_text("x = = 1\n")
    assert told("run", "src", "--out", "out", "--quiet", "--skip-broken", cwd=work) == ""
    assert (work / "out" / "review.md").exists()
    assert "bad.py:1: does not parse" in meerkat("run", "src", "--quiet", cwd=work).stderr


def test_json_is_one_object_at_the_end(work: Path) -> None:
    (work / "src" / "bad.py").write_text("x = = 1\n")
    (work / "src" / "\x1b[2J\u202e.py").symlink_to("/etc/passwd")
    out = told("run", "src", "--out", "out", "--json", "--skip-broken", cwd=work)
    assert out.count("\n") == 1
    assert out.isascii()
    assert "\x1b" not in out
    result = json.loads(out)
    assert result["status"] == "done"
    assert (result["exit_code"], result["files"], result["reviewed"]) == (0, 24, 24)
    # One for each file, and the lead's: what several reviewers tell it meanwhile is one turn.
    assert 24 < result["turns"] <= 48
    assert result["findings"] == sum(range(FILES))
    assert result["worst"][0] == {"path": "m23.py", "score": 46}
    assert (result["given_up"], result["missing"]) == ([], [])
    assert [file["path"] for file in result["broken"]] == ["bad.py"]
    assert result["skipped"] == ["\x1b[2J\u202e.py"]
    assert (result["report"], result["database"]) == ("out/review.md", "out/review.db")


def test_quiet_and_json_exclude_each_other(work: Path) -> None:
    assert "--quiet and --json" in refused("run", "src", "--quiet", "--json", cwd=work)
    assert not (work / "out").exists()


def test_links_that_leave_the_folder_are_skipped_and_named(work: Path) -> None:
    (work / "outside").mkdir()
    (work / "src" / "a.py").symlink_to("/etc/passwd")
    (work / "src" / "sub").symlink_to(work / "outside")
    out = told("run", "src", "--out", "out", cwd=work)
    assert out.startswith("skipped: a.py: a link that leaves the folder\nskipped: sub: a link that leaves the folder\n")
    for number in range(10):
        (work / "src" / f"b{number}.py").symlink_to("/etc/passwd")
    out = told("run", "src", "--out", "out", cwd=work)
    assert out.count("a link that leaves the folder\n") == 10
    assert "skipped: 2 more such links\n" in out


def test_what_it_reviews_by_default_is_its_own_source(work: Path) -> None:
    result = json.loads(told("run", "--json", cwd=work))
    assert result["folder"] == "meerkat_actors"
    assert (work / "out" / "review" / "review.md").exists()


@pytest.mark.parametrize("columns", [60, 100, 160])
def test_on_a_terminal_there_is_a_bar_a_table_and_a_summary(work: Path, columns: int) -> None:
    received, code = shown("run", "src", "--out", "out", cwd=work, columns=columns)
    assert code == 0
    assert b"Traceback" not in received
    for word in ("\u2501", "agent", "phase", "backlog", "last turn", "review/reviewer-1"):
        assert word.encode() in received
    for word in ("Reviewed 24 files: 276 findings in 23 files.", "m23.py (score 46)", "out/review.md", "turns/s"):
        assert word.encode() in received
    assert b"meerkat-actors status out/review.db" in received
    # What moved was cleared, and the cursor is there again.
    assert received.rindex(b"\x1b[?25h") > received.rindex(b"\x1b[?25l")


def test_no_colour_is_sent_to_who_wants_none(work: Path) -> None:
    received, code = shown("run", "src", "--out", "out", cwd=work, variables={"NO_COLOR": "1"})
    assert code == 0
    assert b"Reviewed 24 files" in received
    assert b"\x1b[3" not in received
    assert b"\x1b[9" not in received


def test_names_of_files_do_not_steer_the_terminal(work: Path) -> None:
    (work / "src" / "\x1b[2J[red]\x07.py").write_text("".join(f"import os as o{n}\n" for n in range(40)))
    received, code = shown("run", "src", "--out", "out", cwd=work)
    assert code == 0
    assert b"\x07" not in received
    assert b"\\x1b[2J[red]\\x07.py (score" in received


def test_interrupted_on_a_terminal_it_says_what_is_safe_and_continues(work: Path) -> None:
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [*MEERKAT, "run", "src", "--out", "out"],
        cwd=work,
        env={**environment(), "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    received = b""
    struck = False
    with contextlib.suppress(OSError):
        while more := os.read(ours, 65536):
            received += more
            if b"set-up: " in received and not struck:
                running.send_signal(signal.SIGINT)
                struck = True
    os.close(ours)
    assert running.wait(timeout=60) == 130
    told_last = received.decode().replace("\r\n", "\n")
    assert told_last.rstrip().endswith(
        "interrupted: everything acknowledged is safe in out/review.db; the same command continues"
    )
    assert "Traceback" not in told_last
    assert "\x1b[?25h" in told_last
    assert meerkat("run", "src", "--out", "out", cwd=work).returncode == 0


def test_interrupted_it_tells_programs_too(work: Path) -> None:
    running = subprocess.Popen(
        [*MEERKAT, "run", "--json", "--out", "out"],
        cwd=work,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (work / "out" / "review.db").exists():
        assert running.poll() is None
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert json.loads(out) == {"status": "interrupted", "exit_code": 130, "database": "out/review.db"}
    assert "the same command continues" in err
