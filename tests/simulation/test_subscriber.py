"""The subscriber follows across crashes, and what it was told wrong is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from attrs import evolve

from meerkat_actors.simulation.plan import Crash, Plan, Restart
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.workloads import WORKLOADS
from meerkat_actors.simulation.workloads.asks import drive

if TYPE_CHECKING:
    from meerkat_actors.simulation.world import World

SCENARIO = evolve(WORKLOADS["asks"], seconds=5.0)


def test_it_goes_on_behind_its_cursor_after_a_crash() -> None:
    told: list[int] = []

    async def watched(world: World) -> None:
        await drive(world)
        told.append(len(world.subscriber.told))

    lived = run(evolve(SCENARIO, drive=watched), "1", Plan((Crash(at=1.0), Restart(at=3.0))))
    assert lived.violations == ()
    assert lived.boots == 3
    assert told[0] > lived.inputs


def test_an_event_that_it_missed_is_found() -> None:
    async def forget(world: World) -> None:
        await drive(world)
        del world.subscriber.told[3]

    (found, *_) = run(evolve(SCENARIO, drive=forget), "1", Plan()).violations
    assert found.startswith("event 3 is ")


def test_an_event_that_it_is_told_twice_is_found() -> None:
    async def go_back(world: World) -> None:
        cursor = world.subscriber.after
        await drive(world)
        world.subscriber.after = cursor
        world.restart()

    lived = run(evolve(SCENARIO, drive=go_back), "1", Plan())
    assert any("is told" in told and "behind" in told for told in lived.violations)


def test_nobody_follows_a_scenario_that_is_not_to_be_followed() -> None:
    async def watched(world: World) -> None:
        await drive(world)
        assert not world.subscriber.told

    assert run(evolve(SCENARIO, drive=watched, is_followed=False), "1", Plan()).violations == ()


def test_an_event_that_never_was_is_found() -> None:
    async def invent(world: World) -> None:
        await drive(world)
        await trio.sleep(10)  # all that happened is told by then
        world.subscriber.told.append(b"never")

    (found, *_) = run(evolve(SCENARIO, drive=invent), "1", Plan()).violations
    assert "events, and there are" in found
