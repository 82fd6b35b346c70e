"""Opening: what is refused is left as it was, and what is opened is what was asked for."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw
import pytest

from meerkat_actors.errors import (
    InvalidValueError,
    MeerkatError,
    NotOurStoreError,
    StoreCorruptError,
    StoreError,
    StoreInUseError,
    StoreSchemaError,
    UsageError,
)
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.sqlite import filesystem, opening
from meerkat_actors.store.sqlite.filesystem import remote_filesystem
from meerkat_actors.store.sqlite.schema import APPLICATION_ID, SCHEMA_VERSION
from tests.store.writing import created, insert


def everything_below(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its bytes and its time of change."""
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def foreign(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()


def of_schema(path: Path, version: int) -> None:
    open_sqlite(path).close()
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    Path(f"{path}.lock").unlink()


def linked_twice(path: Path) -> None:
    open_sqlite(path).close()
    Path(f"{path}.lock").unlink()
    path.with_name("other-name").hardlink_to(path)


REFUSED: Final[dict[str, tuple[Callable[[Path], object], type[MeerkatError], str]]] = {
    "an empty file": (lambda path: path.touch(), NotOurStoreError, "is empty"),
    "garbage": (lambda path: path.write_bytes(b"not a database, " * 500), NotOurStoreError, "is not a database"),
    "a little garbage": (lambda path: path.write_bytes(b"x"), NotOurStoreError, "is not a database"),
    "another program's database": (foreign, NotOurStoreError, "another program"),
    "a newer schema": (lambda path: of_schema(path, SCHEMA_VERSION + 1), StoreSchemaError, "use a newer one"),
    "schema 1, never released": (lambda path: of_schema(path, 1), StoreSchemaError, "use the one that made it"),
    "schema 2, never released": (lambda path: of_schema(path, 2), StoreSchemaError, "use the one that made it"),
    "a folder": (lambda path: path.mkdir(), NotOurStoreError, "no file"),
    "a pipe": (lambda path: os.mkfifo(path), NotOurStoreError, "no file"),
    "a log without its database": (
        lambda path: Path(f"{path}-wal").write_bytes(b"log"),
        StoreCorruptError,
        "its log is not",
    ),
    "a file of two names": (linked_twice, StoreError, "several names"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_store_is_refused_and_not_touched(database: Path, what: str) -> None:
    make, error_type, problem = REFUSED[what]
    make(database)
    before = everything_below(database.parent)
    with pytest.raises(error_type, match=problem) as caught:
        open_sqlite(database)
    assert str(database) in str(caught.value)
    assert everything_below(database.parent) == before


def test_a_store_that_was_truncated_to_nothing_is_refused_and_not_touched(database: Path) -> None:
    open_sqlite(database).close()
    os.truncate(database, 0)
    before = everything_below(database.parent)
    with pytest.raises(NotOurStoreError, match="is empty"):
        open_sqlite(database)
    assert everything_below(database.parent) == before


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no folder"):
        open_sqlite(tmp_path / "missing" / "team.db")
    with pytest.raises(StoreError, match="there is no folder"):
        open_sqlite(tmp_path / "a" / ".." / ".." / "nowhere" / "team.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["", ":memory:", "a\0b", "\ud800", 7, None])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidValueError, match="no path of a store"):
        open_sqlite(path)


def test_an_unknown_level_of_durability_is_refused(database: Path) -> None:
    with pytest.raises(UsageError, match="'full' or 'normal'"):
        open_sqlite(database, synchronous="off")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert not database.exists()


@pytest.mark.parametrize(
    ("which", "problem"), [("parent", "folder is not writable"), ("file", "not readable and writ")]
)
def test_what_this_user_may_not_write_is_refused(
    database: Path, monkeypatch: pytest.MonkeyPatch, which: str, problem: str
) -> None:
    """Asked of the system and not tried out, so that root's tests are the same."""
    open_sqlite(database).close()
    before = everything_below(database.parent)
    forbidden = str(database.parent if which == "parent" else database)

    def may(path: str, _: int) -> bool:
        return path != forbidden

    monkeypatch.setattr(os, "access", may)
    with pytest.raises(StoreError, match=problem):
        open_sqlite(database)
    assert everything_below(database.parent) == before


def test_mounts_that_can_not_be_read_forbid_nothing(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "MOUNTS_FILE", str(database.parent / "missing"))
    assert filesystem.read_mounts() == ""
    open_sqlite(database).close()


def test_a_truncated_store_is_reported_as_damaged(database: Path) -> None:
    open_sqlite(database).close()
    os.truncate(database, 600)
    with pytest.raises(StoreError, match=r"damaged|not a database"):
        open_sqlite(database)
    assert database.stat().st_size == 600


def test_an_old_sqlite_is_refused(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "SQLITE_MIN", (99, 0, 0))
    with pytest.raises(StoreError, match=r"install an apsw with 99\.0\.0"):
        open_sqlite(database)
    assert list(database.parent.iterdir()) == []


def test_a_pragma_that_does_not_hold_is_refused(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_sqlite(database).close()
    monkeypatch.setattr(opening, "_PRAGMAS", (("secure_delete", 7),))
    with pytest.raises(StoreError, match="SQLite keeps secure_delete"):
        open_sqlite(database)
    monkeypatch.undo()
    open_sqlite(database).close()  # the refused opening let go of its lock


# -- what is opened -----------------------------------------------------------------------


@pytest.mark.parametrize(("level", "number"), [("full", 2), ("normal", 1)])
def test_every_pragma_is_in_force(database: Path, level: opening.Synchronous, number: int) -> None:
    seen: list[apsw.Connection] = []
    apsw.connection_hooks.append(seen.append)
    try:
        store = open_sqlite(database, synchronous=level)
    finally:
        apsw.connection_hooks.remove(seen.append)
    connection = seen[-1]
    assert {
        name: connection.pragma(name)
        for name in (
            "journal_mode",
            "synchronous",
            "foreign_keys",
            "trusted_schema",
            "wal_autocheckpoint",
            "cell_size_check",
            "temp_store",
            "application_id",
            "user_version",
        )
    } == {
        "journal_mode": "wal",
        "synchronous": number,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "wal_autocheckpoint": 0,
        "cell_size_check": 1,
        "temp_store": 2,
        "application_id": APPLICATION_ID,
        "user_version": SCHEMA_VERSION,
    }
    assert connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, -1) == 1
    assert connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, -1) == 1
    strict = connection.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    assert {name for name, is_strict in strict.fetchall() if not is_strict} == {"sqlite_schema"}
    store.close()


def test_every_file_is_its_owners_alone(database: Path) -> None:
    before = os.umask(0)
    try:
        store = open_sqlite(database)
        store.begin()
        created(store, "alice")
    finally:
        os.umask(before)
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in database.parent.iterdir()}
    assert files == dict.fromkeys(("team.db", "team.db-wal", "team.db-shm", "team.db.lock", "team.db.mark"), 0o600)
    store.end(clean=True)
    store.close()
    assert {path.name for path in database.parent.iterdir()} == {"team.db", "team.db.lock", "team.db.mark"}


def test_a_store_takes_its_id_from_its_environment(database: Path) -> None:
    class Fixed(SystemEnv):
        def new_id(self) -> str:
            return "00000000-0000-7000-8000-00000000000a"

    with_fixed = open_sqlite(database, env=Fixed())
    assert with_fixed.begin().store_id.endswith("a")
    with_fixed.close()


def test_a_link_is_followed_to_the_one_store(tmp_path: Path) -> None:
    real, link = tmp_path / "real.db", tmp_path / "link.db"
    link.symlink_to(real)
    store = open_sqlite(link)
    assert store.location == str(real.resolve())
    with pytest.raises(StoreInUseError):
        open_sqlite(real)
    store.close()
    assert link.is_symlink()
    assert real.is_file()


@pytest.mark.parametrize("name", ["with blank.db", "100%.db", "a?b#c.db", "ü.db", "file:x.db"])
def test_a_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    for _ in range(2):
        store = open_sqlite(tmp_path / name)
        store.begin()
        store.close()
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name}.lock", f"{name}.mark"}


def test_opening_does_not_grow_with_the_store(tmp_path: Path) -> None:
    """Bytes read by opening are those of a few pages, however many there are."""
    small, large = tmp_path / "small.db", tmp_path / "large.db"
    for path, inputs in ((small, 1), (large, 5_000)):
        store = open_sqlite(path, synchronous="normal")
        store.begin()
        alice = created(store, "alice")
        for start in range(1, inputs + 1, 500):
            alice.must_commit(
                *(insert(n, content=b'"%s"' % (b"x" * 900)) for n in range(start, min(start + 500, inputs + 1)))
            )
        store.close()
    assert large.stat().st_size > 35 * small.stat().st_size

    def pages_read(path: Path) -> int:
        seen: list[apsw.Connection] = []
        apsw.connection_hooks.append(seen.append)
        store = open_sqlite(path)
        apsw.connection_hooks.remove(seen.append)
        store.begin()
        missed, _ = seen[-1].status(apsw.SQLITE_DBSTATUS_CACHE_MISS)
        store.close()
        return missed

    assert pages_read(large) <= pages_read(small) + 8


# -- filesystems --------------------------------------------------------------------------

MOUNTS: Final = """\
22 1 254:0 / / rw,noatime - ext4 /dev/root rw
30 22 0:26 / /mnt/team rw - nfs4 server:/team rw
31 30 0:27 / /mnt/team/local rw - tmpfs tmpfs rw
32 22 0:28 / /mnt/with\\040blank rw shared:4 - fuse.sshfs me@there: rw
a line of another form
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/team.db", None),
        ("/mnt/team/a.db", "nfs4"),
        ("/mnt/teammate/a.db", None),
        ("/mnt/team/local/a.db", None),
        ("/mnt/with blank/a.db", "fuse.sshfs"),
    ],
)
def test_a_network_filesystem_is_recognised(path: str, kind: str | None) -> None:
    assert remote_filesystem(path, MOUNTS) == kind
    assert remote_filesystem(path, "") is None


def test_a_network_filesystem_is_refused(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "read_mounts", lambda: "1 1 0:1 / / rw - nfs server:/ rw")
    with pytest.raises(StoreError, match="network filesystem \\(nfs\\)"):
        open_sqlite(database)
    assert list(database.parent.iterdir()) == []


@pytest.mark.alone
def test_opening_is_quick(database: Path) -> None:
    """A sanity bound, far above what it takes: opening an existing store is no scan."""
    open_sqlite(database).close()
    begun = time.perf_counter()
    open_sqlite(database).close()
    assert time.perf_counter() - begun < 1
