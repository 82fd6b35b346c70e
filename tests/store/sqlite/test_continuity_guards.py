"""Each statement of the continuity facade guards itself: run alone under a wrong fence it touches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw
import pytest
from attrs import frozen

from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.continuity_effects import (
    BuryRecord,
    DropSnapshots,
    Grant,
    RebindSession,
    ResetRecord,
    RollBackRecord,
    SaveSnapshot,
)
from meerkat_actors.records.effects import Effect, Unit
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import CheckpointVersion, FencingToken, Generation
from meerkat_actors.records.standing import Standing
from meerkat_actors.store import SqliteStore, open_sqlite
from meerkat_actors.store.sqlite import continuity_statements as statements
from meerkat_actors.store.sqlite.naming import Naming
from meerkat_actors.store.sqlite.packing import Packer, pack_in_order
from meerkat_actors.store.sqlite.rows import Database, Row, typed
from tests.store.continuity_calling import ANN, caller, record, session

TOKEN, GENERATION, VERSION = 1, 2, 3
"""Where they stand among a statement's parameters."""

EFFECTS: Final[tuple[Effect, ...]] = (
    Grant("a"),
    DropSnapshots(session(1), content_digest(b"v2")),
    SaveSnapshot(session(1), CheckpointVersion(9), b"v9", content_digest(b"v9")),
    RebindSession(session(1), session(3)),
    ResetRecord(Generation(2), session(4), is_reversible=True),
    RollBackRecord(session(1), Generation(0), session(0), CheckpointVersion(1)),
    BuryRecord(session(1)),
)


@frozen
class Scene:
    """Ann could do every effect; a second connection runs statements behind her store's back."""

    fence: IdentityFence
    database: Database

    def rows(self) -> list[tuple[str, Row]]:
        """Each effect's statements, with what they bind."""
        packer = Packer(Naming(self.database))
        return [
            (entry.sql, row)
            for effect in EFFECTS
            for entry, row, _ in pack_in_order(packer, Unit(self.fence, (effect,)), [(0, effect)])
        ]

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
    """Ann is in generation 1 at version 2, after generation 0 at version 1."""
    store: SqliteStore = open_sqlite(database, synchronous="normal")
    store.begin()
    a = caller(store, 1)
    a.upsert(record())
    a.save(1)
    a.upsert(record(1))
    a.save(1, record(1))
    a.save(2, record(1))
    (standing,) = store.read_standings((ANN,), snapshots="unread")
    assert isinstance(standing, Standing)
    connection = apsw.Connection(str(database))
    fence = IdentityFence(ANN, standing.key, FencingToken(1), Generation(1), CheckpointVersion(2))
    yield Scene(fence, typed(connection))
    connection.close()
    store.close()


def test_every_statement_touches_its_rows_under_the_right_fence(scene: Scene) -> None:
    touched = {sql: scene.touched(sql, row) for sql, row in scene.rows()}
    texts = {text for name, text in vars(statements).items() if name.isupper()}
    assert set(touched) == texts - {statements.EXHUME_HEAD}
    # Each by itself: the newest is not there yet when those before it are pruned.
    several = {statements.DROP_SESSION: 2, statements.DROP_GENERATION: 2, statements.DROP_SNAPSHOTS: 3}
    assert touched == {sql: several.get(sql, 1) for sql in touched}


@pytest.mark.parametrize("place", [TOKEN, GENERATION, VERSION], ids=["token", "generation", "version"])
def test_every_statement_touches_nothing_under_a_wrong_one(scene: Scene, place: int) -> None:
    for sql, row in scene.rows():
        for wrong in (7, 0):
            assert scene.touched(sql, (*row[:place], wrong, *row[place + 1 :])) == 0, sql


def test_the_dead_are_lifted_and_nothing_else_touches_them(scene: Scene) -> None:
    fence = scene.fence
    lift: Row = (fence.key, fence.token + 1, fence.generation, fence.version, fence.token, 1, "@continuity")
    assert scene.touched(statements.EXHUME_HEAD, lift) == 0
    scene.database.execute("UPDATE head SET tombstone = 1 WHERE key = ?1", (fence.key,))
    assert scene.touched(statements.EXHUME_HEAD, lift) == 1
    for place, wrong in ((2, 7), (3, 7), (4, 7)):
        assert scene.touched(statements.EXHUME_HEAD, (*lift[:place], wrong, *lift[place + 1 :])) == 0
    for sql, row in scene.rows():
        assert scene.touched(sql, row) == 0, sql


def test_heads_of_the_runtime_are_not_moved(scene: Scene) -> None:
    scene.database.execute("UPDATE head SET kind = 'worker' WHERE key = ?1", (scene.fence.key,))
    moving = {
        statements.INSERT_SNAPSHOT,
        statements.SAVE_HEAD,
        statements.REBIND_HEAD,
        statements.RESET_HEAD,
        statements.ROLL_BACK_HEAD,
        statements.BURY_HEAD,
    }
    assert {sql for sql, row in scene.rows() if scene.touched(sql, row) == 0} == moving
