"""What befalls the files of a store, and what is left in them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from meerkat_actors.store import SqliteStore, StoreReader, open_sqlite
from tests.store.writing import created, identity, insert


def delete(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    # By another process: to close a copy of ours of the database would drop SQLite's locks.
    subprocess.run(["cp", str(path), str(path.with_name("copy"))], check=True)
    path.with_name("copy").replace(path)


def move(path: Path) -> None:
    path.rename(path.with_name("moved-away"))


def served(path: Path) -> SqliteStore:
    """A store that serves: Alice with 59 inputs, all of them in the database."""
    store = open_sqlite(path)
    store.begin()
    alice = created(store, "alice")
    for number in range(1, 60):
        alice.must_commit(insert(number, content=b'"%s"' % (b"x" * 500)))
    store.checkpoint()
    return store


def newest(reader: StoreReader) -> int:
    """How many inputs Alice has."""
    return len(reader.page_inputs(identity("alice"), after=None, limit=99, newest_first=True))
