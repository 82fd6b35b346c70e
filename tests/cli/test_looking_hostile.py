"""Rotten rows, text that would steer a terminal, and bad arguments: a line each, and never a traceback."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from tests.cli.command import here, refused, shown, told
from tests.cli.command import meerkat as run

ROTTEN: Final = {
    "no object": b"[]",
    "no entries": b'{"count":1,"log":[]}',
    "no count": b'{"log":[{"content":"x","input":"1","role":"user"}]}',
    "deep": b'{"count":1,"log":[{"content":' + b"[" * 5_000 + b"]" * 5_000 + b',"role":"user"}],"text":null}',
    "no JSON": b"\xff\x00",
}


@pytest.mark.parametrize("body", ROTTEN.values(), ids=ROTTEN)
@pytest.mark.parametrize(
    "command", [("inputs", "clerk-1"), ("history", "clerk-1"), ("receipts", "clerk-1"), ("inputs",)]
)
def test_a_row_that_is_rotten_is_one_line_and_never_a_traceback(
    office: Path, tmp_path: Path, command: tuple[str, ...], body: bytes
) -> None:
    shutil.copy(office / "a.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("UPDATE turn SET body = ?", (body,))
    name, *others = command
    done = run(name, "a.db", *others, cwd=tmp_path)
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 2}
    assert done.stderr.count("\n") == (done.returncode == 2)


@pytest.mark.parametrize("command", [("inputs", "clerk-1"), ("history", "clerk-1"), ("inputs",), ("events",)])
def test_nothing_that_agents_say_steers_a_terminal(office: Path, command: tuple[str, ...]) -> None:
    name, *identity = command
    table = told(name, "a.db", *identity, cwd=office)
    assert all(character.isprintable() or character == "\n" for character in table)
    lines = told(name, "a.db", *identity, "--json", cwd=office)
    assert all(" " <= character <= "~" or character == "\n" for character in lines)
    received, code = shown(name, "a.db", *identity, cwd=office, columns=60)
    assert code == 0
    for steering in (b"\x1b[2J", b"\x1b]0;", b"\x07", "\u202e".encode(), "\u009b".encode()):
        assert steering not in received
    if identity:
        assert "\\x1b[2J" in table
        # Nor is it markup.
        assert "[bold red]loud[/]" in table


@pytest.mark.parametrize("columns", [20, 60, 100, 160])
def test_a_table_fits_its_terminal(office: Path, columns: int) -> None:
    for arguments in (("inputs", "a.db"), ("history", "a.db", "clerk-1"), ("events", "a.db"), ("identities", "a.db")):
        table = run(*arguments, cwd=office, variables={"COLUMNS": str(columns)}).stdout
        assert max(map(len, table.splitlines()[:-1])) <= columns


def test_a_terminal_gets_colours_unless_it_does_not_want_them(office: Path) -> None:
    assert b"\x1b[1m" in shown("identities", "a.db", cwd=office)[0]
    without, _ = shown("identities", "a.db", cwd=office, variables={"NO_COLOR": "1"})
    assert b"\x1b[3" not in without
    assert "\x1b" not in told("identities", "a.db", cwd=office)


def test_a_terminal_of_another_encoding_gets_escapes(office: Path) -> None:
    ended = run("history", "a.db", "clerk-1", cwd=office, variables={"PYTHONIOENCODING": "ascii"})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "noted three" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["status"], "Missing argument 'DB'"),
        (["status", "gone.db"], "there is no such file"),
        (["status", "."], "is no file"),
        (["status", ""], "is no path of a store"),
        (["status", "letter.txt"], "is not a database"),
        (["history", "a.db"], "Missing argument 'IDENTITY'"),
        (["history", "a.db", "nobody"], "nobody: no such identity"),
        (["inputs", "a.db", "\x1b[2J"], "is no agent identity"),
        (["receipts", "a.db", "a/b/c"], "is no agent identity"),
        (["inputs", "a.db", "--limit", "0"], "Invalid value for '--limit'"),
        (["inputs", "a.db", "--limit", "x"], "Invalid value for '--limit'"),
        (["events", "a.db", "--after", "-1"], "Invalid value for '--after'"),
        (["events", "a.db", "--after", str(2**63)], "Invalid value for '--after'"),
        (["events", "a.db", "--after", "17."], "Invalid value for '--after'"),
        (["events", "a.db", "--after", "17.x"], "use the number of an event, such as 17 or 17.2"),
        (["events", "a.db", "--after", "9" * 5_000], "Invalid value for '--after'"),
        (["events", "a.db", "--colour"], "No such option"),
        (["events", "a.db", "--limit", "10001"], "use --json for more"),
        (["identities", "a.db", "--after", "\udcff"], "names are ASCII"),
        (["stauts", "a.db"], "No such command 'stauts'"),
    ],
)
def test_bad_input_is_one_line_and_the_exit_code_2(office: Path, arguments: list[str], problem: str) -> None:
    (office / "letter.txt").write_text("Dear aunt,\n" * 100)
    assert problem in refused(*arguments, cwd=office)


@pytest.mark.parametrize("command", ["inputs", "history", "receipts"])
@pytest.mark.parametrize("extra", [(), ("--json",)])
def test_a_rotten_row_is_one_line_too(office: Path, tmp_path: Path, command: str, extra: tuple[str, ...]) -> None:
    (tmp_path / "a.db").write_bytes((office / "a.db").read_bytes())
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.execute("UPDATE turn SET body = zeroblob(9)")
    connection.commit()
    connection.close()
    assert "holds a row that can't be read" in here(command, "a.db", "clerk-1", *extra, cwd=tmp_path).stderr
    assert here(command, "a.db", "clerk-1", *extra, cwd=tmp_path).returncode == 2
