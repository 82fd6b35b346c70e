"""Statements are compiled once; their plans don't depend on what is bound, nor on how much there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from meerkat_actors.records.agenda_effects import (
    CountSends,
    DropOperation,
    DropTimer,
    DropTimers,
    FireTimer,
    PutOperation,
    RecordEvents,
    SetTimer,
    SettleRequest,
)
from meerkat_actors.records.effects import DropJournal, OwnerUnit, ReturnMail, SetDesired
from meerkat_actors.records.fence import OwnerFence
from meerkat_actors.records.ids import AdmissionSequence, OperationId
from meerkat_actors.records.inputs import InputKind, Lane
from meerkat_actors.records.status import Desired
from meerkat_actors.store import SqliteStore, open_sqlite
from meerkat_actors.store.sqlite import (
    agenda_queries,
    agenda_statements,
    continuity_queries,
    continuity_statements,
    lives_statements,
    queries,
    runtime_statements,
    statements,
)
from tests.store.continuity_calling import caller, record, said
from tests.store.looking import picture
from tests.store.writing import charge, created, end, insert, new_run_id, send, stage, step, take, uuid_of


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


def live_with_an_agenda(store: SqliteStore, name: str) -> None:
    """One of everything that an identity does to what it has yet to do, and every look at it."""
    writer, run, key = created(store, name), new_run_id(), OperationId(uuid_of(ord(name[0])))
    identity, admission, facts = writer.fence.identity, AdmissionSequence(1), RecordEvents(b"[]")
    for number, lane in enumerate((Lane.STEER, Lane.QUEUE, Lane.STEER, Lane.QUEUE), 1):
        writer.must_commit(send(name, number, lane=lane, kind=InputKind.PEER_REQUEST), CountSends(number), facts)
    mail = store.pending_mail(writer.fence.key, limit=9)
    writer.must_commit(take(mail[0], 1, run), take(mail[1], 2, lane=Lane.STEER))
    writer.must_commit(end(1, run, owes=True), writer.boundary(run))
    writer.must_commit(SettleRequest(admission), PutOperation(key, b"{}"), PutOperation(key, b"[]"))
    writer.must_commit(*(SetTimer(each, 1, b"{}") for each in "abcd"), SetTimer("a", 2, b"{}"))
    writer.must_commit(FireTimer("a", 2, 3, admission), FireTimer("b", 1, None, admission), DropTimer("c"))
    store.activate(identity)
    store.due_timers(now_ms=1, after=None, limit=1)
    store.due_timers_of(writer.fence.key, now_ms=9, limit=9)
    store.page_timers(identity, after=None, limit=9)
    writer.must_commit(SetDesired(Desired.STOPPED), DropTimers(), DropOperation(key))
    store.recipients_with_mail(after=0, limit=9)
    late, _ = store.undeliverable_mail(identity, absent_before_ms=0, limit=9)
    returned = ReturnMail(late.mail.sequence, identity, late.abandoned, 0)
    store.post(OwnerUnit(OwnerFence(1), (returned,)))
    store.event_bounds()


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


@pytest.mark.parametrize("lives", [live, live_with_an_agenda, live_elsewhere])
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
            agenda_statements,
            queries,
            agenda_queries,
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
    # dead letters of everybody, which are what is asked for.
    assert scanning == {
        "queries.READ_META",
        "queries.READ_LEASES",
        "queries.READ_IDENTITIES_WITH_MAIL",
        "queries.READ_COUNTERS",
        "queries.READ_IDENTITIES_WITH_WORK",
        "queries.READ_LETTERS",
        "queries.READ_TURNS",
        "queries.READ_EVENT_BOUNDS",
        "agenda_queries.READ_RECIPIENTS",
        "agenda_queries.READ_DUE_TIMERS",
        "statements.BEGIN_INCARNATION",
        "statements.END_INCARNATION",
        "statements.RESERVE_KEYS",
    }
    # What is scanned is what was found so far; from one identity to the next it is a search.
    for name in ("queries.READ_IDENTITIES_WITH_WORK", "agenda_queries.READ_RECIPIENTS"):
        assert {line for line in plans[name] if line.startswith("SCAN")} <= {
            "SCAN busy",
            "SCAN recipient",
            "SCAN operation USING COVERING INDEX operation_bound",  # of those only that go on, and with them grows it
        }
    assert [line for line in plans["agenda_queries.READ_DUE_TIMERS"] if " timer " in line] == [
        "SEARCH timer USING INDEX timer_due (due=? AND rowid>?)",
        "SEARCH timer USING INDEX timer_due (due>? AND due<?)",
    ]
    assert [line for line in plans["statements.TAKE_MAIL"] if " older " in line] == [
        "SEARCH older USING INDEX input_open (identity=? AND state=? AND rowid>? AND rowid<?)",
        "SEARCH older USING INDEX input_steered (identity=? AND rowid>? AND rowid<?)",
    ]
    # Ranges of rowids, merged: a page costs what it holds, however long the history is.
    assert [line for line in plans["queries.READ_EVENTS"] if not line.startswith("SEARCH owner")] == [
        "MERGE (UNION ALL)",
        "LEFT",
        "MERGE (UNION ALL)",
        "LEFT",
        "SEARCH input USING INTEGER PRIMARY KEY (rowid>?)",
        "SEARCH sender USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
        "RIGHT",
        "SEARCH turn USING INTEGER PRIMARY KEY (rowid>?)",
        "RIGHT",
        "SEARCH event USING INTEGER PRIMARY KEY (rowid>?)",
    ]
    sorting = {name for name, plan in plans.items() if any("TEMP B-TREE" in line for line in plan)}
    assert sorting == {
        "queries.READ_LETTERS",
        "queries.READ_OPEN",
        "queries.READ_OWED",
        "queries.READ_IDENTITIES_WITH_MAIL",
        "queries.READ_IDENTITIES_WITH_WORK",
    }


def parameters(text: str) -> int:
    """How many a statement binds."""
    return max((number for number in range(1, 20) if f"?{number}" in text), default=0)
