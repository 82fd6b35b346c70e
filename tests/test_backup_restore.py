"""The whole way: a backup under load, a kill, the copy put back by hand, and what is left of the old timeline."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Final

import apsw
import pytest
import trio

import meerkat_actors as meerkat
from meerkat_actors.errors import StoreFailedError, StoreInUseError
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.sqlite.backup import back_up
from meerkat_actors.store.sqlite.examining import examine
from tests.examples.command import environment
from tests.store.sqlite.test_backup import keep

AGENTS: Final = 50

# Lets agents count for as long as it lives, and tells each number once it is durable. A line of input is the path of
# a backup to make.
OWNER: Final = """
import sys, trio
import meerkat_actors as meerkat

async def counter(turn):
    count = (turn.state or 0) + 1
    turn.set_state(count)
    return str(count)

async def main(path, agents):
    async with meerkat.open_runtime(path, agents={"counter": counter}) as runtime, trio.open_nursery() as nursery:
        async def drive(name):
            agent = await runtime.agent(name, kind="counter")
            while True:
                print(name, (await agent.ask("on")).text, flush=True)

        for number in range(agents):
            nursery.start_soon(drive, f"counter-{number}")
        while path := (await trio.to_thread.run_sync(sys.stdin.readline)).strip():
            print("backup", "begins", flush=True)
            report = await runtime.backup(path)
            print("backup", report.epoch, flush=True)
        nursery.cancel_scope.cancel()

trio.run(main, sys.argv[1], int(sys.argv[2]))
"""


async def counter(turn: meerkat.Turn) -> str:
    count = turn.state if isinstance(turn.state, int) else 0
    turn.set_state(count + 1)
    return f"{count + 1}"


class Owner:
    """A process that owns a store, and what it acknowledged."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.counts: dict[str, int] = {}
        self._told: IO[str] = process.stdout
        self._asks: IO[str] = process.stdin

    def read_until(self, name: str, word: str) -> None:
        """Note what it acknowledges up to a line."""
        for line in self._told:
            who, what = line.split()
            if (who, what) == (name, word):
                return
            if who != "backup":
                self.counts[who] = int(what)
        message = f"it ended before {name} {word}"
        raise AssertionError(message)

    def back_up(self, target: Path) -> dict[str, int]:
        """Let it make a backup; what it had acknowledged before that."""
        print(target, file=self._asks, flush=True)
        self.read_until("backup", "begins")
        before = dict(self.counts)
        self.read_until("backup", "2")
        return before

    def go_on(self) -> None:
        """Read some more."""
        self.read_until("counter-0", str(self.counts["counter-0"] + 3))


@contextmanager
def open_owner(database: Path, agents: int = AGENTS) -> Generator[Owner]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(database), str(agents)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            try:
                owner = Owner(process)
                owner.read_until("counter-0", "2")
                yield owner
            finally:
                process.kill()
    finally:
        assert process.returncode is not None


async def count_on(database: Path, before: dict[str, int]) -> None:
    """Everything that was acknowledged before is there, and agents go on from it."""
    async with meerkat.open_runtime(database, agents={"counter": counter}) as runtime:
        await runtime.wait_idle()
        for name, count in before.items():
            assert int((await (await runtime.agent(name)).ask("on")).text or 0) > count


def read_value(database: Path, query: str) -> object:
    connection = apsw.Connection(str(database))
    try:
        ((value,),) = connection.execute(query).fetchall()
        return value
    finally:
        connection.close()


@pytest.mark.parametrize("way", ["by hand", "by the command"])
def test_a_backup_under_load_restores_over_a_store_that_was_killed(tmp_path: Path, way: str) -> None:
    database, copy = tmp_path / "team.db", tmp_path / "monday.db"
    with open_owner(database) as owner:
        before = owner.back_up(copy)
        owner.go_on()
        owner.process.send_signal(signal.SIGKILL)
    assert len(before) == AGENTS
    assert Path(f"{database}.mark").exists()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{database}{suffix}").rename(f"{database}.broken{suffix}")
    if way == "by hand":
        database.write_bytes(copy.read_bytes())
    else:
        assert back_up(copy, database).epoch == 3
    trio.run(count_on, database, before)
    assert read_value(database, "SELECT epoch FROM meta") == (2 if way == "by hand" else 3)
    # What was under way at that moment was charged neither for the backup nor for the kill.
    assert read_value(database, "SELECT max(interruptions) FROM input") == 0
    assert examine(database).number == 0


def test_an_owner_whose_file_was_replaced_by_a_copy_writes_nothing_more(tmp_path: Path) -> None:
    database, copy = tmp_path / "team.db", tmp_path / "monday.db"
    with closing(open_sqlite(database)) as old:
        old.begin()
        keep(old, "kept", number=1)
        back_up(database, copy)
        copy.rename(database)
        with pytest.raises(StoreInUseError):
            open_sqlite(database)
        with pytest.raises(StoreFailedError, match="replaced"):
            keep(old, "late", number=2)
    # Its log was not the copy's: an owner that ends leaves it where it is, and so it has to be moved away.
    for suffix in ("-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    with closing(open_sqlite(database)) as new:
        new.begin()
    assert read_value(database, "SELECT group_concat(name) FROM name") == "kept"


def test_a_paused_owner_that_wakes_beside_the_restored_store_ends(tmp_path: Path) -> None:
    database, copy = tmp_path / "team.db", tmp_path / "monday.db"
    with open_owner(database) as owner:
        before = owner.back_up(copy)
        owner.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, owner.process.pid, os.WSTOPPED)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{database}{suffix}").unlink()
        copy.rename(database)
        with pytest.raises(StoreInUseError, match=str(owner.process.pid)):
            open_sqlite(database)
        # Somebody forces it.
        Path(f"{database}.lock").unlink()
        trio.run(count_on, database, before)
        turns = read_value(database, "SELECT count(*) FROM turn")
        owner.process.send_signal(signal.SIGCONT)
        _, complaint = owner.process.communicate(timeout=60)
        assert owner.process.returncode != 0
        assert "StoreFailedError" in complaint
    assert read_value(database, "SELECT count(*) FROM turn") == turns
    assert examine(database).number == 0
