"""Every hole that was found in the seed's continuity store, by its number, and how it is closed here: the other half.

G14, G16, G23, G25, G26 and G29, which are about files and tables, have a second half in
``sqlite/test_continuity_files.py``.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, cast

import pytest

from meerkat_actors.errors import (
    AlreadyOwnedError,
    GenerationConflictError,
    InvalidValueError,
    RecordDeletedError,
    SessionBoundError,
    StaleFencingTokenError,
    StoreFailedError,
    SupersededError,
)
from meerkat_actors.records.continuity import ContinuityFailureKind, SessionSnapshot
from meerkat_actors.store import ContinuityStore, MemoryStore, Store, open_sqlite
from tests.actors.faulty import FaultyStore
from tests.store.conftest import Restart
from tests.store.continuity_calling import ANN, BEN, caller, record, said, session, unchanged


def test_g17_a_runtime_id_is_never_used_again(store: Store) -> None:
    a = caller(store, 1)
    first = a.upsert(record(7))
    a.delete()
    with pytest.raises(RecordDeletedError):
        a.at(2).upsert(record(0, number=1))
    second = a.at(2).upsert(record(8))
    assert (first.agent_runtime_id, second.agent_runtime_id) == ("rt:ann:7", "rt:ann:8")


def test_g18_fence_and_floor_come_with_every_state(store: Store) -> None:
    a = caller(store, 4)
    assert (a.gone().fencing_token, a.gone().generation_floor) == (None, None)
    a.upsert(record(2))
    assert (a.ready().fencing_token, a.ready().generation_floor) == (4, 2)
    a.save(1, record(2))
    a.drop(record(2), said("v1").revision)
    assert (a.broken().fencing_token, a.broken().generation_floor) == (4, 2)
    a.delete()
    assert (a.gone().fencing_token, a.gone().generation_floor) == (4, 2)


def test_g19_an_empty_snapshot_is_refused(store: Store) -> None:
    with pytest.raises(InvalidValueError, match="at least one"):
        SessionSnapshot(data=b"")
    caller(store, 1).upsert(record())
    assert caller(store, 1).facade.load_head(identity=ANN).snapshot is None


def test_g20_what_can_not_be_resumed_is_broken(store: Store) -> None:
    """Lost here; rotten bytes, versions and records are items 8 to 11, on files."""
    a = caller(store, 1)
    a.upsert(record())
    a.save(1)
    a.drop(record(), said("v1").revision)
    failure = a.broken().failure
    assert (failure.identity, failure.kind) == (ANN, ContinuityFailureKind.SNAPSHOT_MISSING)
    assert failure.record == record(version=1)


def test_g21_dropping_a_snapshot_is_fenced(store: Store) -> None:
    """Changed on purpose: the seed asks for session and revision only; here also for identity and token."""
    stale, owner = caller(store, 1), caller(store, 2)
    stale.upsert(record())
    stale.save(1)
    owner.upsert(record())
    with unchanged(store), pytest.raises(StaleFencingTokenError):
        stale.drop(record(), said("v1").revision)
    with unchanged(store):
        owner.upsert(record(identity=BEN, number=5))
        with pytest.raises(SessionBoundError):
            owner.drop(record(identity=BEN, number=0), said("v1").revision)


def test_g22_gone_superseded_and_fenced_out_are_told_apart(store: Store) -> None:
    """Changed on purpose: the seed says NotFound to all of them, and before it looks at the token."""
    a = caller(store, 3)
    a.upsert(record())
    a.upsert(record(0, number=1))
    with pytest.raises(SupersededError) as session_error:
        a.save(1, record())
    assert (session_error.value.presented, session_error.value.current) == (session(0), session(1))
    with pytest.raises(StaleFencingTokenError):
        caller(store, 2).save(1, record())
    a.upsert(record(1, number=2))
    with pytest.raises(SupersededError) as generation_error:
        a.save(1, record(0, number=1))
    assert (generation_error.value.presented, generation_error.value.current) == (0, 1)
    with pytest.raises(GenerationConflictError):
        a.save(1, record(5))
    a.delete()
    with pytest.raises(RecordDeletedError):
        a.save(1, record(1, number=2))


def test_g23_an_error_amid_a_write_leaves_the_store_usable(store: Store) -> None:
    a = caller(store, 1)
    a.upsert(record())
    faulty = FaultyStore(store)
    faulty.fail_next(is_written=False)
    with pytest.raises(StoreFailedError):
        caller(faulty, 2).save(1)
    a.save(1)
    assert a.head() == (1, 0, 1)


def test_g24_the_facade_is_synchronous_and_a_store_on_disk_asks_for_a_thread(store: Store) -> None:
    """The async twin goes through the storage owner and its one writer thread."""
    methods = inspect.getmembers(ContinuityStore, inspect.isfunction)
    assert [name for name, method in methods if inspect.iscoroutinefunction(method)] == []
    assert store.inline == isinstance(store, MemoryStore)


def test_g25_the_last_two_snapshots_are_kept(store: Store) -> None:
    a = caller(store, 1)
    a.upsert(record())
    for version in (1, 4, 9):
        a.save(version)
    assert (a.text(), a.text(back=1), a.text(back=2)) == ("v9", "v4", None)
    assert [row.version for row in store.read_snapshots(session(0), limit=9)] == [9, 4]


def test_g26_one_store_has_one_schema(store: Store, restart: Restart) -> None:
    """That a newer file is refused untouched is item 50; here: facade and runtime share one store and one lock."""
    caller(store, 1).upsert(record())
    again = restart(False)
    again.begin()
    assert caller(again, 1).ready().record == record()


def test_g27_the_next_generation_follows_the_authority_row_also_when_broken(store: Store) -> None:
    a = caller(store, 1)
    a.upsert(record(7))
    a.save(1, record(7))
    a.drop(record(7), said("v1").revision)
    broken = a.broken()
    assert broken.generation_floor == 7
    with pytest.raises(SupersededError):
        a.upsert(record(1))
    a.upsert(record(8))
    assert a.head() == (1, 8, 0)


def test_g28_granting_a_token_is_durable_by_itself(store: Store, restart: Restart) -> None:
    a = caller(store, 9)
    a.upsert(record())
    assert a.facade.advance_fence(identity=ANN) == 10
    again = restart(False)
    again.begin()
    assert caller(again, 1).facade.advance_fence(identity=ANN) == 11


def test_g29_deleting_one_identity_leaves_the_others_alone(store: Store) -> None:
    """That it finds its snapshots by an index is asked of the plan, in ``sqlite/test_continuity_files.py``."""
    a = caller(store, 1)
    for number, name in ((0, ANN), (1, BEN)):
        a.upsert(record(0, number=number, identity=name))
        a.save(1, record(0, number=number, identity=name))
    before = a.ready(BEN)
    a.delete()
    assert a.ready(BEN) == before
    assert (a.text(0), a.text(1)) == (None, "v1")


def test_g30_both_stores_answer_a_story_alike(tmp_path: Path) -> None:
    def tell(told: Store) -> list[object]:
        told.begin()
        a, b = caller(told, 3, "a"), caller(told, 4, "b")
        heard: list[object] = [a.upsert(record())]
        for step in (
            lambda: a.save(1),
            lambda: b.save(1),
            lambda: b.save(5),
            lambda: a.save(6),
            lambda: b.upsert(record(1)),
            lambda: b.save(2, record(1)),
            lambda: b.roll_back(record(1), record()),
            lambda: b.upsert(record(1, number=2)),
            lambda: b.upsert(record(2)),
            b.delete,
            lambda: b.upsert(record(3)),
            lambda: b.at(5).upsert(record(3)),
        ):
            try:
                heard.append(cast("Any", step)())
            except Exception as error:  # noqa: BLE001 - whatever it is, both must say it
                heard.append((type(error), str(error)))
            heard.append((a.state(), *(a.text(number) for number in range(4))))
        told.close()
        return heard

    assert tell(MemoryStore()) == tell(open_sqlite(tmp_path / "told.db", synchronous="normal"))


def test_g31_a_live_grant_goes_on_and_a_live_owner_is_not_written_over(store: Store) -> None:
    a = caller(store, 3)
    a.upsert(record())
    a.save(1)
    a.upsert(record())  # what a reconcile of a live identity does: nothing
    a.save(2)
    assert a.head() == (3, 0, 2)
    guarded = caller(store, 9)
    guarded.facade = ContinuityStore(store, is_live=lambda identity: identity == ANN)
    with unchanged(store):
        for attempt in (
            lambda: guarded.upsert(record()),
            lambda: guarded.save(3),
            guarded.delete,
            lambda: guarded.drop(record(), said("v2").revision),
            lambda: guarded.roll_back(record(), None),
            lambda: guarded.facade.advance_fence(identity=ANN),
        ):
            with pytest.raises(AlreadyOwnedError):
                cast("Any", attempt)()
    assert guarded.head() == (3, 0, 2)
