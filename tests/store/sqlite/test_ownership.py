"""One process per store, at every instant, whichever way a process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from meerkat_actors.errors import StoreInUseError, UsageError
from meerkat_actors.store import open_sqlite
from tests.store.writing import created, read

HOLD: Final = """
import sys
from meerkat_actors.store import open_sqlite
store = open_sqlite(sys.argv[1])
store.begin()
print("held", flush=True)
sys.stdin.read()
"""

# Leaves a child behind that merely lives, until its input ends.
FORK: Final = """
import os, sys
from meerkat_actors.store import open_sqlite
store = open_sqlite(sys.argv[1])
store.begin()
if os.fork():
    os._exit(0)
print("forked", flush=True)
sys.stdin.read()
"""

# Dies by itself, at the n-th statement of a creation, or at the rename that ends it.
DIE: Final = """
import os, signal, sys
import apsw
from meerkat_actors.store import open_sqlite

left = int(sys.argv[2])

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def count(cursor, statement, bindings):
    global left
    left -= 1
    if left == 0:
        die()
    return True

def watch(connection):
    connection.exec_trace = count

apsw.connection_hooks.append(watch)
if left < 0:
    os.rename = die
open_sqlite(sys.argv[1])
"""


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a process of ours; none outlives its test."""
    started: list[subprocess.Popen[str]] = []

    def started_with(source: str, *arguments: object) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", source, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        started.append(child)
        return child

    yield started_with
    for child in started:
        child.kill()
        child.communicate()


def wait_until_held(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"


def test_a_second_process_is_told_who_holds_the_store(
    database: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    holder = start(HOLD, database)
    wait_until_held(holder)
    names = sorted(path.name for path in database.parent.iterdir())
    content = database.read_bytes()

    with pytest.raises(StoreInUseError) as caught:
        open_sqlite(database)

    assert caught.value.holder == f"process {holder.pid}"
    assert f"held by process {holder.pid}" in str(caught.value)
    assert sorted(path.name for path in database.parent.iterdir()) == names
    assert database.read_bytes() == content


def test_a_killed_holder_frees_the_store_at_once(database: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    holder = start(HOLD, database)
    wait_until_held(holder)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    store = open_sqlite(database)
    opening = store.begin()
    assert (opening.incarnation, opening.was_clean) == (2, False)
    store.close()


def test_the_same_process_holds_it_once_too(database: Path) -> None:
    store = open_sqlite(database)
    with pytest.raises(StoreInUseError, match=f"process {os.getpid()}"):
        open_sqlite(database)
    store.close()
    open_sqlite(database).close()


def test_a_fork_that_outlives_the_holder_holds_on_and_says_whose_it_is(
    database: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """Its copy of the holder's files must not meet another owner's."""
    parent = start(FORK, database)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "forked\n"
    assert parent.wait(20) == 0
    expected = f"process {parent.pid}, which can't be seen from here, or a process that was forked from it"
    with pytest.raises(StoreInUseError, match=expected):
        open_sqlite(database)
    parent.communicate(timeout=20)  # to the child's end
    for _ in range(20_000):
        try:
            open_sqlite(database).close()
        except StoreInUseError:
            continue
        return
    pytest.fail("the store is held though nobody lives who could")


def test_a_holder_without_a_note_is_another_process(database: Path) -> None:
    store = open_sqlite(database)
    os.truncate(f"{database}.lock", 0)
    with pytest.raises(StoreInUseError, match="another process"):
        open_sqlite(database)
    store.close()


def test_a_lock_file_that_is_a_link_is_not_followed(database: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    Path(f"{database}.lock").symlink_to(victim)
    with pytest.raises(Exception, match="can't be opened"):
        open_sqlite(database)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("instant", [1, 3, 8, 16, -1], ids=lambda n: "rename" if n < 0 else f"statement {n}")
def test_a_kill_while_creating_leaves_nothing_half_made(
    database: Path, start: Callable[..., subprocess.Popen[str]], instant: int
) -> None:
    child = start(DIE, database, instant)
    assert child.wait() == -signal.SIGKILL
    assert not database.exists()
    assert Path(f"{database}.creating").exists()

    store = open_sqlite(database)
    assert store.begin().incarnation == 1
    created(store, "alice")
    store.close()
    assert {path.name for path in database.parent.iterdir()} == {"team.db", "team.db.lock", "team.db.mark"}


def test_a_creation_that_fails_leaves_nothing(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_rename(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "rename", no_rename)
    with pytest.raises(Exception, match="Input/output error"):
        open_sqlite(database)
    monkeypatch.undo()
    assert {path.name for path in database.parent.iterdir()} == {"team.db.lock"}
    open_sqlite(database).close()


def test_a_closed_store_says_so(database: Path) -> None:
    store = open_sqlite(database)
    store.begin()
    alice = created(store, "alice")
    store.close()
    with pytest.raises(UsageError, match="closed"):
        alice.commit()
    with pytest.raises(UsageError, match="closed"):
        store.begin()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork beside threads, if a plugin has some
def test_a_forked_child_neither_writes_nor_lets_go(database: Path) -> None:
    store = open_sqlite(database)
    store.begin()
    alice = created(store, "alice")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.close()
            alice.commit()
        except UsageError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with pytest.raises(StoreInUseError):
        open_sqlite(database)
    alice.must_commit()
    assert read(store, "alice").head is not None
    store.close()
