"""The doctor's eyes: what is sound is not found fault with, and each kind of damage is found by its check."""

from __future__ import annotations

import os
import sys
import tracemalloc
from contextlib import closing
from pathlib import Path

import apsw
import pytest
import trio

from meerkat_actors.errors import (
    NotOurStoreError,
    StoreCorruptError,
    StoreError,
    StoreSchemaError,
    UnknownIdentityError,
)
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.sqlite import examining_findings
from meerkat_actors.store.sqlite.examining import REMEDIES, Check, examine
from tests.actors.world import echo
from tests.store.sqlite.damage import change, unchecked
from tests.store.sqlite.damage_sample import write_files
from tests.store.writing import identity


@pytest.fixture
def store(tmp_path: Path, clean: dict[str, bytes]) -> Path:
    return write_files(tmp_path / "store", clean)


def checks(path: Path) -> set[Check]:
    return {finding.check for finding in examine(path).findings}


# -- what is sound ------------------------------------------------------------------------


@pytest.mark.parametrize("is_clean", [True, False], ids=["closed", "killed"])
def test_nothing_is_wrong_with_what_a_runtime_left(
    tmp_path: Path, clean: dict[str, bytes], killed: dict[str, bytes], is_clean: bool
) -> None:
    found = examine(write_files(tmp_path / "store", clean if is_clean else killed))
    assert (found.findings, found.number) == ((), 0)
    assert found.boundaries > 50
    assert found.inputs > 50
    assert found.identities == 22
    assert [note.startswith("owner") for note in found.notes] == [] if is_clean else [True]


@pytest.mark.parametrize("is_clean", [True, False], ids=["closed", "killed"])
def test_not_a_byte_is_written(
    tmp_path: Path, clean: dict[str, bytes], killed: dict[str, bytes], is_clean: bool
) -> None:
    files = clean if is_clean else killed
    path = write_files(tmp_path / "store", files)
    for file in path.parent.iterdir():
        os.utime(file, ns=(1, 1))
    before = {file.name: file.stat() for file in path.parent.iterdir() if not file.name.endswith("-shm")}
    change_of = examine(path)
    assert change_of.number == 0
    for name, status in before.items():
        now = (path.parent / name).stat()
        assert (now.st_mtime_ns, now.st_ino, now.st_size) == (status.st_mtime_ns, status.st_ino, status.st_size)
        assert (path.parent / name).read_bytes() == files[name]
    # SQLite alone makes the index of a log anew, for whoever looks.
    assert {file.name for file in path.parent.iterdir()} <= {*before, "store.db-shm"}


async def test_a_store_is_examined_beside_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "live.db"
    async with open_runtime(path, agents={"echo": echo}, observers=()) as runtime:
        agent = await runtime.agent("echo-1", kind="echo")
        for number in range(3):
            await agent.ask(f"{number}")
            found = examine(path)
            assert (found.findings, found.boundaries) == ((), number + 1)
            assert found.notes == (f"owned now by process {os.getpid()}",)


def test_one_identity_is_examined_alone(store: Path) -> None:
    change(store, "UPDATE turn SET digest = zeroblob(32) WHERE seq = (SELECT last_turn FROM head WHERE key = 6)")
    found = examine(store, identity=identity("tally"))
    assert {finding.identity for finding in found.findings} == {"tally"}
    assert (found.identities, found.boundaries) == (1, 3)
    assert examine(store, identity=identity("ann")).number == 0
    with pytest.raises(UnknownIdentityError):
        examine(store, identity=identity("nobody"))


def test_a_copy_without_its_log_and_mark_is_examined(tmp_path: Path, killed: dict[str, bytes]) -> None:
    path = write_files(tmp_path / "copy", {"store.db": killed["store.db"]})
    found = examine(path)
    assert "no high-water mark" in found.notes[0]


def test_memory_does_not_grow_with_the_history(tmp_path: Path) -> None:
    def peak(turns: int) -> int:
        path = tmp_path / f"{turns}.db"
        trio.run(_talk, path, turns)
        examine(path)
        tracemalloc.start()
        examine(path)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    # What is kept of each turn would be a megabyte.
    assert peak(150) < peak(20) + 300_000


async def _talk(path: Path, turns: int) -> None:
    async with open_runtime(path, agents={"echo": echo}, observers=()) as runtime:
        agent = await runtime.agent("echo-1", kind="echo")
        for _ in range(turns):
            await agent.ask("a question of four thousand bytes" * 125)


# -- what is not ------------------------------------------------------------------------


def test_progress_is_told(store: Path) -> None:
    told: list[tuple[str, int]] = []
    examine(store, watch=lambda what, rows: told.append((what, rows)))
    assert [what for what, _ in told] == ["pages", "sequence", "agents"]
    connection = apsw.Connection(str(store))
    ((rows,),) = connection.execute("SELECT (SELECT count(*) FROM turn) + (SELECT count(*) FROM input)").fetchall()
    connection.close()
    assert isinstance(rows, int)
    assert told[-1][1] == rows > 200


def test_every_check_says_what_it_means_and_what_to_do() -> None:
    assert set(REMEDIES) == set(Check)
    assert all(remedy.meaning and remedy.advice for remedy in REMEDIES.values())


def test_findings_are_bounded_and_counted(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examining_findings, "FINDINGS_MAX", 5)
    change(store, "UPDATE input SET digest = zeroblob(32)")
    found = examine(store)
    assert len(found.findings) == 5
    assert found.number >= found.inputs


def test_a_page_of_rubbish_is_found_and_the_rest_is_examined(store: Path) -> None:
    content = bytearray(store.read_bytes())
    with unchecked(store) as connection:
        ((root,),) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'journal'").fetchall()
    assert isinstance(root, int)
    content[(root - 1) * 4096 : root * 4096] = b"\xa5" * 4096
    store.write_bytes(content)
    found = examine(store)
    assert {Check.INTEGRITY, Check.UNREADABLE} <= {finding.check for finding in found.findings}
    assert found.boundaries > 50


def _end_of(files: dict[str, bytes]) -> int:
    """Where the log ends: behind that may be frames of an earlier life of it."""
    return 32 + 4120 * int.from_bytes(files["store.db-shm"][16:20], sys.byteorder)


def test_a_log_that_is_damaged_in_its_middle_lost_commits(tmp_path: Path, killed: dict[str, bytes]) -> None:
    log = bytearray(killed["store.db-wal"])
    log[_end_of(killed) // 2] ^= 1
    path = write_files(tmp_path / "store", {**killed, "store.db-wal": bytes(log)})
    assert Check.LOG in checks(path)


def test_a_log_whose_last_commit_was_torn_is_as_a_crash_leaves_it(tmp_path: Path, killed: dict[str, bytes]) -> None:
    log = bytearray(killed["store.db-wal"])
    log[_end_of(killed) - 100] ^= 1
    torn = {**killed, "store.db-wal": bytes(log)}
    # A crash of the machine leaves no index that knows more; and if it does, the commit was synced.
    assert checks(write_files(tmp_path / "told", torn)) == {Check.LOG}
    del torn["store.db-shm"]
    found = examine(write_files(tmp_path / "store", torn))
    assert found.findings == ()
    assert any("as by a crash" in note for note in found.notes)


def test_a_log_that_was_cut_is_told_by_its_index(tmp_path: Path, killed: dict[str, bytes]) -> None:
    log = killed["store.db-wal"]
    cut = {**killed, "store.db-wal": log[: _end_of(killed) // 2]}
    path = write_files(tmp_path / "store", cut)
    assert checks(path) == {Check.LOG}
    # Whoever looked has made the index anew, and so it is without one; of a shared file the mark is its opening's.
    assert checks(path) == set()
    del cut["store.db-shm"]
    assert checks(write_files(tmp_path / "copy", cut)) == set()


def test_an_index_of_another_log_tells_nothing(tmp_path: Path, killed: dict[str, bytes]) -> None:
    index = bytearray(killed["store.db-shm"])
    for header in (0, 48):
        index[header + 17] += 1  # 256 frames that the log never had
    assert checks(write_files(tmp_path / "store", {**killed, "store.db-shm": bytes(index)})) == {Check.LOG}
    for header in (0, 48):
        index[header + 32] ^= 1  # a salt
    assert checks(write_files(tmp_path / "other", {**killed, "store.db-shm": bytes(index)})) == set()
    for rubbish in (b"", bytes(200), killed["store.db-shm"][:48] + b"\x01" * 200):
        assert checks(write_files(tmp_path / "rubbish", {**killed, "store.db-shm": rubbish})) == set()


def test_a_database_without_the_log_of_its_mark_is_behind(tmp_path: Path, killed: dict[str, bytes]) -> None:
    files = {name: content for name, content in killed.items() if not name.endswith(("-wal", "-shm"))}
    assert Check.MARK in checks(write_files(tmp_path / "store", files))


def test_a_mark_that_is_rubbish_is_told(store: Path) -> None:
    store.with_name("store.db.mark").write_bytes(b"rubbish")
    assert checks(store) == {Check.MARK}


def test_files_beside_the_database_are_told(store: Path) -> None:
    store.with_name("store.db-journal").write_bytes(b"")
    store.with_name("store.db.creating").write_bytes(b"")
    found = examine(store)
    assert [finding.check for finding in found.findings] == [Check.LEFTOVERS]
    assert any("creating" in note for note in found.notes)


def test_what_is_no_store_is_refused(tmp_path: Path, store: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        examine(tmp_path / "none.db")
    (tmp_path / "text").write_text("text " * 500)
    with pytest.raises(NotOurStoreError):
        examine(tmp_path / "text")
    with unchecked(store) as connection:
        connection.pragma("user_version", 99)
    with pytest.raises(StoreSchemaError):
        examine(store)


def test_an_object_that_is_not_ours_is_the_one_finding(store: Path) -> None:
    with unchecked(store) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    (finding,) = examine(store).findings
    assert finding.check is Check.FILE
    assert "theirs" in finding.detail


def spoil_schema(path: Path) -> None:
    """Make the text of the schema no text, as a flipped bit does."""
    path.write_bytes(path.read_bytes().replace(b"-- the authority", b"-- the \xf5uthority"))


def test_a_schema_that_is_no_text_is_a_finding(store: Path) -> None:
    spoil_schema(store)
    assert checks(store) == {Check.FILE}


def test_a_schema_that_is_no_text_is_damage_to_whoever_opens(store: Path) -> None:
    spoil_schema(store)
    with pytest.raises(StoreError):
        open_sqlite(store)


def test_a_meta_row_that_is_rot_is_damage_to_whoever_begins(store: Path) -> None:
    """A torn page leaves such rows; no statement does."""
    with unchecked(store) as connection:
        ((text,),) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'meta'").fetchall()
    for sql, spoil in ((str(text).replace("NOT NULL", ""), "UPDATE meta SET sequence = NULL"), (text, "SELECT 1")):
        with unchecked(store) as connection:
            connection.pragma("writable_schema", 1)
            connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'meta'", (sql,))
        with unchecked(store) as connection:
            connection.execute(spoil).fetchall()
    assert Check.META in checks(store)
    with closing(open_sqlite(store)) as opened, pytest.raises(StoreCorruptError):
        opened.begin()
