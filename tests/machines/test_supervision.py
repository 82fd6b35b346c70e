"""What a crash means for a group: every strategy and place, and the laws of intensity and backoff."""

from __future__ import annotations

import itertools
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.errors import InvalidValueError
from meerkat_actors.machines.supervision import GiveUp, Restart, Verdict, backoff_seconds, on_crash, recent
from meerkat_actors.records.ids import COUNTER_MAX
from meerkat_actors.records.supervision import (
    Strategy,
    SupervisionGroup,
    parse_group,
    parse_groups,
    remedy_of,
    require_apart,
)

TEAM: Final = ("a", "b", "c")
STRATEGIES: Final[tuple[Strategy, ...]] = ("one_for_one", "one_for_all", "rest_for_one")
AFFECTED: Final[dict[tuple[Strategy, str], tuple[str, ...]]] = {
    ("one_for_one", "a"): ("a",),
    ("one_for_one", "b"): ("b",),
    ("one_for_one", "c"): ("c",),
    ("one_for_all", "a"): ("a", "b", "c"),
    ("one_for_all", "b"): ("a", "b", "c"),
    ("one_for_all", "c"): ("a", "b", "c"),
    ("rest_for_one", "a"): ("a", "b", "c"),
    ("rest_for_one", "b"): ("b", "c"),
    ("rest_for_one", "c"): ("c",),
}


def crashed(group: SupervisionGroup, crashes: list[tuple[float, str]]) -> list[Verdict]:
    """What each crash came to, one after the other."""
    verdicts: list[Verdict] = []
    before: tuple[float, ...] = ()
    for now, member in crashes:
        verdicts.append(on_crash(group, before, member, now))
        before = verdicts[-1].crashes
    return verdicts


@pytest.mark.parametrize(("strategy", "member"), [*itertools.product(STRATEGIES, TEAM)])
def test_each_strategy_has_an_answer_for_each_member(strategy: Strategy, member: str) -> None:
    group = SupervisionGroup("team", TEAM, strategy=strategy, backoff_seconds=2)
    assert on_crash(group, (), member, 7.0) == Restart((7.0,), AFFECTED[strategy, member], 2.0)


@pytest.mark.parametrize(("strategy", "member", "restarts_max"), [*itertools.product(STRATEGIES, TEAM, range(5))])
def test_every_strategy_gives_the_whole_group_up_after_as_many_restarts(
    strategy: Strategy, member: str, restarts_max: int
) -> None:
    group = SupervisionGroup("team", TEAM, strategy=strategy, restarts_max=restarts_max, window_seconds=100)
    verdicts = crashed(group, [(float(number), member) for number in range(restarts_max + 1)])
    assert [type(verdict) for verdict in verdicts] == [Restart] * restarts_max + [GiveUp]
    assert verdicts[-1].members == TEAM


@pytest.mark.parametrize(("age", "counts"), [(4.999, True), (5.0, True), (5.001, False)])
def test_a_crash_counts_for_a_window_its_ends_included(age: float, counts: bool) -> None:
    group = SupervisionGroup("team", TEAM, restarts_max=1, window_seconds=5)
    [_, verdict] = crashed(group, [(0.0, "a"), (age, "b")])
    assert isinstance(verdict, GiveUp) is counts


TIMES: Final = st.lists(st.tuples(st.floats(0, 1e6), st.sampled_from(TEAM)), max_size=40).map(sorted)
GROUPS: Final = st.builds(
    SupervisionGroup,
    st.just("team"),
    st.just(TEAM),
    strategy=st.sampled_from(STRATEGIES),
    restarts_max=st.integers(0, 5),
    window_seconds=st.floats(0, 1e6),
    backoff_seconds=st.floats(0, 1e9),
    backoff_seconds_max=st.floats(0, 1e9),
)


@given(GROUPS, TIMES)
def test_no_window_holds_more_restarts_than_the_intensity(
    group: SupervisionGroup, crashes: list[tuple[float, str]]
) -> None:
    verdicts = crashed(group, crashes)
    restarts = [now for (now, _), verdict in zip(crashes, verdicts, strict=True) if isinstance(verdict, Restart)]
    for begin in restarts:
        within = [each for each in restarts if begin <= each and begin >= each - group.window_seconds]
        assert len(within) <= group.restarts_max


@given(GROUPS, TIMES)
def test_a_group_is_given_up_only_for_crashes_that_lie_close_together(
    group: SupervisionGroup, crashes: list[tuple[float, str]]
) -> None:
    for place, ((now, _), verdict) in enumerate(zip(crashes, crashed(group, crashes), strict=True)):
        near = [each for each, _ in crashes[: place + 1] if each >= now - group.window_seconds]
        assert isinstance(verdict, GiveUp) is (len(near) > group.restarts_max)


@given(GROUPS, TIMES)
def test_whoever_crashed_is_among_those_who_begin_anew_in_the_order_of_the_group(
    group: SupervisionGroup, crashes: list[tuple[float, str]]
) -> None:
    for (_, member), verdict in zip(crashes, crashed(group, crashes), strict=True):
        assert member in verdict.members
        assert list(verdict.members) == [each for each in TEAM if each in verdict.members]


@given(st.lists(st.from_regex(r"[a-z]{1,3}", fullmatch=True), min_size=1, max_size=20, unique=True), st.data())
def test_rest_for_one_takes_exactly_the_later_ones(names: list[str], data: st.DataObject) -> None:
    group = SupervisionGroup("team", tuple(names), strategy="rest_for_one")
    place = data.draw(st.integers(0, len(names) - 1))
    assert on_crash(group, (), names[place], 0.0).members == tuple(names[place:])


@given(GROUPS, TIMES)
def test_the_wait_doubles_with_each_crash_of_the_window_up_to_its_bound(
    group: SupervisionGroup, crashes: list[tuple[float, str]]
) -> None:
    for verdict in crashed(group, crashes):
        if isinstance(verdict, Restart):
            doubled = group.backoff_seconds * 2 ** (len(verdict.crashes) - 1)
            assert verdict.after_seconds == min(doubled, group.backoff_seconds_max)


@pytest.mark.parametrize("crashes", [65, 1_025, 10**6, 10**18])
def test_any_number_of_crashes_has_a_wait(crashes: int) -> None:
    assert backoff_seconds(crashes, first=1, longest=60) == 60
    assert backoff_seconds(crashes, first=0, longest=60) == 0
    assert backoff_seconds(crashes, first=1) == 1e9


def test_what_is_too_old_is_forgotten() -> None:
    assert recent((1.0, 2.0, 3.0), 6.0, 4.0) == (2.0, 3.0, 6.0)
    assert recent((), 6.0, 0.0) == (6.0,)


# -- what a group may look like ------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"name": "Big Team"}, "is no name of a supervision group"),
        ({"name": None}, "is no name of a supervision group"),
        ({"members": ()}, "members=a tuple"),
        ({"members": ["a", "b"]}, "members=a list"),
        ({"members": "ab"}, "members='ab'"),
        ({"members": ("a", "b", "a")}, "each name once"),
        ({"members": ("a", 7)}, "7 is no agent identity"),
        ({"members": ("a b",)}, "is no agent identity"),
        ({"members": ("rt:a",)}, "reserved"),
        ({"strategy": "all_for_one"}, "strategy='all_for_one'"),
        ({"strategy": []}, "strategy=a list"),
        ({"escalation": "shrug"}, "escalation='shrug'): use 'quarantine' or 'end_runtime'"),
        ({"restarts_max": -1}, "restarts_max=-1"),
        ({"restarts_max": True}, "restarts_max=True"),
        ({"restarts_max": COUNTER_MAX + 1}, "beyond 63 bits"),
        ({"window_seconds": float("nan")}, "window_seconds=nan"),
        ({"window_seconds": -1}, "window_seconds=-1"),
        ({"backoff_seconds": float("inf")}, "backoff_seconds=inf"),
        ({"backoff_seconds_max": "5"}, "backoff_seconds_max='5'"),
    ],
)
def test_a_group_of_another_form_is_refused(changed: dict[str, Any], problem: str) -> None:
    sound: dict[str, Any] = {"name": "team", "members": TEAM}
    with pytest.raises(InvalidValueError) as refused:
        SupervisionGroup(**(sound | changed))
    assert problem in str(refused.value)


def test_an_agent_is_in_one_group_at_most_and_a_name_is_of_one_group() -> None:
    one, other = SupervisionGroup("one", ("a", "b")), SupervisionGroup("other", ("b", "c"))
    with pytest.raises(InvalidValueError, match="b is in 'one' and in 'other'"):
        require_apart((one, other))
    with pytest.raises(InvalidValueError, match="'one' is there twice"):
        parse_groups([one, SupervisionGroup("one", ("c",))])
    apart = SupervisionGroup("other", ("c",))
    assert parse_groups([one, apart]) == (one, apart)


@pytest.mark.parametrize("groups", [None, "team", {"team": TEAM}, [None], ["team"], (7,)])
def test_what_is_no_group_is_refused(groups: object) -> None:
    with pytest.raises(InvalidValueError, match="SupervisionGroup"):
        parse_groups(groups)
    with pytest.raises(InvalidValueError, match=r"use SupervisionGroup\(\.\.\.\)"):
        parse_group(groups)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("group_escalated", "repair"),
        ("owner_crashed", "repair"),
        ("turn_stuck", "when its turn has ended"),
        ("unknown_kind", "agents="),
        ("unreadable", "config"),
        ("rows_contradict", "doctor"),
        ("row_unreadable", "doctor"),
        ("store", "doctor"),
    ],
)
def test_each_reason_has_its_remedy(reason: str, words: str) -> None:
    assert words in remedy_of(reason)
