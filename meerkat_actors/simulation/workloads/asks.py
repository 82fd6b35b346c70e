"""Clients that ask counters: each answer counts once, also where its asker asked again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.simulation.outcome import Seen
from meerkat_actors.simulation.scenario import Scenario

if TYPE_CHECKING:
    from meerkat_actors.simulation.world import World

_CLIENTS: Final = 4
COUNTERS: Final = 3


async def count(turn: Turn) -> str:
    """Say how many inputs there were, with those of this turn."""
    await trio.sleep(turn.random.expovariate(5))
    total = (turn.state or 0) + len(turn.inputs)
    turn.set_state(total)
    return str(total)


async def drive(world: World) -> None:
    """Several clients, each with one question at a time."""
    async with trio.open_nursery() as nursery:
        for number in range(_CLIENTS):
            nursery.start_soon(_ask, world, f"client {number}")


async def _ask(world: World, name: str) -> None:
    client, random = world.client(name), world.random(name)
    number = 0
    while world.is_open:
        number += 1
        await client.ask(f"counter-{random.randrange(COUNTERS)}", {"by": name, "number": number}, kind="counter")
        await trio.sleep(random.expovariate(1))


def check_each_number_is_given_once(seen: Seen) -> Iterator[str]:
    """In a generation no two turns give the same one; a number skipped is an input of somebody who never heard."""
    given: defaultdict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    for asked in seen.asked:
        if isinstance(asked.outcome, Consumed) and asked.outcome.text is not None:
            receipt = asked.outcome.receipt
            versions = given[asked.agent, receipt.generation]
            was = versions.setdefault(asked.outcome.text, receipt.checkpoint_version)
            if was != receipt.checkpoint_version:
                yield f"{asked.agent}: turns {was} and {receipt.checkpoint_version} both counted {asked.outcome.text}"


ASKS: Final = Scenario(name="asks", agents={"counter": count}, drive=drive, checks=(check_each_number_is_given_once,))
