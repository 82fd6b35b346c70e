"""Sharers of a file that are processes: killed, forked, stopped in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from meerkat_actors.errors import UsageError
from meerkat_actors.records.commits import Committed, HeldElsewhere
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.fencing import STALE_OWNER
from tests.store.sharers import TTL, Clock, SqliteSharers, claimed, held, pass_time, taken
from tests.store.writing import created, insert

ROOT: Final = Path(__file__).parents[3]

# Creates Ann and serves her; at each line of its input it tries to write.
SERVE: Final = """
import os, sys
from meerkat_actors.records.commits import Committed
from meerkat_actors.store import open_sqlite
from tests.store.writing import created, insert
store = open_sqlite(sys.argv[1], ownership="shared")
store.begin()
ann = created(store, "ann")
if len(sys.argv) > 2 and os.fork():
    os._exit(0)
print("serving", flush=True)
for number, _ in enumerate(sys.stdin, 1):
    outcome = ann.commit(insert(number))
    print("written" if isinstance(outcome, Committed) else outcome.reason.value, flush=True)
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(database: Path) -> Iterator[Start]:
    """Start a process that serves Ann; none outlives its test."""
    started: list[subprocess.Popen[str]] = []

    def started_with(*arguments: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(database), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        started.append(child)
        assert heard(child) == "serving"
        return child

    yield started_with
    for child in started:
        child.kill()
        child.communicate()


@pytest.fixture
def clock() -> Clock:
    """Begins as the machine's, which the processes read."""
    return Clock(SystemEnv().boot_ms())


@pytest.fixture
def sharers(database: Path, clock: Clock) -> Iterator[SqliteSharers]:
    made = SqliteSharers(clock, database)
    yield made
    made.close()


def heard(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def asked(child: subprocess.Popen[str]) -> str:
    """Let the process try to write, and hear how it went."""
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()
    return heard(child)


def test_what_another_process_serves_is_refused_by_its_number(start: Start, sharers: SqliteSharers) -> None:
    child = start()
    assert held(sharers.open(), "ann").holder.name == f"process {child.pid}"
    assert asked(child) == "written"


def test_a_killed_process_is_taken_over_from_at_once(start: Start, sharers: SqliteSharers) -> None:
    child = start()
    store = sharers.open()
    held(store, "ann")
    child.send_signal(signal.SIGKILL)
    child.wait()
    taken(store, "ann").must_commit(insert(1))


def test_a_stopped_process_is_taken_over_from_after_its_lease_and_writes_nothing_when_it_wakes(
    start: Start, sharers: SqliteSharers, clock: Clock
) -> None:
    child = start()
    store = sharers.open()
    child.send_signal(signal.SIGSTOP)
    pass_time(clock, TTL // 2, store)
    held(store, "ann")
    pass_time(clock, TTL, store)
    ann = taken(store, "ann")
    child.send_signal(signal.SIGCONT)
    assert asked(child) == STALE_OWNER.reason.value
    ann.must_commit(insert(1))


def test_a_fork_that_outlives_a_sharer_is_not_taken_for_it_for_longer_than_a_lease(
    start: Start, sharers: SqliteSharers, clock: Clock
) -> None:
    """It has a copy of the lock, and looks around as little as the dead do."""
    parent = start("fork")
    assert parent.wait(20) == 0
    store = sharers.open()
    assert held(store, "ann").holder.name == f"process {parent.pid}"
    pass_time(clock, 2 * TTL, store)
    ann = taken(store, "ann")
    ann.must_commit(insert(1))


def test_a_fork_that_ends_lets_its_parents_lock_go(start: Start, sharers: SqliteSharers) -> None:
    parent = start("fork")
    assert parent.wait(20) == 0
    store = sharers.open()
    held(store, "ann")
    parent.communicate(timeout=20)  # to the child's end, whose files are closed one after another
    for _ in range(20_000):
        outcome = claimed(store, "ann")[1]
        if isinstance(outcome, Committed):
            return
        assert isinstance(outcome, HeldElsewhere)
    pytest.fail("it is held though nobody lives who could")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork beside threads, if a plugin has some
def test_a_forked_child_of_a_sharer_neither_looks_nor_lets_go(
    database: Path, clock: Clock, sharers: SqliteSharers
) -> None:
    store = open_sqlite(database, ownership="shared", env=clock)
    store.begin()
    ann = created(store, "ann")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.close()
            for use in (store.look_around, store.begin, ann.commit):
                with pytest.raises(UsageError, match="before a fork"):
                    use()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    held(sharers.open(), "ann")
    ann.must_commit(insert(1))
    assert not store.look_around().is_lost
    store.close()
