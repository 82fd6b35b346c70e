"""Scenarios with a fault planted in them, at the top of a module: other processes find them by name."""

from __future__ import annotations

from collections.abc import Iterator

import trio
from attrs import evolve

from meerkat_actors import Turn
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.simulation import Scenario, Seen, World

COUNTS: dict[str, int] = {}
"""What an agent should have kept in its state: a turn that is taken again counts again."""
RUNS: list[int] = []


async def counting(turn: Turn) -> str:
    COUNTS["all"] = COUNTS.get("all", 0) + 1
    await trio.sleep(0.1)
    return str(COUNTS["all"])


async def well(turn: Turn) -> str:
    count = turn.state + 1 if isinstance(turn.state, int) else 1
    await trio.sleep(0.1)
    turn.set_state(count)
    return str(count)


async def asking(world: World) -> None:
    COUNTS.clear()
    client, random = world.client("client"), world.random("client")
    while world.is_open:
        await client.ask("counter", "count", kind="counter")
        await trio.sleep(random.expovariate(1))


async def leaking(world: World) -> None:
    RUNS.append(1)
    await trio.sleep(len(RUNS))


async def raising(world: World) -> None:
    await trio.sleep(1)
    raise LookupError(f"of seed {world.seed}")  # noqa: EM102 - as a user writes it


async def interrupting(world: World) -> None:
    await trio.sleep(1)
    raise KeyboardInterrupt


async def interrupting_in_a_nursery(world: World) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(interrupting, world)
        await trio.sleep_forever()


def each_number_once(seen: Seen) -> Iterator[str]:
    told = [(asked.input_id, asked.outcome.text) for asked in seen.asked if isinstance(asked.outcome, Consumed)]
    for number, (input_id, text) in enumerate(told, 1):
        if text != str(number):
            yield f"{input_id} was told {text}, and is number {number}"
            return


def always(seen: Seen) -> Iterator[str]:
    yield f"never well, of seed {seen.seed}"


COUNTING = Scenario(
    name="counting",
    agents={"counter": counting},
    drive=asking,
    checks=(each_number_once,),
    seconds=30,
    is_durable=False,
)
COUNTING_ON_DISK = Scenario(
    name="counting", agents={"counter": counting}, drive=asking, checks=(each_number_once,), seconds=30
)
WELL = Scenario(name="well", agents={"counter": well}, drive=asking, seconds=10, is_durable=False)
ALWAYS = Scenario(name="always", agents={"counter": well}, drive=asking, checks=(always,), seconds=5, is_durable=False)
LEAKING = Scenario(
    name="leaking", agents={"counter": well}, drive=leaking, checks=(always,), seconds=5000, is_durable=False
)
RAISING = Scenario(name="raising", agents={"counter": well}, drive=raising, seconds=5, is_durable=False)
INTERRUPTED = Scenario(name="interrupted", agents={"counter": well}, drive=interrupting, is_durable=False)
INTERRUPTED_IN_A_NURSERY = evolve(INTERRUPTED, drive=interrupting_in_a_nursery)
