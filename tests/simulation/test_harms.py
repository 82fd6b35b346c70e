"""What is in force hurts whom it is for, once, and nobody after its end."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import cast

import attrs
import pytest
import trio
from trio.testing import MockClock

from meerkat_actors.actors.turn import AgentKind, Turn
from meerkat_actors.simulation.harms import CallHarm, Death, Harms, SimulatedError, hurt
from meerkat_actors.simulation.plan import Moment
from meerkat_actors.simulation.processes import Life

TURN = cast("Turn", object())


def nothing(_: Life) -> None:
    """Nobody dies of it."""


class Chance(Random):
    """Draws what it is told."""

    def __init__(self, *draws: float) -> None:
        super().__init__()
        self.draws: Iterator[float] = iter(draws)

    def random(self) -> float:
        return next(self.draws)


def harms(*draws: float) -> Harms:
    return Harms(Chance(*draws))


def in_force(it: Harms) -> Harms:
    it.raising, it.hanging, it.steps, it.is_doubled, it.delay = 2, 3.0, 4, True, 5.0
    it.slow_until, it.slow_seconds, it.stalled_until = 60.0, 1.0, 60.0
    it.death = Death(Moment.BEFORE_COMMIT, nothing)
    return it


def is_calm(it: Harms) -> bool:
    return (it.raising, it.hanging, it.steps, it.is_doubled, it.delay, it.death) == (0, 0.0, 0, False, 0.0, None)


async def answered(turn: Turn) -> str:
    assert turn is TURN
    return "well"


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (CallHarm(steps=3), "CallerCancelled"),
        (CallHarm(is_doubled=True), "SentTwice"),
        (CallHarm(delay=2.5), "Delayed"),
    ],
)
def test_the_next_call_takes_a_harm_and_the_one_after_it_none(harm: CallHarm, kind: str) -> None:
    it = harms()
    it.steps, it.is_doubled, it.delay = attrs.astuple(harm)
    assert it.of_next_call() == harm
    assert it.fired == {kind: 1}
    assert it.of_next_call() == CallHarm()
    assert it.fired == {kind: 1}


def test_one_call_may_take_three_harms() -> None:
    it = in_force(harms())
    assert it.of_next_call() == CallHarm(steps=4, is_doubled=True, delay=5.0)
    assert it.fired == {"CallerCancelled": 1, "SentTwice": 1, "Delayed": 1}
    assert (it.raising, it.hanging) == (2, 3.0), "turns are others' matter"


@pytest.mark.parametrize("moment", [moment for moment in Moment if moment is not Moment.NOW])
def test_a_death_is_met_at_its_moment_and_once(moment: Moment) -> None:
    it = harms()
    it.death = death = Death(moment, nothing)
    assert [it.meets(other) for other in Moment if other is not moment] == [None] * (len(Moment) - 1)
    assert it.meets(moment) is death
    assert it.meets(moment) is None


async def test_commits_are_slow_until_they_are_not(autojump_clock: MockClock) -> None:
    it = harms(0.25, 0.5)
    begun = trio.current_time()
    it.slow_until, it.slow_seconds = begun + 10.0, 8.0
    assert it.delays() == (2.0, 4.0)
    await trio.sleep(10.0)
    assert it.delays() == (0.0, 0.0)
    assert it.fired == {"SlowCommits": 1}


async def test_so_many_turns_raise_before_they_begin_or_at_their_end() -> None:
    called: list[Turn] = []

    async def answer(turn: Turn) -> str:
        called.append(turn)
        return "well"

    it = harms(0.49, 0.5)
    it.raising = 2
    turn_of = hurt(AgentKind(answer), it)
    with pytest.raises(SimulatedError):
        await turn_of(TURN)
    assert called == [], "before it did anything"
    with pytest.raises(SimulatedError):
        await turn_of(TURN)
    assert called == [TURN], "after it did everything"
    assert await turn_of(TURN) == "well"
    assert it.fired == {"TurnsRaise": 2}


async def test_what_a_turn_raises_by_itself_is_its_own(autojump_clock: MockClock) -> None:
    async def fail(_: Turn) -> str:
        raise LookupError

    it = harms(0.9)
    it.raising = 1
    with pytest.raises(LookupError):
        await hurt(AgentKind(fail), it)(TURN)
    assert it.fired == {}, "it was not told to raise that"


async def test_the_next_turn_hangs_and_the_one_after_it_does_not(autojump_clock: MockClock) -> None:
    it = harms()
    it.hanging = 40.0
    turn_of = hurt(AgentKind(answered), it)
    times = [trio.current_time()]
    for _ in range(2):
        assert await turn_of(TURN) == "well"
        times.append(trio.current_time())
    assert times[1] - times[0] == pytest.approx(40.0)
    assert times[2] == times[1]
    assert it.fired == {"TurnsHang": 1}


async def test_a_turn_may_hang_and_then_raise(autojump_clock: MockClock) -> None:
    it = harms(0.0)
    it.hanging, it.raising = 40.0, 1
    begun = trio.current_time()
    with pytest.raises(SimulatedError):
        await hurt(AgentKind(answered), it)(TURN)
    assert trio.current_time() - begun == pytest.approx(40.0)
    assert it.fired == {"TurnsHang": 1, "TurnsRaise": 1}


async def test_after_the_end_nothing_hurts_anybody(autojump_clock: MockClock) -> None:
    it = in_force(harms())
    assert not is_calm(it)
    it.end()
    assert is_calm(it)
    assert it.of_next_call() == CallHarm()
    assert it.delays() == (0.0, 0.0)
    assert it.stalled_until <= trio.current_time()
    assert [it.meets(moment) for moment in Moment] == [None] * len(Moment)
    begun = trio.current_time()
    assert await hurt(AgentKind(answered), it)(TURN) == "well"
    assert trio.current_time() == begun
    assert it.fired == {}


@pytest.mark.parametrize("name", [each.name for each in attrs.fields(Harms) if each.name not in {"random", "fired"}])
def test_the_end_forgets_none_of_them(name: str) -> None:
    it = in_force(harms())
    assert getattr(it, name) != getattr(harms(), name), "a harm that this test does not know"
    it.end()
    # How slow commits were is nothing where none is.
    assert name == "slow_seconds" or getattr(it, name) == getattr(harms(), name)
