"""Whether a file holds what its version says: our tables and indexes, in our words, and nothing beside them."""

from __future__ import annotations

from functools import cache
from typing import Final

from meerkat_actors.errors import StoreCorruptError
from meerkat_actors.records.ids import shown
from meerkat_actors.store.legible import legible
from meerkat_actors.store.sqlite import statements
from meerkat_actors.store.sqlite.header import schema_error
from meerkat_actors.store.sqlite.rows import Database
from meerkat_actors.store.sqlite.schema import SCHEMA_VERSION
from meerkat_actors.store.sqlite.versions import objects_of

# Every object but the statistics of a visitor's ANALYZE, which change no plan of ours.
_READ_OBJECTS: Final = """
SELECT name, trim(sql, char(10)), type
  FROM sqlite_schema
 WHERE name NOT IN ('sqlite_stat1', 'sqlite_stat4')
"""

_READ_VERSION: Final = "PRAGMA user_version"


def require_current(path: str, database: Database) -> None:
    """Refuse a file that is not, with its log, a whole store of this version.

    Raises:
        StoreSchemaError: it is another version's.
        StoreCorruptError: an object is missing, changed, or not ours.
    """
    # One look: between two the file may be migrated.
    database.execute(statements.BEGIN)
    try:
        version = read_version(database)
        if version != SCHEMA_VERSION:
            raise schema_error(path, version)
        require_objects(path, database, version)
    finally:
        if database.in_transaction:  # an error may have ended it
            database.execute(statements.ROLLBACK)


def read_version(database: Database) -> int:
    """The version that the file says it has: in its log, if it has one, unlike the header."""
    ((version,),) = database.execute(_READ_VERSION).fetchall()
    return int(version)


def require_objects(path: str, database: Database, version: int) -> None:
    """Refuse other objects than those of ``version``. Its cost does not depend on what is in them.

    Raises:
        StoreCorruptError: the first one that is missing, changed, or not ours, by name.
    """
    rows = legible(path, lambda: database.execute(_READ_OBJECTS).fetchall())
    expected = _texts(version)
    other = [(kind, name) for name, text, kind in rows if expected.get(name, "") != text]
    if not other and len(rows) == len(expected):
        return
    for kind, name in other:
        # A trigger may have a table's name.
        if name not in expected or kind not in {"table", "index"}:
            way = f"drop it with a sqlite3 tool (DROP {kind.upper()}), or restore the file from a backup"
            raise _refusal(path, f"holds what is not ours, the {kind} {shown(name)}; {way}")
    for kind, name in other:
        raise _refusal(path, f"its {kind} {name} is not what schema {version} says; restore it from a backup")
    missing = min(expected.keys() - {name for name, _, _ in rows})
    raise _refusal(path, f"lacks {missing}, which schema {version} has; restore it from a backup")


def _refusal(path: str, problem: str) -> StoreCorruptError:
    return StoreCorruptError(path=path, problem=f"{problem}. It was not touched")


@cache
def _texts(version: int) -> dict[str, str | None]:
    texts: dict[str, str | None] = {}
    for name, text in objects_of(version).items():
        texts[name] = text.strip("\n")
        if text.split()[1] == "TABLE":
            # SQLite's own index for each UNIQUE has a name, and no text.
            texts.update({f"sqlite_autoindex_{name}_{nth + 1}": None for nth in range(text.count(" UNIQUE "))})
    return texts
