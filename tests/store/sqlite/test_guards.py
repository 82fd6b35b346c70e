"""Each statement guards itself: run alone under a wrong fence it touches nothing, whatever else would have noticed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw
import pytest
from attrs import evolve, frozen

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
from meerkat_actors.records.commits import Committed, Refused
from meerkat_actors.records.continuity import OPAQUE_KIND
from meerkat_actors.records.effects import (
    BeginGeneration,
    Bury,
    Claim,
    DropJournal,
    Effect,
    Recreate,
    Release,
    SetConfig,
    SetDesired,
    Unit,
)
from meerkat_actors.records.headers import Header
from meerkat_actors.records.ids import AdmissionSequence, FencingToken, Generation, OperationId
from meerkat_actors.records.inputs import Lane
from meerkat_actors.records.status import Desired
from meerkat_actors.store import SqliteStore, open_sqlite
from meerkat_actors.store.sqlite import agenda_statements, statements
from meerkat_actors.store.sqlite.naming import Naming
from meerkat_actors.store.sqlite.packing import Packer, pack_in_order
from meerkat_actors.store.sqlite.rows import Database, Row, typed
from meerkat_actors.testing.conformance.writing import (
    GIVEN_UP,
    Writer,
    charge,
    created,
    end,
    insert,
    intent,
    new_run_id,
    new_session_id,
    resolve,
    send,
    settle,
    stage,
    step,
    take,
    uuid_of,
)

TOKEN, GENERATION, VERSION = 1, 2, 3
"""Where they stand among a statement's parameters; a claim's fence has the new token, so its guard is parameter 4."""


@frozen
class Scene:
    """Alice could do every effect; a second connection runs statements behind her store's back."""

    alice: Writer
    database: Database
    effects: tuple[Effect, ...]

    def rows(self) -> list[tuple[str, Row]]:
        """Each effect's statements, with what they bind."""
        packer = Packer(Naming(self.database))
        packer.incarnation, packer.sequence = 1, 1_000
        found = [
            (entry.sql, row)
            for effect in self.effects
            for entry, row, _ in pack_in_order(packer, self.alice.unit(effect), [(0, effect)])
        ]
        fence = self.alice.fence
        found.append(
            (
                statements.CLAIM_HEAD,
                (fence.key, fence.token + 1, fence.generation, fence.version, fence.token, 1, OPAQUE_KIND),
            )
        )
        # Names and sessions are given once, whatever the fence; a head beside them has it.
        return [(sql, row) for sql, row in found if sql not in {statements.INSERT_NAME, statements.INSERT_SESSION}]

    def guarded(self) -> list[tuple[str, Row]]:
        """Those that guard themselves: a boundary's row relies on the head's advance beside it, and so do others."""
        return [(sql, row) for sql, row in self.rows() if sql not in UNGUARDED]

    def touched(self, sql: str, row: Row) -> int:
        """How many rows the statement alone would touch."""
        self.database.execute("SAVEPOINT probe")
        before = self.database.total_changes()
        try:
            self.database.execute(sql, row)
        except apsw.ConstraintError:
            return 0
        else:
            return self.database.total_changes() - before
        finally:
            self.database.execute("ROLLBACK TO probe")
            self.database.execute("RELEASE probe")


@pytest.fixture
def scene(database: Path) -> Iterator[Scene]:
    store: SqliteStore = open_sqlite(database, synchronous="normal")
    store.begin()
    alice, bob = created(store, "alice"), created(store, "bob")
    bob.must_commit(send("alice", 1), send("alice", 2))
    run, dead = new_run_id(), new_run_id()
    owing, admission, operation = new_run_id(), AdmissionSequence(5), OperationId(uuid_of(7))
    alice.must_commit(insert(1), insert(2, run=run), insert(4, run=dead), insert(5, run=owing))
    alice.must_commit(end(5, owing, owes=True), alice.boundary(owing))
    alice.must_commit(SetTimer("a", 1, b"{}"), SetTimer("b", 1, b"{}"), PutOperation(operation, b"{}"))
    alice.must_commit(step(2, run), intent(2, run), intent(2, run, "ask"), end(4, dead, GIVEN_UP))
    mail, _ = store.pending_mail(alice.fence.key, limit=2)
    connection = apsw.Connection(str(database))
    effects: tuple[Effect, ...] = (
        insert(3),
        insert(3, header=Header(source="hook")),
        insert(3, lane=Lane.NONE),
        take(mail, 3),
        take(mail, 3, policy=11),
        stage(1, run),
        stage(1, run, 1),
        charge(2, run),
        end(2, run, GIVEN_UP),
        settle(4),
        step(2, run, "other"),
        intent(2, run, "other"),
        resolve(run, b"1"),
        resolve(run, None, "ask"),
        DropJournal(run),
        SettleRequest(admission),
        SetTimer("c", 1, b"{}"),
        SetTimer("a", 2, b"{}"),
        FireTimer("a", 1, 2, admission),
        FireTimer("a", 1, None, admission),
        DropTimer("a"),
        DropTimers(),
        PutOperation(operation, b"[]"),
        DropOperation(operation),
        RecordEvents(b"[]"),
        CountSends(1),
        send("bob", 1),
        send("bob", 1, lane=Lane.STEER),
        send("bob", 1, header=Header(source="hook")),
        alice.boundary(run),
        SetDesired(Desired.PAUSED),
        BeginGeneration(new_session_id()),
        Bury(),
        Release(),
    )
    yield Scene(alice, typed(connection), effects)
    connection.close()
    store.close()


STATEMENTS: Final = 36
UNGUARDED: Final = (statements.INSERT_TURN, agenda_statements.RECORD_EVENTS)
MANY: Final = {statements.DROP_JOURNAL: 3, agenda_statements.DROP_TIMERS: 2}
"""Of what is dropped as a whole."""


def test_every_statement_touches_its_row_under_the_right_fence(scene: Scene) -> None:
    rows = scene.rows()
    assert len(rows) == STATEMENTS
    assert [scene.touched(sql, row) for sql, row in rows] == [MANY.get(sql, 1) for sql, _ in rows]


@pytest.mark.parametrize("place", [TOKEN, GENERATION, VERSION], ids=["token", "generation", "version"])
def test_every_statement_touches_nothing_under_a_wrong_one(scene: Scene, place: int) -> None:
    for sql, row in scene.guarded():
        at = 4 if (sql, place) == (statements.CLAIM_HEAD, TOKEN) else place
        for wrong in (7, 0):
            if row[at] != wrong:
                assert scene.touched(sql, (*row[:at], wrong, *row[at + 1 :])) == 0, sql


def test_every_statement_touches_nothing_of_a_deleted_identity(scene: Scene) -> None:
    scene.database.execute("UPDATE head SET tombstone = 1 WHERE key = ?1", (scene.alice.fence.key,))
    for sql, row in scene.guarded():
        assert scene.touched(sql, row) == 0, sql
    check: Row = (scene.alice.fence.key, scene.alice.fence.token, 0, 0)
    assert scene.database.execute(statements.CHECK_FENCE, check).fetchall() == []


def test_who_makes_an_identity_anew_proves_all_that_is_dead(scene: Scene) -> None:
    dead, packer = scene.alice, Packer(Naming(scene.database))
    token = FencingToken(dead.fence.token + 1)
    unit = Unit(
        evolve(dead.fence, token=token), (Recreate(dead.fence.token, "other", new_session_id()), SetConfig(1, b"{}"))
    )
    _, (recreation, head, _), (config, body, _) = pack_in_order(packer, unit, [*enumerate(unit.effects)])
    assert scene.touched(recreation.sql, head) == 0, "it lives"
    scene.database.execute("UPDATE head SET tombstone = 1 WHERE key = ?1", (dead.fence.key,))
    for place in (GENERATION, VERSION, 4):
        assert scene.touched(recreation.sql, (*head[:place], 7, *head[place + 1 :])) == 0
    assert scene.touched(config.sql, body) == 0
    assert scene.touched(recreation.sql, head) == 1
    scene.database.execute(recreation.sql, head)
    assert scene.touched(config.sql, body) == 1


def test_what_follows_a_boundary_in_its_unit_is_guarded_by_the_version_that_it_makes(scene: Scene) -> None:
    alice, packer = scene.alice, Packer(Naming(scene.database))
    turn = alice.boundary()
    for effect in (SetDesired(Desired.STOPPED), Bury()):
        unit = alice.unit(turn, effect)
        entries = pack_in_order(packer, unit, [(0, turn), (1, effect)])
        last, row, _ = entries[-1]
        assert scene.touched(last.sql, row) == 0
        scene.database.execute("SAVEPOINT boundary")
        for step_, values, _ in entries[:-1]:
            scene.database.execute(step_.sql, values)
        assert scene.touched(last.sql, row) == 1
        scene.database.execute("ROLLBACK TO boundary")
        scene.database.execute("RELEASE boundary")


def test_a_boundary_under_a_wrong_fence_leaves_no_row(scene: Scene) -> None:
    alice, turns = scene.alice, "SELECT count(*) FROM turn"
    late = alice.unit(alice.boundary())
    before = scene.database.execute(turns).fetchall()
    for fence in (evolve(late.fence, token=FencingToken(7)), evolve(late.fence, generation=Generation(7))):
        wrong = Unit(fence, late.effects)
        assert [type(outcome) for outcome in alice.store.commit([wrong])] == [Refused]
        # Beside others, too, where the boundaries of the whole group are one statement.
        assert [type(outcome) for outcome in alice.store.commit([wrong, alice.unit()])] == [Refused, Committed]
    assert scene.database.execute(turns).fetchall() == before


def test_a_claim_is_refused_for_a_deleted_identity(scene: Scene) -> None:
    scene.database.execute("UPDATE head SET tombstone = 1 WHERE key = ?1", (scene.alice.fence.key,))
    successor, _ = scene.alice.claiming()
    assert "DELETED" in str(successor.commit(Claim(FencingToken(1))))
    assert "DELETED" in str(scene.alice.commit())
