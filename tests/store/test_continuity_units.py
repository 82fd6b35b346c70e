"""The continuity facade's effects at the port: what is a unit, the order of its checks, and who serves whom."""

from __future__ import annotations

from typing import Any, Final, cast

import pytest
from attrs import evolve

from meerkat_actors.errors import (
    AlreadyOwnedError,
    FenceConflictError,
    IdentityBrokenError,
    InvalidValueError,
    StoreFullError,
)
from meerkat_actors.records.activation import Broken
from meerkat_actors.records.codec import content_digest
from meerkat_actors.records.commits import Committed, RefusalReason, Refused
from meerkat_actors.records.continuity_effects import (
    BuryRecord,
    CreateRecord,
    DropSnapshots,
    Exhume,
    Grant,
    RebindSession,
    ResetRecord,
    RollBackRecord,
    SaveSnapshot,
)
from meerkat_actors.records.effects import Claim, CreateIdentity, Effect, Unit
from meerkat_actors.records.fence import IdentityFence
from meerkat_actors.records.ids import CheckpointVersion, FencingToken, Generation, SessionId
from meerkat_actors.records.standing import Standing
from meerkat_actors.store import Store
from meerkat_actors.store.continuity import TRIES
from tests.actors.faulty import FaultyStore
from tests.store.continuity_calling import ANN, BEN, Caller, caller, look, record, session, unchanged
from tests.store.looking import picture
from tests.store.writing import changed, created, insert, reason, unborn


@pytest.fixture
def a(store: Store) -> Caller:
    """Who made a record under token 5 and saved version 3."""
    made = caller(store, 5, "a")
    made.upsert(record())
    made.save(3)
    return made


def fence_of(store: Store) -> IdentityFence:
    """Where Ann stands."""
    (standing,) = store.read_standings((ANN,), snapshots="unread")
    assert isinstance(standing, Standing)
    now = standing.authority
    assert now is not None
    return IdentityFence(ANN, standing.key, now.token, now.generation, now.version)


def save(version: int = 4, number: int = 0, data: bytes = b"x") -> SaveSnapshot:
    return SaveSnapshot(session(number), CheckpointVersion(version), data, content_digest(data))


BELIEFS: Final = (
    ("key", RefusalReason.NOT_FOUND),
    ("token", RefusalReason.STALE_FENCING_TOKEN),
    ("generation", RefusalReason.STALE_GENERATION),
    ("session", RefusalReason.SUPERSEDED_SESSION),
    ("version", RefusalReason.STALE_CHECKPOINT_VERSION),
)


@pytest.mark.parametrize("first", range(len(BELIEFS)), ids=[name for name, _ in BELIEFS])
def test_the_strongest_wrong_belief_is_the_reason(store: Store, a: Caller, first: int) -> None:
    assert a.head() == (5, 0, 3)
    wrong = {name for name, _ in BELIEFS[first:]}
    fence = fence_of(store)
    fence = changed(fence, **{name: getattr(fence, name) + 5 for name in wrong - {"session"}})
    number = 3 if "session" in wrong else 0
    effects: tuple[Effect, ...] = (
        save(20, number),
        RebindSession(session(number), session(4)),
        BuryRecord(session(number)),
    )
    before = look(store)
    for effect in effects:
        (outcome,) = store.commit([Unit(fence, (effect,))])
        assert isinstance(outcome, Refused)
        assert (outcome.reason, outcome.effect) == (BELIEFS[first][1], -1)
    assert look(store) == before


def ill_formed() -> dict[str, tuple[Effect, ...]]:
    reset = ResetRecord(Generation(1), session(1), is_reversible=True)
    rebind = RebindSession(session(0), session(1))
    return {
        "of both worlds": (save(), insert(1)),
        "of both worlds, the other way round": (insert(1), save()),
        "two saves": (save(4), save(5)),
        "two moves": (save(), reset),
        "a creation that moves": (CreateRecord(session(1)), save()),
        "two beginnings": (Claim(FencingToken(1)), Exhume(FencingToken(1)), BuryRecord(session(0))),
        "a lift that leaves it as it was": (Exhume(FencingToken(1)), Grant("a")),
        "a lift from itself": (Exhume(FencingToken(5)), BuryRecord(session(0))),
        "a lift that could be undone": (Exhume(FencingToken(1)), reset),
        "a creation at a version": (CreateRecord(session(1)), Grant("a")),
        "a creation of both kinds": (CreateIdentity("a", session(1)), CreateRecord(session(2))),
        "no session": (CreateRecord(SessionId("s")),),
        "a session of no hexadecimal digits": (RebindSession(session(0), SessionId("z" * 36)),),
        "no holder": (Grant(""),),
        "a holder that is too long": (Grant("x" * 257),),
        "a holder that is no text": (Grant("\ud800"),),
        "a version that is stored": (save(3),),
        "a version beyond the end": (changed(save(), version=2**63),),
        "a version that is a bool": (changed(save(), version=True),),
        "an empty document": (save(data=b""),),
        "a document that is text": (changed(save(), data="x"),),
        "a digest of another length": (changed(save(), digest=b"x"),),
        "a drop with a digest of another length": (DropSnapshots(session(0), b"x"),),
        "a rebind to itself": (changed(rebind, session_id=session(0)),),
        "a rebind from no session": (changed(rebind, previous=""),),
        "a reset to itself": (changed(reset, generation=0),),
        "a reset beyond the end": (changed(reset, generation=2**63),),
        "a rollback forwards": (RollBackRecord(session(0), Generation(1), session(1), CheckpointVersion(0)),),
        "a rollback to no version": (RollBackRecord(session(0), Generation(0), session(1), changed_version(-1)),),
        "a burial of no session": (BuryRecord(SessionId("")),),
    }


def changed_version(number: int) -> CheckpointVersion:
    return cast("CheckpointVersion", number)


@pytest.mark.parametrize("what", ill_formed())
def test_a_unit_that_is_no_unit_is_out_of_range(store: Store, a: Caller, what: str) -> None:
    assert a.head() == (5, 0, 3)
    before = picture(store, ANN)
    (outcome,) = store.commit([Unit(fence_of(store), ill_formed()[what])])
    assert reason(outcome) is RefusalReason.OUT_OF_RANGE
    assert picture(store, ANN) == before


def test_units_of_facade_and_runtime_commit_together(store: Store, a: Caller) -> None:
    worker, other = created(store, "worker"), created(store, "other")
    outcomes = store.commit(
        [
            worker.unit(insert(1)),
            Unit(fence_of(store), (save(),)),
            other.forged(version=3).unit(insert(1)),
            other.unit(insert(1)),
        ]
    )
    assert outcomes[:2] == [Committed(CheckpointVersion(0)), Committed(CheckpointVersion(4))]
    assert [type(outcome) for outcome in outcomes[2:]] == [Refused, Committed]
    assert (a.head(), a.text()) == ((5, 0, 4), "x")


def test_two_units_of_one_identity_in_a_batch_follow_each_other(store: Store, a: Caller) -> None:
    fence = fence_of(store)
    later = evolve(fence, version=CheckpointVersion(4))
    outcomes = store.commit([Unit(fence, (save(4),)), Unit(fence, (save(5),)), Unit(later, (save(6),))])
    assert [type(outcome) for outcome in outcomes] == [Committed, Refused, Committed]
    assert a.head() == (5, 0, 6)


def test_a_session_is_bound_once_though_two_want_it_at_once(store: Store, a: Caller) -> None:
    a.upsert(record(identity=BEN, number=1))
    (standing,) = store.read_standings((BEN,), snapshots="unread")
    assert isinstance(standing, Standing)
    bens = IdentityFence(BEN, standing.key, FencingToken(5), Generation(0), CheckpointVersion(0))
    outcomes = store.commit(
        [
            Unit(fence_of(store), (RebindSession(session(0), session(7)),)),
            Unit(bens, (RebindSession(session(1), session(7)),)),
        ]
    )
    assert isinstance(outcomes[0], Committed)
    assert reason(outcomes[1]) is RefusalReason.SESSION_BOUND


REFUSED: Final[tuple[tuple[Effect, RefusalReason], ...]] = (
    (DropSnapshots(session(0), bytes(32)), RefusalReason.REVISION_CONFLICT),
    (DropSnapshots(session(5), content_digest(b"v3")), RefusalReason.REVISION_CONFLICT),
    (DropSnapshots(session(1), content_digest(b"v1")), RefusalReason.REVISION_CONFLICT),
    (RebindSession(session(0), session(1)), RefusalReason.SESSION_BOUND),
    (ResetRecord(Generation(1), session(0), is_reversible=True), RefusalReason.SESSION_BOUND),
    (ResetRecord(Generation(1), session(1), is_reversible=True), RefusalReason.SESSION_BOUND),
    (ResetRecord(Generation(2), session(2), is_reversible=True), RefusalReason.GENERATION_CONFLICT),
    (CreateRecord(session(2)), RefusalReason.OUT_OF_RANGE),  # at version 3
)


@pytest.mark.parametrize(("effect", "why"), REFUSED)
def test_an_effect_that_can_not_be_is_refused_by_its_place(
    store: Store, a: Caller, effect: Effect, why: RefusalReason
) -> None:
    a.upsert(record(identity=BEN, number=1))
    a.save(1, record(identity=BEN, number=1))
    before = look(store), look(store, BEN)
    claimed = evolve(fence_of(store), token=FencingToken(6))
    (outcome,) = store.commit([Unit(claimed, (effect, Claim(FencingToken(5)), Grant("b")))])
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (why, 0)
    assert (look(store), look(store, BEN)) == before


def test_a_rollback_goes_to_what_was_and_to_nothing_else(store: Store, a: Caller) -> None:
    a.upsert(record(1))
    for wrong in (
        RollBackRecord(session(1), Generation(0), session(0), CheckpointVersion(2)),
        RollBackRecord(session(1), Generation(0), session(4), CheckpointVersion(3)),
    ):
        (outcome,) = store.commit([Unit(fence_of(store), (wrong,))])
        assert reason(outcome) is RefusalReason.GENERATION_CONFLICT
    right = RollBackRecord(session(1), Generation(0), session(0), CheckpointVersion(3))
    assert store.commit([Unit(fence_of(store), (right,))]) == [Committed(CheckpointVersion(3))]
    assert a.head() == (5, 0, 3)


def test_what_is_not_dead_is_not_lifted(store: Store, a: Caller) -> None:
    assert a.head() == (5, 0, 3)
    fence = evolve(fence_of(store), token=FencingToken(6))
    unit = Unit(fence, (Exhume(FencingToken(5)), Grant("a"), BuryRecord(session(0))))
    (outcome,) = store.commit([unit])
    assert reason(outcome) is RefusalReason.GENERATION_CONFLICT


def test_a_name_that_somebody_creates_meanwhile_is_not_created_twice(store: Store) -> None:
    faulty = FaultyStore(store)

    def create(_: object) -> None:
        faulty.before_commit = lambda _: None
        late = unborn(store, "late")
        late.must_commit(CreateIdentity("worker", late.session_id))

    faulty.before_commit = create
    with pytest.raises(FenceConflictError):
        caller(faulty, 1).upsert(record(identity="late"))


def test_whoever_is_overtaken_again_and_again_is_told_so(store: Store, a: Caller) -> None:
    faulty = FaultyStore(store)
    faulty.before_commit = lambda _: a.save(a.head()[2] + 1)
    with pytest.raises(AlreadyOwnedError, match="all the time"):
        caller(faulty, 5, "a").save(1000)
    assert a.head()[2] == 3 + TRIES


def test_a_full_store_is_told_and_nothing_is_written(store: Store, a: Caller) -> None:
    faulty = FaultyStore(store)
    faulty.refusal = lambda _: Refused(reason=RefusalReason.STORE_FULL, effect=-1, current="full")
    with unchanged(store), pytest.raises(StoreFullError):
        caller(faulty, 5, "a").save(4)
    faulty.refusal = lambda _: Refused(reason=RefusalReason.OUT_OF_RANGE, effect=0, current="odd")
    with unchanged(store), pytest.raises(InvalidValueError, match="odd"):
        caller(faulty, 5, "a").save(4)
    assert a.head() == (5, 0, 3)


@pytest.mark.parametrize("wrong", [None, "x", 1])
def test_what_is_no_record_and_no_snapshot_is_refused(store: Store, a: Caller, wrong: object) -> None:
    with unchanged(store):
        with pytest.raises(InvalidValueError, match="no ContinuityRecord"):
            a.upsert(cast("Any", wrong))
        with pytest.raises(InvalidValueError, match="no SessionSnapshot"):
            a.facade.save_session_snapshot(
                identity=ANN,
                session_id=session(0),
                generation=Generation(0),
                version=CheckpointVersion(4),
                fencing_token=FencingToken(5),
                snapshot=cast("Any", wrong),
            )


def test_a_record_that_can_not_be_read_is_not_written(store: Store, a: Caller) -> None:
    faulty = FaultyStore(store)
    rotten = Broken(identity=ANN, reason="row_unreadable", detail="ValueError: no")

    def read_standings(*_: object, **__: object) -> tuple[Broken, ...]:
        return (rotten,)

    setattr(faulty, "read_standings", read_standings)  # noqa: B010 - a method, for once
    assert caller(faulty, 5).broken().failure.record is None
    with unchanged(store), pytest.raises(IdentityBrokenError, match="row_unreadable"):
        caller(faulty, 5, "a").save(4)
    assert a.head() == (5, 0, 3)
