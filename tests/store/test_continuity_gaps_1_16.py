"""Every hole that was found in the seed's continuity store, by its number, and how it is closed here.

G14, G16, G23, G25, G26 and G29, which are about files and tables, have a second half in
``sqlite/test_continuity_files.py``.
"""

from __future__ import annotations

from typing import Any, cast

import pytest

from meerkat_actors.errors import (
    FenceConflictError,
    InvalidValueError,
    RecordDeletedError,
    RecordNotFoundError,
    SessionBoundError,
    StaleCheckpointVersionError,
    StaleFencingTokenError,
    StoreFailedError,
    SupersededError,
)
from meerkat_actors.records.continuity import ContinuityFailureKind
from meerkat_actors.store import Store
from tests.actors.faulty import FaultyStore
from tests.store.conftest import Restart
from tests.store.continuity_calling import ANN, BEN, caller, meanwhile, record, said, unchanged


def test_g01_an_upsert_is_one_with_its_check(store: Store) -> None:
    b = caller(store, 7)
    caller(store, 5).upsert(record())
    a = caller(meanwhile(store, lambda: b.upsert(record(1))), 6)
    with pytest.raises(StaleFencingTokenError) as caught:
        a.upsert(record())
    assert (caught.value.identity, caught.value.presented, caught.value.current) == (ANN, 6, 7)
    assert b.head() == (7, 1, 0)
    b.save(1, record(1))


def test_g02_a_deletion_is_one_with_its_check(store: Store) -> None:
    b = caller(store, 7)
    caller(store, 5).upsert(record())

    def b_resets_and_saves() -> None:
        b.upsert(record(1))
        b.save(1, record(1))

    a = caller(meanwhile(store, b_resets_and_saves), 6)
    with pytest.raises(StaleFencingTokenError):
        a.delete()
    assert b.head() == (7, 1, 1)
    assert b.text(1) == "v1"


def test_g03_a_deletion_is_whole_or_not_at_all_and_a_lost_snapshot_is_noticed(store: Store) -> None:
    a = caller(store, 5)
    a.upsert(record())
    a.save(1)
    faulty = FaultyStore(store)
    faulty.fail_next(is_written=False)
    with unchanged(store), pytest.raises(StoreFailedError):
        caller(faulty, 6).delete()
    faulty = FaultyStore(store)
    faulty.fail_next(is_written=True)
    with pytest.raises(StoreFailedError):
        caller(faulty, 6).delete()
    assert a.gone().fencing_token == 6
    assert a.text() is None
    a.at(7).upsert(record(1))
    a.at(7).save(1, record(1))
    assert a.at(7).drop(record(1), said("v1").revision)
    assert a.broken().failure.kind is ContinuityFailureKind.SNAPSHOT_MISSING


def test_g04_a_deleted_identity_is_not_resurrected_by_an_old_owner(store: Store) -> None:
    old, new = caller(store, 5), caller(store, 9)
    old.upsert(record())
    new.delete()
    with pytest.raises(StaleFencingTokenError):
        old.upsert(record(7))
    with pytest.raises(StaleFencingTokenError):
        old.upsert(record())
    assert (new.gone().fencing_token, new.gone().generation_floor) == (9, 0)


def test_g05_nothing_is_saved_without_a_record(store: Store) -> None:
    with pytest.raises(RecordNotFoundError):
        caller(store, 5).save(42)
    caller(store, 5).upsert(record())
    caller(store, 9).delete()
    for token, error in ((5, StaleFencingTokenError), (10, RecordDeletedError)):
        with pytest.raises(error):
            caller(store, token).save(42)
    assert caller(store, 1).text() is None


def test_g06_a_session_belongs_to_one_identity_and_generation(store: Store) -> None:
    a = caller(store, 1)
    a.upsert(record())
    a.save(9)
    with unchanged(store):
        with pytest.raises(RecordNotFoundError):
            a.save(1, record(identity="nobody"))
        with pytest.raises(SessionBoundError):
            a.upsert(record(identity="nobody"))
        with pytest.raises(SessionBoundError):
            a.upsert(record(1, number=0))
    assert a.text() == "v9"


def test_g07_saves_are_ordered_also_before_anybody_registered(store: Store) -> None:
    """Changed on purpose: the seed keeps a save without a record; here there is none to be out of order."""
    early, late = caller(store, 3), caller(store, 1)
    with pytest.raises(RecordNotFoundError):
        early.save(5)
    with pytest.raises(RecordNotFoundError):
        late.save(3)
    assert early.text() is None
    early.upsert(record())
    early.save(5)
    with pytest.raises(StaleFencingTokenError):
        late.save(3)


def test_g08_a_generation_never_falls(store: Store) -> None:
    a = caller(store, 1)
    a.upsert(record(7))
    for token in (1, 2):
        with pytest.raises(SupersededError) as caught:
            a.at(token).upsert(record(0))
        assert (caught.value.presented, caught.value.current) == (0, 7)
    assert a.head() == (1, 7, 0)


def test_g09_a_rebind_keeps_the_version(store: Store) -> None:
    a = caller(store, 1)
    a.upsert(record())
    a.save(40)
    a.upsert(record(0, number=1))
    assert a.head() == (1, 0, 40)
    with pytest.raises(StaleCheckpointVersionError):
        a.save(40, record(0, number=1))
    a.save(41, record(0, number=1))


def test_g10_a_record_does_not_invent_versions(store: Store) -> None:
    """Changed on purpose: the seed takes the record's version; here it is not written, and what is stored is told."""
    a = caller(store, 1)
    a.upsert(record())
    a.save(3)
    assert a.upsert(record(version=99)).checkpoint_version == 3
    assert a.head() == (1, 0, 3)
    assert a.upsert(record(identity=BEN, number=5, version=40)).checkpoint_version == 0


def test_g11_record_and_snapshot_are_read_together(store: Store) -> None:
    a, b = caller(store, 1), caller(store, 2)
    a.upsert(record())
    a.save(1)
    head = a.facade.load_head(identity=ANN)
    assert (head.state, head.snapshot) == (a.ready(), said("v1"))
    b.upsert(record(1))
    head = a.facade.load_head(identity=ANN)
    assert (head.state, head.snapshot) == (b.ready(), None)


def test_g12_one_token_has_one_holder(store: Store) -> None:
    """Changed on purpose: the seed accepts an equal token from anybody; here only from whom it was granted to."""
    one, other = caller(store, 1), caller(store, 1)
    one.upsert(record())
    one.save(1)
    with unchanged(store):
        for attempt in (lambda: other.save(2), lambda: other.upsert(record()), other.delete):
            with pytest.raises(FenceConflictError):
                attempt()
    one.save(2)


def test_g13_tokens_go_on_where_they_were_after_a_restart(store: Store, restart: Restart) -> None:
    caller(store, 15).upsert(record())
    again = restart(True)
    again.begin()
    a = caller(again, 1)
    assert a.ready().fencing_token == 15
    token = a.facade.advance_fence(identity=ANN)
    assert token == 16
    a.at(token).save(1)


def test_g14_a_writer_that_was_overtaken_looks_again(store: Store) -> None:
    a = caller(store, 5, "a")
    a.upsert(record())
    late = caller(meanwhile(store, lambda: a.save(1)), 5, "a")
    late.save(2)  # decided below version 1, and true above it all the same
    assert a.head() == (5, 0, 2)
    late = caller(meanwhile(store, lambda: a.save(4)), 5, "a")
    with pytest.raises(StaleCheckpointVersionError) as caught:
        late.save(3)
    assert (caught.value.presented, caught.value.current) == (3, 4)


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, -1, True, 1.0, "1", None])
def test_g15_a_counter_out_of_range_is_told_before_anything_is_read(store: Store, number: object) -> None:
    faulty = FaultyStore(store)

    def never(*_: object) -> None:
        pytest.fail("it was read")

    faulty.before_read = never
    wrong = cast("Any", number)
    a = caller(faulty, wrong)
    for attempt in (lambda: a.save(1), lambda: a.upsert(record()), a.delete, lambda: a.drop(record(), "x")):
        with pytest.raises(InvalidValueError):
            attempt()
    with pytest.raises(InvalidValueError):
        record(wrong, number=1)
    with pytest.raises(InvalidValueError):
        caller(faulty, 1).save(wrong)


def test_g16_what_is_no_counter_is_never_stored(store: Store) -> None:
    """The tables' half, STRICT and CHECK, is in ``sqlite/test_continuity_files.py``."""
    caller(store, 1).upsert(record())
    with unchanged(store):
        for wrong in (-1, "abc", 2.5):
            with pytest.raises(InvalidValueError):
                caller(store, cast("Any", wrong)).save(1)
