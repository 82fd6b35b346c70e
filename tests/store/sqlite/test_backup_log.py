"""A log that a replaced file left behind is not mixed into the copy that takes its place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw
import pytest

from meerkat_actors.errors import StoreCorruptError
from meerkat_actors.store import open_reader, open_sqlite
from meerkat_actors.store.sqlite.backup import back_up
from meerkat_actors.store.sqlite.backup_log import require_own_log
from meerkat_actors.store.sqlite.examining import examine
from tests.examples.command import environment
from tests.store.sqlite.test_backup import keep, work

# Commits, and dies without closing: its log stays.
DIE: Final = """
import os, sys
from contextlib import closing
from meerkat_actors.store import open_sqlite
from tests.store.sqlite.test_backup import keep
store = open_sqlite(sys.argv[1])
store.begin()
for number in range(int(sys.argv[2])):
    keep(store, f"late-{number}", number=100 + number)
os._exit(9)
"""


def die(database: Path, commits: int = 40) -> None:
    """Leave a log behind, as a killed owner does."""
    ended = subprocess.run(
        [sys.executable, "-c", DIE, str(database), str(commits)], env=environment(), check=False, timeout=60
    )
    assert ended.returncode == 9
    assert Path(f"{database}-wal").stat().st_size > 0


def look(path: Path) -> None:
    """What every opening does first: see ``header.require_ours``."""
    connection = apsw.Connection(f"file:{path}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        require_own_log(str(path), connection)
    finally:
        connection.close()


@pytest.fixture
def restored(database: Path, tmp_path: Path) -> Path:
    """A copy, put by hand in the place of a store whose owner was killed, and whose log was forgotten there."""
    work(database)
    copy = tmp_path / "copy.db"
    back_up(database, copy)
    die(database)
    os.replace(copy, database)
    return database


def test_sqlite_itself_plays_back_the_log_of_another_file(restored: Path) -> None:
    connection = apsw.Connection(str(restored))
    names = connection.execute("SELECT name FROM name WHERE name LIKE 'late-%'").fetchall()
    connection.close()
    assert len(names) == 40


def test_a_log_beside_a_copy_that_was_never_opened_is_refused(restored: Path) -> None:
    with pytest.raises(StoreCorruptError, match="never opened"):
        look(restored)
    os.truncate(f"{restored}-wal", 0)  # which SQLite ignores
    look(restored)
    Path(f"{restored}-wal").unlink()
    look(restored)


def open_as_owner(path: Path) -> None:
    """Serve for a moment."""
    with closing(open_sqlite(path)) as store:
        store.begin()


def open_as_reader(path: Path) -> None:
    """Look for a moment."""
    open_reader(path).close()


@pytest.mark.parametrize("open_it", [open_as_owner, open_as_reader])
def test_nobody_opens_a_copy_beside_the_log_of_another_file(restored: Path, open_it: Callable[[Path], None]) -> None:
    before = restored.read_bytes()
    with pytest.raises(StoreCorruptError, match="never opened"):
        open_it(restored)
    assert restored.read_bytes() == before


def test_without_that_log_the_copy_opens_and_its_own_log_is_taken(restored: Path) -> None:
    for suffix in ("-wal", "-shm"):
        Path(f"{restored}{suffix}").unlink()
    die(restored, 3)
    look(restored)
    with closing(open_sqlite(restored)) as store:
        store.begin()
        keep(store, "after", number=1)
    found = examine(restored)
    assert (found.number, found.identities) == (0, 6)


def test_the_first_opening_says_in_the_file_that_there_is_a_log_before_there_is_one(restored: Path) -> None:
    for suffix in ("-wal", "-shm"):
        Path(f"{restored}{suffix}").unlink()
    seen: list[tuple[bytes, bool]] = []
    wal = Path(f"{restored}-wal")

    class Noting(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("noting", base="unix")

        def xOpen(self, name: object, flags: list[int]) -> apsw.VFSFile:
            if flags[0] & apsw.SQLITE_OPEN_WAL:
                seen.append((restored.read_bytes()[18:20], wal.exists()))
            return super().xOpen(name, flags)  # type: ignore[arg-type]

    vfs = Noting()
    try:
        with closing(open_sqlite(restored, vfs="noting")) as store:
            store.begin()
    finally:
        vfs.unregister()
    assert seen[0] == (b"\x02\x02", False)
