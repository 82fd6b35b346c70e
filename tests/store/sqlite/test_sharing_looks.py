"""What a look around costs in SQL, and the keys that sharers of a file set aside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import apsw
import pytest

from meerkat_actors.records.commits import Committed, RefusalReason
from meerkat_actors.records.effects import CreateIdentity
from meerkat_actors.records.leases import Ownership
from meerkat_actors.records.standing import Standing
from meerkat_actors.store import SqliteStore, open_sqlite
from meerkat_actors.store.sqlite import naming, queries
from tests.store.sharers import TTL, Clock
from tests.store.sqlite.faults import Disk, full, nothing, open_disk
from tests.store.writing import created, identity, insert, read, reason, send, unborn

STRANGERS: Final = tuple(f"stranger-{number}" for number in range(5))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def disk() -> Iterator[Disk]:
    with open_disk() as disk:
        yield disk


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that the stores execute which are opened from now on."""
    statements: list[str] = []

    def note(_: Any, statement: str, __: Any) -> bool:  # noqa: ANN401 - APSW's signature
        statements.append(" ".join(statement.split()))
        return True

    def watch(connection: apsw.Connection) -> None:
        connection.exec_trace = note

    monkeypatch.setattr(apsw, "connection_hooks", [*apsw.connection_hooks, watch])
    return statements


@pytest.fixture
def mine(database: Path, disk: Disk, clock: Clock, executed: list[str]) -> Iterator[SqliteStore]:
    store = open_sqlite(database, vfs=disk.vfs, ownership="shared", env=clock)
    store.begin()
    assert executed
    yield store
    disk.before_write = nothing
    store.close()


@pytest.fixture
def other(database: Path, mine: SqliteStore, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    assert mine.is_shared
    monkeypatch.setattr(apsw, "connection_hooks", [])
    store = open_sqlite(database, ownership="shared", env=clock)
    store.begin()
    yield store
    store.close()


def words(sql: str) -> str:
    return " ".join(sql.split())


LEASES: Final = words(queries.READ_LEASES)
VERSION: Final = words(queries.READ_DATA_VERSION)
MAIL: Final = words(queries.READ_IDENTITIES_WITH_MAIL)
WORK: Final = words(queries.READ_IDENTITIES_WITH_WORK)


def looked(store: SqliteStore, executed: list[str]) -> list[str]:
    """What one look executes."""
    executed.clear()
    assert not store.look_around().is_lost
    return list(executed)


# -- what a look reads --------------------------------------------------------------------


def test_a_look_where_nothing_is_new_reads_the_leases_and_a_number(
    mine: SqliteStore, other: SqliteStore, executed: list[str], clock: Clock
) -> None:
    """Neither rows of agents nor a transaction, whatever waits in the store, and also after commits of its own."""
    ann = created(mine, "ann")
    ann.must_commit(insert(1))
    looked(mine, executed)
    clock.now += TTL // 3 - 1
    for number in (2, 3):
        assert set(looked(mine, executed)) == {LEASES, VERSION}
        ann.must_commit(insert(number), send("ann", number))
    assert other.is_shared


def test_a_look_after_anothers_commit_reads_what_came_since(
    mine: SqliteStore, other: SqliteStore, executed: list[str]
) -> None:
    created(mine, "ann").must_commit(insert(1))
    looked(mine, executed)
    created(other, "ben")
    found = looked(mine, executed)
    assert MAIL in found
    assert WORK not in found
    assert set(looked(mine, executed)) == {LEASES, VERSION}


def test_a_look_reads_all_work_only_where_an_owner_came_or_went(
    mine: SqliteStore, other: SqliteStore, executed: list[str]
) -> None:
    assert WORK in looked(mine, executed)
    assert WORK not in looked(mine, executed)
    other.end(clean=True)
    assert WORK in looked(mine, executed)
    assert "BEGIN IMMEDIATE" not in looked(mine, executed)


def test_a_look_writes_only_when_a_lease_is_due(mine: SqliteStore, executed: list[str], clock: Clock) -> None:
    looked(mine, executed)
    clock.now += TTL // 3
    assert looked(mine, executed).count("BEGIN IMMEDIATE") == 1
    assert looked(mine, executed).count("BEGIN IMMEDIATE") == 0


# -- keys that are set aside --------------------------------------------------------------


@pytest.fixture(params=[1, 3, 4, 7])
def few_keys(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """So few at a time that they run out within a unit, and now and then some are left over."""
    monkeypatch.setattr(naming, "RESERVED", request.param)


@pytest.mark.usefixtures("few_keys")
def test_keys_of_a_batch_that_was_rolled_back_are_given_out_once(
    mine: SqliteStore, other: SqliteStore, disk: Disk
) -> None:
    """The transaction that set them aside did not happen, so they may be another's by now."""
    ann = created(mine, "ann")
    disk.before_write = full
    mail = [send(name, number) for number, name in enumerate(STRANGERS, 1)]
    assert reason(ann.commit(*mail)) is RefusalReason.STORE_FULL
    disk.before_write = nothing
    others = [created(other, f"theirs-{number}") for number in range(5)]
    ann.must_commit(*mail)
    keys = [read(mine, name).key for name in STRANGERS] + [writer.fence.key for writer in others]
    assert len(set(keys)) == len(keys)
    for name in STRANGERS:
        assert created(other, name).fence.key == read(mine, name).key


@pytest.mark.usefixtures("few_keys")
def test_keys_of_a_unit_that_was_refused_are_given_out_once(mine: SqliteStore, other: SqliteStore) -> None:
    """Beside one that went through: some were set aside under a savepoint that was rolled back, others were not."""
    ann, ben, cid = (created(mine, name) for name in ("ann", "ben", "cid"))
    ann.must_commit(insert(1))
    outcomes = mine.commit(
        [
            ben.unit(*(send(f"ben-{number}", number) for number in range(1, 6))),
            ann.unit(insert(1), *(send(f"ann-{number}", number) for number in range(1, 6))),
            cid.unit(*(send(f"cid-{number}", number) for number in range(1, 6))),
        ]
    )
    assert reason(outcomes[1]) is RefusalReason.INPUT_STATE_CONFLICT
    assert isinstance(outcomes[0], Committed)
    assert isinstance(outcomes[2], Committed)
    theirs = [created(other, f"theirs-{number}").fence.key for number in range(9)]
    ann.must_commit(*(send(f"ann-{number}", number) for number in range(1, 6)))
    names = [f"{name}-{number}" for name in ("ann", "ben", "cid") for number in range(1, 6)]
    ours = [created(mine, name).fence.key for name in names]
    assert len({*ours, *theirs}) == len(ours) + len(theirs)


@pytest.mark.usefixtures("few_keys")
def test_keys_go_on_above_those_that_were_set_aside(database: Path, clock: Clock) -> None:
    """Shared, alone, and shared again: what a dead sharer had set aside is skipped, or used by nobody else."""
    keys: list[int] = []
    rounds: tuple[Ownership, ...] = ("shared", "exclusive") * 3
    for place, ownership in enumerate(rounds):
        store = open_sqlite(database, ownership=ownership, env=clock)
        store.begin()
        keys.extend(created(store, f"agent-{place}-{number}").fence.key for number in range(3))
        store.close()
    assert keys == sorted(set(keys))


@pytest.mark.usefixtures("few_keys")
def test_a_look_at_many_strangers_has_a_key_for_each(mine: SqliteStore, other: SqliteStore) -> None:
    names = [identity(f"nobody-{number}") for number in range(50)]
    found = [standing for store in (mine, other) for standing in store.read_standings(names, snapshots="unread")]
    assert len({standing.key for standing in found if isinstance(standing, Standing)}) == 100


def test_a_stale_key_of_a_name_that_another_created_is_refused(mine: SqliteStore, other: SqliteStore) -> None:
    here, there = unborn(mine, "ann"), unborn(other, "ann")
    here.must_commit(CreateIdentity("worker", here.session_id))
    assert reason(there.commit(CreateIdentity("worker", there.session_id))) is RefusalReason.KEY_MISMATCH
    assert read(other, "ann").key == here.fence.key
