"""Trio's order of tasks: of the seed, and of nothing else. These fail when a new Trio has other private names."""

from __future__ import annotations

import random
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import trio

from meerkat_actors.simulation.clock import VirtualClock
from meerkat_actors.simulation.scheduling import Watchdog, seeded

RUN: Any = import_module("trio._core._run")
SWITCH = "_ALLOW_DETERMINISTIC_SCHEDULING"
CHANCE = "_r"


def is_on() -> bool:
    return bool(getattr(RUN, SWITCH))


def chance() -> random.Random:
    found = getattr(RUN, CHANCE)
    assert type(found) is random.Random
    return found


def order(seed: str, *, tasks: int = 12, rounds: int = 3) -> list[int]:
    """Who came in which order, woken by one event after another."""
    found: list[int] = []
    events = [trio.Event() for _ in range(rounds)]

    async def one(number: int) -> None:
        for event in events:
            await event.wait()
            found.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(tasks):
                nursery.start_soon(one, number)
            for event in events:
                await trio.sleep(1)
                event.set()

    with seeded(seed):
        trio.run(main, clock=VirtualClock())
    return found


def test_trio_has_the_private_names_that_this_needs() -> None:
    assert getattr(RUN, SWITCH) in {True, False}
    assert chance().random() < 1


def test_the_same_seed_is_the_same_order_and_another_is_another() -> None:
    orders = [tuple(order(str(seed))) for seed in range(30)]
    assert orders == [tuple(order(str(seed))) for seed in range(30)]
    assert len(set(orders)) == 30


def test_the_order_is_of_the_seed_and_of_nothing_else() -> None:
    """Trio keeps who waits for an event in a set: what lies where in memory must make no difference."""
    expected = order("1")
    for number in range(20):
        ballast = [object() for _ in range(number * 997)]
        random.seed(number)
        chance().seed(number)
        order(f"another {number}")
        assert order("1") == expected, f"after {number} other runs"
        del ballast


def test_every_task_may_come_first_and_last() -> None:
    firsts = {order(f"seed {seed}", tasks=3, rounds=1)[0] for seed in range(60)}
    lasts = {order(f"seed {seed}", tasks=3, rounds=1)[-1] for seed in range(60)}
    assert firsts == lasts == {0, 1, 2}


@pytest.mark.parametrize("was", [False, True])
def test_afterwards_trio_is_as_it_was(was: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RUN, SWITCH, was)
    with pytest.raises(ZeroDivisionError), seeded("1"):
        fail_if(is_on())
    assert was is is_on()
    state = chance().getstate()
    with seeded("1"):
        pass
    assert chance().getstate() != state, "whoever comes next gets chance, not what a seed left"


def fail_if(is_so: bool) -> None:
    if is_so:
        raise ZeroDivisionError


@pytest.mark.parametrize("name", [SWITCH, CHANCE])
def test_a_trio_without_the_names_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(RUN, name)
    with pytest.raises(RuntimeError, match="use the version of the constraints"), seeded("1"):
        pytest.fail("it went on without an order")


def watched(work: Callable[[Watchdog], Any], *, tasks: int = 0) -> bool:
    """Whether the watchdog bit, while ``tasks`` others sleep."""
    watchdog = Watchdog()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(tasks):
                nursery.start_soon(trio.sleep_forever)
            with trio.CancelScope() as watchdog.scope:
                await work(watchdog)
            nursery.cancel_scope.cancel()
        assert watchdog.scope.cancelled_caught is watchdog.has_bitten

    trio.run(main, clock=VirtualClock(), instruments=(watchdog,))
    return watchdog.has_bitten


async def go_round(steps: int) -> None:
    for _ in range(steps):
        await trio.lowlevel.checkpoint()


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meerkat_actors.simulation.scheduling.STEPS_MAX", 10_000)
    monkeypatch.setattr("meerkat_actors.simulation.scheduling._STEPS_OF_EACH", 100)


@pytest.mark.usefixtures("few_steps")
def test_the_watchdog_ends_what_goes_round_in_circles() -> None:
    assert watched(lambda _: go_round(1_000_000))


@pytest.mark.usefixtures("few_steps")
def test_the_watchdog_ends_who_sleeps_for_next_to_nothing() -> None:
    async def doze(__: Watchdog) -> None:
        for _ in range(1_000_000):
            await trio.sleep(1e-9)

    assert watched(doze)


@pytest.mark.usefixtures("few_steps")
def test_the_watchdog_leaves_alone_who_gets_somewhere() -> None:
    async def live(__: Watchdog) -> None:
        for _ in range(5):
            await go_round(8_000)
            await trio.sleep(1)

    async def get_somewhere(watchdog: Watchdog) -> None:
        for _ in range(5):
            await go_round(8_000)
            watchdog.pat()

    assert not watched(live)
    assert not watched(get_somewhere)


@pytest.mark.usefixtures("few_steps")
def test_many_tasks_may_take_more_steps_than_few() -> None:
    assert not watched(lambda _: go_round(30_000), tasks=400)
    assert watched(lambda _: go_round(30_000), tasks=4)
