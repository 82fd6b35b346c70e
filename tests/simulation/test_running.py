"""Whatever happens in a simulation is told by what it came to; nothing is raised out of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import trio
from attrs import evolve

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import MeerkatError
from meerkat_actors.simulation.outcome import Seen
from meerkat_actors.simulation.plan import Crash, Moment, Plan, PowerCut, Stall
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.workloads import WORKLOADS

if TYPE_CHECKING:
    from meerkat_actors.simulation.world import World


async def answer(turn: Turn) -> str:
    """Say it again."""
    return turn.text


async def ask_once(world: World) -> None:
    """One question."""
    await world.client("c").ask("a", "hello", kind="k")


SCENARIO = Scenario(name="one", agents={"k": answer}, drive=ask_once, is_durable=False)


def test_a_workload_that_raises_is_told() -> None:
    async def drive(world: World) -> None:
        await ask_once(world)
        problem = "nobody thought of that"
        raise LookupError(problem)

    (told,) = run(evolve(SCENARIO, drive=drive), "1", Plan()).violations
    assert told.startswith("the workload raised")
    assert "nobody thought of that" in told


def test_a_check_that_raises_is_told() -> None:
    def check(seen: Seen) -> Iterator[str]:
        raise ZeroDivisionError(seen.seed)

    (told,) = run(evolve(SCENARIO, checks=(check,)), "1", Plan()).violations
    assert "ZeroDivisionError" in told


def test_a_call_that_raises_none_of_our_errors_is_told_and_ends() -> None:
    async def drive(world: World) -> None:
        assert await world.client("c").ask("a", object(), kind="k") is None  # type: ignore[arg-type]  # hostile
        _, runtime = await world.process()
        runtime.agent = None  # type: ignore[assignment, method-assign]  # as if it were broken
        assert await world.client("c").ask("a", "hello", kind="k") is None

    lived = run(evolve(SCENARIO, drive=drive), "1", Plan())
    assert [told.split(":")[0] for told in lived.violations][:1] == ["a call raised none of our errors"]


def test_a_workload_that_waits_for_ever_is_told() -> None:
    async def drive(world: World) -> None:
        await ask_once(world)
        await trio.sleep_forever()

    (told,) = run(evolve(SCENARIO, drive=drive), "1", Plan()).violations
    assert told.startswith("the workload never ends")


def test_who_asks_a_runtime_by_itself_is_no_phantom() -> None:
    async def drive(world: World) -> None:
        await ask_once(world)
        _, runtime = await world.serving()
        await (await runtime.agent("a")).send("of nobody's history")

    async def hidden(world: World) -> None:
        await ask_once(world)
        _, runtime = await world.process()
        await (await runtime.agent("a")).send("of nobody's history")

    assert run(evolve(SCENARIO, drive=drive), "1", Plan()).violations == ()
    (told,) = run(evolve(SCENARIO, drive=hidden), "1", Plan()).violations
    assert "nobody asked for input" in told


@pytest.mark.parametrize("moment", Moment)
def test_a_client_outlives_its_process(moment: Moment) -> None:
    scenario = evolve(WORKLOADS["asks"], seconds=4.0)
    plan = Plan((Crash(at=1.0, moment=moment), PowerCut(at=2.0, moment=moment)))
    lived = run(scenario, "1", plan)
    assert lived.violations == ()
    assert (lived.boots, lived.fired["Crash"], lived.fired["PowerCut"]) == (3, 1, 1)


def test_a_subscriber_that_stalls_misses_nothing() -> None:
    lived = run(evolve(WORKLOADS["mob-memory"], seconds=8.0), "1", Plan((Stall(at=1.0, seconds=5.0),)))
    assert lived.violations == ()
    assert lived.fired["Stall"] == 1


def test_a_turn_that_fails_costs_a_client_nothing_but_an_answer() -> None:
    class OurError(MeerkatError):
        """Somebody's."""

    async def fail(turn: Turn) -> str:
        raise OurError(problem=turn.text)

    lived = run(evolve(SCENARIO, agents={"k": fail}), "1", Plan())
    assert lived.violations == ()
    assert (lived.inputs, lived.turns) == (1, 0)
