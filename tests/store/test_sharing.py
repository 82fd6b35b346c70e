"""Several runtimes on one state, over every store: claims, releases, leases, and what becomes of who was late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from meerkat_actors.records.commits import Committed, HeldElsewhere, RefusalReason
from meerkat_actors.records.effects import Claim, CreateIdentity, Effect, Release
from meerkat_actors.records.ids import FencingToken
from meerkat_actors.store import Store
from meerkat_actors.store.fencing import STALE_OWNER, unit_refusal
from tests.store.looking import picture
from tests.store.sharers import (
    TTL,
    Clock,
    MemorySharers,
    Sharers,
    SqliteSharers,
    beside,
    held,
    pass_time,
    taken,
)
from tests.store.writing import created, insert, new_session_id, read, reason, send, unborn


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


# -- claims -------------------------------------------------------------------------------


def test_what_another_holds_is_refused_with_its_holder_and_how_long(mine: Store, other: Store, clock: Clock) -> None:
    ann = created(mine, "ann")
    before = picture(mine, "ann")
    clock.now += 1_234
    refusal = held(other, "ann")
    assert (refusal.effect, refusal.holder.expires_in) == (0, (TTL - 1_234) / 1000)
    assert "process" in refusal.holder.name
    assert picture(mine, "ann") == before
    ann.must_commit(insert(1))


def test_who_reads_is_told_who_else_holds_it(mine: Store, other: Store, clock: Clock) -> None:
    created(mine, "ann")
    clock.now += 1_000
    assert read(other, "ann").holder == held(other, "ann").holder
    assert read(mine, "ann").holder is None
    mine.close()
    assert read(other, "ann").holder is None


def test_who_holds_it_may_claim_it_again(mine: Store, other: Store) -> None:
    """A task that crashed has a successor in the same runtime."""
    ann = created(mine, "ann")
    again = taken(mine, "ann")
    assert again.fence.token == ann.fence.token + 1
    assert reason(ann.commit()) is RefusalReason.STALE_FENCING_TOKEN
    again.must_commit(insert(1))
    held(other, "ann")


@pytest.mark.parametrize(
    ("beliefs", "wanted"),
    [
        ({"generation": 1}, RefusalReason.STALE_GENERATION),
        ({"version": 1}, RefusalReason.STALE_CHECKPOINT_VERSION),
        ({"token": 3}, None),
    ],
)
def test_a_claim_by_an_old_look_is_told_so_before_it_is_told_the_holder(
    mine: Store, other: Store, beliefs: dict[str, int], wanted: RefusalReason | None
) -> None:
    ann = created(mine, "ann")
    outcome = beside(ann, other).claiming()[0].forged(**beliefs).commit(Claim(ann.fence.token))
    assert isinstance(outcome, HeldElsewhere) if wanted is None else reason(outcome) is wanted
    stale = beside(ann, other).forged(token=9).commit(Claim(FencingToken(8)))
    assert reason(stale) is RefusalReason.STALE_FENCING_TOKEN


def test_one_claim_that_is_refused_leaves_its_neighbours_alone(mine: Store, other: Store) -> None:
    writers = [created(mine, name) for name in ("ann", "ben", "cid", "dan")]
    for free in (writers[0], writers[2]):
        free.must_commit(Release())
    claims = [beside(writer, other).claiming() for writer in writers]
    outcomes = other.commit([writer.unit(claim) for writer, claim in claims])
    assert [type(outcome) for outcome in outcomes] == [Committed, HeldElsewhere, Committed, HeldElsewhere]
    claims[0][0].must_commit(insert(1))
    writers[1].must_commit(insert(1))


def test_a_batch_with_a_claim_that_is_refused_keeps_its_order(mine: Store, other: Store) -> None:
    ann = created(mine, "ann")
    ben = created(other, "ben")
    late, claim = beside(ann, other).claiming()
    outcomes = other.commit([ben.unit(insert(1)), late.unit(claim), ben.unit(insert(2)), late.unit(insert(1))])
    assert [type(outcome) for outcome in outcomes[:3]] == [Committed, HeldElsewhere, Committed]
    assert reason(outcomes[3]) is RefusalReason.STALE_FENCING_TOKEN
    assert read(other, "ben").admissions == 2


# -- takeover -----------------------------------------------------------------------------


def test_who_is_silent_for_a_lease_is_taken_over_from_and_not_a_millisecond_sooner(
    mine: Store, other: Store, clock: Clock
) -> None:
    ann = created(mine, "ann")
    pass_time(clock, TTL - 1, other)
    assert held(other, "ann").holder.expires_in == 0.001
    clock.now += 1
    late = taken(other, "ann")
    assert late.fence.token == ann.fence.token + 1
    late.must_commit(insert(1))
    assert ann.commit(insert(1)) == STALE_OWNER


def test_who_closes_without_an_end_is_dead_at_once(mine: Store, other: Store) -> None:
    created(mine, "ann")
    mine.close()
    taken(other, "ann").must_commit(insert(1))


def test_who_ends_in_good_order_leaves_everything_at_once(mine: Store, other: Store, sharers: Sharers) -> None:
    created(mine, "ann")
    created(other, "ben")
    mine.end(clean=True)
    taken(other, "ann")
    other.end(clean=True)
    third = sharers.open(serves=False)
    assert third.begin().was_clean
    taken(third, "ben")


def test_who_ends_beside_another_leaves_no_clean_store(mine: Store, other: Store, sharers: Sharers) -> None:
    other.end(clean=True)
    assert not sharers.open(serves=False).begin().was_clean


def test_a_newcomer_ends_whoever_is_silent(mine: Store, sharers: Sharers, clock: Clock) -> None:
    """It was not late itself, so it believes the clock."""
    ann = created(mine, "ann")
    clock.now += TTL
    third = sharers.open()
    assert ann.commit(insert(1)) == STALE_OWNER
    taken(third, "ann")


def test_who_begins_again_gives_up_what_it_held(mine: Store, other: Store) -> None:
    """A restart on the same object: its former incarnation is as dead as a process."""
    ann = created(mine, "ann")
    mine.begin()
    taken(other, "ann")
    assert reason(ann.commit()) is RefusalReason.STALE_FENCING_TOKEN


# -- release ------------------------------------------------------------------------------


def test_what_is_released_may_be_claimed_by_anybody_at_once(mine: Store, other: Store) -> None:
    ann = created(mine, "ann")
    ann.must_commit(Release())
    head = read(other, "ann").head
    assert head is not None
    assert head.owner == 0
    late = taken(other, "ann")
    assert late.fence.token == ann.fence.token + 1
    assert reason(ann.commit()) is RefusalReason.STALE_FENCING_TOKEN
    held(mine, "ann")


def test_a_second_release_changes_nothing(mine: Store, other: Store) -> None:
    ann = created(mine, "ann")
    ann.must_commit(Release())
    before = picture(mine, "ann")
    ann.must_commit(Release())
    assert picture(mine, "ann") == before
    taken(other, "ann")
    assert reason(ann.commit(Release())) is RefusalReason.STALE_FENCING_TOKEN
    held(mine, "ann")


@pytest.mark.parametrize("token", [1, 3, 9])
def test_a_release_with_a_wrong_token_releases_nothing(mine: Store, other: Store, token: int) -> None:
    created(mine, "ann")
    again = taken(mine, "ann")
    assert reason(again.forged(token=token).commit(Release())) is RefusalReason.STALE_FENCING_TOKEN
    assert reason(beside(again, other).forged(token=token).commit(Release())) is RefusalReason.STALE_FENCING_TOKEN
    held(other, "ann")


def test_a_release_is_alone_in_its_unit(mine: Store, other: Store) -> None:
    ann = created(mine, "ann")
    assert reason(ann.commit(Release(), insert(1))) is RefusalReason.OUT_OF_RANGE
    held(other, "ann")


# -- renewal ------------------------------------------------------------------------------

RENEWALS: Final[dict[str, Callable[[Store], object]]] = {
    "a commit": lambda store: created(store, "zoe"),
    "a look": lambda store: store.look_around(),
}


@pytest.mark.parametrize("how", RENEWALS)
@pytest.mark.parametrize(("after", "left"), [(TTL // 3 - 1, TTL - (TTL // 3 - 1)), (TTL // 3, TTL), (TTL - 1, TTL)])
def test_a_lease_is_renewed_at_a_third_by_whatever_comes_first(
    mine: Store, other: Store, clock: Clock, how: str, after: int, left: int
) -> None:
    created(mine, "ann")
    clock.now += after
    RENEWALS[how](mine)
    assert held(other, "ann").holder.expires_in == left / 1000


@pytest.mark.parametrize("how", RENEWALS)
def test_who_is_late_and_was_not_taken_over_from_renews_in_its_next_write(
    mine: Store, other: Store, clock: Clock, how: str
) -> None:
    ann = created(mine, "ann")
    clock.now += TTL + 60_000
    RENEWALS[how](mine)
    ann.must_commit(insert(1))
    assert held(other, "ann").holder.expires_in == TTL / 1000


def test_a_renewal_covers_all_that_was_claimed(mine: Store, other: Store, clock: Clock) -> None:
    for name in ("ann", "ben", "cid"):
        created(mine, name)
    pass_time(clock, 3 * TTL, mine, other)
    left = {held(other, name).holder.expires_in for name in ("ann", "ben", "cid")}
    assert len(left) == 1
    assert left.pop() > TTL / 2000


def test_each_store_has_its_own_length(sharers: Sharers, mine: Store, clock: Clock) -> None:
    brief = sharers.open(lease_seconds=0.3)
    created(brief, "ann")
    assert held(mine, "ann").holder.expires_in == 0.3
    clock.now += 300
    taken(mine, "ann")


# -- who was taken over from --------------------------------------------------------------


def test_who_was_taken_over_from_writes_nothing_at_all(mine: Store, other: Store, clock: Clock) -> None:
    ann, ben = created(mine, "ann"), created(mine, "ben")
    ben.must_commit(Release())
    nobody = unborn(mine, "cid")
    pass_time(clock, TTL, other)
    before = picture(other, "ann", "ben", "cid", "dan")
    tries: list[tuple[Effect, ...]] = [
        (),
        (insert(1),),
        (Claim(ann.fence.token),),
        (Release(),),
        (send("dan", 1),),
        (ann.boundary(),),
    ]
    for effects in tries:
        for writer in (ann, ben, ann.claiming()[0]):
            unit = writer.unit(*effects)
            assert mine.commit([unit]) == [unit_refusal(unit) or STALE_OWNER]
    assert nobody.commit(CreateIdentity("worker", new_session_id())) == STALE_OWNER
    assert mine.commit([ann.unit(insert(1)), ben.unit()]) == [STALE_OWNER, STALE_OWNER]
    assert [mine.look_around().is_lost for _ in range(2)] == [True, True]
    assert picture(other, "ann", "ben", "cid", "dan") == before


def test_who_was_taken_over_from_begins_anew_above_everybody(mine: Store, other: Store, clock: Clock) -> None:
    ann = created(mine, "ann")
    pass_time(clock, TTL, other)
    assert mine.look_around().is_lost
    assert mine.begin().incarnation == 3
    assert mine.look_around().is_lost is False
    again = taken(mine, "ann")
    assert again.fence.token == ann.fence.token + 1
    again.must_commit(insert(1))
    held(other, "ann")


def test_who_claimed_nothing_loses_nothing(mine: Store, other: Store, clock: Clock) -> None:
    pass_time(clock, TTL, other)
    created(other, "ben")
    assert mine.look_around().is_lost is False
    held(mine, "ben")
    created(mine, "ann")
    held(other, "ann")


# -- who was late itself ------------------------------------------------------------------


def test_a_late_looker_takes_nobody_for_dead_until_a_lease_has_passed(mine: Store, other: Store, clock: Clock) -> None:
    """The machine slept, or the disk stood still: whoever wakes first doesn't bury the rest."""
    ann = created(mine, "ann")
    clock.now += 40 * TTL
    assert other.look_around().is_lost is False
    assert held(other, "ann").holder.expires_in == 0
    pass_time(clock, TTL - 1, other)
    held(other, "ann")
    ann.must_commit(insert(1))
    held(other, "ann")


def test_a_late_looker_is_patient_for_one_lease(mine: Store, other: Store, clock: Clock) -> None:
    ann = created(mine, "ann")
    clock.now += 40 * TTL
    other.look_around()
    pass_time(clock, TTL, other)
    assert ann.commit(insert(1)) == STALE_OWNER
    taken(other, "ann")


def test_a_late_looker_still_ends_the_dead(mine: Store, other: Store, clock: Clock) -> None:
    created(mine, "ann")
    mine.close()
    clock.now += 40 * TTL
    taken(other, "ann")
