"""A kill before, in and after every commit of everything that is committed: nothing lost, nothing twice, no verb half.

What a kill leaves is what was committed by then: a copy of the store, taken between COMMIT and the replies. Whoever
comes back asks the same again, and ends where an undisturbed life ended. So does whoever listened: it goes on behind
what it heard last, and hears all the rest.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator

import pytest

from meerkat_actors.records.continuity_effects import ContinuityEffect
from meerkat_actors.records.effects import Effect, OwnerUnit, Release, ReturnMail
from meerkat_actors.records.runtime_effects import MoveInput, RuntimeEffect
from tests.crashes.fire_runs import workplace
from tests.fates.acts import ACTS, Act
from tests.fates.agenda_acts import AGENDA_ACTS, barrier
from tests.fates.facts import Facts, read_facts
from tests.fates.kills import Player, come_back, live, live_until, survive
from tests.fates.torn import cut_in_every_commit
from tests.fates.world import InMemory, OnDisk, Place, looking_at

ALL = ACTS + AGENDA_ACTS


@pytest.mark.parametrize("act", ALL, ids=str)
def test_a_kill_at_any_commit_is_survived_in_memory(act: Act) -> None:
    check_every_kill(act, InMemory())


@pytest.mark.parametrize("act", ALL, ids=str)
def test_a_kill_at_any_commit_is_survived_on_disk(act: Act) -> None:
    with workplace() as folder:
        check_every_kill(act, OnDisk(folder))


@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("act", ALL, ids=str)
def test_a_commit_that_fails_at_any_point_is_survived_by_who_hears_of_it(act: Act, is_written: bool) -> None:
    """Its callers are told that the outcome is not known, whatever it is; and asking again tells."""
    wanted = live(act, InMemory()).facts
    for nth in range(1, 100):
        kill = live_until(act, InMemory(), nth, is_written=is_written)
        if kill is None:
            assert nth > 3
            break
        assert survive(act, kill, wanted) == []


@pytest.mark.parametrize("act", ALL, ids=str)
def test_a_power_cut_in_any_commit_is_survived(act: Act) -> None:
    with workplace() as folder:
        kills = cut_in_every_commit(act, folder, share=1 if act in ACTS else 0.4)
        wanted = live(act, InMemory()).facts
        for kill in kills:
            assert survive(act, kill, wanted) == []


def test_what_a_process_carried_out_ends_with_it_and_what_ended_before_stays() -> None:
    act = Act(barrier)
    fates: set[tuple[str, str]] = set()
    for kill in live(act, InMemory()).kills:
        with looking_at(kill.place) as store:
            was = status_of(read_facts(store), "z")
        ended, _ = come_back(act, kill.place.open(), Player.after(kill.moments[-1]), seed=kill.where)
        fates.add((was, status_of(ended, "z")))
        assert ended["a"].transcript[-1][2] == "woken by ['when_all', 'x', 'y', 'z']", kill.where
    assert fates == {("", "completed"), ("running", "terminated"), ("completed", "completed")}


def status_of(facts: Facts, name: str) -> str:
    """Of an operation of agent a; empty while there is none."""
    return "".join(status for found, _, status, _ in facts["a"].operations if found == name)


def check_every_kill(act: Act, place: Place) -> None:
    life = live(act, place)
    assert life.wrong == ()
    assert len(life.kills) > 3
    for kill in life.kills:
        assert survive(act, kill, life.facts) == []


def test_every_effect_of_the_runtime_is_among_what_is_killed() -> None:
    """A new effect needs an act: this fails until it has one."""
    facades = {*typing.get_args(ContinuityEffect), *typing.get_args(RuntimeEffect)} - {MoveInput}
    lives = [live(act, InMemory()) for act in ALL]
    effects = {type(effect) for life in lives for unit in life.units for effect in unit.effects}
    assert effects == set(typing.get_args(Effect)) - facades - {Release}
    assert {type(each) for life in lives for unit in life.posts for each in returned_by(unit)} == {ReturnMail}


def returned_by(unit: OwnerUnit) -> Iterator[object]:
    """Input that a runtime leaves for another runtime's agent needs two of them: ``tests/store/test_sharing``."""
    yield from unit.effect if isinstance(unit.effect, tuple) else (unit.effect,)
