"""Agents that ask other agents, who answer at once, in words, later, or never on their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.simulation.outcome import Seen
from meerkat_actors.simulation.scenario import Scenario

if TYPE_CHECKING:
    from meerkat_actors.simulation.world import World

_ASKERS: Final = 3
_EXPERTS: Final = 3
_LATER: Final = "answer what you owe"


async def delegate(turn: Turn) -> str:
    """Ask an expert for each task; say how many answers came."""
    asked, answered = turn.state or (0, 0)
    for each in turn.inputs:
        if each.kind is InputKind.PROMPT:
            turn.request(f"expert-{turn.random.randrange(_EXPERTS)}", each.content)
            asked += 1
        answered += each.kind is InputKind.PEER_RESPONSE_TERMINAL
    turn.set_state([asked, answered])
    return f"{answered} of {asked}"


async def advise(turn: Turn) -> str:
    """Answer, say how it is getting on, or put it off."""
    await trio.sleep(turn.random.expovariate(5))
    if any(each.content == _LATER for each in turn.inputs):
        for request_id in turn.owed:
            turn.respond(request_id, "at last", status=turn.random.choice(("completed", "failed")))
    for each in turn.inputs:
        if each.kind is not InputKind.PEER_REQUEST:
            continue
        way = turn.random.randrange(3)
        if way == 0:
            turn.respond(each, "gladly")
        elif way == 1:
            turn.respond(each, "wait", status="in_progress")
            turn.defer(each)
            turn.after(turn.random.expovariate(0.5), _LATER, name="later")
    return "as I say"


async def drive(world: World) -> None:
    """One task at a time for each of the askers."""
    async with trio.open_nursery() as nursery:
        for number in range(_ASKERS):
            nursery.start_soon(_give, world, number)


async def _give(world: World, number: int) -> None:
    client, random = world.client(f"boss {number}"), world.random(f"boss {number}")
    await client.send(f"expert-{number}", "be there", kind="expert")
    while world.is_open:
        await client.ask(f"asker-{number}", "find out", kind="asker")
        await trio.sleep(random.expovariate(1))


def check_every_request_was_answered(seen: Seen) -> Iterator[str]:
    """There are as many answers as requests that are owed none, unless somebody was destroyed."""
    requests = [row for row in seen.contents.inputs if row.kind == InputKind.PEER_REQUEST.value]
    answers = sum(row.kind == InputKind.PEER_RESPONSE_TERMINAL.value for row in seen.contents.inputs)
    owed = sum(row.is_owed for row in requests)
    is_somebody_gone = any(head.is_buried for head in seen.contents.agents)
    if answers + owed != len(requests) and not is_somebody_gone:
        yield f"{len(requests)} requests, {answers} answers, and {owed} are owed"


REQUESTS: Final = Scenario(
    name="requests",
    agents={"asker": delegate, "expert": advise},
    drive=drive,
    checks=(check_every_request_was_answered,),
)
