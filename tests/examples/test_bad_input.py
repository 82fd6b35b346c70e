"""Every bad input of the main job: the message, the exit code, and unchanged bytes on disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.command import disk, environment, review

HOLDER = """
import sys
import trio
import meerkat_actors as meerkat

async def hold(path):
    async with meerkat.open_runtime(path):
        print("held", flush=True)
        await trio.sleep_forever()

trio.run(hold, sys.argv[1])
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    source = tmp_path / "src"
    source.mkdir()
    (source / "fine.py").write_text("import os\n")
    return tmp_path


def refused(work: Path, *arguments: str, before: tuple[str, ...] = ()) -> str:
    """Run the command; it must end with 2, say so on standard error alone, and leave the disk as it was."""
    found = disk(work)
    ended = review(*arguments, cwd=work, before=before)
    assert disk(work) == found
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_a_path_that_is_no_folder(work: Path) -> None:
    assert refused(work, "src/fine.py") == ("error: src/fine.py: not a folder; name one that holds Python source\n")
    assert refused(work, "gone") == "error: gone: no such folder\n"


def test_a_folder_without_python_files(work: Path) -> None:
    (work / "empty").mkdir()
    assert refused(work, "empty") == ("error: empty: no Python files in it; name a folder that holds *.py files\n")


def test_an_unreadable_file(work: Path) -> None:
    secret = work / "src" / "secret.py"
    secret.write_text("x = 1\n")
    secret.chmod(0)
    before: tuple[str, ...] = ()
    if os.geteuid() == 0:
        # Root reads everything until it gives that up.
        if shutil.which("setpriv") is None:
            pytest.skip("root without setpriv can't be refused a file")
        before = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all")
    told = refused(work, "src", before=before)
    assert told == (
        "error: src: 1 problem; nothing was written\n"
        "  secret.py: unreadable: Permission denied; make it readable\n"
        "  or leave such files out with --skip-broken\n"
    )


def test_sources_that_do_not_parse_are_all_told_with_their_lines(work: Path) -> None:
    (work / "src" / "a.py").write_text("x = 1\ny = = 2\n")
    (work / "src" / "b.py").write_text("def f(:\n")
    (work / "src" / "c.py").write_bytes(b"\xff\n")
    told = refused(work, "src").splitlines()
    assert told[0] == "error: src: 3 problems; nothing was written"
    assert told[1] == "  a.py:2: does not parse: invalid syntax; mend it"
    assert told[2] == "  b.py:1: does not parse: invalid syntax; mend it"
    assert told[3].startswith("  c.py: does not decode: ")
    assert told[4:] == ["  or leave such files out with --skip-broken"]


def test_broken_files_can_be_left_out_but_not_all(work: Path) -> None:
    (work / "src" / "fine.py").write_text("x = = 1\n")
    assert "no file is left to review" in refused(work, "src", "--skip-broken")


def test_a_mob_with_five_mistakes(work: Path) -> None:
    (work / "team.toml").write_text("""
        name = "Review"
        colour = "red"
        [profiles.lead]
        kind = "lead"
        [profiles.reviewer]
        kind = "critic"
        [members.lead]
        profile = "leader"
        [members.reviewer]
        profile = "reviewer"
        count = "4"
        """)
    assert refused(work, "src", "--mob", "team.toml").splitlines() == [
        "error: team.toml: 5 problems; nothing was written",
        "  'Review' is no mob name: use 1 to 64 of a-z 0-9 . _ - beginning with a letter or digit @ $.name",
        "  expected an integer, got a string @ $.members['reviewer'].count",
        "  unknown key; known here: name, profiles, members @ $.colour",
        "  unknown kind 'critic'; known: lead, reviewer @ $.profiles['reviewer'].kind",
        "  no profile 'leader'; known: 'lead', 'reviewer' @ $.members['lead'].profile",
    ]


def test_an_unknown_kind(work: Path) -> None:
    (work / "team.toml").write_text(
        'name = "m"\nprofiles.p.kind = "lead"\nprofiles.q.kind = "critic"\n'
        'members.lead.profile = "p"\nmembers.reviewer.profile = "q"\n'
    )
    assert refused(work, "src", "--mob", "team.toml") == (
        "error: team.toml: unknown kind 'critic'; known: lead, reviewer @ $.profiles['q'].kind\n"
    )


def test_a_mob_file_that_is_not_there_is_told_beside_a_broken_source(work: Path) -> None:
    (work / "src" / "a.py").write_text("y = = 2\n")
    told = refused(work, "src", "--mob", "gone.toml")
    assert "error: gone.toml: unreadable: No such file or directory; name a TOML file\n" in told
    assert "  a.py:1: does not parse" in told


def test_a_database_held_by_another_process(work: Path) -> None:
    (work / "out").mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(work / "out" / "review.db")], stdout=subprocess.PIPE, env=environment()
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        told = refused(work, "src", "--out", "out")
        assert told.startswith(f"error: {work}/out/review.db: held by ")
        assert str(holder.pid) in told
        assert told.count("\n") == 1
    finally:
        holder.kill()
        holder.communicate()


def test_a_database_of_another_program(work: Path) -> None:
    (work / "out").mkdir()
    connection = sqlite3.connect(work / "out" / "review.db")
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    told = refused(work, "src", "--out", "out")
    assert told.startswith(f"error: {work}/out/review.db: is ")
    assert told.endswith("it was not touched\n")
    assert told.count("\n") == 1


@pytest.mark.parametrize("content", [b"a letter to my aunt\n", b"x" * 5000, b"SQLite format 3\x00 and then nothing"])
def test_a_file_that_is_no_database(work: Path, content: bytes) -> None:
    (work / "out").mkdir()
    (work / "out" / "review.db").write_bytes(content)
    told = refused(work, "src", "--out", "out")
    assert told.startswith(f"error: {work}/out/review.db: is ")
    assert told.endswith("it was not touched\n")
    assert told.count("\n") == 1


def test_a_place_for_results_that_is_no_folder(work: Path) -> None:
    (work / "out").write_text("mine")
    assert refused(work, "src", "--out", "out") == "error: out: File exists\n"
    assert refused(work, "src", "--out", "out/deeper") == "error: out/deeper: Not a directory\n"


def test_a_name_that_would_steer_the_terminal_is_spelled_out(work: Path) -> None:
    (work / "src" / "\x1b[2Jx.py").write_text("y = = 2\n")
    assert "  \\x1b[2Jx.py:1: does not parse" in refused(work, "src")


def test_unknown_arguments(work: Path) -> None:
    assert "unrecognized arguments: --colour" in refused(work, "src", "--colour")
