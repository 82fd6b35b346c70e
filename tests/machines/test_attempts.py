"""When a failed run is tried again."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.machines.attempts import backoff_ms, backoff_ms_max
from meerkat_actors.records.limits import Limits

MIDDLE: Final = 0.5
"""The jitter that changes nothing."""

SECONDS: Final = st.floats(0, 1e9)
LIMITS: Final = st.builds(Limits, backoff_seconds=SECONDS, backoff_seconds_max=SECONDS, backoff_jitter=st.floats(0, 1))
FAILURES: Final = st.integers(1, 10_000)
JITTER: Final = st.floats(0, 1)


def test_the_first_wait_is_the_backoff_and_each_failure_doubles_it_up_to_the_bound() -> None:
    waits = [backoff_ms(failures, limits=Limits(), jitter=MIDDLE) for failures in range(1, 10)]
    assert waits == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]


@pytest.mark.parametrize(("jitter", "wait"), [(0.0, 900), (0.25, 950), (0.5, 1_000), (1.0, 1_100)])
def test_jitter_spreads_a_tenth_to_both_sides(jitter: float, wait: int) -> None:
    assert backoff_ms(1, limits=Limits(), jitter=jitter) == wait


@given(FAILURES, LIMITS, JITTER)
def test_no_wait_is_negative_or_longer_than_the_longest(failures: int, limits: Limits, jitter: float) -> None:
    assert 0 <= backoff_ms(failures, limits=limits, jitter=jitter) <= backoff_ms_max(limits)


@given(FAILURES, LIMITS, JITTER)
def test_a_later_failure_never_waits_less(failures: int, limits: Limits, jitter: float) -> None:
    assert backoff_ms(failures, limits=limits, jitter=jitter) <= backoff_ms(failures + 1, limits=limits, jitter=jitter)


@given(FAILURES, LIMITS, JITTER, JITTER)
def test_more_jitter_never_waits_less(failures: int, limits: Limits, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert backoff_ms(failures, limits=limits, jitter=less) <= backoff_ms(failures, limits=limits, jitter=more)


@given(FAILURES, st.floats(0, 1e9), st.floats(0, 1))
def test_the_longest_wait_is_met_by_whoever_keeps_failing(failures: int, seconds: float, jitter: float) -> None:
    limits = Limits(backoff_seconds=max(seconds, 1.0), backoff_seconds_max=seconds, backoff_jitter=jitter)
    assert backoff_ms(failures + 64, limits=limits, jitter=1.0) == backoff_ms_max(limits)


def test_without_a_backoff_nobody_waits() -> None:
    limits = Limits(backoff_seconds=0)
    assert {backoff_ms(failures, limits=limits, jitter=1.0) for failures in (1, 2, 100, 10**9)} == {0}


def test_without_jitter_every_wait_is_the_same() -> None:
    limits = Limits(backoff_jitter=0)
    assert {backoff_ms(3, limits=limits, jitter=jitter) for jitter in (0.0, 0.3, 1.0)} == {4_000}


def test_a_bound_below_the_first_wait_is_the_wait() -> None:
    limits = Limits(backoff_seconds=10, backoff_seconds_max=2, backoff_jitter=0)
    assert [backoff_ms(failures, limits=limits, jitter=MIDDLE) for failures in (1, 2, 3)] == [2_000] * 3


@pytest.mark.parametrize("failures", [65, 1_023, 1_025, 10**6, 10**18])
def test_any_number_of_failures_has_a_wait(failures: int) -> None:
    assert backoff_ms(failures, limits=Limits(), jitter=MIDDLE) == 60_000


def test_every_wait_added_to_any_time_is_a_counter_of_the_store() -> None:
    longest = Limits(backoff_seconds=1e9, backoff_seconds_max=1e9, backoff_jitter=1)
    year_10_000_ms = 253_402_300_800_000
    assert year_10_000_ms + backoff_ms_max(longest) < 2**63
