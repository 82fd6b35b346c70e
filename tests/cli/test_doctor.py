"""``doctor``: what it says of a database that is sound, damaged, owned, foreign or absent, and how it ends."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from tests.cli.command import here, refused, rows, shown, told
from tests.cli.command import meerkat as run
from tests.examples.command import environment
from tests.store.sqlite.damage import unchecked
from tests.store.sqlite.damage_sample import make_sample, write_files

HOSTILE: Final = "\x1b[2J\x1b]0;owned\x07[bold red]loud[/]"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return make_sample(tmp_path_factory.mktemp("sample"), is_clean=True)


@pytest.fixture
def sound(tmp_path: Path, sample: dict[str, bytes]) -> Path:
    return write_files(tmp_path / "sound", sample)


@pytest.fixture
def rotten(tmp_path: Path, sample: dict[str, bytes]) -> Path:
    path = write_files(tmp_path / "rotten", sample)
    with unchecked(path) as connection:
        connection.execute(
            "UPDATE turn SET digest = zeroblob(32)"
            " WHERE version = 1 AND identity = (SELECT key FROM name WHERE name = 'tally')"
        )
        connection.execute("UPDATE journal SET nth = 2 WHERE identity = (SELECT key FROM name WHERE name = 'busy')")
    return path


def counted(path: Path) -> tuple[int, int, int]:
    """Names, turns and inputs in the file."""
    with closing(sqlite3.connect(path)) as connection:
        names, turns, inputs = (
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("name", "turn", "input")
        )
    return names, turns, inputs


def test_a_sound_database_ends_with_0(sound: Path) -> None:
    names, turns, inputs = counted(sound)
    text = told("doctor", sound, cwd=sound.parent)
    assert text == f"{names} names, {turns} turns, {inputs} inputs: nothing is wrong\n"
    (summary,) = rows("doctor", sound, cwd=sound.parent)
    assert summary == {
        "location": str(sound),
        "healthy": True,
        "findings": 0,
        "identities": names,
        "boundaries": turns,
        "inputs": inputs,
        "notes": [],
    }


def test_findings_end_with_1_and_say_what_to_do(rotten: Path) -> None:
    ended = here("doctor", rotten, cwd=rotten.parent)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "restore the file from a backup" in ended.stdout
    assert "tally" in ended.stdout
    assert "busy" in ended.stdout
    last = ended.stdout.splitlines()[-1]
    names, turns, inputs = counted(rotten)
    assert last.startswith(f"{names} names, {turns} turns, {inputs} inputs: ")
    assert last.endswith(" findings")


def test_json_has_a_line_for_each_finding_and_one_that_sums_up(rotten: Path) -> None:
    ended = here("doctor", rotten, "--json", cwd=rotten.parent)
    assert ended.returncode == 1
    *findings, summary = (orjson.loads(line) for line in ended.stdout.splitlines())
    assert summary["healthy"] is False
    assert summary["findings"] == len(findings) > 1
    assert {finding["identity"] for finding in findings} == {"tally", "busy"}
    assert {"digest", "journal"} <= {finding["check"] for finding in findings}
    for finding in findings:
        assert finding.keys() == {"check", "identity", "detail", "meaning", "advice"}
        assert all(finding.values())


def test_one_identity_is_examined_alone(rotten: Path) -> None:
    ended = here("doctor", rotten, "--identity", "busy", "--json", cwd=rotten.parent)
    *findings, summary = (orjson.loads(line) for line in ended.stdout.splitlines())
    assert {finding["identity"] for finding in findings} == {"busy"}
    assert (ended.returncode, summary["identities"], summary["boundaries"]) == (1, 1, 0)
    assert here("doctor", rotten, "--identity", "ann", cwd=rotten.parent).returncode == 0


def test_what_is_no_store_ends_with_2(tmp_path: Path, sound: Path) -> None:
    assert "no such file" in refused("doctor", tmp_path / "none.db", cwd=tmp_path)
    (tmp_path / "text").write_text("text " * 500)
    assert "not a database" in refused("doctor", tmp_path / "text", cwd=tmp_path)
    assert "nobody" in refused("doctor", sound, "--identity", "nobody", cwd=tmp_path)
    assert "udcff" in refused("doctor", sound, "--identity", "\udcff", cwd=tmp_path)
    assert "doctor --help" in refused("doctor", cwd=tmp_path)


def test_the_help_names_the_exit_codes(tmp_path: Path) -> None:
    text = " ".join(told("doctor", "--help", cwd=tmp_path).split())
    assert "Exit codes: 0 nothing is wrong; 1 something is; 2 there is no store at DB, or it can't be read." in text


def test_text_from_the_file_is_escaped(sound: Path) -> None:
    with unchecked(sound) as connection:
        connection.execute("UPDATE name SET name = ? WHERE name = 'tally'", (HOSTILE,))
        connection.execute("UPDATE journal SET name = ?", (HOSTILE,))
    for arguments in ((), ("--json",)):
        ended = here("doctor", sound, *arguments, cwd=sound.parent)
        assert ended.returncode == 1
        assert "\x1b" not in ended.stdout
        assert "\x07" not in ended.stdout


@pytest.mark.parametrize("columns", [60, 100, 160])
def test_a_terminal_of_any_width_shows_the_table(rotten: Path, columns: int) -> None:
    received, code = shown("doctor", rotten, cwd=rotten.parent, columns=columns, variables={"NO_COLOR": "1"})
    assert code == 1
    text = received.decode()
    assert "journal" in text
    assert "digest" in text
    plain = [line for line in text.splitlines() if "\x1b" not in line]
    assert max(len(line.rstrip()) for line in plain) <= columns


def test_not_a_byte_is_written(rotten: Path) -> None:
    for file in rotten.parent.iterdir():
        os.utime(file, ns=(1, 1))
    before = _disk(rotten.parent)
    run("doctor", rotten, cwd=rotten.parent)
    assert _disk(rotten.parent) == before


def _disk(folder: Path) -> dict[str, Any]:
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()}


OWN: Final = """
import sys, trio, meerkat_actors as meerkat

async def echo(turn):
    return turn.text

async def main(path):
    async with meerkat.open_runtime(path, agents={"echo": echo}) as runtime:
        agent = await runtime.agent("echo-1", kind="echo")
        for number in range(1_000_000):
            await agent.ask(f"number {number}")
            if number == 0:
                print("written", flush=True)

trio.run(main, sys.argv[1])
"""


def test_a_database_is_sound_beside_its_owner_and_behind_its_death(tmp_path: Path) -> None:
    path = tmp_path / "live.db"
    owner = subprocess.Popen([sys.executable, "-c", OWN, path], env=environment(), stdout=subprocess.PIPE)
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"written\n"
        counts: list[int] = []
        for _ in range(5):
            (summary,) = rows("doctor", path, cwd=tmp_path)
            counts.append(summary["boundaries"])
            assert summary["notes"] == [f"owned now by process {owner.pid}"]
        assert counts == sorted(counts)
    finally:
        owner.kill()
        owner.communicate()
    (summary,) = rows("doctor", path, cwd=tmp_path)
    assert summary["boundaries"] >= counts[-1]
