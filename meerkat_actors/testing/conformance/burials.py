"""The burial of an identity, and its return as its next generation."""

from __future__ import annotations

from meerkat_actors.records.codec import DIGEST_ZERO
from meerkat_actors.records.commits import Committed, RefusalReason, Refused
from meerkat_actors.records.effects import (
    Bury,
    CreateIdentity,
    DropJournal,
    SetConfig,
    SetDesired,
)
from meerkat_actors.records.status import Desired
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import by_name, check, check_each
from meerkat_actors.testing.conformance.lives import ALICE, lived, turns
from meerkat_actors.testing.conformance.looking import picture
from meerkat_actors.testing.conformance.writing import (
    buried,
    changed,
    created,
    digest_of,
    end,
    insert,
    new_run_id,
    new_session_id,
    read,
    reason,
    send,
    step,
    take,
    unborn,
)

# -- burial -------------------------------------------------------------------------------


@check
def the_dead_are_not_there_and_not_forgotten(store: Store) -> None:
    """Who was destroyed writes nothing, has no work and is not listed; it is read for who makes it anew."""
    alice, bob = lived(store), created(store, "bob")
    alice.must_commit(insert(2))
    bob.must_commit(send("alice", 1))
    alice.must_commit(Bury())
    now = read(store, "alice")
    assert now.head is not None
    assert (now.head.is_buried, now.head.desired) == (True, Desired.DESTROYED)
    assert (now.head.generation, now.head.version, now.admissions) == (0, 2, 2)
    assert store.identities_with_work() == ("bob",)  # what Alice sent
    assert [row.identity for row in store.page_identities(after=None, limit=9)] == ["bob"]
    assert turns(store) == [(0, 2), (0, 1)]
    assert len(store.page_inputs(ALICE, after=None, limit=9, newest_first=False)) == 2
    for effects in ((insert(3),), (), (alice.boundary(),), (Bury(),), (SetDesired(Desired.OPEN),)):
        assert reason(alice.commit(*effects)) is RefusalReason.DELETED
    successor, claim = alice.claiming()
    assert reason(successor.commit(claim)) is RefusalReason.DELETED
    assert reason(alice.forged(token=2).commit(insert(3))) is RefusalReason.STALE_FENCING_TOKEN
    again = CreateIdentity("worker", new_session_id())
    assert reason(alice.forged(version=0).commit(again)) is RefusalReason.KEY_MISMATCH
    bob.must_commit(send("alice", 2))  # for whoever comes after


@check
def a_boundary_may_be_the_last_one(store: Store) -> None:
    """A turn's end and the burial commit together."""
    alice = created(store, "alice")
    run = new_run_id()
    alice.must_commit(insert(1, run=run), step(1, run))
    alice.must_commit(Bury(), alice.boundary(run), end(1, run), DropJournal(run))
    assert alice.fence.version == 1
    now = read(store, "alice")
    assert now.head is not None
    assert (now.head.is_buried, now.run) == (True, None)
    assert turns(store) == [(0, 1)]
    assert reason(alice.commit()) is RefusalReason.DELETED


# -- the return ---------------------------------------------------------------------------


@check
def the_dead_come_back_as_their_next_generation(store: Store) -> None:
    """Kind, session and conversation begin anew, above every counter of the former life; what was said stays."""
    alice = lived(store)
    alice.must_commit(Bury())
    created(store, "bob").must_commit(send("alice", 1))
    successor, recreation = alice.recreating()
    successor.must_commit(changed(recreation, kind="reviewer"), SetConfig(2, b'{"a":1}'))
    assert (successor.fence.token, successor.fence.generation, successor.fence.version) == (2, 1, 0)
    now = read(store, "alice")
    head = now.head
    assert head is not None
    assert (head.kind, head.token, head.generation, head.version) == ("reviewer", 2, 1, 0)
    assert (head.session_id, head.digest, head.message_count) == (successor.session_id, DIGEST_ZERO, 0)
    assert (head.desired, head.is_buried, head.sends, now.state, now.admissions) == (Desired.OPEN, False, 1, None, 1)
    assert now.config is not None
    assert (now.config.version, now.has_mail) == (2, True)
    (mail,) = store.pending_mail(now.key, limit=9)
    successor.must_commit(take(mail, 2))
    successor.must_commit(successor.boundary(sends=1))
    assert turns(store) == [(1, 1), (0, 2), (0, 1)]
    assert read(store, "alice").head == changed(head, version=1, digest=digest_of(1), message_count=2)


@check
def only_the_dead_are_recreated(store: Store) -> None:
    """What lives is no tombstone; who never lived is not found; a tombstone is lifted once."""
    alice, nobody = created(store, "alice"), unborn(store, "nobody")
    successor, recreation = alice.recreating()
    assert reason(successor.commit(recreation)) is RefusalReason.GENERATION_CONFLICT
    assert reason(nobody.recreating()[0].commit(nobody.recreating()[1])) is RefusalReason.NOT_FOUND
    alice.must_commit(Bury())
    rival, same = alice.recreating()
    first, second = store.commit([successor.unit(recreation), rival.unit(same)])
    assert first == Committed(alice.fence.version)
    assert reason(second) is RefusalReason.STALE_FENCING_TOKEN
    assert reason(alice.commit(insert(1))) is RefusalReason.STALE_FENCING_TOKEN


@check_each(by_name("generation", "version"))
def a_return_checks_its_fence(store: Store, belief: str) -> None:
    """Who lifts a tombstone names the life that ended, and is refused with nothing done."""
    successor, recreation = buried(store, "alice").recreating()
    before = picture(store, "alice")
    wrong = successor.forged(**{belief: 3})
    assert isinstance(wrong.commit(recreation), Refused)
    assert isinstance(wrong.commit(recreation, SetConfig(1, b"{}")), Refused)
    assert picture(store, "alice") == before
    assert reason(successor.commit(changed(recreation, previous=7))) is RefusalReason.OUT_OF_RANGE
    ahead = successor.forged(token=9)
    assert reason(ahead.commit(changed(recreation, previous=7))) is RefusalReason.STALE_FENCING_TOKEN
    ahead.must_commit(recreation)


@check
def a_return_leaves_nothing_if_its_unit_is_refused(store: Store) -> None:
    """With a session of another, or a configuration that is there, the dead stay dead."""
    alice = lived(store)
    alice.must_commit(Bury())
    successor, recreation = alice.recreating()
    bob = created(store, "bob")
    before = picture(store, "alice", "bob")
    for taken, owner in ((bob.session_id, "bob"), (alice.session_id, "alice")):
        outcome = successor.commit(SetConfig(2, b"{}"), changed(recreation, session_id=taken))
        assert outcome == Refused(reason=RefusalReason.SESSION_BOUND, effect=1, current=f"{owner} (generation 0)")
    outcome = successor.commit(recreation, SetConfig(1, b"{}"))
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (RefusalReason.REVISION_CONFLICT, 1)
    assert picture(store, "alice", "bob") == before
    successor.must_commit(recreation)
    head = read(store, "alice").head
    assert head is not None
    assert (head.is_buried, head.generation) == (False, 1)
