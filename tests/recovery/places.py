"""Where lives are lived: a memory store, or a database; how they are killed there, and looked at afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import apsw
import pytest
from attrs import evolve

from meerkat_actors.records.ids import uuid_bytes
from meerkat_actors.simulation.checks import Contents, InputSeen, read_database, read_tables, tables_of
from meerkat_actors.store import MemoryStore, open_sqlite
from tests.actors.faulty import FaultyStore
from tests.recovery.killing import Killer
from tests.recovery.lives import live

_IN_MEMORY: Final = {"not_before": "not_before_ms", "run": "run_id"}


class Place:
    """A store across its restarts, and its crashes."""

    def __init__(self, path: Path | None, killer: Killer | None) -> None:
        self._path = path
        self._killer = killer
        self._memory = MemoryStore()
        self._number = 0

    @property
    def is_memory(self) -> bool:
        """Whether it has no file, so that a crash of its process is a copy of it."""
        return self._path is None

    def another(self) -> Place:
        """A new one of its kind."""
        self._number += 1
        path = None if self._path is None else self._path.with_name(f"{self._number}.db")
        return Place(path, self._killer)

    def store(self) -> FaultyStore:
        """The store as the next process finds it; whoever had it before must have closed it."""
        if self._path is None:
            return FaultyStore(self._memory)
        return FaultyStore(open_sqlite(self._path, synchronous="normal"))

    def look(self) -> Contents:
        """What it holds."""
        if self._path is None:
            return read_tables(tables_of(self._memory))
        return read_database(self._path)

    def inputs(self, name: str) -> list[InputSeen]:
        """The inputs of one agent, in the order of their sequence."""
        seen = self.look()
        return [row for row in seen.inputs if seen.name(row.identity) == name]

    def crash(self, life: str, when: str = "end") -> tuple[str, ...]:
        """Live a life and be killed; what its callers were told by then."""
        told = self.crashed(life, when)
        assert told is not None, "it ended before"
        return told

    def crashed(self, life: str, when: str) -> tuple[str, ...] | None:
        """As ``crash``; None where the life ended before that moment came."""
        if self._path is not None:
            assert self._killer is not None
            is_killed, told = self._killer.kill(life, when, self._path)
            return told if is_killed else None
        inner, told_so_far = self._memory, list[str]()
        left: list[tuple[MemoryStore, tuple[str, ...]]] = []
        # Between COMMIT and the replies: what a kill leaves is what was committed by then.
        live(life, inner, when, told_so_far.append, lambda: left.append((deepcopy(inner), tuple(told_so_far))))
        if not left:
            return None
        self._memory, told = left[0]
        return told

    def spoil(self, input_id: str, **columns: Any) -> None:  # noqa: ANN401 - whatever is to stand there
        """Write into the row of an input what nobody of ours would."""
        if self._path is not None:
            with closing(apsw.Connection(str(self._path))) as database:
                database.pragma("ignore_check_constraints", 1)
                for column, value in columns.items():
                    database.execute(f"UPDATE input SET {column} = ? WHERE input_id = ?", (value, uuid_bytes(input_id)))
            return
        tables = tables_of(self._memory)
        sequence = next(each for each, given in tables.given.items() if given.input_id == input_id)
        for column, value in columns.items():
            table: Any = tables.given if column == "content" else tables.progress
            table[sequence] = evolve(table[sequence], **{_IN_MEMORY.get(column, column): value})


@pytest.fixture(scope="session")
def killer() -> Iterator[Killer]:
    """One process for all that are killed."""
    killer = Killer()
    yield killer
    killer.close()


@pytest.fixture(params=["memory", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each kind of store."""
    if request.param == "memory":
        return Place(None, None)
    return Place(tmp_path / "team.db", request.getfixturevalue("killer"))
