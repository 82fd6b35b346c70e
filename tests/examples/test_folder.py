"""What is read under a folder, what is left aside, and every problem that is found."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from meerkat_actors.examples.review import folder as limits
from meerkat_actors.examples.review.folder import SOURCE_BYTES_MAX, BrokenFile, read_folder


def make(folder: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def broken(folder: Path) -> tuple[BrokenFile, ...]:
    return read_folder(folder).broken


def test_files_are_read_by_relative_path_with_the_digest_of_their_bytes(tmp_path: Path) -> None:
    make(tmp_path, b="import os\n", a__c="x = 1\r\n", a__b="\ufeffy = '\u00e9'\n", Z="")
    found = read_folder(tmp_path)
    assert [(file.path, file.source) for file in found.files] == [
        ("Z.py", ""),
        ("a/b.py", "y = '\u00e9'\n"),
        ("a/c.py", "x = 1\r\n"),
        ("b.py", "import os\n"),
    ]
    assert found.files[2].digest == sha256(b"x = 1\r\n").hexdigest()
    assert (found.name, found.broken, found.problem) == (tmp_path.name, (), None)


def test_sources_are_decoded_as_python_decodes_them(tmp_path: Path) -> None:
    make(tmp_path, latin="# -*- coding: latin-1 -*-\nx = '\u00e9'\n".encode("latin-1"))
    (file,) = read_folder(tmp_path).files
    assert file.source.endswith("x = '\u00e9'\n")


def test_what_is_no_source_of_the_folder_is_left_aside(tmp_path: Path) -> None:
    inside = make(tmp_path / "inside", kept="")
    outside = make(tmp_path / "outside", secret="")
    for aside in (".git", ".venv", "__pycache__", "env"):
        make(inside / aside, aside="x = = 1")
    (inside / "env" / "pyvenv.cfg").touch()
    (inside / ".#lock.py").symlink_to("nobody@nowhere")
    (inside / "notes.txt").write_text("x = = 1")
    (inside / "out.py").symlink_to(outside / "secret.py")
    (inside / "lost.py").symlink_to(outside / "gone.py")
    (inside / "linked").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    (inside / "again.py").symlink_to("kept.py")
    (inside / "folder.py").mkdir()
    found = read_folder(inside)
    assert [file.path for file in found.files] == ["again.py", "kept.py"]
    assert found.broken == ()
    # What leads out is named; behind it nothing was read.
    assert found.skipped == ("linked", "lost.py", "out.py")


def test_every_broken_file_is_told_with_its_line_and_what_to_do(tmp_path: Path) -> None:
    make(
        tmp_path,
        fine="x = 1\n",
        syntax="x = 1\n\ny = = 2\n",
        nul="x = '\x00'\n",
        deep="x = " + "-" * 20_000 + "1\n",
        encoding=b"x = '\xff'\n",
        codec="# coding: nonsense\n",
        rot="# coding: rot13\n",
        surrogate=b"# coding: raw_unicode_escape\nx = '\\ud800'\n",
        huge=b"#" * (SOURCE_BYTES_MAX + 1),
    )
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "dangling.py").symlink_to("nothing.py")
    os.mkfifo(tmp_path / "pipe.py")
    found = read_folder(tmp_path)
    assert [file.path for file in found.files] == ["fine.py"]
    told = {file.path: (file.line, file.problem) for file in found.broken}
    assert sorted(told) == [file.path for file in found.broken]
    assert told["syntax.py"] == (3, "does not parse: invalid syntax; mend it")
    assert told["huge.py"] == (None, f"larger than {SOURCE_BYTES_MAX} bytes; split it")
    assert told["pipe.py"] == (None, "not a regular file; remove it")
    assert told["dangling.py"] == (None, "unreadable: No such file or directory; make it readable")
    assert told["loop.py"][1].startswith("unreadable: Too many levels of symbolic links")
    for path in ("nul.py", "deep.py"):
        assert told[path][1].startswith("does not parse: ")
    for path in ("encoding.py", "codec.py", "rot.py", "surrogate.py"):
        assert told[path][1].startswith("does not decode: ")
    assert len(told) == 11


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    make(tmp_path, big=b"#" * SOURCE_BYTES_MAX)
    assert len(read_folder(tmp_path).files) == 1


def test_a_name_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.py")).touch()
    (told,) = broken(tmp_path)
    assert told.problem == "its name is no UTF-8; rename it"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything; test_bad_input.py gives that up first")
def test_an_unreadable_file_and_folder_are_told(tmp_path: Path) -> None:
    make(tmp_path, secret="", closed__inner="")
    (tmp_path / "secret.py").chmod(0)
    (tmp_path / "closed").chmod(0)
    assert [(told.path, told.problem) for told in broken(tmp_path)] == [
        ("closed", "unreadable: Permission denied; make it readable"),
        ("secret.py", "unreadable: Permission denied; make it readable"),
    ]
    (tmp_path / "closed").chmod(0o700)


def test_what_is_no_folder_has_one_problem(tmp_path: Path) -> None:
    make(tmp_path, file="")
    assert read_folder(tmp_path / "file.py").problem == "not a folder; name one that holds Python source"
    assert read_folder(tmp_path / "gone").problem == "no such folder"
    (tmp_path / "empty").mkdir()
    assert read_folder(tmp_path / "empty").problem == "no Python files in it; name a folder that holds *.py files"


def test_a_folder_of_broken_files_only_is_no_empty_folder(tmp_path: Path) -> None:
    make(tmp_path, syntax="x = = 1")
    assert read_folder(tmp_path).problem is None


def test_a_job_has_a_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, a="", b="", c="")
    monkeypatch.setattr(limits, "FILES_MAX", 2)
    assert read_folder(tmp_path).problem == (
        f"more than 2 files or {limits.FOLDER_BYTES_MAX} bytes; review its parts one by one"
    )


def test_reading_changes_nothing_and_warns_of_nothing(tmp_path: Path) -> None:
    make(tmp_path, odd="x = '\\d'\n")
    before = sorted(tmp_path.rglob("*"))
    assert len(read_folder(tmp_path).files) == 1
    assert sorted(tmp_path.rglob("*")) == before
