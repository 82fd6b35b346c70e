"""Rows 21 to 23: a log, or its index, that was lost or damaged after a crash, and a file that was cut."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from meerkat_actors import StoreError, StoreFailedError
from meerkat_actors.errors import MeerkatError, StoreBehindError, StoreCorruptError
from meerkat_actors.store import open_reader, open_sqlite
from tests.cli.command import here
from tests.faults.files import newest, served
from tests.faults.world import require_told, running
from tests.store.writing import created, identity, insert, read


def killed(path: Path, *, commits: int = 40) -> dict[str, bytes]:
    """The files as a process leaves them that was killed: a checkpoint, a mark, and work in the log."""
    store = open_sqlite(path)
    store.begin()
    alice = created(store, "alice")
    for number in range(1, commits):
        alice.must_commit(insert(number))
    store.checkpoint()
    alice.must_commit(insert(commits))
    files = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    store.close()
    for name, content in files.items():
        (path.parent / name).write_bytes(content)
    return files


INDEXES: Final[dict[str, Callable[[bytes], bytes | None]]] = {
    "deleted": lambda _: None,
    "empty": lambda _: b"",
    "zeros": lambda found: bytes(len(found)),
    "garbage": lambda found: b"\xa5" * len(found),
    "cut": lambda found: found[:1000],
    "one bit": lambda found: bytes([found[0] ^ 1]) + found[1:],
    "of another time": lambda found: found[:96] + bytes(len(found) - 96),
}


@pytest.mark.parametrize("what", INDEXES)
def test_row_22_an_index_of_the_log_that_is_gone_or_garbage_after_a_crash_costs_nothing(
    tmp_path: Path, what: str
) -> None:
    path = tmp_path / "team.db"
    index = INDEXES[what](killed(path)["team.db-shm"])
    for look in (True, False):
        if index is None:
            Path(f"{path}-shm").unlink(missing_ok=True)
        else:
            Path(f"{path}-shm").write_bytes(index)
        if look:
            with closing(open_reader(path)) as reader:
                assert newest(reader) == 40
    store = open_sqlite(path)
    store.begin()
    assert read(store, "alice").admissions == 40
    store.end(clean=True)
    store.close()


LOGS: Final[dict[str, Callable[[bytes], bytes | None]]] = {
    "deleted": lambda _: None,
    "empty": lambda _: b"",
    "a bit of its header": lambda found: bytes([found[0] ^ 1]) + found[1:],
    "garbage": lambda found: b"\xa5" * len(found),
    "a bit of its last commit": lambda found: found[:-10] + bytes([found[-10] ^ 1]) + found[-9:],
}


def lose_the_log(path: Path, what: str) -> None:
    """A log with a beginning that the mark knows, and what became of it."""
    store = open_sqlite(path)
    store.begin()
    created(store, "alice").must_commit(insert(1))
    log = Path(f"{path}-wal").read_bytes()
    files = {each.name: each.read_bytes() for each in path.parent.iterdir() if not each.name.endswith("-shm")}
    store.close()
    for name, content in files.items():
        (path.parent / name).write_bytes(content)
    left = LOGS[what](log)
    if left is None:
        Path(f"{path}-wal").unlink()
    else:
        Path(f"{path}-wal").write_bytes(left)


@pytest.mark.parametrize("what", LOGS)
async def test_row_21_a_log_that_was_lost_after_a_crash_is_refused_as_behind(tmp_path: Path, what: str) -> None:
    path = tmp_path / "team.db"
    lose_the_log(path, what)
    for _ in range(2):
        with pytest.raises(StoreBehindError) as caught:
            async with running(path):
                pass
        require_told(caught.value, path, "put the right file back")


@pytest.mark.parametrize("what", LOGS)
def test_row_21_a_log_that_was_lost_after_a_crash_is_told_to_who_looks(tmp_path: Path, what: str) -> None:
    path = tmp_path / "team.db"
    lose_the_log(path, what)
    ended = here("status", path, cwd=tmp_path)
    assert "older than what was acknowledged" in ended.stderr + ended.stdout
    with pytest.raises(StoreBehindError):
        open_reader(path)


# -- row 23 ---


@pytest.mark.parametrize("size", [0, 100, 4096, 3 * 4096, 10 * 4096 + 77])
def test_row_23_a_file_that_was_cut_is_told_to_who_looks_and_never_shown_in_part(tmp_path: Path, size: int) -> None:
    path = tmp_path / "team.db"
    store = served(path)
    store.end(clean=True)
    store.close()
    os.truncate(path, size)
    with pytest.raises(StoreError) as caught, closing(open_reader(path)) as reader:
        newest(reader)
    require_told(caught.value, path, "restore", "not a database", "empty")
    looked = here("inputs", path, "alice", "--limit", "99", cwd=tmp_path)
    assert looked.returncode == 2
    assert looked.stderr.startswith("error: ")
    assert looked.stderr.count("\n") == 1


@pytest.mark.parametrize("checkpoints", range(3))
def test_row_23_a_file_that_was_cut_under_its_store_is_never_closed_as_clean(tmp_path: Path, checkpoints: int) -> None:
    path = tmp_path / "team.db"
    served(path).close()
    store = open_sqlite(path)
    store.begin()
    bob = created(store, "bob")
    for number in range(checkpoints):
        bob.must_commit(insert(number + 1))
        store.checkpoint()
    os.truncate(path, 10 * 4096)
    with pytest.raises((StoreFailedError, StoreCorruptError)) as caught:
        store.end(clean=True)
    require_told(caught.value, path, "put it back", "restore")
    store.close()


def test_row_23_a_file_that_was_cut_under_load_is_an_error_and_no_answer(tmp_path: Path) -> None:
    """What is in the missing part is damage to whoever needs it; nothing is made up."""
    path = tmp_path / "team.db"
    store = served(path)
    store.end(clean=True)
    store.close()
    store = open_sqlite(path)
    store.begin()
    os.truncate(path, 10 * 4096)
    with pytest.raises(MeerkatError) as caught:
        store.page_inputs(identity("alice"), after=None, limit=99, newest_first=False)
    require_told(caught.value, path, "restore")
    store.close()
