"""Unclean ends, by the hundred: what causes them ends, and nothing else does."""

from __future__ import annotations

from random import Random
from typing import Final

import pytest
import trio
import trio.testing

from meerkat_actors.actors.turn import AgentFunction, Turn
from meerkat_actors.records.inputs import InputRecord
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import Store
from tests.histories.mortal import living
from tests.histories.processes import Opener

KILLS: Final = 100
TURN_SECONDS: Final = 60.0
LIMITS: Final = Limits()
GOOD: Final = 40
PLACES: Final = (("memory", 0), ("memory", 20), ("memory", 40), ("sqlite", 20))
"""Where among the good ones the poisonous one is."""
LIVES_MAX: Final = 100
"""Processes after which whatever ends them must have been found."""


def moments_of(seed: str, early: float) -> list[float]:
    """When in its turn each process is killed; ``early``: how probably while the turn is watched."""
    chance = Random(seed)
    margin = 0.5
    return [
        chance.uniform(margin, LIMITS.suspect_seconds - margin)
        if chance.random() < early
        else chance.uniform(LIMITS.suspect_seconds + margin, TURN_SECONDS - margin)
        for _ in range(KILLS)
    ]


def charges_of(moments: list[float]) -> int:
    """How many of the kills count: those before the turn is watched, and later ones while it is.

    It is watched when it begins again with as many interruptions on record as make a suspect: not yet by the kill
    that puts the last of them there.
    """
    unwatched = LIMITS.suspect_from + 1
    return unwatched + sum(moment < LIMITS.suspect_seconds for moment in moments[unwatched:])


async def long_turn(turn: Turn) -> str:
    await trio.sleep(TURN_SECONDS)
    return turn.text


async def the_input(runtime: Runtime) -> InputRecord:
    [record] = [record async for record in (await runtime.agent("a")).inputs()]
    return record


@pytest.mark.parametrize(
    ("opener", "seed", "early"),
    [("memory", "15", 0.15), ("memory", "5", 0.15), ("memory", "1", 0.0), ("sqlite", "15", 0.15)],
    indirect=["opener"],
)
async def test_a_long_turn_survives_a_hundred_kills_unless_twenty_of_them_met_it_watched(
    seed: str, early: float, opener: Opener, autojump_clock: trio.testing.MockClock
) -> None:
    moments = moments_of(seed, early)
    charges = charges_of(moments)
    for moment in moments:
        async with living(opener(), {"k": long_turn}) as (runtime, life):
            await (await runtime.agent("a", kind="k")).send("x", idempotency_key="x")
            await trio.sleep(moment)
            life.kill()
            await trio.sleep(1)
    async with living(opener(), {"k": long_turn}) as (runtime, _):
        await runtime.wait_idle()
        record = await the_input(runtime)
        if charges <= LIMITS.interruptions_max:
            assert isinstance(record.outcome, Consumed), (seed, charges)
            # The last unwatched kill is on nobody's record: it only let the watching begin.
            assert (record.attempts, record.interruptions) == (0, charges - 1)
        else:
            assert isinstance(record.outcome, Abandoned), (seed, charges)
            assert (record.outcome.reason, record.attempts) == (AbandonReason.CRASH_LOOP, 0)


def test_both_fates_of_a_long_turn_are_tried() -> None:
    """The very bound is met, and passed by one."""
    assert [charges_of(moments_of(seed, 0.15)) for seed in ("15", "5")] == [20, 21]
    assert LIMITS.interruptions_max == 20


class Poison:
    """An agent that works a while, and ends its process where one of its inputs is the poisonous one."""

    def __init__(self) -> None:
        self.end: trio.Event = trio.Event()

    async def __call__(self, turn: Turn) -> str:
        await trio.sleep(0.5)
        if any(each.content == "poison" for each in turn.inputs):
            self.end.set()
            await trio.sleep_forever()
        return "fine"


async def live_until_idle(store: Store, poison: Poison) -> bool:
    """Let one process live; whether it came to an end of its work."""
    is_idle = False
    poison.end = trio.Event()
    agents: dict[str, AgentFunction] = {"k": poison}
    async with living(store, agents) as (runtime, life), trio.open_nursery() as nursery:

        async def die() -> None:
            await poison.end.wait()
            life.kill()

        nursery.start_soon(die)
        await runtime.wait_idle()
        is_idle = True
        nursery.cancel_scope.cancel()
    return is_idle


async def check_only_the_poison_died(runtime: Runtime, names: list[str]) -> None:
    records = [record for name in names async for record in (await runtime.agent(name)).inputs()]
    dead = [record for record in records if not isinstance(record.outcome, Consumed)]
    assert len(records) == GOOD + 1
    assert [(record.content, record.attempts) for record in dead] == [("poison", 0)]
    assert isinstance(dead[0].outcome, Abandoned)
    assert dead[0].outcome.reason is AbandonReason.CRASH_LOOP
    assert {record.attempts for record in records} == {0}
    letters = [letter.content async for letter in runtime.dead_letters()]
    assert letters == ["poison"]


@pytest.mark.parametrize(("opener", "place"), PLACES, indirect=["opener"])
async def test_one_poisonous_agent_takes_no_other_with_it(
    place: int, opener: Opener, autojump_clock: trio.testing.MockClock
) -> None:
    poison = Poison()
    names = [f"agent-{number:02}" for number in range(GOOD + 1)]
    async with living(opener(), {"k": poison}) as (runtime, life):
        for number, name in enumerate(names):
            agent = await runtime.agent(name, kind="k")
            await agent.send("poison" if number == place else f"good {number}")
        life.kill()
        await trio.sleep(1)
    lives = 1
    while not await live_until_idle(opener(), poison):
        lives += 1
        assert lives < LIVES_MAX
    # One charge for each process that began with it, and no more than the limit allows.
    assert lives == LIMITS.interruptions_max + 1
    async with living(opener(), {"k": poison}) as (runtime, _):
        await check_only_the_poison_died(runtime, names)


@pytest.mark.parametrize(("opener", "place"), PLACES, indirect=["opener"])
async def test_one_poisonous_message_takes_no_other_of_its_batch_with_it(
    place: int, opener: Opener, autojump_clock: trio.testing.MockClock
) -> None:
    poison = Poison()
    async with living(opener(), {"k": poison}) as (runtime, life):
        agent = await runtime.agent("a", kind="k")
        await agent.pause()
        for number in range(GOOD + 1):
            content = "poison" if number == place else f"good {number}"
            await agent.send(content, kind="peer_message")
        await agent.resume()
        assert (await agent.status()).backlog == 0  # one run of them all
        life.kill()
        await trio.sleep(1)
    lives = 1
    while not await live_until_idle(opener(), poison):
        lives += 1
        assert lives < LIVES_MAX
    async with living(opener(), {"k": poison}) as (runtime, _):
        await check_only_the_poison_died(runtime, ["a"])
        receipts = [receipt async for receipt in (await runtime.agent("a")).receipts()]
        assert [len(receipt.contributors) for receipt in receipts] == [1] * GOOD
