"""Pruning of documents: those that no session in force, and no rollback, can ask for."""

from __future__ import annotations

from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.continuity_effects import CreateRecord, RebindSession, ResetRecord, RollBackRecord
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import CheckpointVersion, FencingToken, Generation
from meerkat_actors.records.pruning import Forgotten, PrunePolicy
from meerkat_actors.records.runtime_effects import DropDocument
from meerkat_actors.records.standing import Standing
from meerkat_actors.store import Store
from meerkat_actors.store.runtime_documents import CURRENT, FORMER, SNAPSHOT
from meerkat_actors.testing.conformance.checking import check
from meerkat_actors.testing.conformance.continuity import (
    ANN,
    BEN,
    SESSIONS,
    fence_of,
    hold,
    must_commit,
    save,
    seen,
    standing_of,
)
from meerkat_actors.testing.conformance.looking import documents
from meerkat_actors.testing.conformance.pruning import EVERY_INPUT, EVERYTHING, prune
from meerkat_actors.testing.conformance.writing import created, put


def is_bound(store: Store, number: int) -> bool:
    """Whether a session is still somebody's, so that nobody else may begin with it."""
    fence = IdentityFence(BEN, standing_of(store, BEN).key, FencingToken(1), Generation(0), CheckpointVersion(0))
    (outcome,) = store.commit([Unit(fence, (CreateRecord(SESSIONS[number]),))])
    return isinstance(outcome, Refused) and outcome.reason is RefusalReason.SESSION_BOUND


@check
def documents_of_sessions_that_are_over_go(store: Store) -> None:
    """Those of the session in force, and of the one that a rollback returns to, stay: two of each."""
    hold(store, ANN, 0)
    for version in (1, 2, 3):
        must_commit(store, fence_of(store), save(version, data=b"zero"))
    must_commit(store, fence_of(store), RebindSession(SESSIONS[0], SESSIONS[1]))
    must_commit(store, fence_of(store), save(4, 1))
    before = seen(store)
    assert prune(store, PrunePolicy()).snapshots == Forgotten(rows=1, size_bytes=4)
    assert [row.version for row in documents(store, SESSIONS[0])] == [3]
    assert seen(store)[0] == before[0]

    must_commit(store, fence_of(store), ResetRecord(Generation(1), SESSIONS[2], is_reversible=True))
    must_commit(store, fence_of(store), save(1, 2))
    assert prune(store, PrunePolicy()).rows == 0
    must_commit(store, fence_of(store), RollBackRecord(SESSIONS[2], Generation(0), SESSIONS[1], CheckpointVersion(4)))
    (standing,) = store.read_standings((ANN,), snapshots="loaded")
    assert isinstance(standing, Standing)
    assert standing.snapshot is not None
    assert (standing.snapshot.version, standing.snapshot.data) == (4, b"x")

    must_commit(store, fence_of(store), ResetRecord(Generation(2), SESSIONS[3], is_reversible=False))
    must_commit(store, fence_of(store), save(1, 3))
    after = seen(store)
    assert prune(store, PrunePolicy()).snapshots.rows == 2
    assert seen(store)[0] == after[0]
    assert [len(documents(store, session)) for session in SESSIONS[:4]] == [0, 0, 0, 1]
    assert is_bound(store, 0)


@check
def the_two_newest_of_a_generation_stay_whatever_their_sessions(store: Store) -> None:
    """What a reader takes for the newest stays the newest, also before its session's first."""
    hold(store, ANN, 0)
    for version, number in ((1, 0), (2, 1), (3, 2)):
        must_commit(store, fence_of(store), save(version, number))
        must_commit(store, fence_of(store), RebindSession(SESSIONS[number], SESSIONS[number + 1]))
    before = seen(store)
    assert prune(store, PrunePolicy()).snapshots.rows == 1
    assert [len(documents(store, session)) for session in SESSIONS[:4]] == [0, 1, 1, 0]
    assert seen(store)[0] == before[0]
    assert is_bound(store, 0)


@check
def a_session_that_came_back_keeps_what_it_has(store: Store) -> None:
    """Also before it saves anew, when others of its generation saved later; and while a rollback returns to it."""
    hold(store, ANN, 0)
    must_commit(store, fence_of(store), save(1, 0, b"first"))
    must_commit(store, fence_of(store), RebindSession(SESSIONS[0], SESSIONS[1]))
    for version in (2, 3):
        must_commit(store, fence_of(store), save(version, 1))
    must_commit(store, fence_of(store), RebindSession(SESSIONS[1], SESSIONS[0]))
    assert prune(store, PrunePolicy()).rows == 0
    must_commit(store, fence_of(store), ResetRecord(Generation(1), SESSIONS[2], is_reversible=True))
    assert prune(store, PrunePolicy()).rows == 0
    must_commit(store, fence_of(store), RollBackRecord(SESSIONS[2], Generation(0), SESSIONS[0], CheckpointVersion(3)))
    (row,) = store.read_snapshots(SESSIONS[0], limit=9)
    assert (row.version, row.data) == (1, b"first")
    assert is_bound(store, 0)


@check
def a_runtimes_snapshot_before_the_current_one_goes_if_asked(store: Store) -> None:
    """It counts on, as if it were dropped; behind a snapshot that was cleared it is the last, and stays."""
    alice = created(store, "alice", kind="@runtime")
    name = alice.fence.identity
    alice.must_commit(put(b"now", 0, kind=SNAPSHOT, key=CURRENT), put(b"then", 0, kind=SNAPSHOT, key=FORMER))
    alice.must_commit(put(b"other", 0, kind="other", key=FORMER))
    assert prune(store, EVERY_INPUT).rows == 0
    assert prune(store, EVERYTHING).documents == Forgotten(rows=1, size_bytes=4)
    assert store.find_document(name, SNAPSHOT, FORMER) is None
    alice.must_commit(put(b"again", None, kind=SNAPSHOT, key=FORMER))
    found = store.find_document(name, SNAPSHOT, FORMER)
    assert found is not None
    assert (found.body, found.epoch, found.generation) == (b"again", 2, 3)
    alice.must_commit(DropDocument(SNAPSHOT, CURRENT, 1))
    assert prune(store, EVERYTHING).rows == 0
    assert store.find_document(name, SNAPSHOT, FORMER) == found
