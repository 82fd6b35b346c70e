"""The continuity facade over a store that others write to, that is full, or whose rows can't be read."""

from __future__ import annotations

from typing import Any, cast

import pytest

from meerkat_actors.errors import (
    AlreadyOwnedError,
    FenceConflictError,
    IdentityBrokenError,
    InvalidValueError,
    StoreFullError,
)
from meerkat_actors.records.activation import Broken
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.effects import CreateIdentity
from meerkat_actors.records.ids import CheckpointVersion, FencingToken, Generation
from meerkat_actors.store import Store
from meerkat_actors.store.continuity import TRIES
from tests.actors.faulty import FaultyStore
from tests.store.continuity_calling import ANN, Caller, caller, record, session, unchanged
from tests.store.writing import unborn


@pytest.fixture
def a(store: Store) -> Caller:
    """Who made a record under token 5 and saved version 3."""
    made = caller(store, 5, "a")
    made.upsert(record())
    made.save(3)
    return made


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
