"""The facades over stores that share a state: runtimes are claimed as agents are, continuity has its own fence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meerkat_actors.errors import AlreadyOwnedError, FenceConflictError, OwnershipLostError, StaleFencingTokenError
from meerkat_actors.store import RuntimeStore, Store
from tests.store.continuity_calling import Caller, caller, record
from tests.store.runtime_writing import input_id, queued
from tests.store.sharers import TTL, Clock, MemorySharers, SqliteSharers, pass_time
from tests.store.writing import created


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pair(flavour: str, database: Path, clock: Clock) -> Iterator[tuple[Store, Store]]:
    """Two stores on one state."""
    sharers = MemorySharers(clock) if flavour == "memory" else SqliteSharers(clock, database)
    yield sharers.open(), sharers.open()
    sharers.close()


# -- the runtime store --------------------------------------------------------------------


def test_a_runtime_that_another_process_serves_is_refused_by_its_holder(
    pair: tuple[Store, Store], clock: Clock
) -> None:
    mine, other = (RuntimeStore(store) for store in pair)
    mine.persist_input_state("lead", queued(1))
    clock.now += 1_000
    with pytest.raises(AlreadyOwnedError) as caught:
        other.persist_input_state("lead", queued(2))
    assert caught.value.expires_in == (TTL - 1_000) / 1000
    assert "process" in str(caught.value.holder)
    assert [state.input_id for state in other.load_input_states("lead")] == [input_id(1)]
    mine.persist_input_state("lead", queued(3))


def test_a_runtime_whose_process_died_is_served_by_the_next(pair: tuple[Store, Store]) -> None:
    RuntimeStore(pair[0]).persist_input_state("lead", queued(1))
    pair[0].close()
    RuntimeStore(pair[1]).persist_input_state("lead", queued(2))


def test_a_facade_whose_lease_was_taken_is_told_so(pair: tuple[Store, Store], clock: Clock) -> None:
    mine, other = (RuntimeStore(store) for store in pair)
    mine.persist_input_state("lead", queued(1))
    pass_time(clock, TTL, pair[1])
    with pytest.raises(OwnershipLostError):
        mine.persist_input_state("lead", queued(2))
    other.persist_input_state("lead", queued(3))
    assert [state.input_id for state in other.load_input_states("lead")] == [input_id(1), input_id(3)]


# -- continuity ---------------------------------------------------------------------------


def test_continuity_is_ordered_by_its_tokens_whoever_has_a_lease(pair: tuple[Store, Store]) -> None:
    """Its callers bring tokens of their own: a higher one goes through beside a process that lives."""
    a, b = caller(pair[0], 1, "a"), caller(pair[1], 2, "b")
    a.upsert(record())
    a.save(1)
    b.save(2)
    with pytest.raises(StaleFencingTokenError):
        a.save(3)
    with pytest.raises(FenceConflictError):
        a.at(2).save(3)
    a.at(3).save(3)
    assert b.head() == (3, 0, 3)
    assert b.text() == "v3"


def test_continuity_goes_on_where_nobody_can_have_taken_anything(pair: tuple[Store, Store], clock: Clock) -> None:
    """Who claimed no agent lost none: its documents are fenced by their own tokens, as ever."""
    a = caller(pair[0], 1, "a")
    a.upsert(record())
    pass_time(clock, TTL, pair[1])
    a.save(1)
    assert Caller(a.facade, 1).head() == (1, 0, 1)


def test_continuity_beside_agents_ends_with_their_lease(pair: tuple[Store, Store], clock: Clock) -> None:
    """One lease is for the whole runtime; its facade goes on when it began anew."""
    created(pair[0], "agent")
    a = caller(pair[0], 1, "a")
    a.upsert(record())
    pass_time(clock, TTL, pair[1])
    with pytest.raises(OwnershipLostError):
        a.save(1)
    pair[0].begin()
    a.save(1)
