"""Who may open one file together, and what the others are told, whichever way a process ends."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from meerkat_actors.errors import StoreError, StoreInUseError
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.sqlite.schema import SCHEMA_VERSION
from tests.store.sqlite.keeping import content, rebuild, version_of

LONG: Final = 1_000.0
"""Seconds of a lease that nobody here lives to see the end of."""

# For each path in turn: opens it when told to, says what it got, and ends it in good order when told to.
SERVE: Final = """
import sys
from meerkat_actors.store import open_sqlite
for path in sys.argv[2:]:
    sys.stdin.readline()
    store = open_sqlite(path, ownership=sys.argv[1], lease_seconds=1000.0)
    opening = store.begin()
    print(opening.incarnation, opening.store_id, flush=True)
    sys.stdin.readline()
    store.end(clean=True)
    store.close()
    print("ended", flush=True)
"""


class Server:
    """A process that serves one file after another."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child

    def go_on(self) -> None:
        """Let it do the next thing."""
        assert self.child.stdin is not None
        self.child.stdin.write("go on\n")
        self.child.stdin.flush()

    def answer(self) -> list[str]:
        """Wait until it is done, and take what it says."""
        assert self.child.stdout is not None
        return self.child.stdout.readline().split()

    def begin(self) -> list[str]:
        """Let it serve the next file: its incarnation, and the store's id."""
        self.go_on()
        return self.answer()

    def end(self) -> None:
        """Let it end in good order."""
        self.go_on()
        assert self.answer() == ["ended"]

    def kill(self) -> None:
        """End it otherwise."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()


@contextmanager
def server(ownership: str, *paths: Path) -> Generator[Server, None, None]:
    child = subprocess.Popen(
        [sys.executable, "-c", SERVE, ownership, *map(str, paths)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        yield Server(child)
    finally:
        child.kill()
        child.communicate()


def owners(database: Path) -> list[object]:
    """The incarnations that have a lease."""
    return [row["key"] for row in content(database)["owner"]]


def test_an_exclusive_opener_is_told_of_those_who_share(database: Path) -> None:
    with server("shared", database) as first, server("shared", database) as second:
        first.begin()
        second.begin()
        for sharer in (first, second):
            with pytest.raises(StoreInUseError) as caught:
                open_sqlite(database)
            assert caught.value.holder == "runtimes that share it (ownership='shared')"
            sharer.end()
    store = open_sqlite(database)
    assert (store.begin().incarnation, owners(database)) == (3, [])
    store.close()


@pytest.mark.slow
def test_a_sharer_is_told_who_has_the_store_to_itself(database: Path) -> None:
    """After a second: so long it waits for whoever makes or migrates the store."""
    with server("exclusive", database) as holder:
        holder.begin()
        before = database.read_bytes()
        with pytest.raises(StoreInUseError) as caught:
            open_sqlite(database, ownership="shared")
        assert caught.value.holder == f"process {holder.child.pid}"
        assert database.read_bytes() == before
        holder.kill()
        store = open_sqlite(database, ownership="shared")
        assert store.begin().incarnation == 2
        store.close()


def test_what_killed_sharers_leave_anybody_opens_at_once(database: Path) -> None:
    """Leases that run for long yet hold nobody up."""
    with server("shared", database) as first, server("shared", database) as second:
        first.begin()
        second.begin()
        assert owners(database) == [1, 2]
        first.kill()
        with pytest.raises(StoreInUseError):
            open_sqlite(database)
        with server("shared", database) as third:
            third.begin()
            assert owners(database) == [2, 3]
            second.kill()
            third.kill()
    store = open_sqlite(database)
    opening = store.begin()
    assert (opening.incarnation, opening.was_clean, owners(database)) == (4, False, [])
    store.close()


def test_the_last_sharer_to_end_in_good_order_leaves_the_store_clean(database: Path) -> None:
    with server("shared", database) as first, server("shared", database) as second:
        first.begin()
        second.begin()
        first.end()
        assert [row["clean"] for row in content(database)["meta"]] == [0]
        second.end()
        assert [row["clean"] for row in content(database)["meta"]] == [1]


@pytest.mark.slow
def test_two_that_come_at_once_make_one_store(tmp_path: Path) -> None:
    """Twenty times: one of them makes it, and both serve it."""
    paths = [tmp_path / f"{number}.db" for number in range(20)]
    with server("shared", *paths) as left, server("shared", *paths) as right:
        for path in paths:
            left.go_on()
            right.go_on()
            answers = sorted([left.answer(), right.answer()])
            assert [incarnation for incarnation, _ in answers] == ["1", "2"], path
            assert answers[0][1] == answers[1][1], path
            assert owners(path) == [1, 2], path
            left.end()
            right.end()
            assert owners(path) == [], path
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith((".creating", "-wal", "-shm"))] == []


def test_a_lone_sharer_migrates_what_an_earlier_version_left(database: Path) -> None:
    rebuild(3, database)
    store = open_sqlite(database, ownership="shared", lease_seconds=LONG)
    assert version_of(database) == SCHEMA_VERSION
    store.begin()
    store.close()


def test_a_sharer_that_is_not_alone_migrates_nothing(database: Path) -> None:
    """Whoever else has it open may be of the earlier version."""
    rebuild(3, database)
    before = content(database)
    with Path(f"{database}.lock").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        with pytest.raises(StoreError, match="has schema 3"):
            open_sqlite(database, ownership="shared")
    assert version_of(database) == 3
    assert content(database) == before


def test_a_sharer_changes_nothing_before_it_serves(database: Path) -> None:
    open_sqlite(database).close()
    before = database.read_bytes()
    with server("shared", database) as first:
        first.begin()
        log = Path(f"{database}-wal").read_bytes()
        second = open_sqlite(database, ownership="shared")
        assert Path(f"{database}-wal").read_bytes() == log
        assert database.read_bytes() == before
        second.close()


def test_a_store_that_was_deleted_under_those_who_share_it_is_not_made_anew(database: Path) -> None:
    with server("shared", database) as first:
        first.begin()
        for path in database.parent.glob("team.db*"):
            if path.suffix != ".lock":
                path.unlink()
        with pytest.raises(StoreError, match="was deleted while others share it"):
            open_sqlite(database, ownership="shared")
        assert not database.exists()
