"""A kill before, in and after every commit of everything that is committed: nothing lost, nothing twice, no verb half.

What a kill leaves is what was committed by then: a copy of the store, taken between COMMIT and the replies. Whoever
comes back asks the same again, and ends where an undisturbed life ended.
"""

from __future__ import annotations

import typing

import pytest

from meerkat_actors.records.continuity_effects import ContinuityEffect
from meerkat_actors.records.effects import Effect, Release
from meerkat_actors.records.runtime_effects import MoveInput, RuntimeEffect
from tests.crashes.fire_runs import workplace
from tests.fates.acts import ACTS, Act
from tests.fates.kills import live, live_until, survive
from tests.fates.torn import cut_in_every_commit
from tests.fates.world import InMemory, OnDisk, Place


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_a_kill_at_any_commit_is_survived_in_memory(act: Act) -> None:
    check_every_kill(act, InMemory())


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_a_kill_at_any_commit_is_survived_on_disk(act: Act) -> None:
    with workplace() as folder:
        check_every_kill(act, OnDisk(folder))


@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("act", ACTS, ids=str)
def test_a_commit_that_fails_at_any_point_is_survived_by_who_hears_of_it(act: Act, is_written: bool) -> None:
    """Its callers are told that the outcome is not known, whatever it is; and asking again tells."""
    wanted = live(act, InMemory()).facts
    for nth in range(1, 100):
        kill = live_until(act, InMemory(), nth, is_written=is_written)
        if kill is None:
            assert nth > 4
            break
        assert survive(act, kill, wanted) == []


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_a_power_cut_in_any_commit_is_survived(act: Act) -> None:
    with workplace() as folder:
        kills = cut_in_every_commit(act, folder)
        wanted = live(act, InMemory()).facts
        for kill in kills:
            assert survive(act, kill, wanted) == []


def check_every_kill(act: Act, place: Place) -> None:
    life = live(act, place)
    assert life.wrong == ()
    assert len(life.kills) > 4
    for kill in life.kills:
        assert survive(act, kill, life.facts) == []


def test_every_effect_of_the_runtime_is_among_what_is_killed() -> None:
    """A new effect needs an act: this fails until it has one."""
    facades = {*typing.get_args(ContinuityEffect), *typing.get_args(RuntimeEffect)} - {MoveInput}
    units = [unit for act in ACTS for unit in live(act, InMemory()).units]
    assert {type(effect) for unit in units for effect in unit.effects} == set(typing.get_args(Effect)) - facades - {
        Release
    }
