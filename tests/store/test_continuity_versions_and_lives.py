"""The reference's list of conformance tests, by number: versions, sessions, lives (21 to 39), and tokens (52 to 62).

Left to ownership, which has leases: 54 to 58 and 61 (time to live, renewal, release, clocks).
"""

from __future__ import annotations

import os
from typing import Any, cast

import pytest

from meerkat_actors.errors import (
    CounterExhaustedError,
    FenceConflictError,
    GenerationConflictError,
    InvalidValueError,
    RecordDeletedError,
    RecordNotFoundError,
    SessionBoundError,
    StaleCheckpointVersionError,
    StaleFencingTokenError,
    SupersededError,
)
from meerkat_actors.records.continuity import SNAPSHOT_BYTES_MAX, SessionSnapshot
from meerkat_actors.records.ids import COUNTER_MAX, CheckpointVersion, FencingToken, Generation
from meerkat_actors.store import ContinuityStore, Store
from tests.store.conftest import Restart
from tests.store.continuity_calling import ANN, BEN, Caller, caller, record, said, session, unchanged


@pytest.fixture
def a(store: Store) -> Caller:
    """Who made a record under token 5 and saved versions 1 and 3."""
    made = caller(store, 5, "a")
    made.upsert(record())
    made.save(1)
    made.save(3)
    return made


@pytest.mark.parametrize("version", [3, 2, 1])
def test_item_21_a_version_must_be_above_the_last(store: Store, a: Caller, version: int) -> None:
    with unchanged(store), pytest.raises(StaleCheckpointVersionError) as caught:
        a.save(version)
    assert (caught.value.presented, caught.value.current) == (version, 3)
    a.save(40)
    assert a.head() == (5, 0, 40)


def test_item_22_the_first_version_is_one(store: Store) -> None:
    """Version 0 means that nothing was saved."""
    a = caller(store, 1)
    a.upsert(record())
    with pytest.raises(StaleCheckpointVersionError):
        a.save(0)
    a.save(1)


def test_item_23_a_rebind_keeps_the_version(a: Caller) -> None:
    a.upsert(record(0, number=1))
    assert a.head() == (5, 0, 3)
    with pytest.raises(SupersededError):
        a.save(4)
    with pytest.raises(StaleCheckpointVersionError):
        a.save(3, record(0, number=1))
    a.save(4, record(0, number=1))
    assert (a.text(0), a.text(1)) == ("v3", "v4")


def test_item_23_a_session_may_come_back_in_its_own_generation(a: Caller) -> None:
    """As in the seed: the binding is to a generation, and the version goes on rising."""
    a.upsert(record(0, number=1))
    a.upsert(record())
    assert a.ready().record.session_id == session(0)
    a.save(4)


def test_item_24_a_reset_begins_anew(a: Caller) -> None:
    a.upsert(record(1))
    assert a.head() == (5, 1, 0)
    with pytest.raises(SupersededError):
        a.save(4)
    a.save(1, record(1))
    assert (a.text(0), a.text(1)) == ("v3", "v1")


def test_item_25_a_reset_begins_the_next_generation(store: Store, a: Caller) -> None:
    """Changed on purpose: the seed takes any generation; here a reset is a compare-and-set on the floor."""
    for wrong in (2, 9):
        with unchanged(store), pytest.raises(GenerationConflictError) as caught:
            a.upsert(record(wrong))
        assert (caught.value.presented, caught.value.current) == (wrong, 0)


def test_item_26_a_lower_generation_is_refused_under_a_higher_token(store: Store, a: Caller) -> None:
    a.upsert(record(1))
    with unchanged(store), pytest.raises(SupersededError):
        a.at(9).upsert(record())


def test_item_27_a_record_can_not_move_the_version(a: Caller) -> None:
    for version in (0, 2, 9):
        assert a.upsert(record(version=version)) == record(version=3)
    assert a.head() == (5, 0, 3)


@pytest.mark.parametrize("size", [1, 50_000_000])
def test_item_28_bytes_come_back_as_they_were(a: Caller, size: int) -> None:
    data = b"\0\xff" + os.urandom(max(size - 2, 0)) if size > 1 else b"\0"
    a.facade.save_session_snapshot(
        identity=ANN,
        session_id=session(0),
        generation=Generation(0),
        version=CheckpointVersion(4),
        fencing_token=FencingToken(5),
        snapshot=SessionSnapshot(data=data),
    )
    found = a.facade.load_session_snapshot(session_id=session(0))
    assert found is not None
    assert found.data == data
    assert a.head() == (5, 0, 4)


def test_item_29_nothing_and_too_much_are_refused(store: Store, a: Caller) -> None:
    """Changed on purpose: the seed stores empty snapshots and knows no limit."""
    for nothing in (b"", None, "text", bytearray(b"x")):
        with pytest.raises(InvalidValueError):
            SessionSnapshot(data=cast("Any", nothing))
    small = ContinuityStore(store, holder="a", snapshot_bytes_max=4)
    with unchanged(store), pytest.raises(InvalidValueError, match="the limit is 4"):
        Caller(small, 5).save(4, text="12345")
    Caller(small, 5).save(4, text="1234")
    with pytest.raises(InvalidValueError, match=f"{SNAPSHOT_BYTES_MAX:,}"):
        a.save(5, text="x" * (SNAPSHOT_BYTES_MAX + 1))


def test_item_30_a_session_belongs_to_one_life_for_ever(store: Store, a: Caller) -> None:
    """Changed on purpose: in the seed whoever saves under a session id takes it over."""
    with pytest.raises(SessionBoundError) as caught:
        a.upsert(record(0, identity=BEN))
    assert (caught.value.presented, caught.value.current) == (session(0), "ann (generation 0)")
    with pytest.raises(SessionBoundError):
        a.upsert(record(1, number=0))
    a.delete()
    with pytest.raises(SessionBoundError):
        a.at(6).upsert(record(1, number=0))
    with pytest.raises(SessionBoundError):
        a.upsert(record(0, identity=BEN))
    assert a.gone(BEN).fencing_token is None


def test_item_31_a_save_for_nobody_leaves_nothing(store: Store) -> None:
    with pytest.raises(RecordNotFoundError):
        caller(store, 1).save(1)
    assert store.read_snapshots(session(0), limit=9) == ()
    assert caller(store, 1).gone().fencing_token is None


def test_item_32_a_deletion_takes_the_record_and_every_snapshot(store: Store, a: Caller) -> None:
    a.upsert(record(0, number=1))
    a.save(4, record(0, number=1))
    a.delete()
    assert (a.gone().fencing_token, a.gone().generation_floor) == (5, 0)
    assert [a.text(number, back) for number in (0, 1) for back in (0, 1)] == [None] * 4
    assert a.facade.load_head(identity=ANN).snapshot is None


def test_item_33_a_deletion_may_come_twice_and_a_stale_one_does_nothing(store: Store, a: Caller) -> None:
    with unchanged(store), pytest.raises(StaleFencingTokenError):
        a.at(4).delete()
    a.delete()
    with unchanged(store):
        a.delete()
    caller(store, 1).delete("nobody")


def test_item_34_after_a_deletion_nothing_of_the_old_life_is_written(store: Store, a: Caller) -> None:
    caller(store, 9).delete()
    with unchanged(store):
        for attempt in (
            lambda: a.upsert(record()),
            lambda: a.upsert(record(1)),
            lambda: a.save(4),
            lambda: a.drop(record(), said("v3").revision),
            lambda: a.roll_back(record(), None),
            a.delete,
        ):
            with pytest.raises(StaleFencingTokenError):
                cast("Any", attempt)()
    with pytest.raises(RecordDeletedError) as caught:
        a.at(10).upsert(record())
    assert caught.value.current == "token 9, generation 0"
    with pytest.raises(RecordDeletedError):
        caller(store, 10).facade.advance_fence(identity=ANN)


def test_item_35_a_new_life_is_above_the_old_one(store: Store, a: Caller) -> None:
    """Changed on purpose: the seed forgets fence and generations with the record; here a tombstone keeps both."""
    first = a.ready().record.agent_runtime_id
    a.delete()
    with pytest.raises(RecordDeletedError):
        a.upsert(record(1))  # its token died with it
    with pytest.raises(GenerationConflictError):
        a.at(6).upsert(record(2))
    again = a.at(6).upsert(record(1))
    assert (again.agent_runtime_id, again.checkpoint_version) == ("rt:ann:1", 0)
    assert again.agent_runtime_id != first
    a.at(6).save(1, record(1))
    with pytest.raises(GenerationConflictError):  # the dead do not come back
        a.at(6).roll_back(record(1), record())


def test_item_36_dropping_is_for_the_current_revision_only(store: Store, a: Caller) -> None:
    for revision in (
        "",
        "row-sha256:",
        said("v1").revision,
        "row-sha256:" + "g" * 64,
        "sha256:" + "0" * 64,
        said("v3").revision.upper(),
    ):
        with unchanged(store):
            assert a.drop(record(), revision) is False
    with unchanged(store), pytest.raises(StaleFencingTokenError):
        a.at(4).drop(record(), said("v3").revision)
    assert a.drop(record(), said("v3").revision) is True
    assert (a.text(), a.text(back=1)) == (None, None)
    assert a.drop(record(), said("v3").revision) is False
    assert caller(store, 1).drop(record(identity="nobody"), said("v3").revision) is False
    a.save(4)
    assert a.ready().record.checkpoint_version == 4


def test_item_37_a_rollback_brings_back_what_was(store: Store, a: Caller) -> None:
    """Changed on purpose: the attempt's generation stays used, so two attempts never share a runtime id."""
    before = a.ready()
    a.upsert(record(1))
    a.save(1, record(1))
    a.roll_back(record(1), record(version=2))  # what its caller knew of the version does not matter
    assert a.ready().record == before.record
    assert (a.text(0), a.text(0, back=1), a.text(1)) == ("v3", "v1", None)
    assert a.ready().generation_floor == 1
    with pytest.raises(SupersededError):  # the attempt's number stays used
        a.upsert(record(1, number=3))
    a.upsert(record(2))


def test_item_38_a_rollback_is_for_the_holder_of_the_attempt(store: Store, a: Caller) -> None:
    a.upsert(record(1))
    with unchanged(store):
        with pytest.raises(FenceConflictError):
            a.at(6).roll_back(record(1), record())
        with pytest.raises(StaleFencingTokenError):
            a.at(4).roll_back(record(1), record())
        with pytest.raises(FenceConflictError):
            caller(store, 5, "b").roll_back(record(1), record())
        with pytest.raises(SupersededError):
            a.roll_back(record(1, number=3), record())
        with pytest.raises(SupersededError):
            a.roll_back(record(), None)
        for previous in (None, record(0, number=3)):
            with pytest.raises(GenerationConflictError):
                a.roll_back(record(1), previous)
        with pytest.raises(InvalidValueError, match=BEN):
            a.roll_back(record(1), record(0, identity=BEN))
        with pytest.raises(RecordNotFoundError):
            a.roll_back(record(identity=BEN), None)


def test_item_39_rolling_back_the_first_attempt_leaves_no_record(store: Store) -> None:
    a = caller(store, 1)
    a.upsert(record())
    a.save(1)
    a.roll_back(record(), None)
    assert (a.gone().fencing_token, a.gone().generation_floor) == (1, 0)
    assert a.text() is None
    a.at(2).upsert(record(1))


def test_item_52_what_is_said_of_a_snapshot_is_not_said_to_a_stale_owner(store: Store, a: Caller) -> None:
    """Changed on purpose: there is no probe for "is stored already"; a revision is compared under the fence only."""
    caller(store, 6).upsert(record())
    with pytest.raises(StaleFencingTokenError):
        a.drop(record(), said("v3").revision)
    with pytest.raises(StaleFencingTokenError):
        a.save(3)


def test_item_53_each_grant_is_higher_and_voids_the_one_before(store: Store, a: Caller) -> None:
    with pytest.raises(InvalidValueError):
        caller(store, 0).upsert(record(identity=BEN, number=4))
    tokens = [a.facade.advance_fence(identity=ANN) for _ in range(3)]
    assert tokens == [6, 7, 8]
    with pytest.raises(StaleFencingTokenError):
        a.at(tokens[0]).save(4)
    a.at(tokens[-1]).save(4)


def test_item_59_tokens_go_on_after_restart_deletion_and_a_crash_before_the_first_write(
    store: Store, restart: Restart, a: Caller
) -> None:
    assert a.facade.advance_fence(identity=ANN) == 6
    again = restart(False)
    again.begin()
    b = caller(again, 1)
    assert b.facade.advance_fence(identity=ANN) == 7
    b.at(7).delete()
    with pytest.raises(RecordDeletedError):
        b.at(7).upsert(record(1))
    b.at(8).upsert(record(1))
    assert b.facade.advance_fence(identity=ANN) == 9


def test_item_60_after_a_rotation_nothing_is_saved_under_the_old_token(a: Caller) -> None:
    rotated = a.at(a.facade.advance_fence(identity=ANN))
    with pytest.raises(StaleFencingTokenError):
        a.save(4)
    rotated.save(4)


def test_item_62_a_counter_at_its_end_does_not_wrap(store: Store) -> None:
    last = caller(store, COUNTER_MAX)
    last.upsert(record())
    with unchanged(store), pytest.raises(CounterExhaustedError) as caught:
        last.facade.advance_fence(identity=ANN)
    assert caught.value.current == COUNTER_MAX
