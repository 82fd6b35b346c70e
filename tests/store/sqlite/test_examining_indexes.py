"""What ``integrity_check`` does not count: entries of a partial index that no row of its table has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from meerkat_actors.store.sqlite.examining import Check, examine
from tests.store.sqlite.damage import PAGE
from tests.store.sqlite.damage_sample import write_files


@pytest.fixture
def store(tmp_path: Path, clean: dict[str, bytes]) -> Path:
    return write_files(tmp_path / "store", clean)


def test_entries_without_rows_are_found_in_every_partial_index(store: Path) -> None:
    whole = store.read_bytes()
    seen: set[str] = set()
    pages = _pages(store)
    with closing(apsw.Connection(str(store))) as connection:
        told = connection.execute("SELECT name FROM sqlite_schema WHERE sql LIKE '%INDEX% WHERE %'").fetchall()
    partial = {str(name) for (name,) in told}
    assert len(partial) == 7
    for index in partial:
        for other in sorted(pages.keys() - {index}):
            store.write_bytes(_overwritten(whole, pages[index], pages[other]))
            if any("entries, and" in detail for detail in _of_integrity(store)):
                seen.add(index)
    assert seen == partial


def _pages(store: Path) -> dict[str, int]:
    with closing(apsw.Connection(str(store))) as connection:
        told = connection.execute("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0").fetchall()
    return {str(name): int(str(page)) for name, page in told}


def _overwritten(content: bytes, page: int, other: int) -> bytes:
    start, source = PAGE * (page - 1), PAGE * (other - 1)
    return content[:start] + content[source : source + PAGE] + content[start + PAGE :]


def _of_integrity(path: Path) -> Iterator[str]:
    return (finding.detail for finding in examine(path).findings if finding.check is Check.INTEGRITY)


def test_an_entry_too_many_is_told_with_its_index(store: Path, clean: dict[str, bytes]) -> None:
    pages = _pages(store)
    with closing(apsw.Connection(str(store))) as connection:
        assert connection.execute("SELECT count(*) FROM input WHERE state = 0 AND lane = 1").fetchall() == [(0,)]
        (count,) = connection.execute("SELECT count(*) FROM session").fetchone() or (0,)
    store.write_bytes(_overwritten(clean["store.db"], pages["input_steered"], pages["session"]))
    assert f"index input_steered has {count} entries, and input 0 of them" in [*_of_integrity(store)]
