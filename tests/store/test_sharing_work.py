"""What a runtime learns of work in a shared store: all that nobody else does, and then what is new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meerkat_actors.errors import UsageError
from meerkat_actors.records.commits import Committed
from meerkat_actors.records.effects import Release
from meerkat_actors.store import ContinuityStore, MemoryStore, RuntimeStore, Store
from tests.store.continuity_calling import Caller, record
from tests.store.runtime_writing import queued
from tests.store.sharers import TTL, Clock, MemorySharers, Sharers, SqliteSharers, pass_time, taken
from tests.store.writing import created, insert, new_run_id, read, send, take


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sharers(flavour: str, database: Path, clock: Clock) -> Iterator[Sharers]:
    made = MemorySharers(clock) if flavour == "memory" else SqliteSharers(clock, database)
    yield made
    made.close()


@pytest.fixture
def mine(sharers: Sharers) -> Store:
    return sharers.open()


@pytest.fixture
def other(sharers: Sharers, mine: Store) -> Store:
    assert mine.is_shared
    return sharers.open()


def told(store: Store) -> list[str]:
    """What one look tells of work."""
    news = store.look_around()
    assert not news.is_lost
    return list(news.work)


# -- all of it ----------------------------------------------------------------------------


def test_work_is_listed_for_whoever_may_do_it(mine: Store, other: Store) -> None:
    created(mine, "mine-busy").must_commit(insert(1))
    created(mine, "mine-idle")
    created(other, "others-busy").must_commit(insert(1))
    free = created(other, "free-busy")
    free.must_commit(insert(1))
    free.must_commit(Release())
    created(mine, "sender").must_commit(send("others-busy", 1), send("mailed", 2), send("absent", 3))
    created(other, "mailed").must_commit(Release())
    assert list(mine.identities_with_work()) == ["free-busy", "mailed", "mine-busy"]
    assert list(other.identities_with_work()) == ["free-busy", "mailed", "others-busy"]


def test_what_the_dead_left_is_everybodys(mine: Store, other: Store) -> None:
    created(mine, "ann").must_commit(insert(1))
    mine.close()
    assert told(other) == ["ann"]
    assert list(other.identities_with_work()) == ["ann"]


def test_what_a_facade_serves_is_nobodys_work(mine: Store, other: Store) -> None:
    RuntimeStore(mine).persist_input_state("facade", queued(1))
    Caller(ContinuityStore(mine), 1).upsert(record())
    mine.close()
    assert told(other) == []
    assert other.identities_with_work() == ()


# -- what is new --------------------------------------------------------------------------


def test_the_first_look_tells_everything_and_the_next_one_nothing(mine: Store, other: Store) -> None:
    ann = created(mine, "ann")
    ann.must_commit(insert(1))
    ann.must_commit(Release())
    assert told(other) == ["ann"]
    assert [told(other) for _ in range(3)] == [[], [], []]


def test_mail_of_anothers_is_told_once(mine: Store, other: Store) -> None:
    created(other, "ann")
    told(other)
    ben = created(mine, "ben")
    ben.must_commit(send("ann", 1))
    assert told(other) == ["ann"]
    assert told(other) == []
    ben.must_commit(send("ann", 2), send("ann", 3))
    assert told(other) == ["ann"]


def test_mail_for_what_another_holds_is_that_ones_to_learn(mine: Store, other: Store) -> None:
    created(other, "ann")
    ben = created(mine, "ben")
    told(mine)
    told(other)
    ben.must_commit(send("ann", 1))
    assert told(mine) == []
    assert told(other) == ["ann"]


def test_mail_for_what_nobody_holds_is_told_to_everybody_and_one_claims_it(sharers: Sharers) -> None:
    stores = [sharers.open() for _ in range(3)]
    created(stores[0], "ann").must_commit(Release())
    for store in stores:
        told(store)
    created(stores[0], "ben").must_commit(send("ann", 1))
    assert [told(store) for store in stores[1:]] == [["ann"], ["ann"]]
    ann = taken(stores[1], "ann")
    (mail,) = stores[1].pending_mail(ann.fence.key, limit=9)
    ann.must_commit(take(mail, 1, new_run_id()))
    assert stores[2].identities_with_work() == ()


def test_an_owner_that_comes_or_goes_makes_everything_news_again(mine: Store, other: Store, sharers: Sharers) -> None:
    ann = created(mine, "ann")
    ann.must_commit(insert(1))
    created(other, "ben").must_commit(insert(1))
    told(mine)
    told(other)
    third = sharers.open()
    assert (told(mine), told(other), told(third)) == (["ann"], ["ben"], [])
    third.end(clean=True)
    assert (told(mine), told(other)) == (["ann"], ["ben"])
    assert (told(mine), told(other)) == ([], [])
    other.close()
    assert told(mine) == ["ann", "ben"]


def test_who_was_silent_for_a_lease_leaves_its_work(mine: Store, other: Store, clock: Clock) -> None:
    created(mine, "ann").must_commit(insert(1))
    told(other)
    pass_time(clock, TTL - 1, other)
    clock.now += 1
    assert told(other) == ["ann"]
    assert mine.look_around().is_lost


def test_who_begins_anew_is_told_everything_again(mine: Store, other: Store, clock: Clock) -> None:
    created(mine, "ann").must_commit(insert(1))
    told(mine)
    pass_time(clock, TTL, other)
    assert mine.look_around().is_lost
    mine.begin()
    assert told(mine) == ["ann"]


def test_an_input_of_ones_own_is_no_news(mine: Store, other: Store) -> None:
    ann = created(other, "ann")
    told(other)
    ann.must_commit(insert(1))
    created(mine, "ben")
    assert told(other) == []


def test_numbers_go_on_above_those_of_the_others(mine: Store, other: Store) -> None:
    """One sequence for all: what is committed later has a higher one, whoever commits it."""
    ann, ben = created(mine, "ann"), created(other, "ben")
    for number in range(1, 6):
        for writer in (ann, ben):
            writer.must_commit(insert(number, content=f"{writer.fence.identity} {number}".encode()))
    events = mine.page_events(after=0, limit=99)
    assert [event.identity for event in events] == ["ann", "ben"] * 5
    sequences = [event.sequence for event in events]
    assert sequences == sorted(set(sequences))
    assert other.page_events(after=0, limit=99) == events


def test_names_that_two_stores_mention_first_are_one(mine: Store, other: Store) -> None:
    """Each has its own fresh key for a stranger; the first unit gives the key, and the other is refused."""
    here, there = read(mine, "new"), read(other, "new")
    assert here.key != there.key
    sender, writer = created(mine, "sender"), created(other, "writer")
    sender.must_commit(send("new", 1, content=b"1"))
    writer.must_commit(send("new", 1, content=b"2"))
    key = read(mine, "new").key
    assert read(other, "new").key == key
    mail = other.pending_mail(key, limit=9)
    assert [one.content for one in mail] == [b"1", b"2"]
    new = created(other, "new")
    assert new.fence.key == key
    assert isinstance(new.commit(take(mail[0], 1)), Committed)


# -- who is alone ---------------------------------------------------------------------------


def test_an_exclusive_store_has_no_news(store: Store) -> None:
    created(store, "ann")
    assert not store.is_shared
    assert store.look_around().work == ()
    assert taken(store, "ann").fence.token == 2


def test_nobody_comes_beside_an_exclusive_store() -> None:
    with pytest.raises(UsageError, match="ownership='shared'"):
        MemoryStore().beside()
