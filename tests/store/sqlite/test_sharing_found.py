"""What was found wrong with shared files: what a transaction that did not happen leaves behind, and the like."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from meerkat_actors.errors import StoreError, StoreFullError
from meerkat_actors.records.commits import Committed, RefusalReason
from meerkat_actors.records.effects import CreateIdentity
from meerkat_actors.store import SqliteStore, open_sqlite
from meerkat_actors.store.sqlite.locking import locked_until_success
from tests.store.sharers import TTL, Clock, SqliteSharers, held, pass_time, taken
from tests.store.sqlite.faults import Disk, full, nothing, open_disk
from tests.store.writing import created, identity, insert, new_session_id, read, reason, send, unborn


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def disk() -> Iterator[Disk]:
    with open_disk() as disk:
        yield disk


@pytest.fixture
def faulty(database: Path, disk: Disk, clock: Clock) -> Iterator[SqliteStore]:
    """A store that shares a file, on a disk that is in good health, for now."""
    store = open_sqlite(database, vfs=disk.vfs, ownership="shared", env=clock)
    store.begin()
    yield store
    disk.before_write = disk.before_sync = nothing
    store.close()


@pytest.fixture
def sharers(database: Path, clock: Clock, faulty: SqliteStore) -> Iterator[SqliteSharers]:
    """Others on the same file, whose disk is well."""
    assert faulty.is_shared
    made = SqliteSharers(clock, database)
    yield made
    made.close()


def lose(store: SqliteStore, disk: Disk, sharers: SqliteSharers, clock: Clock) -> None:
    """Another one takes over from the store, which then finds the disk full as it begins anew."""
    other = sharers.open()
    created(store, "ann")
    pass_time(clock, TTL, other)
    assert store.look_around().is_lost
    disk.before_write = full
    with pytest.raises(StoreFullError):
        store.begin()
    disk.before_write = nothing


# -- a beginning that was rolled back -----------------------------------------------------


def test_who_could_not_begin_anew_takes_no_number_that_another_is_given(
    faulty: SqliteStore, disk: Disk, sharers: SqliteSharers, clock: Clock
) -> None:
    """As ``keep_lease`` does it: after StoreFullError it looks around again."""
    lose(faulty, disk, sharers, clock)
    assert faulty.look_around().is_lost, "it would serve without an incarnation of its own"
    third = sharers.open()
    created(third, "ben")
    assert faulty.begin().incarnation == 4
    held(faulty, "ben")


def test_who_could_not_begin_anew_ends_nobody_elses_lease(
    faulty: SqliteStore, disk: Disk, sharers: SqliteSharers, clock: Clock
) -> None:
    lose(faulty, disk, sharers, clock)
    third = sharers.open()
    ben = created(third, "ben")
    faulty.end(clean=True)
    assert isinstance(ben.commit(insert(1)), Committed)


def test_who_began_twice_and_ended_well_leaves_a_clean_store(faulty: SqliteStore, database: Path) -> None:
    faulty.begin()
    faulty.end(clean=True)
    faulty.close()
    again = open_sqlite(database, ownership="shared")
    was_clean = again.begin().was_clean
    again.close()
    assert was_clean


# -- an end that was rolled back ----------------------------------------------------------


def test_who_could_not_end_serves_on_and_ends_when_there_is_room(
    faulty: SqliteStore, disk: Disk, sharers: SqliteSharers
) -> None:
    ann = created(faulty, "ann")
    disk.before_write = full
    with pytest.raises(StoreFullError):
        faulty.end(clean=True)
    disk.before_write = nothing
    assert not faulty.look_around().is_lost
    ann.must_commit(insert(1))
    held(sharers.open(), "ann")
    faulty.end(clean=True)
    taken(sharers.open(), "ann")


# -- a claim that was rolled back ---------------------------------------------------------


def test_who_claimed_nothing_is_not_taken_over_from_by_a_batch_that_runs_twice(
    faulty: SqliteStore, sharers: SqliteSharers, clock: Clock
) -> None:
    other = sharers.open()
    created(other, "ann")
    created(other, "ben")
    late = unborn(faulty, "cid")
    pass_time(clock, TTL, other)
    zoe = unborn(faulty, "zoe")
    stranger = zoe.forged(key=zoe.fence.key + 1, token=7)
    outcomes = faulty.commit([late.unit(CreateIdentity("worker", new_session_id())), stranger.unit(insert(1))])
    assert isinstance(outcomes[0], Committed), outcomes
    assert reason(outcomes[1]) is RefusalReason.NOT_FOUND


def test_who_claimed_nothing_loses_no_lease_to_a_full_disk(
    faulty: SqliteStore, disk: Disk, sharers: SqliteSharers, clock: Clock
) -> None:
    other = sharers.open()
    late = unborn(faulty, "cid")
    pass_time(clock, TTL, other)
    disk.before_write = full
    assert reason(late.commit(CreateIdentity("worker", late.session_id))) is RefusalReason.STORE_FULL
    disk.before_write = nothing
    assert not faulty.look_around().is_lost


# -- keys that were never set aside -------------------------------------------------------


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_key_is_given_out_that_could_not_be_set_aside(
    faulty: SqliteStore, disk: Disk, sharers: SqliteSharers
) -> None:
    disk.before_write = full
    with pytest.raises(StoreFullError):
        faulty.activate(identity("ann"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_two_stores_have_keys_of_their_own_also_after_a_full_disk(
    faulty: SqliteStore, disk: Disk, sharers: SqliteSharers
) -> None:
    other = sharers.open()
    disk.before_write = full
    with suppress(StoreFullError):
        faulty.activate(identity("ann"))
    disk.before_write = nothing
    here = {read(faulty, name).key for name in ("ann", "ben", "cid")}
    there = {read(other, name).key for name in ("dan", "eve", "fay")}
    assert not here & there


# -- a name under two keys, in a file of any ownership --------------------------------------


def test_a_creation_under_a_stale_key_spoils_no_name(database: Path) -> None:
    """Mail gives Cid a key, and in the same batch a creation that looked before the mail presents another."""
    store = open_sqlite(database)
    store.begin()
    ann, ben, dan = (created(store, name) for name in ("ann", "ben", "dan"))
    cid = unborn(store, "cid")
    outcomes = store.commit(
        [
            ann.unit(send("cid", 1)),
            ben.forged(token=9).unit(insert(1)),
            cid.unit(CreateIdentity("worker", cid.session_id)),
            dan.unit(insert(1)),
        ]
    )
    assert [isinstance(outcome, Committed) for outcome in outcomes] == [True, False, False, True]
    ann.must_commit(send("cid", 2))
    created(store, "cid")
    store.close()


# -- outside of serving -------------------------------------------------------------------


def test_a_look_before_the_beginning_breaks_nothing(sharers: SqliteSharers) -> None:
    early = sharers.open(serves=False)
    with suppress(AssertionError):
        early.look_around()
    early.begin()
    created(early, "ann")


# -- a byte that somebody holds -----------------------------------------------------------


def test_a_byte_that_somebody_holds_is_a_typed_error(
    database: Path, faulty: SqliteStore, sharers: SqliteSharers
) -> None:
    """As a fork of a former owner does, once the file was restored from a backup."""
    assert faulty.is_shared
    late = sharers.open(serves=False)
    with locked_until_success(str(database), "shared") as stranger:
        stranger.hold(2)
        with pytest.raises(StoreError):
            late.begin()
        stranger.release()


# -- a crash that another cleaned up after ------------------------------------------------


def test_a_crash_beside_another_is_no_clean_end_for_who_comes_alone(
    database: Path, faulty: SqliteStore, sharers: SqliteSharers
) -> None:
    """An exclusive runtime charges the interrupted runs that it finds only after an end that was not clean."""
    other = sharers.open()
    created(other, "ann").must_commit(insert(1))
    other.close()
    faulty.look_around()
    faulty.end(clean=True)
    faulty.close()
    alone = open_sqlite(database)
    was_clean = alone.begin().was_clean
    alone.close()
    assert not was_clean
