"""Deciding, over whole lives: any commands, in any folds, with crashes, against a model and against a store."""

from __future__ import annotations

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from meerkat_actors.records.status import Desired
from tests.machines.asking import AGENDA, CALLER, LIMITS, OPERATOR, PEER, TURN, Ask
from tests.machines.world import Happening, World

_TIMERS: Final[tuple[Ask, ...]] = ("schedule", "due", "due")
_ASKS: Final[st.SearchStrategy[Ask]] = st.one_of(
    st.sampled_from(CALLER), st.sampled_from(CALLER), st.sampled_from(TURN), st.sampled_from(TURN),
    st.sampled_from(PEER), st.sampled_from(AGENDA), st.sampled_from(OPERATOR), st.sampled_from(_TIMERS),
)  # fmt: skip
_HAPPENINGS: Final[st.SearchStrategy[Happening]] = st.sampled_from(
    ("adopt", "adopt", "adopt", "adopt", "adopt", "adopt", "adopt", "adopt", "adopt", "refuse", "close", "crash")
)
Laps = list[tuple[list[Ask], Happening, int, bool]]
LAPS: Final[st.SearchStrategy[Laps]] = st.lists(
    st.tuples(
        st.lists(_ASKS, max_size=4),
        _HAPPENINGS,
        st.sampled_from((5_000, 300, 0, -3_600_000)),
        st.sampled_from((True, True, False)),
    ),
    min_size=12,
    max_size=24,
)


def lived(laps: Laps) -> World:
    world = World()
    for asks, happening, passed_ms, may_suspect in laps:
        world.lap(asks, happening, passed_ms, may_suspect=may_suspect)
    return world


@settings(max_examples=150)
@given(LAPS)
def test_every_admitted_input_is_in_one_place_and_ends_once(laps: Laps) -> None:
    world = lived(laps)
    world.check_listing()
    world.check_agenda()


@settings(max_examples=40)
@given(LAPS)
def test_whatever_happened_before_an_identity_that_is_left_alone_ends_all_its_inputs(laps: Laps) -> None:
    world = lived(laps)
    if world.state.desired is not Desired.DESTROYED:
        world.lap(["resume"], "adopt", 60_000)
        world.lap(["prompt"], "adopt", 60_000)
    for _ in range(3 * LIMITS.backlog_max + 6):
        world.lap(["return"], "adopt", 60_000)
    assert world.model.open == []
    assert not world.state.has_open_input
    world.check_listing()


@settings(max_examples=40)
@given(LAPS)
def test_whatever_happened_before_every_request_has_its_answer_once_its_agent_is_gone(laps: Laps) -> None:
    world = lived(laps)
    leaving: tuple[list[Ask], ...] = (["destroy"], ["interrupt"], ["be cancelled"], [])
    for asks in leaving:
        world.lap(asks, "adopt", 60_000)
    assert world.state.is_buried
    assert {*world.model.asked} == {*world.model.answered}
    world.check_agenda()
