"""The runtime and the continuity facade share a store, and serve no identity together."""

from __future__ import annotations

from typing import Any, cast

import pytest

from meerkat_actors.errors import (
    FenceConflictError,
    MixedSessionError,
    RecordNotFoundError,
)
from meerkat_actors.records.activation import Broken
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import RefusalReason
from meerkat_actors.records.continuity_effects import (
    BuryRecord,
    Grant,
    RebindSession,
    ResetRecord,
    RollBackRecord,
    SaveSnapshot,
)
from meerkat_actors.records.ids import CheckpointVersion, Generation
from meerkat_actors.store import Store
from tests.store.continuity_calling import ANN, BEN, Caller, caller, record, session
from tests.store.writing import created, insert, reason, send


@pytest.fixture
def a(store: Store) -> Caller:
    """Who made a record under token 5 and saved version 3."""
    made = caller(store, 5, "a")
    made.upsert(record())
    made.save(3)
    return made


def test_what_the_runtime_serves_is_not_moved(store: Store) -> None:
    worker = created(store, "worker")
    current = worker.session_id
    for effect in (
        SaveSnapshot(current, CheckpointVersion(1), b"x", content_digest(b"x")),
        RebindSession(current, session(1)),
        ResetRecord(Generation(1), session(1), is_reversible=True),
        BuryRecord(current),
    ):
        assert reason(worker.commit(effect)) is RefusalReason.MIXED_SESSION
        assert reason(worker.commit(Grant("a"), effect)) is RefusalReason.MIXED_SESSION
    old = worker.forged(generation=2)
    back = RollBackRecord(current, Generation(0), session(1), CheckpointVersion(0))
    assert reason(old.commit(back)) is RefusalReason.STALE_GENERATION
    worker.must_commit(insert(1))


def test_a_name_that_was_only_mentioned_is_nobodys_yet(store: Store) -> None:
    created(store, "sender").must_commit(send(ANN, 1))
    a = caller(store, 3)
    assert a.gone().fencing_token is None
    a.upsert(record())
    a.save(1)
    assert a.head() == (3, 0, 1)
    with pytest.raises(RecordNotFoundError):
        a.facade.advance_fence(identity=BEN)


def test_the_runtime_and_the_facade_do_not_serve_the_same_identity(store: Store, a: Caller) -> None:
    worker = created(store, "worker")
    worker.must_commit(insert(1))
    b = caller(store, 9)
    mine = b.ready("worker").record
    assert (mine.session_id, mine.checkpoint_version) == (worker.session_id, 0)
    for attempt in (
        lambda: b.save(1, mine),
        lambda: b.upsert(record(1, identity="worker")),
        lambda: b.upsert(record(0, number=1, identity="worker")),
        lambda: b.delete("worker"),
    ):
        with pytest.raises(MixedSessionError):
            cast("Any", attempt)()
    worker.must_commit(send(ANN, 1))
    found = store.activate(ANN)
    assert isinstance(found, Broken)
    assert found.reason == "opaque_session"
    assert ANN not in store.identities_with_work()


def test_a_token_of_the_runtime_is_nobody_elses(store: Store) -> None:
    worker = created(store, "worker")
    mine = caller(store, 1).ready("worker").record
    with pytest.raises(FenceConflictError, match="the runtime"):
        caller(store, 1).upsert(mine)
    b = caller(store, 2)
    assert b.upsert(mine) == mine  # an idle identity is fenced off its owner
    successor, claim = worker.forged(token=2).claiming()
    successor.must_commit(claim)
    with pytest.raises(FenceConflictError, match="the runtime"):
        b.at(3).upsert(mine)
