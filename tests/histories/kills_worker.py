"""One process that is killed, or ends itself: ``python -m tests.histories.kills_worker WORK DATABASE TURN_SECONDS``."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime, open_runtime

SUSPECT_SECONDS: Final = 0.1
INPUTS: Final = 41
POISON_PLACE: Final = 20
LIFE_SECONDS_MAX: Final = 120.0
BEGAN: Final = "began"
"""What the process says when a turn begins."""
POISONED: Final = 66
"""How the process ends of the poisonous input."""


def main() -> None:
    """Live until nothing is left to do, or until the end."""
    work, database, turn_seconds = sys.argv[1:]
    trio.run(_live, _WORK[work], database, float(turn_seconds))


async def _live(send: Callable[[Runtime], Awaitable[None]], database: str, turn_seconds: float) -> None:
    async def work(turn: Turn) -> str:
        print(BEGAN, flush=True)
        await trio.sleep(turn_seconds)
        if any(each.content == "poison" for each in turn.inputs):
            os._exit(POISONED)
        return turn.text

    limits = Limits(suspect_seconds=SUSPECT_SECONDS)
    with trio.fail_after(LIFE_SECONDS_MAX):
        async with open_runtime(database, agents={"k": work}, limits=limits) as runtime:
            await send(runtime)
            await runtime.wait_idle()


async def _send_one(runtime: Runtime) -> None:
    await (await runtime.agent("a", kind="k")).send("x", idempotency_key="x")


async def _send_to_many(runtime: Runtime) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(INPUTS):
            nursery.start_soon(_send, runtime, f"agent-{number:02}", number)


async def _send_batch(runtime: Runtime) -> None:
    agent = await runtime.agent("a", kind="k")
    if [record async for record in agent.inputs()]:
        return
    await agent.pause()
    for number in range(INPUTS):
        await _send(runtime, "a", number)
    await agent.resume()


async def _send(runtime: Runtime, name: str, number: int) -> None:
    agent = await runtime.agent(name, kind="k")
    content = "poison" if number == POISON_PLACE else f"good {number}"
    await agent.send(content, kind="peer_message", idempotency_key=f"input {number}")


_WORK: Final = {"long": _send_one, "agents": _send_to_many, "batch": _send_batch}


if __name__ == "__main__":
    main()
