"""A process that prunes beside its agents, killed at random instants: nothing is lost, doubled, or told otherwise."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random
from typing import IO

import apsw
import orjson
import pytest

from meerkat_actors.records.codec import DIGEST_ZERO, decode_log, extend_chain
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.inputs import InputState
from meerkat_actors.store import StoreReader, open_reader
from tests.crashes.pruning_worker import AGENTS
from tests.store.sqlite.keeping import READ_SCHEMA

LAPS = 15
KILLS = 20


@pytest.mark.slow
def test_kills_at_random_instants_lose_nothing(tmp_path: Path) -> None:
    path, random = tmp_path / "team.db", Random("pruning kills")
    told: dict[str, str] = {}
    counts: list[int] = []
    for _ in range(KILLS):
        with started(path) as running:
            assert running.stdout is not None
            # A line more or less: where it is killed is chance in any case.
            read_lines(running.stdout, told, random.randint(1, 2 * len(told) + 20))
            running.kill()
            read_lines(running.stdout, told, None)
        counts.append(len(told))
        require_good(path)
    with started(path) as running:
        assert running.stdout is not None
        read_lines(running.stdout, told, None)
    assert running.returncode == 0
    assert len(told) == AGENTS * LAPS
    assert counts[0] < counts[-1]
    with closing(open_reader(path)) as reader:
        for number in range(AGENTS):
            name = AgentIdentity(f"a{number}")
            require_whole(reader, name, [told[f"{name}/{lap}"] for lap in range(LAPS)])


def started(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.crashes.pruning_worker", str(path), str(LAPS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def read_lines(pipe: IO[str], told: dict[str, str], count: int | None) -> None:
    """What was acknowledged; the same key is the same input, in every process."""
    while count is None or count > 0:
        line = pipe.readline()
        if not line.endswith("\n"):
            return
        key, input_id = line.split()
        assert told.setdefault(key, input_id) == input_id
        count = None if count is None else count - 1


def require_good(path: Path) -> None:
    if not path.exists():  # killed before there was anything
        return
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    assert connection.pragma("integrity_check") == "ok"
    assert connection.execute(READ_SCHEMA).fetchall()
    connection.close()


def require_whole(reader: StoreReader, name: AgentIdentity, asked: list[str]) -> None:
    """Each input once, in order, in the transcript that its receipts prove, and most of them pruned."""
    rows = reader.page_inputs(name, after=None, limit=99, newest_first=False)
    assert [row.input_id for row in rows] == asked
    assert {row.state for row in rows} == {InputState.CONSUMED}
    assert sum(row.is_pruned for row in rows) > LAPS / 2
    digest = DIGEST_ZERO
    turns = reader.page_turns(name, before=None, limit=99)[::-1]
    assert [turn.version for turn in turns] == [*range(1, LAPS + 1)]
    for turn, row in zip(turns, rows, strict=True):
        entries = decode_log(turn.body)
        assert [entry["input"] for entry in entries if "input" in entry] == [row.input_id]
        digest = extend_chain(digest, tuple(_canonical(entry) for entry in entries))
        assert turn.digest == digest


def _canonical(entry: object) -> bytes:
    return orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)
