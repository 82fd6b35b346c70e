"""Limits: every bound holds for its own value, and refuses what is no bound."""

from __future__ import annotations

from typing import Final, get_type_hints

import pytest
from attrs import Attribute, evolve, fields
from attrs.exceptions import FrozenInstanceError

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.records.ids import COUNTER_MAX
from meerkat_actors.records.limits import Limits

TYPES: Final = get_type_hints(Limits)
COUNTS: Final = tuple(each for each in fields(Limits) if TYPES[each.name] is int)
NUMBERS: Final = tuple(each for each in fields(Limits) if TYPES[each.name] is float)
POSITIVE: Final = frozenset(
    {
        "clock_look_seconds",
        "undeliverable_seconds",
        "begin_notice_seconds",
        "begin_seconds_max",
        "full_retry_seconds",
        "lease_seconds",
        "look_seconds",
        "passivate_seconds",
        "restart_window_seconds",
    }
)
LEAST: Final = {"owed_max": 0, "control_max": 4, "restarts_max": 0, "suspect_from": 0}
MOST: Final = {"backoff_jitter": 1}


def with_bound(name: str, value: object) -> Limits:
    return Limits(**{name: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def refusal(name: str, value: object) -> str:
    with pytest.raises(InvalidValueError) as caught:
        with_bound(name, value)
    return str(caught.value)


def name_of(each: Attribute[object]) -> str:
    return each.name


def test_every_bound_is_a_count_or_a_number() -> None:
    assert {each.name for each in (*COUNTS, *NUMBERS)} == {each.name for each in fields(Limits)}


def test_the_defaults_are_bounds_themselves() -> None:
    limits = Limits()
    for each in fields(Limits):
        assert with_bound(each.name, getattr(limits, each.name)) == limits


@pytest.mark.parametrize("each", COUNTS, ids=name_of)
def test_a_count_is_an_int_from_its_least_to_the_last_counter(each: Attribute[int]) -> None:
    least = LEAST.get(each.name, 1)
    for good in (least, least + 1, COUNTER_MAX):
        assert getattr(with_bound(each.name, good), each.name) == good
    for bad in (least - 1, -1, -COUNTER_MAX, COUNTER_MAX + 1, 10**5000):
        assert f"Limits({each.name}=" in refusal(each.name, bad)


@pytest.mark.parametrize("each", COUNTS, ids=name_of)
@pytest.mark.parametrize("bad", [True, 8.0, float("inf"), float("nan"), "8", None, b"8", [8]])
def test_a_count_is_nothing_else(each: Attribute[int], bad: object) -> None:
    assert f"Limits({each.name}=" in refusal(each.name, bad)


@pytest.mark.parametrize("each", NUMBERS, ids=name_of)
def test_a_number_is_finite_and_in_its_range(each: Attribute[float]) -> None:
    most = MOST.get(each.name, 10**9)
    least = 0.001 if each.name in POSITIVE else 0
    for good in (least, 0.25, 1, 1.0, most):
        assert getattr(with_bound(each.name, good), each.name) == good
    for bad in (-1, -0.001, most * 1.01, float("inf"), -float("inf"), float("nan"), 10**400):
        assert f"Limits({each.name}=" in refusal(each.name, bad)
    if each.name in POSITIVE:
        assert "above 0" in refusal(each.name, 0)


@pytest.mark.parametrize("each", NUMBERS, ids=name_of)
@pytest.mark.parametrize("bad", [True, "1", None, b"1", [1], 1j])
def test_a_number_is_nothing_else(each: Attribute[float], bad: object) -> None:
    assert f"Limits({each.name}=" in refusal(each.name, bad)


def test_changing_a_limit_checks_it_again() -> None:
    assert evolve(Limits(), fold_max=1).fold_max == 1
    with pytest.raises(InvalidValueError):
        evolve(Limits(), fold_max=0)


def test_limits_do_not_change_once_made() -> None:
    limits = Limits()
    with pytest.raises(FrozenInstanceError):
        limits.fold_max = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_an_unknown_bound_is_told_at_once() -> None:
    with pytest.raises(TypeError):
        with_bound("fold_maximum", 1)
