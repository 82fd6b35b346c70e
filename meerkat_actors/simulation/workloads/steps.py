"""Agents that do things to the world outside, each once: what was done, the world itself remembers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import orjson
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import StepUnknownError
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.simulation.outcome import Seen
from meerkat_actors.simulation.scenario import Scenario

if TYPE_CHECKING:
    from meerkat_actors.simulation.world import World

_AGENTS: Final = 3


async def buy(turn: Turn) -> str:
    """Pay, with the run as its key, and ship, which nobody may do twice; say what was done, or that it is unknown."""

    async def pay(key: str) -> str:
        await trio.sleep(turn.random.expovariate(3))
        return f"paid {key}"

    async def ship(key: str) -> str:
        await trio.sleep(turn.random.expovariate(3))
        return f"shipped {key}"

    paid = await turn.step("pay", pay, turn.run_id)
    try:
        shipped = await turn.step("ship", ship, turn.run_id, on_unknown="fail")
    except StepUnknownError:
        shipped = "unknown"
    return orjson.dumps([turn.run_id, paid, shipped]).decode()


async def drive(world: World) -> None:
    """One order at a time for each of the shops."""
    async with trio.open_nursery() as nursery:
        for number in range(_AGENTS):
            nursery.start_soon(_order, world, f"shop-{number}")


async def _order(world: World, name: str) -> None:
    client, random = world.client(f"client of {name}"), world.random(name)
    while world.is_open:
        await client.ask(name, "one, please", kind="shop")
        await trio.sleep(random.expovariate(1))


def check_what_was_recorded_is_of_its_run(seen: Seen) -> Iterator[str]:
    """A result is its own run's, and each run says so once."""
    runs: Counter[str] = Counter()
    for asked in seen.asked:
        if isinstance(asked.outcome, Consumed) and asked.outcome.text is not None:
            run, paid, shipped = orjson.loads(asked.outcome.text)
            runs[run] += 1
            if paid != f"paid {run}" or shipped not in {f"shipped {run}", "unknown"}:
                yield f"{asked.agent}: run {run} says {asked.outcome.text}"
            if run != asked.outcome.receipt.run_id:
                yield f"{asked.agent}: run {run} answered for {asked.outcome.receipt.run_id}"


STEPS: Final = Scenario(
    name="steps", agents={"shop": buy}, drive=drive, checks=(check_what_was_recorded_is_of_its_run,)
)
