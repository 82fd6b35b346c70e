"""Files of older versions: what they held is there after opening, and there is no moment between old and new."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import apsw
import pytest

from meerkat_actors.errors import StoreCorruptError, StoreSchemaError
from meerkat_actors.store import open_reader, open_sqlite
from meerkat_actors.store.sqlite import migrating, objects, reader, versions
from meerkat_actors.store.sqlite.migrating import STEPS, migrate
from meerkat_actors.store.sqlite.objects import require_current
from meerkat_actors.store.sqlite.rows import Database
from meerkat_actors.store.sqlite.schema import INDEXES, SCHEMA_VERSION
from meerkat_actors.store.sqlite.versions import FORMER, objects_of
from tests.store.sqlite.faults import open_disk
from tests.store.sqlite.keeping import behind_its_back, content, disk, execute, migrated, rebuild, schema, version_of

OLDEST: Final = 3
OLDER: Final = range(OLDEST, SCHEMA_VERSION)
IDENTITIES: Final = 7
"""That exist in a kept database."""


@pytest.fixture
def old(database: Path) -> Path:
    """A file of the oldest schema."""
    return rebuild(OLDEST, database)


def test_every_older_version_that_is_known_has_a_step() -> None:
    assert set(STEPS) == set(FORMER) == set(OLDER)


def test_a_migrated_file_holds_what_it_held_under_the_schema_of_a_new_one(old: Path) -> None:
    before = content(old)
    assert len(before["head"]) > 5
    open_sqlite(old).close()
    assert content(old) == migrated(before)
    new = old.with_name("new.db")
    open_sqlite(new).close()
    assert schema(old) == schema(new)
    with behind_its_back(old) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.pragma("integrity_check") == "ok"


@pytest.mark.parametrize("version", OLDER)
def test_a_migrated_schema_is_a_new_one_to_the_byte(database: Path, version: int) -> None:
    """As its own version would have made it, each text as SQLite keeps it, blank ends included."""
    execute(database, "PRAGMA journal_mode = wal", *objects_of(version).values(), f"PRAGMA user_version = {version}")
    migrate(str(database), None)
    new = database.with_name("new.db")
    open_sqlite(new).close()
    texts = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
    with behind_its_back(database) as ours, behind_its_back(new) as theirs:
        assert ours.execute(texts).fetchall() == theirs.execute(texts).fetchall()


def test_migrating_twice_is_migrating_once(old: Path) -> None:
    migrate(str(old), None)
    once = disk(old.parent)
    assert list(once) == ["team.db"]
    migrate(str(old), None)
    open_sqlite(old).close()
    assert disk(old.parent) == once


def test_the_keys_of_names_go_on_above_the_highest(old: Path) -> None:
    execute(old, "DELETE FROM input WHERE sender IS NOT NULL", "INSERT INTO name VALUES (70, 'far')")
    migrate(str(old), None)
    (meta,) = content(old)["meta"]
    assert meta["keys"] == 70


def test_what_a_killed_process_left_in_its_log_is_migrated_too(old: Path) -> None:
    execute(old, "UPDATE meta SET clean = 0", "INSERT INTO name VALUES (12, 'late')", keep_log=True)
    before = content(old)
    assert Path(f"{old}-wal").stat().st_size > 0
    store = open_sqlite(old)
    assert not store.begin().was_clean
    store.close()
    assert {row["name"] for row in content(old)["name"]} == {row["name"] for row in before["name"]} >= {"late"}


def test_steps_follow_each_other(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a version that does not exist yet, in one go."""
    later = "CREATE INDEX later ON turn (version)"
    for module in (versions, migrating, objects):
        monkeypatch.setattr(module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    monkeypatch.setattr(versions, "INDEXES", (*INDEXES, later))
    monkeypatch.setattr(versions, "FORMER", {**FORMER, SCHEMA_VERSION: {"later": None}})
    monkeypatch.setattr(migrating, "STEPS", {**STEPS, SCHEMA_VERSION: (later,)})
    before = content(old)
    migrate(str(old), None)
    assert version_of(old) == SCHEMA_VERSION + 1
    assert content(old) == migrated(before)
    assert ("index", "later", "turn", later) in schema(old)


def test_a_step_that_makes_something_else_than_its_version_leaves_the_old_file(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = disk(old.parent)
    monkeypatch.setattr(migrating, "STEPS", {**STEPS, SCHEMA_VERSION - 1: STEPS[SCHEMA_VERSION - 1][:-1]})
    with pytest.raises(StoreCorruptError, match="holds what is not ours, the table 'former'"):
        migrate(str(old), None)
    assert disk(old.parent) == before


def test_rows_that_are_shorter_than_their_table_are_read_and_changed(database: Path) -> None:
    """What an older version wrote has no place for what came later, until it is written again."""
    old = rebuild(SCHEMA_VERSION - 1, database)
    execute(old, "UPDATE input SET state = 6, ending = x'7b7d' WHERE state = 1")
    open_sqlite(old).close()
    execute(
        old,
        "UPDATE input SET letter = 1 WHERE state = 6 AND letter = 0",
        "UPDATE journal SET once = 1, result = x'' WHERE once = 0",
    )
    with behind_its_back(old) as connection:
        letters = "SELECT identity, seq FROM input {} WHERE letter = 1 ORDER BY identity, seq"
        indexed, scanned = (
            connection.execute(letters.format(how)).fetchall() for how in ("INDEXED BY input_letter", "NOT INDEXED")
        )
        assert indexed == scanned
        assert len(indexed) > 2
        assert connection.pragma("integrity_check") == "ok"
        assert connection.execute("SELECT DISTINCT once, result FROM journal").fetchall() == [(1, b"")]
        with pytest.raises(apsw.ConstraintError):
            connection.execute("UPDATE journal SET once = 0")
        with pytest.raises(apsw.ConstraintError):
            connection.execute("UPDATE input SET letter = 1 WHERE state = 3")


def test_an_older_row_is_found_by_an_index_that_came_later(database: Path) -> None:
    """Once it is what the index is of; and no check holds for it less than for a new one."""
    old = rebuild(5, database)
    open_sqlite(old).close()
    indexes = {
        "owed = 1": ("input_owed", "UPDATE input SET owed = 1 WHERE state = 3"),
        "state = 0 AND lane = 1": ("input_steered", "UPDATE input SET lane = 1 WHERE state = 0"),
    }
    with behind_its_back(old) as connection:
        for condition, (index, statement) in indexes.items():
            rows = f"SELECT identity, seq FROM input {{}} WHERE {condition} ORDER BY identity, seq"
            assert connection.execute(rows.format(f"INDEXED BY {index}")).fetchall() == []
            connection.execute(statement)
            found = connection.execute(rows.format(f"INDEXED BY {index}")).fetchall()
            assert found == connection.execute(rows.format("NOT INDEXED")).fetchall()
            assert len(found) > 2
        assert connection.pragma("integrity_check") == "ok"
        for refused in ("owed = 1 WHERE state < 3", "admission = 99 WHERE state = 0", "owed = 2 WHERE state = 3"):
            with pytest.raises(apsw.ConstraintError):
                connection.execute(f"UPDATE input SET {refused}")


# -- what is refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        (1, "use the one that made it, or a new database"),
        (2, "use the one that made it, or a new database"),
        (SCHEMA_VERSION + 1, "use a newer one"),
    ],
)
@pytest.mark.parametrize("keep_log", [False, True], ids=["in the header", "in the log"])
def test_a_version_that_is_not_migrated_is_refused_and_not_touched(
    old: Path, version: int, advice: str, keep_log: bool
) -> None:
    """A log may say another version than the header: a later one, if its writer was killed after migrating."""
    execute(old, f"PRAGMA user_version = {version}", keep_log=keep_log)
    before = disk(old.parent)
    assert ("team.db-wal" in before) == keep_log
    for opened in (open_sqlite, open_reader):
        with pytest.raises(StoreSchemaError, match=f"has schema {version}, .*; {advice}"):
            opened(old)
        assert disk(old.parent) == before


def test_a_newer_version_in_the_log_of_a_file_of_ours_is_refused_and_not_touched(database: Path) -> None:
    open_sqlite(database).close()
    execute(database, f"PRAGMA user_version = {SCHEMA_VERSION + 1}", keep_log=True)
    before = disk(database.parent)
    assert len(before) == 2
    for opened in (open_sqlite, open_reader):
        with pytest.raises(StoreSchemaError, match="use a newer one"):
            opened(database)
        assert disk(database.parent) == before


@pytest.mark.parametrize("keep_log", [False, True], ids=["no log", "a log"])
def test_who_only_looks_migrates_nothing_and_says_who_does(old: Path, keep_log: bool) -> None:
    execute(old, "UPDATE meta SET clean = 0", keep_log=keep_log)
    before = disk(old.parent)
    with pytest.raises(StoreSchemaError, match=r"has schema 3, .*; open it once with open_runtime"):
        open_reader(old)
    assert disk(old.parent) == before
    open_sqlite(old).close()
    looker = open_reader(old)
    assert looker.survey().identities.number == IDENTITIES
    looker.close()


def test_a_file_whose_header_is_behind_its_log_is_read_and_opened(old: Path) -> None:
    """As a kill leaves it between the commit and the copying of the log."""
    visitor = apsw.Connection(str(old))
    visitor.execute("BEGIN")
    assert visitor.execute("SELECT count(*) FROM meta").fetchall() == [(1,)]
    migrate(str(old), None)  # the visitor's view of the old file keeps the log from being copied
    assert old.read_bytes()[60:64] == (3).to_bytes(4, "big")
    for suffix in ("", "-wal"):
        shutil.copy(f"{old}{suffix}", f"{old.with_name('copy.db')}{suffix}")
    visitor.close()
    copy = old.with_name("copy.db")
    looker = open_reader(copy)
    assert looker.survey().identities.number == IDENTITIES
    looker.close()
    open_sqlite(copy).close()
    assert copy.read_bytes()[60:64] == SCHEMA_VERSION.to_bytes(4, "big")


def test_the_header_says_the_new_version_though_somebody_has_the_file_open(old: Path) -> None:
    """An earlier version looks at the header only."""
    visitor = apsw.Connection(str(old))
    assert visitor.execute("SELECT count(*) FROM meta").fetchall() == [(1,)]
    migrate(str(old), None)
    assert old.read_bytes()[60:64] == SCHEMA_VERSION.to_bytes(4, "big")
    visitor.close()


def test_who_looks_while_the_file_is_migrated_looks_again(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_and_be_late(path: str, database: Database) -> None:
        monkeypatch.undo()
        try:
            require_current(path, database)
        finally:
            open_sqlite(path).close()

    monkeypatch.setattr(reader, "require_current", look_and_be_late)
    looker = open_reader(old)
    assert looker.survey().identities.number == IDENTITIES
    looker.close()


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            "CREATE TRIGGER mine AFTER INSERT ON head BEGIN DELETE FROM turn; END",
            "holds what is not ours, the trigger 'mine'",
        ),
        ("CREATE TABLE former (x)", "holds what is not ours, the table 'former'"),
        ("DROP INDEX input_open", "lacks input_open, which schema 3 has"),
        ("ALTER TABLE head ADD COLUMN mine INTEGER", "its table head is not what schema 3 says"),
    ],
)
def test_an_older_file_with_objects_that_are_not_its_versions_is_not_migrated(
    old: Path, statement: str, problem: str
) -> None:
    execute(old, statement)
    before = disk(old.parent)
    with pytest.raises(StoreCorruptError, match=problem):
        open_sqlite(old)
    assert disk(old.parent) == before


# -- what it costs ------------------------------------------------------------------------


def test_a_migration_is_on_the_disk_before_anything_else_is_done(old: Path) -> None:
    """Whatever the caller chose for commits to come."""
    happened: list[str] = []

    def note(statement: str, _: int) -> None:
        if statement == "COMMIT":
            happened.append("committed")

    def watch(connection: apsw.Connection) -> None:
        connection.set_profile(note)

    apsw.connection_hooks.append(watch)
    with open_disk() as good:
        good.before_write = lambda: happened.append("write")
        good.before_sync = lambda: happened.append("sync")
        open_sqlite(old, synchronous="normal", vfs=good.vfs).close()
    apsw.connection_hooks.remove(watch)
    assert happened.count("committed") == 1
    assert happened[happened.index("committed") - 1] == "sync"


@pytest.mark.parametrize("version", OLDER)
def test_a_long_history_makes_no_longer_migration(tmp_path: Path, version: int) -> None:
    """Boundaries, inputs, and steps that were recorded: all of them stay where they are."""
    seen: list[tuple[int, int]] = []

    def watch(connection: apsw.Connection) -> None:
        def pages() -> bool:
            counts = apsw.SQLITE_DBSTATUS_CACHE_MISS, apsw.SQLITE_DBSTATUS_CACHE_WRITE
            missed, written = (connection.status(count)[0] for count in counts)
            seen.append((missed, written))
            return False

        connection.set_commit_hook(pages)

    for turns in (1, 20_000):
        path = rebuild(version, tmp_path / f"{turns}.db")
        numbers = f"""
            WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {turns})
        """
        execute(
            path,
            f"""
            {numbers} INSERT INTO turn (seq, identity, version, generation, token, previous, run, digest, body)
            SELECT 100 + n, 6, 1, 0, 1, 0, zeroblob(16), zeroblob(32), zeroblob(300) FROM number
            """,
            f"""
            {numbers} INSERT INTO input (seq, identity, admission, input_id, kind, state, run, ending, digest, content)
            SELECT 1000000 + n, 6, 100 + n, randomblob(16), 'prompt', 6, zeroblob(16), x'7b7d', zeroblob(32),
                   zeroblob(100)
              FROM number
            """,
            f"""
            {numbers} INSERT INTO journal (identity, run, name, nth, arguments, result)
            SELECT 6, zeroblob(16), 'step', n, zeroblob(32), x'31' FROM number
            """,
        )
        apsw.connection_hooks.append(watch)
        migrate(str(path), None)
        apsw.connection_hooks.remove(watch)
    (short_reads, short_writes), (long_reads, long_writes) = seen
    assert (tmp_path / "20000.db").stat().st_size > 50 * (tmp_path / "1.db").stat().st_size
    assert long_reads <= short_reads + 4
    assert long_writes <= short_writes + 4
