"""``backup``: a copy of an idle file or beside its owner, and the way back."""

from __future__ import annotations

import io
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import orjson
import pytest

from meerkat_actors.cli import main
from meerkat_actors.records.ids import COUNTER_MAX
from meerkat_actors.store.sqlite.examining import examine
from tests.cli.command import here, refused, rows, shown, told
from tests.store.sqlite.test_backup import run_sql, work
from tests.test_backup_restore import open_owner


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "team.db"
    work(path)
    return path


def test_a_copy_is_told_in_words_and_in_json(database: Path) -> None:
    words = told("backup", "team.db", "monday.db", cwd=database.parent)
    assert "monday.db" in words
    assert "2 with 6 turns" in words
    assert "whole and checked" in words
    (report,) = rows("backup", "team.db", "tuesday.db", "--quick", cwd=database.parent)
    assert report["path"] == str(database.parent / "tuesday.db")
    assert (report["epoch"], report["identities"], report["turns"], report["findings"]) == (2, 2, 6, 0)
    assert examine(report["path"]).number == 0


def test_a_store_is_copied_beside_its_owner(tmp_path: Path) -> None:
    with open_owner(tmp_path / "team.db", 5) as owner:
        (report,) = rows("backup", "team.db", "monday.db", cwd=tmp_path)
        owner.go_on()
    assert report["identities"] == 5
    assert examine(tmp_path / "monday.db").number == 0


def test_the_way_back_is_the_same_command(database: Path) -> None:
    told("backup", "team.db", "monday.db", cwd=database.parent)
    work(database)
    database.rename(database.with_name("broken.db"))
    (report,) = rows("backup", "monday.db", "team.db", cwd=database.parent)
    assert report["epoch"] == 3
    work(database)
    assert run_sql(database, "SELECT count(*) FROM turn") == [(12,)]


@pytest.mark.parametrize("target", ["team.db", "team.db-wal", "none/monday.db", "."])
def test_what_can_be_no_target_is_refused_with_two(database: Path, target: str) -> None:
    before = database.read_bytes()
    assert refused("backup", "team.db", target, cwd=database.parent).startswith("error: ")
    assert database.read_bytes() == before


def test_no_store_is_no_source(tmp_path: Path) -> None:
    assert "no such file" in refused("backup", "none.db", "monday.db", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_doctor_has_something_to_say_of_ends_with_one(database: Path) -> None:
    run_sql(database, "UPDATE head SET message_count = message_count + 1 WHERE key = 1")
    ended = here("backup", "team.db", "monday.db", "--json", cwd=database.parent)
    assert ended.returncode == 1
    assert orjson.loads(ended.stdout)["findings"] == 1
    ended = here("backup", "team.db", "tuesday.db", cwd=database.parent)
    assert (ended.returncode, "meerkat-actors doctor" in ended.stdout) == (1, True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_told_how_far_it_is_and_nothing_else_is(database: Path) -> None:
    with chdir(database.parent), redirect_stderr(Terminal()), redirect_stdout(io.StringIO()) as out:
        assert main(["backup", "team.db", "tuesday.db", "--json"]) == 0
    assert orjson.loads(out.getvalue())["findings"] == 0
    output, code = shown("backup", "team.db", "monday.db", cwd=database.parent)
    assert code == 0
    assert b"copying" in output or b"opening" in output or b"checking" in output


def test_a_token_that_could_not_be_raised_is_told(database: Path) -> None:
    run_sql(database, f"UPDATE head SET token = {COUNTER_MAX} WHERE key = 1")
    ended = here("backup", "team.db", "monday.db", cwd=database.parent)
    assert (ended.returncode, "1 of its fencing tokens" in ended.stdout) == (1, True)
