"""Statements are compiled once; their plans don't depend on what is bound, nor on how much there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from meerkat_actors.records.effects import DropJournal
from meerkat_actors.store import SqliteStore, open_sqlite
from meerkat_actors.store.sqlite import (
    continuity_queries,
    continuity_statements,
    lives_statements,
    queries,
    runtime_statements,
    statements,
)
from tests.store.continuity_calling import caller, record, said
from tests.store.looking import picture
from tests.store.writing import charge, created, end, insert, new_run_id, send, stage, step, take


@pytest.fixture
def connections() -> Iterator[list[apsw.Connection]]:
    """Every connection that the test opens."""
    seen: list[apsw.Connection] = []
    apsw.connection_hooks.append(seen.append)
    yield seen
    apsw.connection_hooks.remove(seen.append)


def live(store: SqliteStore, name: str) -> None:
    """One of everything that an identity does, and every listing."""
    writer = created(store, name)
    run, later = new_run_id(), new_run_id()
    writer.must_commit(insert(1, run=run), insert(2))
    writer.must_commit(step(1, run), charge(1, run), send(name, 1), send(f"{name}-friend", 2))
    successor, claim = writer.claiming()
    successor.must_commit(claim, DropJournal(run), end(1, run), stage(2, later), successor.boundary(run, state=1))
    (mail,) = store.pending_mail(writer.fence.key, limit=9)
    successor.must_commit(take(mail, 3))
    successor.must_commit()
    picture(store, name)
    store.page_inputs(writer.fence.identity, after=None, limit=2, newest_first=True)
    store.find_input(writer.fence.identity, mail.input_id)


def live_elsewhere(store: SqliteStore, name: str) -> None:
    """One of everything that the continuity facade does."""
    a, number = caller(store, 1), ord(name[0])
    first, second = record(identity=name, number=10 * number), record(identity=name, number=10 * number + 1)
    third, fourth = record(1, identity=name, number=10 * number + 2), record(2, identity=name, number=10 * number + 3)
    a.upsert(first)
    a.save(1, first)
    a.upsert(second)
    a.save(2, second)
    a.drop(second, said("v2").revision)
    a.upsert(third)
    a.roll_back(third, second)
    a.delete(name)
    a.at(2).upsert(fourth)
    a.state(name)


@pytest.mark.parametrize("lives", [live, live_elsewhere])
def test_no_statement_is_compiled_twice(
    database: Path, connections: list[apsw.Connection], lives: Callable[[SqliteStore, str], None]
) -> None:
    store = open_sqlite(database, synchronous="normal")
    store.begin()
    compiled: list[object] = []

    def note(*what: object) -> int:
        compiled.append(what)
        return apsw.SQLITE_OK

    connections[-1].authorizer = note  # asked whenever a statement is compiled
    lives(store, "alice")
    assert compiled
    compiled.clear()
    for name in ("bob", "carol"):
        lives(store, name)
    assert compiled == []
    store.close()


def test_no_plan_scans_a_table_or_sorts_a_history(database: Path) -> None:
    """Asked of an empty store: SQLite then has no statistics to be misled by, and never gathers any."""
    open_sqlite(database).close()
    connection = apsw.Connection(str(database))
    texts = {
        f"{module.__name__.rpartition('.')[2]}.{name}": text
        for module in (
            statements,
            lives_statements,
            runtime_statements,
            queries,
            continuity_statements,
            continuity_queries,
        )
        for name, text in vars(module).items()
        if name.isupper() and isinstance(text, str) and not name.startswith("_")
    }
    plans = {
        name: [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", (1,) * parameters(text))]
        for name, text in texts.items()
    }
    connection.close()
    scanning = {name for name, plan in plans.items() if any(line.startswith("SCAN") for line in plan)}
    # One row, constants, a row for each that shares, the rows of the page at hand or that were found before, and the
    # open inputs or dead letters of everybody, which are what is asked for.
    assert scanning == {
        "queries.READ_META",
        "queries.READ_LEASES",
        "queries.READ_IDENTITIES_WITH_MAIL",
        "queries.READ_COUNTERS",
        "queries.READ_IDENTITIES_WITH_WORK",
        "queries.READ_LETTERS",
        "queries.READ_TURNS",
        "statements.BEGIN_INCARNATION",
        "statements.END_INCARNATION",
        "statements.RESERVE_KEYS",
    }
    # Two ranges of rowids, merged: a page costs what it holds, however long the history is.
    assert [line for line in plans["queries.READ_EVENTS"] if not line.startswith("SEARCH owner")] == [
        "MERGE (UNION ALL)",
        "LEFT",
        "SEARCH input USING INTEGER PRIMARY KEY (rowid>?)",
        "SEARCH sender USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
        "RIGHT",
        "SEARCH turn USING INTEGER PRIMARY KEY (rowid>?)",
    ]
    sorting = {name for name, plan in plans.items() if any("TEMP B-TREE" in line for line in plan)}
    assert sorting == {
        "queries.READ_LETTERS",
        "queries.READ_OPEN",
        "queries.READ_IDENTITIES_WITH_MAIL",
        "queries.READ_IDENTITIES_WITH_WORK",
    }


def parameters(text: str) -> int:
    """How many a statement binds."""
    return max((number for number in range(1, 20) if f"?{number}" in text), default=0)
