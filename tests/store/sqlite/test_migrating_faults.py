"""A migration that is cut short, by a kill or by the disk: the old file is there, or the new one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw
import pytest

from meerkat_actors.errors import StoreError, StoreFullError
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.sqlite.migrating import STEPS
from meerkat_actors.store.sqlite.schema import SCHEMA_VERSION
from tests.store.sqlite.faults import failing, full, nothing, open_disk
from tests.store.sqlite.keeping import content, disk, execute, migrated, rebuild, schema, version_of

OLDER: Final = range(3, SCHEMA_VERSION)

# Opens copies of a file, one after the other, each in a process of its own that dies before its n-th statement.
DIE: Final = """
import os, shutil, signal, sys
from pathlib import Path
import apsw
from meerkat_actors.store import open_sqlite

kept, folder = Path(sys.argv[1]), Path(sys.argv[2])

def open_and_die(path, left):
    def count(*_):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return True
    def watch(connection):
        connection.exec_trace = count
    apsw.connection_hooks.append(watch)
    open_sqlite(path)
    os._exit(0)

for number in range(1, 500):
    path = folder / f"{number:03}.db"
    for suffix in ("", "-wal"):
        if os.path.exists(f"{kept}{suffix}"):
            shutil.copy(f"{kept}{suffix}", f"{path}{suffix}")
    child = os.fork()
    if child == 0:
        open_and_die(path, number)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(status)
    if status == 0:
        break
"""


@pytest.fixture(params=OLDER, ids=lambda version: f"schema {version}")
def old(request: pytest.FixtureRequest, database: Path) -> Path:
    """A file of an older schema."""
    return rebuild(request.param, database)


@pytest.mark.slow
@pytest.mark.parametrize("has_log", [False, True], ids=["no log", "a log"])
def test_a_kill_before_any_statement_leaves_the_old_file_or_the_new(old: Path, has_log: bool) -> None:
    if has_log:
        execute(old, "UPDATE meta SET clean = 0", keep_log=True)
    files = disk(old.parent)
    before = content(old)
    old_schema, old_version = schema(old), version_of(old)
    for name, data in files.items():  # the look has made a log's index anew
        (old.parent / name).write_bytes(data)
    folder = old.parent / "killed"
    folder.mkdir()
    told = subprocess.run(
        [sys.executable, "-c", DIE, str(old), str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    statuses = list(map(int, told.stdout.split()))
    assert statuses, told.stderr
    assert set(statuses[:-1]) == {-signal.SIGKILL}
    assert statuses[-1] == 0
    whole = migrated(before)
    found: list[int] = []
    for path in sorted(folder.glob("*.db")):
        version = version_of(path)
        found.append(version)
        assert content(path) == (before if version == old_version else whole)
        assert (schema(path) == old_schema) == (version == old_version)
        open_sqlite(path).close()
        assert version_of(path) == SCHEMA_VERSION
        assert content(path) == whole
    assert found == sorted(found)
    # Some of each: before, within and after the transaction.
    assert found.count(old_version) > sum(len(STEPS[version]) for version in range(old_version, SCHEMA_VERSION))
    assert found.count(SCHEMA_VERSION) > 5


@pytest.mark.parametrize("has_log", [False, True], ids=["no log", "a log"])
def test_a_full_disk_leaves_the_old_file_to_be_opened_by_any_version(old: Path, has_log: bool) -> None:
    """Full from the n-th write on, for each n up to the one that is enough."""
    if has_log:
        execute(old, "UPDATE meta SET clean = 0", keep_log=True)
    before, old_version = content(old), version_of(old)
    enough = 0
    with open_disk() as small:
        while True:
            small.before_write = from_call(enough, full)
            try:
                open_sqlite(old, vfs=small.vfs).close()
            except StoreFullError:
                assert version_of(old) == old_version
                assert content(old) == before
                enough += 1
            else:
                break
    assert enough > 10
    assert content(old) == migrated(before)
    open_sqlite(old).close()


@pytest.mark.parametrize("nth", range(4))
def test_a_disk_that_fails_to_sync_leaves_the_old_file_or_the_new(old: Path, nth: int) -> None:
    before, old_version = content(old), version_of(old)
    with open_disk() as bad:
        bad.before_sync = from_call(nth, failing(apsw.SQLITE_IOERR_FSYNC))
        with pytest.raises(StoreError, match=r"the test.s disk failed|disk I/O error"):
            open_sqlite(old, vfs=bad.vfs)
        bad.before_sync = nothing
    assert content(old) == (before if version_of(old) == old_version else migrated(before))
    open_sqlite(old).close()
    assert content(old) == migrated(before)


def from_call(first: int, fault: Callable[[], None]) -> Callable[[], None]:
    """The fault, from that call on; the first is 0."""
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        if calls > first:
            fault()

    return call
