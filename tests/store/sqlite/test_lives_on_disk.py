"""Headers, lanes, letters and lives in SQLite: beside other units in a group, in their order, in their columns."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw
import pytest

from meerkat_actors.records.commits import Committed, RefusalReason, Refused
from meerkat_actors.records.effects import BeginGeneration, Bury, SetDesired
from meerkat_actors.records.headers import Header, Mode
from meerkat_actors.records.inputs import InputKind, InputState, Lane, Letter
from meerkat_actors.records.status import Desired
from meerkat_actors.store import SqliteStore, open_reader, open_sqlite
from meerkat_actors.testing.conformance.writing import (
    GIVEN_UP,
    Writer,
    created,
    duplicate,
    end,
    identity,
    insert,
    new_input_id,
    new_run_id,
    new_session_id,
    noted,
    read,
    send,
    settle,
    take,
)

STEERED: Final = 8
"""The policy of what is given the mode ``STEER``."""


@pytest.fixture
def store(database: Path) -> Iterator[SqliteStore]:
    opened = open_sqlite(database, synchronous="normal")
    opened.begin()
    yield opened
    opened.close()


@contextmanager
def counted(word: str) -> Generator[list[str]]:
    """The statements of the connections that are open, as far as they begin with that word."""
    seen: list[str] = []

    def note(_: apsw.Cursor, statement: str, __: object) -> bool:
        if statement.startswith(word):
            seen.append(statement)
        return True

    connections = apsw.connections()
    for connection in connections:
        connection.exec_trace = note
    yield seen
    for connection in connections:
        connection.exec_trace = None


def column(database: Path, query: str) -> list[object]:
    connection = apsw.Connection(str(database))
    found = [value for (value,) in connection.execute(query)]
    connection.close()
    return found


# -- beside others in a group -------------------------------------------------------------


def test_inputs_that_say_something_are_admitted_beside_those_that_do_not(store: SqliteStore, database: Path) -> None:
    writers = [created(store, name) for name in ("ann", "ben", "cid", "dan")]
    steer = Header(mode=Mode.STEER)
    units = [
        writers[0].unit(insert(1), insert(2, header=steer, policy=STEERED, lane=Lane.STEER), insert(3)),
        writers[1].unit(insert(1)),
        writers[2].unit(noted(1), insert(2)),
        writers[3].unit(insert(1, kind=InputKind.CONTINUATION, lane=Lane.STEER, run=new_run_id())),
    ]
    with counted("ROLLBACK") as again:
        outcomes = store.commit(units)
    assert {type(outcome) for outcome in outcomes} == {Committed}
    assert again == []
    assert [(one.admission, one.lane, one.policy) for one in read(store, "ann").queued] == [
        (1, Lane.QUEUE, 0),
        (2, Lane.STEER, STEERED),
        (3, Lane.QUEUE, 0),
    ]
    assert column(database, "SELECT header FROM input WHERE header IS NOT NULL") == [b'{"mode":"steer"}']
    states = "SELECT state FROM input WHERE lane = 2 AND turn IS NULL AND run IS NULL"
    assert column(database, states) == [3]
    run = read(store, "dan").run
    assert run is not None
    assert run.members[0].lane is Lane.STEER


def test_mail_of_one_sender_is_taken_in_order_whatever_becomes_of_it(store: SqliteStore) -> None:
    ann, ben = created(store, "ann"), created(store, "ben")
    for number, kind in enumerate((InputKind.PEER_MESSAGE, InputKind.PEER_REQUEST, InputKind.PEER_MESSAGE), 1):
        ben.must_commit(send("ann", number, kind=kind))
    first, second, third = store.pending_mail(ann.fence.key, limit=9)
    with counted("ROLLBACK") as again:
        ann.must_commit(
            take(first, 1), take(second, 2, policy=STEERED, lane=Lane.STEER), take(third, 3), SetDesired(Desired.OPEN)
        )
    assert again == []
    assert [(one.admission, one.lane) for one in read(store, "ann").queued] == [
        (1, Lane.QUEUE),
        (2, Lane.STEER),
        (3, Lane.QUEUE),
    ]


def test_a_generation_begins_beside_units_of_others(store: SqliteStore) -> None:
    ann, ben, cid = (created(store, name) for name in ("ann", "ben", "cid"))
    run = new_run_id()
    ann.must_commit(insert(1, run=run))
    ann.must_commit(end(1, run), ann.boundary(run, state=1))
    outcomes = store.commit(
        [ann.unit(BeginGeneration(new_session_id())), ben.unit(insert(1)), cid.unit(cid.boundary(), Bury())]
    )
    assert [outcome.version for outcome in outcomes if isinstance(outcome, Committed)] == [0, 0, 1]
    head = read(store, "ann").head
    assert head is not None
    assert (head.generation, head.version, head.message_count, read(store, "ann").state) == (1, 0, 0, None)
    assert len(store.page_turns(identity("ann"), before=None, limit=9)) == 1
    assert [row.identity for row in store.page_identities(after=None, limit=9)] == ["ann", "ben"]


# -- the first of several faults ----------------------------------------------------------


def test_the_first_of_two_faults_is_told_though_its_statement_comes_later(store: SqliteStore) -> None:
    ann, ben = created(store, "ann"), created(store, "ben")
    late = ann.commit(BeginGeneration(ben.session_id), end(1, new_run_id(), GIVEN_UP))
    assert isinstance(late, Refused)
    assert (late.reason, late.effect) == (RefusalReason.INPUT_STATE_CONFLICT, 1)
    bound = ann.commit(BeginGeneration(ben.session_id))
    assert isinstance(bound, Refused)
    assert (bound.reason, bound.effect, bound.current) == (RefusalReason.SESSION_BOUND, 0, "ben (generation 0)")
    taken = new_input_id()
    ann.must_commit(insert(1, input_id=taken))
    header = Header(source="hook")
    twice = ann.commit(insert(2, input_id=taken, header=header), insert(3, input_id=taken))
    assert duplicate(twice).effect == 0
    assert duplicate(ann.commit(insert(2), insert(3, input_id=taken, header=header))).effect == 1


# -- dead letters -------------------------------------------------------------------------


def dead(writer: Writer, admission: int) -> None:
    run = new_run_id()
    writer.must_commit(insert(admission, run=run))
    writer.must_commit(end(admission, run, GIVEN_UP))


def test_dead_letters_are_listed_of_all_and_of_one_oldest_first(store: SqliteStore, database: Path) -> None:
    ann, ben = created(store, "ann"), created(store, "ben")
    for admission in (1, 2, 3):
        dead(ann, admission)
        dead(ben, admission)
    ann.must_commit(insert(4), settle(2))

    def listed(name: str | None, after: int = 0, limit: int = 9) -> list[tuple[str, int | None]]:
        whose = None if name is None else identity(name)
        found = store.page_letters(whose, after=after, limit=limit)
        assert all(letter.row.letter is Letter.DEAD for letter in found)
        assert all(letter.row.state is InputState.ABANDONED for letter in found)
        return [(letter.identity, letter.row.admission) for letter in found]

    everything = [("ann", 1), ("ben", 1), ("ben", 2), ("ann", 3), ("ben", 3)]
    assert listed(None) == everything
    assert listed(None, limit=2) == everything[:2]
    second = store.page_letters(None, after=0, limit=2)[1]
    assert listed(None, second.row.sequence) == everything[2:]
    assert listed("ann") == [("ann", 1), ("ann", 3)]
    assert listed("ann", second.row.sequence) == [("ann", 3)]
    assert [listed("nobody"), listed("\udc80"), listed(None, 2**63 - 1), listed(None, limit=-1)] == [[]] * 4
    reader = open_reader(database)
    assert reader.page_letters(None, after=-5, limit=9) == store.page_letters(None, after=0, limit=9)
    reader.close()
    ben.must_commit(Bury())
    assert listed("ben") == [("ben", 1), ("ben", 2), ("ben", 3)]


def test_letters_cost_nothing_but_letters(store: SqliteStore, database: Path) -> None:
    """The index has no row for any other input."""
    ann = created(store, "ann")
    dead(ann, 1)
    dead(ann, 2)
    ann.must_commit(*(insert(admission) for admission in range(3, 99)), settle(1))
    assert column(database, "SELECT count(*) FROM input INDEXED BY input_letter WHERE letter = 1") == [1]
    assert column(database, "SELECT ncell FROM dbstat WHERE name = 'input_letter'") == [1]


# -- what no row may say ------------------------------------------------------------------

REFUSED: Final = {
    "consumed by nothing": "UPDATE input SET state = 3 WHERE admission = 1",
    "waiting in no lane": "UPDATE input SET lane = 2 WHERE admission = 1",
    "in a fourth lane": "UPDATE input SET lane = 3 WHERE admission = 1",
    "a dead letter that waits": "UPDATE input SET letter = 1 WHERE admission = 1",
    "a letter of a fourth kind": "UPDATE input SET letter = 3 WHERE admission = 2",
    "a policy below all": "UPDATE input SET policy = -1 WHERE admission = 1",
    "a step of no result": "INSERT INTO journal VALUES (1, zeroblob(16), 'a', 1, x'', x'', 0)",
    "a step that is half once": "INSERT INTO journal VALUES (1, zeroblob(16), 'a', 1, x'', x'31', 2)",
    "a wish of an unknown kind": "UPDATE head SET desired = 'gone'",
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_schema_refuses_what_contradicts_itself(store: SqliteStore, database: Path, what: str) -> None:
    ann = created(store, "ann")
    ann.must_commit(insert(1))
    dead(ann, 2)
    connection = apsw.Connection(str(database))
    with pytest.raises(apsw.ConstraintError, match="CHECK"):
        connection.execute(REFUSED[what])
    connection.close()
