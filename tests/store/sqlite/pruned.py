"""Files that are pruned: opened, copied, compared with what a whole pruning leaves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import apsw

from meerkat_actors.store import SqliteStore, open_sqlite
from tests.store.pruning_life import prune
from tests.store.sqlite.keeping import Content, content
from tests.store.sqlite.pruning_worker import EVERYTHING

LIMIT: Final = 5
FORGETTING: Final = frozenset({"input", "document", "snapshot", "journal", "event"})
"""The tables that pruning changes."""


def opened(path: Path, vfs: str | None = None) -> SqliteStore:
    store = open_sqlite(path, synchronous="normal", vfs=vfs)
    store.begin()
    return store


def copied(path: Path, to: str) -> Path:
    """The same file under another name, with its mark."""
    copy = path.with_name(to)
    for suffix in ("", ".mark"):
        shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
    return copy


def pruned(path: Path) -> Content:
    """What a pruning leaves that nothing broke off, without what tells who served."""
    store = opened(path)
    prune(store, EVERYTHING, limit=LIMIT)
    store.end(clean=True)
    store.close()
    return kept(path)


def kept(path: Path) -> Content:
    return {name: rows for name, rows in content(path).items() if name != "meta"}


def is_between(now: Content, before: Content, after: Content) -> bool:
    """Whether each row is as it was, or as it shall be, or gone as it shall be; and no other."""
    if {name: now[name] for name in now if name not in FORGETTING} != {
        name: before[name] for name in before if name not in FORGETTING
    }:
        return False
    return all(
        all(row in before[name] or row in after[name] for row in now[name])
        and all(row in now[name] for row in after[name] if row in before[name])
        and len(after[name]) <= len(now[name]) <= len(before[name])
        for name in FORGETTING
    )


def require_whole(path: Path) -> None:
    connection = apsw.Connection(str(path))
    assert connection.pragma("integrity_check") == "ok"
    assert connection.pragma("foreign_key_check") is None
    connection.close()
