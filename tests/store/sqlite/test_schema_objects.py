"""A file that holds other objects than ours is refused by the object's name, whoever opens it, and left as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw
import pytest

from meerkat_actors.errors import StoreCorruptError, StoreError
from meerkat_actors.store import open_reader, open_sqlite
from meerkat_actors.store.sqlite.schema import SCHEMA_VERSION
from tests.store.sqlite.keeping import disk, execute, schema
from tests.store.writing import created

RELAXED: Final = "UPDATE sqlite_schema SET sql = replace(sql, 'token >= 1', 'token >= 0') WHERE name = 'head'"
OTHER_CASE: Final = "UPDATE sqlite_schema SET sql = replace(sql, 'STRICT', 'strict') WHERE name = 'turn'"
FORGOTTEN: Final = "DELETE FROM sqlite_schema WHERE name = 'sqlite_autoindex_name_1'"

TAMPERED: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "a trigger": (
        ("CREATE TRIGGER mine AFTER INSERT ON input BEGIN DELETE FROM turn; END",),
        r"holds what is not ours, the trigger 'mine'; drop it with a sqlite3 tool \(DROP TRIGGER\)",
    ),
    "a trigger with a table's name": (
        ("CREATE TRIGGER head AFTER INSERT ON input BEGIN DELETE FROM turn; END",),
        "holds what is not ours, the trigger 'head'",
    ),
    "a view": (("CREATE VIEW mine AS SELECT * FROM turn",), "holds what is not ours, the view 'mine'"),
    "a table": (("CREATE TABLE mine (x)",), "holds what is not ours, the table 'mine'"),
    "a table that counts": (
        ("CREATE TABLE mine (x INTEGER PRIMARY KEY AUTOINCREMENT)",),
        "holds what is not ours, the table '(mine|sqlite_sequence)'",
    ),
    "a table of a hostile name": (
        ('CREATE TABLE "a\n\x1b[2Jb" (x)',),
        r"holds what is not ours, the table 'a\\n\\x1b\[2Jb'",
    ),
    "a virtual table": (("CREATE VIRTUAL TABLE mine USING fts5 (x)",), "holds what is not ours, the table 'mine'"),
    "an index": (("CREATE INDEX mine ON turn (version)",), "holds what is not ours, the index 'mine'"),
    "no index": (("DROP INDEX input_open",), f"lacks input_open, which schema {SCHEMA_VERSION} has; restore it"),
    "no table": (("PRAGMA foreign_keys = 0", "DROP TABLE journal"), "lacks journal, which schema"),
    "another index": (
        ("DROP INDEX input_open", "CREATE INDEX input_open ON input (state)"),
        "its index input_open is not what schema",
    ),
    "a view for a table": (
        ("PRAGMA foreign_keys = 0", "DROP TABLE journal", "CREATE VIEW journal AS SELECT * FROM turn"),
        "holds what is not ours, the view 'journal'",
    ),
    "a further column": (("ALTER TABLE head ADD COLUMN mine INTEGER",), "its table head is not what schema"),
    "another CHECK": (("PRAGMA writable_schema = 1", RELAXED), "its table head is not what schema"),
    "another spelling": (("PRAGMA writable_schema = 1", OTHER_CASE), "its table turn is not what schema"),
    "no index of a UNIQUE": (("PRAGMA writable_schema = 1", FORGOTTEN), "lacks sqlite_autoindex_name_1, which"),
}

OPENED: Final[tuple[Callable[[Path], object], ...]] = (open_sqlite, open_reader)


@pytest.fixture
def written(database: Path) -> Path:
    """A store with something in it."""
    store = open_sqlite(database)
    store.begin()
    created(store, "alice")
    store.end(clean=True)
    store.close()
    return database


@pytest.mark.parametrize("keep_log", [False, True], ids=["no log", "a log"])
@pytest.mark.parametrize("opened", OPENED)
@pytest.mark.parametrize("what", TAMPERED)
def test_a_schema_that_is_not_ours_is_refused_and_not_touched(
    written: Path, what: str, opened: Callable[[Path], object], keep_log: bool
) -> None:
    statements, problem = TAMPERED[what]
    execute(written, *statements, keep_log=keep_log)
    before = disk(written.parent)
    assert before.keys() == {"team.db", "team.db.mark", *(["team.db-wal"] if keep_log else [])}
    with pytest.raises(StoreCorruptError, match=problem) as caught:
        opened(written)
    assert str(written) in str(caught.value)
    assert disk(written.parent) == before


def test_what_was_added_can_be_dropped_as_the_error_says(written: Path) -> None:
    execute(written, "CREATE TRIGGER mine AFTER INSERT ON input BEGIN DELETE FROM turn; END")
    with pytest.raises(StoreError, match="DROP TRIGGER"):
        open_sqlite(written)
    execute(written, "DROP TRIGGER mine")
    open_reader(written).close()
    open_sqlite(written).close()


def test_statistics_of_a_visitor_are_no_objects_of_anybodys(written: Path) -> None:
    execute(written, "ANALYZE")
    assert {name for _, name, _, _ in schema(written)} >= {"sqlite_stat1"}
    open_reader(written).close()
    open_sqlite(written).close()


def test_a_store_whose_pages_were_put_in_order_is_the_same_store(written: Path) -> None:
    execute(written, "VACUUM", "REINDEX")
    open_reader(written).close()
    open_sqlite(written).close()


def test_another_journal_mode_is_no_other_schema(written: Path) -> None:
    execute(written, "PRAGMA journal_mode = delete")
    store = open_sqlite(written)
    assert store.begin().was_clean
    store.close()
    connection = apsw.Connection(str(written))
    assert connection.pragma("journal_mode") == "wal"
    connection.close()


def test_a_reader_that_is_refused_sees_the_file_again_once_it_is_mended(written: Path) -> None:
    """What a reader was refused for is looked at anew by the next one, and what it knew by itself."""
    reader = open_reader(written)
    execute(written, "CREATE VIEW mine AS SELECT 1")
    with pytest.raises(StoreCorruptError, match="the view 'mine'"):
        reader.survey()
    execute(written, "DROP VIEW mine")
    assert reader.survey().identities.number == 1
    reader.close()
