"""The reference's list of conformance tests, by number: leases (53 to 61), where several runtimes share a store.

What differs on purpose. One lease per runtime covers all that it claimed, so there is nothing to renew by
identity, and no token to present for it. A renewal never rotates a token: only a claim does. Who was
late and was not taken over from renews in the transaction that writes next, because that transaction
looks at its own row first: a lease says who is probably alive, the fence is what keeps a late writer out.

47 and 56 are in ``sqlite/test_continuity_shared.py``; what the facade's own tokens do (53, 59, 60, 62) in
``test_continuity_versions_and_lives.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.records.commits import Committed, RefusalReason
from meerkat_actors.records.effects import Release
from meerkat_actors.store import Store
from meerkat_actors.store.fencing import STALE_OWNER
from tests.store.looking import picture
from tests.store.sharers import (
    TTL,
    Clock,
    MemorySharers,
    Sharers,
    SqliteSharers,
    beside,
    claimed,
    held,
    pass_time,
    taken,
)
from tests.store.writing import Writer, created, insert, read, reason

MINUTES_10: Final = 600_000


@pytest.fixture
def clock() -> Clock:
    return Clock(10 * MINUTES_10)


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


def test_item_53_each_claim_is_higher_and_voids_the_one_before(mine: Store, other: Store) -> None:
    """Said anew for claims: the old claim's writer is refused, and the lease under both goes on."""
    first = created(mine, "ann")
    assert first.fence.token >= 1
    tokens = [taken(mine, "ann").fence.token for _ in range(3)]
    assert tokens == [2, 3, 4]
    for stale in (1, 2, 3):
        assert reason(first.forged(token=stale).commit(insert(1))) is RefusalReason.STALE_FENCING_TOKEN
    first.forged(token=4).must_commit(insert(1))
    assert not mine.look_around().is_lost
    held(other, "ann")


def test_item_54_what_another_holds_is_granted_after_its_lease_and_not_before(
    mine: Store, other: Store, clock: Clock
) -> None:
    """There is no grace beyond the lease for a looker that was there all the time; see item 61 for one that was not."""
    ann = created(mine, "ann")
    for passed in (0, TTL // 2, TTL - TTL // 2 - 1):
        pass_time(clock, passed, other)
        assert "process" in held(other, "ann").holder.name
    assert held(other, "ann").holder.expires_in == 0.001
    clock.now += 1
    assert taken(other, "ann").fence.token > ann.fence.token


def test_item_55_nobody_renews_what_is_anothers_or_what_was_taken(mine: Store, other: Store, clock: Clock) -> None:
    """Changed on purpose: who is late renews as long as nobody took over. Nobody else can do it, with any token."""
    ann = created(mine, "ann")
    clock.now += TTL // 2
    for stranger in ("yan", "zoe"):  # others look and write, and present the holder's own token
        other.look_around()
        beside(ann, other).must_commit()
        created(other, stranger)
    assert held(other, "ann").holder.expires_in == (TTL - TTL // 2) / 1000
    mine.look_around()
    assert held(other, "ann").holder.expires_in == TTL / 1000
    ann.must_commit(Release())
    mine.look_around()
    taken(other, "ann")
    pass_time(clock, TTL, other)
    assert [mine.look_around().is_lost for _ in range(2)] == [True, True]
    assert ann.commit() == STALE_OWNER


def test_item_57_a_lease_is_renewed_or_lost_for_all_that_was_claimed(mine: Store, other: Store, clock: Clock) -> None:
    """Changed on purpose: one lease per runtime. What tells identities apart is their token."""
    names = ("ann", "ben", "cid")
    writers = [created(mine, name) for name in names]
    clock.now += TTL // 3
    writers[0].must_commit(insert(1))
    assert {held(other, name).holder.expires_in for name in names} == {TTL / 1000}
    stale = writers[1].forged(token=5)
    outcomes = mine.commit([writers[0].unit(), stale.unit(), writers[2].unit()])
    assert [isinstance(outcome, Committed) for outcome in outcomes] == [True, False, True]
    pass_time(clock, TTL, other)
    assert mine.commit([writer.unit() for writer in writers]) == [STALE_OWNER] * 3
    for name in names:
        taken(other, name)


def test_item_58_a_release_by_a_wrong_token_is_none_and_a_second_one_changes_nothing(mine: Store, other: Store) -> None:
    """Changed on purpose: a wrong token is told, not passed over."""
    ann = created(mine, "ann")
    assert reason(ann.forged(token=2).commit(Release())) is RefusalReason.STALE_FENCING_TOKEN
    held(other, "ann")
    ann.must_commit(Release())
    before = picture(other, "ann")
    ann.must_commit(Release())
    assert picture(other, "ann") == before
    late = taken(other, "ann")
    assert reason(ann.commit(Release())) is RefusalReason.STALE_FENCING_TOKEN
    late.must_commit(insert(1))


def test_item_59_tokens_go_on_after_a_release_a_reopening_and_a_crash_before_the_first_write(
    sharers: Sharers, mine: Store, other: Store, clock: Clock
) -> None:
    """Said anew for claims. Agents are not deleted in this version; what the facade deletes keeps its tokens, too."""
    ann = created(mine, "ann")
    ann.must_commit(Release())
    tokens = [ann.fence.token, taken(other, "ann").fence.token]
    other.close()  # before its first write
    tokens.append(taken(mine, "ann").fence.token)
    mine.end(clean=True)
    mine.close()
    third = sharers.open()
    tokens.append(taken(third, "ann").fence.token)
    fourth = sharers.open()
    pass_time(clock, TTL, fourth)
    tokens.append(taken(fourth, "ann").fence.token)
    assert tokens == [1, 2, 3, 4, 5]


def test_item_60_a_renewal_keeps_the_token(mine: Store, other: Store, clock: Clock) -> None:
    """Changed on purpose: only a claim rotates it, so nothing has to be suspended meanwhile."""
    ann = created(mine, "ann")
    for number in range(1, 10):
        clock.now += TTL // 3
        assert not mine.look_around().is_lost
        ann.must_commit(insert(number))
        head = read(other, "ann").head
        assert head is not None
        assert head.token == ann.fence.token == 1
    rotated = taken(mine, "ann")
    assert reason(ann.commit()) is RefusalReason.STALE_FENCING_TOKEN
    rotated.must_commit()


# -- 61: clocks ---------------------------------------------------------------------------


def test_item_61_who_slept_ten_minutes_is_refused_once_somebody_took_over(
    mine: Store, other: Store, clock: Clock
) -> None:
    """A paused process, beside one that was awake."""
    ann = created(mine, "ann")
    pass_time(clock, MINUTES_10, other)
    late = taken(other, "ann")
    assert ann.commit(insert(1)) == STALE_OWNER
    late.must_commit(insert(1))


@pytest.mark.parametrize("first", ["holder", "other"])
def test_item_61_when_the_machine_slept_ten_minutes_nobody_is_taken_for_dead(
    mine: Store, other: Store, clock: Clock, first: str
) -> None:
    """The grace of item 54: whoever wakes first was late itself, and waits for one lease."""
    ann, ben = created(mine, "ann"), created(other, "ben")
    clock.now += MINUTES_10
    if first == "holder":
        ann.must_commit(insert(1))
    held(other, "ann")
    ann.must_commit()
    held(mine, "ben")
    ben.must_commit()


@pytest.mark.parametrize("back", [1, TTL, MINUTES_10])
def test_item_61_a_clock_that_goes_back_makes_no_lease_longer(
    mine: Store, other: Store, clock: Clock, back: int
) -> None:
    """What a row claims beyond a renewal's length is not believed, and its owner mends it at its next look."""
    ann = created(mine, "ann")
    other.look_around()
    clock.now -= back
    assert held(other, "ann").holder.expires_in == TTL / 1000
    assert not mine.look_around().is_lost
    pass_time(clock, TTL - 1, other)
    held(other, "ann")
    clock.now += 1
    taken(other, "ann")
    assert ann.commit() == STALE_OWNER


def test_item_61_a_clock_that_goes_forward_is_time_that_passed(mine: Store, other: Store, clock: Clock) -> None:
    ann = created(mine, "ann")
    clock.now += MINUTES_10
    assert not mine.look_around().is_lost
    assert held(other, "ann").holder.expires_in == TTL / 1000
    clock.now -= MINUTES_10
    assert held(other, "ann").holder.expires_in == TTL / 1000
    ann.must_commit()


JUMPS: Final = st.sampled_from((0, 1, TTL // 3, TTL - 1, TTL, MINUTES_10, -1, -TTL, -MINUTES_10))


STEPS: Final = st.tuples(JUMPS, st.sampled_from((0, 1)), st.sampled_from(("look", "claim", "write")))


@given(steps=st.lists(STEPS, max_size=30))
def test_item_61_whatever_the_clock_does_one_alone_can_write(steps: Sequence[tuple[int, int, str]]) -> None:
    """So the holder never takes itself for one for longer than those who grant do."""
    clock = Clock(100 * MINUTES_10)
    sharers = MemorySharers(clock)
    stores = [sharers.open(), sharers.open()]
    beliefs: list[Writer | None] = [created(stores[0], "ann"), None]
    created(stores[1], "ben")
    for jump, side, what in steps:
        clock.now += jump
        store, belief = stores[side], beliefs[side]
        if what == "look" and store.look_around().is_lost:
            store.begin()
            beliefs[side] = None
        elif what == "claim":
            writer, outcome = claimed(store, "ann")
            if isinstance(outcome, Committed):
                former = beliefs[1 - side]
                assert former is None or not isinstance(former.commit(), Committed)
                beliefs = [writer, None] if side == 0 else [None, writer]
        elif what == "write" and belief is not None and belief.commit() == STALE_OWNER:
            beliefs[side] = None
    able = [belief for belief in beliefs if belief is not None and isinstance(belief.commit(), Committed)]
    assert len(able) <= 1
