"""Where a backup goes: what is refused, what fails on the way, and that nothing half-made is left of it."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from meerkat_actors.errors import (
    InvalidValueError,
    StoreError,
    StoreFullError,
    StoreInUseError,
)
from meerkat_actors.store.sqlite import filesystem
from meerkat_actors.store.sqlite.backup import back_up
from meerkat_actors.store.sqlite.examining import examine
from tests.examples.command import environment
from tests.store.sqlite.test_backup import beside, work


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where the backup goes: a folder of its own."""
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies" / "monday.db"


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal", ".lock", ".mark", ".creating"])
def test_no_file_of_the_store_is_a_target(database: Path, suffix: str) -> None:
    work(database, 1)
    before = beside(database)
    with pytest.raises(StoreError):
        back_up(database, f"{database}{suffix}")
    assert beside(database) == before


def test_a_store_that_is_named_as_an_unfinished_copy_is_not_taken_for_one(tmp_path: Path) -> None:
    store = tmp_path / "monday.db.copying"
    work(store, 1)
    with pytest.raises(StoreError, match="the store itself"):
        back_up(store, tmp_path / "monday.db")
    assert examine(store).number == 0


def test_a_target_that_is_there_is_never_overwritten(database: Path, copy: Path) -> None:
    work(database, 1)
    copy.write_text("mine")
    with pytest.raises(StoreError, match="never overwritten"):
        back_up(database, copy)
    copy.unlink()
    copy.symlink_to(copy.parent)
    with pytest.raises(StoreError, match="never overwritten"):
        back_up(database, copy)


def old_library(_: None, *, use_errno: bool) -> object:
    """A C library without renameat2."""
    return object() if use_errno else None


@pytest.mark.parametrize("has_rename", [True, False], ids=["renameat2", "without"])
def test_a_target_that_appears_meanwhile_is_not_overwritten_either(
    database: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, *, has_rename: bool
) -> None:
    work(database, 1)
    if not has_rename:
        monkeypatch.setattr("ctypes.CDLL", old_library)

    def intrude(_: str, __: int, ___: int) -> None:
        copy.write_text("mine")

    with pytest.raises(StoreError, match="made by another program"):
        back_up(database, copy, watch=intrude)
    assert (beside(copy), copy.read_text()) == (["monday.db"], "mine")
    copy.unlink()
    back_up(database, copy)
    assert beside(copy) == ["monday.db"]


def test_a_target_must_be_free_of_what_would_be_mixed_into_it(database: Path, copy: Path) -> None:
    work(database, 1)
    for suffix in ("-wal", "-journal"):
        left = Path(f"{copy}{suffix}")
        left.write_text("left")
        with pytest.raises(StoreError, match="move it away"):
            back_up(database, copy)
        left.unlink()
    with pytest.raises(StoreError, match="no folder"):
        back_up(database, copy.parent / "none" / "copy.db")
    with pytest.raises(StoreError, match="never overwritten"):
        back_up(database, copy.parent)
    with pytest.raises(InvalidValueError):
        back_up(database, "")
    with pytest.raises(InvalidValueError, match="check="):
        back_up(database, copy, check="all")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert beside(copy) == []


def test_a_network_filesystem_is_refused_as_a_target(
    database: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    work(database, 1)
    mounts = tmp_path / "mounts"
    mounts.write_text(f"31 30 0:27 / {copy.parent} rw - nfs4 server:/ rw\n")
    monkeypatch.setattr(filesystem, "MOUNTS_FILE", str(mounts))
    with pytest.raises(StoreError, match="network filesystem"):
        back_up(database, copy)


STEPS: Final = ("copy", "fences", "pages", "sequence", "agents")


@pytest.mark.parametrize("step", STEPS)
def test_a_backup_that_ends_at_any_step_leaves_nothing(database: Path, copy: Path, step: str) -> None:
    # Of agents it is told at every 256th.
    work(database, 1, agents=260 if step == "agents" else 1)

    def end(what: str, done: int, _: int) -> None:
        if what == step and (done or what != "copy"):
            message = "the caller's own"
            raise LookupError(message)

    with pytest.raises(LookupError, match="the caller's own"):
        back_up(database, copy, watch=end)
    assert beside(copy) == []
    assert back_up(database, copy).findings == 0


def test_what_a_killed_backup_left_is_removed_by_the_next_one(database: Path, copy: Path) -> None:
    work(database)
    for suffix in ("", "-journal", "-wal", "-shm"):
        Path(f"{copy}.copying{suffix}").write_text("half a copy")
    back_up(database, copy)
    assert beside(copy) == ["monday.db"]
    assert examine(copy).number == 0


def test_two_backups_to_one_target_are_refused_at_once(database: Path, copy: Path) -> None:
    work(database)
    with open(f"{copy}.copying", "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StoreInUseError, match="another backup"):
            back_up(database, copy)
    back_up(database, copy)


# Runs a program in a namespace that has a full disk of a megabyte.
SMALL_DISK: Final = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
FILL: Final = """
import sys
from meerkat_actors.errors import StoreFullError
from meerkat_actors.store.sqlite.backup import back_up
try:
    back_up(sys.argv[1], sys.argv[2])
except StoreFullError as error:
    print(error)
"""


def test_a_full_disk_is_told_and_nothing_is_left_on_it(database: Path, copy: Path) -> None:
    work(database, 3, length=200_000)
    assert database.stat().st_size > 1_500_000
    script = f"mount -t tmpfs -o size=1m tmpfs {copy.parent} && {sys.executable} -c '{FILL}' {database} {copy}"
    ended = subprocess.run(
        [*SMALL_DISK, f"{script}; ls -A {copy.parent}"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if "unshare" in ended.stderr or "mount" in ended.stderr:
        pytest.skip(f"no namespace to mount a disk in: {ended.stderr}")
    assert (ended.stdout, ended.stderr) == (f"{copy}: the disk is full; make room, or name another target\n", "")


@contextmanager
def limited_files() -> Generator[Callable[[int], None]]:
    """Lets no file of this process grow beyond so many bytes, until the block ends: pytest may write to a long one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("step", ["copy", "fences"])
def test_a_target_that_takes_no_more_is_told_apart_from_a_damaged_store(database: Path, copy: Path, step: str) -> None:
    work(database, length=20_000)

    with limited_files() as limit_files, pytest.raises(StoreError, match="can't be written") as told:
        back_up(database, copy, watch=lambda what, _, __: limit_files(8192) if what == step else None)
    assert told.value.path == str(copy)
    assert beside(copy) == []


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ENOSPC, StoreFullError), (errno.EDQUOT, StoreFullError), (errno.EIO, StoreError)]
)
@pytest.mark.parametrize("healthy", [0, 1], ids=["the file", "its folder"])
def test_what_could_not_be_synced_is_no_backup(
    database: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[StoreError], healthy: int
) -> None:
    work(database, 1)
    fsync = os.fsync
    calls = 0

    def fail(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > healthy:
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind) as told:
        back_up(database, copy)
    assert (type(told.value), told.value.path) == (kind, str(copy))
    assert beside(copy) == []


def test_a_file_that_its_maker_gave_up_meanwhile_is_made_anew(
    database: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(database, 1)
    flock = fcntl.flock
    given_up: list[str] = []

    def give_up(descriptor: int, operation: int) -> None:
        if not given_up:
            given_up.append(f"{copy}.copying")
            os.unlink(given_up[0])
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", give_up)
    back_up(database, copy)
    assert (len(given_up), beside(copy)) == (1, ["monday.db"])


def test_a_file_that_can_not_be_locked_is_let_go(database: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work(database, 1)

    def refuse(_: int, __: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError, match="No locks available"):
        back_up(database, copy)


def test_a_folder_that_may_not_be_written_is_refused(
    database: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(database, 1)
    access = os.access

    def forbid(path: str, mode: int) -> bool:  # for the superuser every folder is writable
        return path != str(copy.parent) and access(path, mode)

    monkeypatch.setattr(os, "access", forbid)
    with pytest.raises(StoreError, match="not writable"):
        back_up(database, copy)
