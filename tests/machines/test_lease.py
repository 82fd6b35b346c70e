"""What a lease means at an instant: every cell of the table, and each boundary to the millisecond."""

from __future__ import annotations

from itertools import product
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.machines.lease import holder_of, is_due, is_over, remaining_ms
from meerkat_actors.records.commits import Committed, HeldElsewhere, RefusalReason, Refused
from meerkat_actors.records.ids import COUNTER_MAX
from meerkat_actors.records.leases import Lease
from tests.store.sharers import Clock, MemorySharers, claimed, pass_time
from tests.store.writing import created, reason

TTL: Final = 15_000
GIVEN: Final = 1_000_000
"""When it was renewed last."""
OVER: Final = GIVEN + TTL
BOOT: Final = "b0"

LEASE: Final = Lease(owner=3, holder="process 7", boot=BOOT, expires_ms=OVER, ttl_ms=TTL)

Times = st.integers(0, 2 * COUNTER_MAX)
Ttls = st.integers(1, 10_000_000)


def over(lease: Lease, now: int, *, boot: str = BOOT, is_running: bool = True, trusts_clock: bool = True) -> bool:
    return is_over(lease, boot=boot, now_ms=now, is_running=is_running, trusts_clock=trusts_clock)


# -- the table ----------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "who"), list(product(["there", "expired", "gone"], ["its owner", "others"])))
def test_every_cell_of_the_table(row: str, who: str) -> None:
    """Over a store, since a row that is gone has no function that could be asked."""
    clock = Clock(GIVEN)
    sharers = MemorySharers(clock)
    mine, other = sharers.open(), sharers.open()
    ann = created(mine, "ann")
    pass_time(clock, TTL - 1, other)
    if row != "there":
        clock.now = OVER
    if row == "gone":
        other.look_around()
    if who == "others":
        outcome = claimed(other, "ann")[1]
        assert isinstance(outcome, HeldElsewhere if row == "there" else Committed), outcome
        return
    outcome = ann.commit()
    if row == "gone":
        assert reason(outcome) is RefusalReason.STALE_OWNER
        mine.begin()
        assert isinstance(claimed(mine, "ann")[1], Committed)
    else:
        assert isinstance(outcome, Committed)
        clock.now += TTL - 1  # since it was renewed just now, it runs on
        assert isinstance(claimed(other, "ann")[1], HeldElsewhere)


@pytest.mark.parametrize(
    ("same_boot", "is_running", "is_expired", "trusts_clock"), list(product([False, True], repeat=4))
)
def test_an_owner_is_gone_by_its_boot_its_lock_or_a_clock_that_is_trusted(
    same_boot: bool, is_running: bool, is_expired: bool, trusts_clock: bool
) -> None:
    found = over(
        LEASE,
        OVER if is_expired else OVER - 1,
        boot=BOOT if same_boot else "b1",
        is_running=is_running,
        trusts_clock=trusts_clock,
    )
    lives = same_boot and is_running and not (is_expired and trusts_clock)
    assert found is not lives


# -- boundaries ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "remaining", "due", "ended"),
    [
        pytest.param(GIVEN, TTL, False, False, id="just renewed"),
        pytest.param(GIVEN + 1, TTL - 1, False, False, id="a millisecond later"),
        pytest.param(GIVEN + TTL // 3 - 1, 10_001, False, False, id="just before a third"),
        pytest.param(GIVEN + TTL // 3, 10_000, True, False, id="a third"),
        pytest.param(OVER - 1, 1, True, False, id="just before its end"),
        pytest.param(OVER, 0, True, True, id="its end"),
        pytest.param(OVER + 1, 0, True, True, id="after its end"),
        pytest.param(OVER + COUNTER_MAX, 0, True, True, id="ages after"),
        pytest.param(GIVEN - 1, TTL, True, False, id="the clock went back"),
        pytest.param(0, TTL, True, False, id="the clock began anew"),
    ],
)
def test_a_lease_at_its_boundaries(now: int, remaining: int, due: bool, ended: bool) -> None:
    assert (remaining_ms(LEASE, now), is_due(LEASE, now), over(LEASE, now)) == (remaining, due, ended)


@pytest.mark.parametrize(
    ("ttl", "first"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (10, 4), (100, 34), (15_000, 5_000)]
)
def test_a_third_is_never_early_and_less_than_a_millisecond_late(ttl: int, first: int) -> None:
    lease = evolve(LEASE, expires_ms=GIVEN + ttl, ttl_ms=ttl)
    assert [now for now in range(ttl + 1) if is_due(lease, GIVEN + now)] == list(range(first, ttl + 1))


@pytest.mark.parametrize("ahead", [1, TTL, 2**62])
def test_a_row_that_claims_more_than_a_renewal_gives_is_renewed_and_not_believed(ahead: int) -> None:
    """Another clock wrote it, or this one was set back: it never runs longer than its length from now on."""
    lease = evolve(LEASE, expires_ms=OVER + ahead)
    assert remaining_ms(lease, GIVEN) == TTL
    assert holder_of(lease, GIVEN).expires_in == TTL / 1000
    assert is_due(lease, GIVEN)
    assert over(lease, GIVEN) is False


def test_counters_at_their_end_neither_wrap_nor_raise() -> None:
    last = evolve(LEASE, expires_ms=COUNTER_MAX, ttl_ms=TTL)
    assert remaining_ms(last, COUNTER_MAX - 1) == 1
    assert over(last, COUNTER_MAX - 1) is False
    assert over(last, COUNTER_MAX)
    assert over(last, COUNTER_MAX + 1)
    longest = evolve(LEASE, expires_ms=COUNTER_MAX, ttl_ms=COUNTER_MAX)
    assert remaining_ms(longest, 0) == COUNTER_MAX
    assert is_due(longest, 0) is False
    assert is_due(longest, COUNTER_MAX // 3 + 1)


def test_who_is_refused_is_told_the_holder_and_the_seconds() -> None:
    told = holder_of(LEASE, OVER - 1_234)
    assert (told.name, told.expires_in) == ("process 7", 1.234)
    assert holder_of(LEASE, OVER + 5).expires_in == 0


# -- what holds for all of them -----------------------------------------------------------


@given(given_at=Times, ttl=Ttls, now=Times)
def test_an_owner_renews_before_others_may_take_over(given_at: int, ttl: int, now: int) -> None:
    """Safety of the order: whenever a lease is over, its owner has been due, so it knew no later."""
    lease = evolve(LEASE, expires_ms=given_at + ttl, ttl_ms=ttl)
    assert is_due(lease, now) or not over(lease, now)
    assert 0 <= remaining_ms(lease, now) <= ttl
    assert over(lease, now) == (now >= given_at + ttl)


@given(given_at=Times, ttl=Ttls, now=Times)
def test_a_renewal_is_not_due_again_at_once_and_runs_its_whole_length(given_at: int, ttl: int, now: int) -> None:
    lease = evolve(LEASE, expires_ms=given_at + ttl, ttl_ms=ttl)
    renewed = evolve(lease, expires_ms=now + ttl)
    assert not is_due(renewed, now)
    assert remaining_ms(renewed, now) == ttl


@given(given_at=Times, ttl=Ttls, now=Times, later=Times)
def test_what_is_over_stays_over_while_the_clock_goes_on(given_at: int, ttl: int, now: int, later: int) -> None:
    lease = evolve(LEASE, expires_ms=given_at + ttl, ttl_ms=ttl)
    first, second = sorted((now, later))
    assert remaining_ms(lease, second) <= remaining_ms(lease, first)
    assert over(lease, second) or not over(lease, first)


def test_a_refusal_of_a_lost_lease_has_its_own_name() -> None:
    clock = Clock(GIVEN)
    sharers = MemorySharers(clock)
    mine, other = sharers.open(), sharers.open()
    ann = created(mine, "ann")
    pass_time(clock, TTL, other)
    outcome = ann.commit()
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.effect) == (RefusalReason.STALE_OWNER, -1)
