"""Agents that write to each other: round a ring, and all to one, each number once and in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import orjson
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.simulation.history import text_of
from meerkat_actors.simulation.outcome import Seen
from meerkat_actors.simulation.scenario import Scenario

if TYPE_CHECKING:
    from meerkat_actors.simulation.world import World

_RING: Final = 20


async def pass_on(turn: Turn) -> None:
    """Give each token to the next of the ring, until it is spent, and tell the one whom all tell."""
    await trio.sleep(turn.random.expovariate(10))
    number = int(turn.identity.removeprefix("ring-"))
    told = turn.state or 0
    for each in turn.inputs:
        if isinstance(each.content, int) and each.content > 0:
            turn.send(f"ring-{(number + 1) % _RING}", each.content - 1)
        told += 1
        turn.send("sink", told)
    turn.set_state(told)


async def take(turn: Turn) -> str:
    """Say who told what, in the order in which it came."""
    told = [[each.sender, each.content] for each in turn.inputs if each.sender is not None]
    return orjson.dumps(told).decode()


async def drive(world: World) -> None:
    """Tokens that go round, from several places."""
    client, random = world.client("giver"), world.random("giver")
    await client.send("sink", "all tell you", kind="sink")
    for number in range(_RING):
        await client.send(f"ring-{number}", 0, kind="ring")
    while world.is_open:
        await client.send(f"ring-{random.randrange(_RING)}", random.randint(1, 15), kind="ring")
        await trio.sleep(random.expovariate(0.3))


def check_each_number_is_told_once_and_in_order(seen: Seen) -> Iterator[str]:
    """What the sink's turns said: of each sender one more each time.

    Unless somebody was governed, or a turn failed for good: a reset, or an end, loses what was on its way, and begins
    to count again.
    """
    contents = seen.contents
    if any(head.generation or head.is_buried for head in contents.agents) or any(row.reason for row in contents.inputs):
        return
    newest: defaultdict[str, int] = defaultdict(int)
    for head in contents.agents:
        for turn in contents.turns_of.get(head.key, ()) if head.name == "sink" else ():
            for sender, number in orjson.loads(text_of(turn) or "[]"):
                if number != newest[sender] + 1:
                    yield f"sink: {sender} told {number} after {newest[sender]}, in turn {turn.version}"
                newest[sender] = number


MAIL: Final = Scenario(
    name="mail",
    agents={"ring": pass_on, "sink": take},
    drive=drive,
    checks=(check_each_number_is_told_once_and_in_order,),
)
