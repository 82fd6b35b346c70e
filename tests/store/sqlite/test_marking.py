"""The high-water mark: what nobody else can see, a store that is older than what it acknowledged, is refused."""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from meerkat_actors.errors import StoreBehindError, StoreBehindWarning, StoreCorruptError, StoreFailedError
from meerkat_actors.store import SqliteStore, open_sqlite
from meerkat_actors.store.sqlite.marking import Mark, Progress, mark_path, read_mark
from meerkat_actors.store.sqlite.opening import Synchronous
from tests.store.writing import created, insert

ID = "01234567-89ab-7def-8123-456789abcdef"


def mark(incarnation: int, sequence: int, epoch: int = 1, store_id: str = ID) -> Mark:
    return Mark(store_id, epoch, incarnation, sequence)


def serving(path: Path) -> SqliteStore:
    store = open_sqlite(path)
    store.begin()
    return store


def grown(path: Path) -> None:
    """A store with work in its log and in its mark, whose process then dies."""
    store = serving(path)
    alice = created(store, "alice")
    for number in range(1, 20):
        alice.must_commit(insert(number))
    store.checkpoint()
    shutil.copy(path, path.with_name("older.db"))
    for number in range(20, 40):
        alice.must_commit(insert(number))
    store.checkpoint()
    die(store, path)


def die(store: SqliteStore, path: Path) -> None:
    """Leave the files as a process leaves them that is killed."""
    kept = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    store.close()
    for each in path.parent.iterdir():
        each.unlink()
    for name, data in kept.items():
        (path.parent / name).write_bytes(data)


def test_a_mark_says_how_far_a_store_is_that_began_checkpointed_and_ended(database: Path) -> None:
    store = serving(database)
    alice = created(store, "alice")
    began = read_mark(str(database))
    assert began is not None
    assert (began.incarnation, began.sequence) == (1, 0)
    alice.must_commit(insert(1))
    store.checkpoint()
    copied = read_mark(str(database))
    assert copied is not None
    assert copied.sequence == 1
    alice.must_commit(insert(2))
    store.end(clean=True)
    store.close()
    ended = read_mark(str(database))
    assert ended is not None
    assert (ended.store_id, ended.incarnation, ended.sequence) == (began.store_id, 1, 2)


def test_a_log_that_was_deleted_after_a_crash_is_missed(database: Path) -> None:
    store = serving(database)
    created(store, "alice")
    die(store, database)
    Path(f"{database}-wal").unlink()
    content = database.read_bytes()
    again = open_sqlite(database)
    with pytest.raises(StoreBehindError, match=r"older than what was acknowledged.*was at 0 of 1.*log is missing"):
        again.begin()
    again.close()
    assert database.read_bytes()[:100] == content[:100]


def test_a_log_that_was_cut_by_one_commit_is_missed(database: Path) -> None:
    store = serving(database)
    alice = created(store, "alice")
    alice.must_commit(insert(1))
    length = Path(f"{database}-wal").stat().st_size
    alice.must_commit(insert(2))
    die(store, database)
    os.truncate(f"{database}-wal", length)
    Path(f"{database}-shm").unlink()
    with pytest.raises(StoreBehindError, match="ends at 1 of incarnation 1, and was at 2 of 1"):
        open_sqlite(database).begin()


def test_an_older_copy_in_its_place_is_missed(database: Path) -> None:
    grown(database)
    Path(f"{database}-wal").unlink()
    shutil.move(database.with_name("older.db"), database)
    with pytest.raises(StoreBehindError, match="ends at 19 of incarnation 1, and was at 39 of 1"):
        open_sqlite(database).begin()


def test_the_advice_works(database: Path) -> None:
    grown(database)
    Path(f"{database}-wal").unlink()
    shutil.move(database.with_name("older.db"), database)
    Path(mark_path(str(database))).unlink()
    assert open_sqlite(database).begin().incarnation == 2


def test_where_loss_is_legal_it_is_told_and_gone_on_with(database: Path) -> None:
    grown(database)
    Path(f"{database}-wal").unlink()
    shutil.move(database.with_name("older.db"), database)
    store = open_sqlite(database, synchronous="normal")
    with pytest.warns(StoreBehindWarning, match="older than what was acknowledged"):
        store.begin()
    created(store, "bob")
    store.close()


def test_another_store_in_its_place_is_refused_also_where_loss_is_legal(tmp_path: Path) -> None:
    ours, others = tmp_path / "ours.db", tmp_path / "others.db"
    for path in (ours, others):
        store = serving(path)
        store.end(clean=True)
        store.close()
    shutil.copy(others, ours)
    choices: tuple[Synchronous, ...] = ("full", "normal")
    for synchronous in choices:
        store = open_sqlite(ours, synchronous=synchronous)
        with pytest.raises(StoreBehindError, match="another store"):
            store.begin()
        store.close()


def test_a_database_that_is_gone_is_not_made_anew_in_silence(database: Path) -> None:
    store = serving(database)
    store.end(clean=True)
    store.close()
    database.unlink()
    with pytest.raises(StoreBehindError, match=r"the database is gone; put it back, or delete .*team\.db\.mark"):
        open_sqlite(database)
    assert not database.exists()
    Path(mark_path(str(database))).unlink()
    assert serving(database).begin().incarnation == 2


def test_a_mark_that_can_not_be_read_is_refused(database: Path) -> None:
    serving(database).close()
    Path(mark_path(str(database))).write_bytes(b"\xff" * 1024)
    with pytest.raises(StoreCorruptError, match=r"the mark can't be read .*doctor"):
        open_sqlite(database).begin()


@pytest.mark.parametrize("slot", [0, 1])
@pytest.mark.parametrize("damage", [b"", b"\0" * 512, b"x", b"\xff" * 512], ids=["cut", "zeros", "one byte", "garbage"])
def test_a_torn_slot_leaves_the_other_one(tmp_path: Path, slot: int, damage: bytes) -> None:
    path = str(tmp_path / "x")
    progress = Progress(path, may_lose=False)
    progress.keep(mark(1, 5))
    progress.keep(mark(1, 9))
    data = bytearray(Path(mark_path(path)).read_bytes())
    at = 4096 * slot
    data[at : at + len(damage)] = damage
    if not damage:
        data[at : at + 512] = b" " * 512
    Path(mark_path(path)).write_bytes(data)
    assert read_mark(path) in {mark(1, 5), mark(1, 9)}
    progress.keep(mark(2, 0))
    assert read_mark(path) == mark(2, 0)


def test_the_newer_slot_stays_until_the_other_one_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "x")
    progress, write = Progress(path, may_lose=False), os.pwrite

    def torn(descriptor: int, data: bytes, offset: int) -> int:
        return write(descriptor, b"#" * (len(data) // 2), offset)

    for sequence in range(1, 9):
        progress.keep(mark(1, sequence))
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", torn)
            progress.keep(mark(1, 100 + sequence))
        assert read_mark(path) == mark(1, sequence)


def test_a_mark_never_goes_back(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    first, second = Progress(path, may_lose=False), Progress(path, may_lose=False)
    first.keep(mark(3, 100))
    second.keep(mark(2, 500))
    assert read_mark(path) == mark(3, 100)
    second.keep(mark(2, 1, epoch=2))
    assert read_mark(path) == mark(2, 1, epoch=2)
    second.keep_at(0)
    assert read_mark(path) == mark(2, 1, epoch=2)


def test_a_full_disk_keeps_the_mark_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "x")
    progress = Progress(path, may_lose=False)
    progress.keep(mark(1, 1))

    def refuse(number: int) -> Callable[..., int]:
        def fail(*_: object) -> int:
            raise OSError(number, os.strerror(number))

        return fail

    monkeypatch.setattr(os, "fsync", refuse(errno.ENOSPC))
    progress.keep(mark(1, 2))
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        progress.keep(mark(1, 3))


def test_what_was_refused_moves_no_mark(database: Path) -> None:
    store = serving(database)
    alice = created(store, "alice")
    alice.must_commit(insert(1))
    for _ in range(20):
        alice.commit(insert(1))
    store.checkpoint()
    found = read_mark(str(database))
    assert found is not None
    assert found.sequence == 1
    die(store, database)
    with warnings.catch_warnings():
        serving(database).close()


def test_a_mark_that_can_not_be_written_ends_the_store(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = serving(database)
    created(store, "alice").must_commit(insert(1))

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreFailedError, match="Input/output error"):
        store.checkpoint()
    with pytest.raises(StoreFailedError, match="failed before"):
        store.checkpoint()
    monkeypatch.undo()
    store.close()


@pytest.mark.parametrize("suffix", ["", "-wal", ".lock"])
@pytest.mark.parametrize("how", ["deleted", "replaced", "moved"])
def test_a_file_that_is_taken_away_is_noticed_before_the_next_answer(database: Path, suffix: str, how: str) -> None:
    store = serving(database)
    alice = created(store, "alice")
    alice.must_commit(insert(1))
    path = Path(f"{database}{suffix}")
    if how == "moved":
        path.rename(database.with_name("elsewhere"))
    elif how == "replaced":
        shutil.copy(path, database.with_name("copy"))
        os.replace(database.with_name("copy"), path)
    else:
        path.unlink()
    with pytest.raises(StoreFailedError, match="deleted or replaced"):
        store.commit([alice.unit(insert(2))])
    with pytest.raises(StoreFailedError, match="failed before"):
        store.commit([alice.unit(insert(2))])
    store.close()


def test_a_file_that_was_cut_is_noticed_at_the_next_checkpoint(database: Path) -> None:
    store = serving(database)
    alice = created(store, "alice")
    for number in range(1, 50):
        alice.must_commit(insert(number))
    store.checkpoint()
    store.checkpoint()
    os.truncate(database, 4096)
    with pytest.raises((StoreFailedError, StoreCorruptError)):
        store.checkpoint()
    store.close()


def test_other_files_in_the_folder_are_nobodys_business(database: Path) -> None:
    store = serving(database)
    alice = created(store, "alice")
    for number in range(1, 30):
        database.with_name(f"other-{number}").touch()
        alice.must_commit(insert(number))
    assert apsw.Connection(str(database)).pragma("integrity_check") == "ok"
    store.close()


def nowhere(_: str) -> bool:
    return False


def test_two_that_make_the_mark_at_once_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "team.db")
    first, second = (Progress(path, may_lose=False, is_shared=True) for _ in range(2))
    first.keep(mark(1, 1))
    with monkeypatch.context() as patched:  # both looked before either had made it
        patched.setattr("os.path.exists", nowhere)
        second.keep(mark(2, 5))
    first.keep(mark(1, 9))
    assert read_mark(path) == mark(2, 5)
    second.keep(mark(2, 12))
    first.keep(mark(3, 20))
    assert read_mark(path) == mark(3, 20)
    assert os.listdir(tmp_path) == [os.path.basename(mark_path(path))]
    first.close()
    second.close()
