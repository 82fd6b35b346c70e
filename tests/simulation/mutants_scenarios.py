"""A small mob whose clients, and the world outside of it, remember enough to find out every planted mutation.

Workers count their turns, have an effect outside, write to a sink, ask an oracle and set timers; what they are told to
fail at fails so many times, which the ledger counts and the store must agree with.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import trio
from attrs import define, field

from meerkat_actors.actors.turn import Turn
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Admission
from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.world import World
from tests.simulation.mutants_checks import Ledger, check_of

HOPELESS: Final = 40
"""So often something fails before it is let through: whoever asks for it that often was found out already."""
LIMITS: Final = Limits(backlog_max=6, passivate_seconds=5.0, lease_seconds=3.0)
AGENTS: Final = ("a0", "a1", "a2")


@define(eq=False)
class Mob:
    """One world's agents, and what they do outside of it. Make one for each simulation."""

    ledger: Ledger = field(factory=Ledger)

    async def work(self, turn: Turn) -> str:
        """Count, and tell others."""
        await trio.sleep(0.05)
        self._fail_if_told(turn)
        count = (turn.state or 0) + 1
        turn.set_state(count)
        await self._have_an_effect(turn)
        turn.send("sink", {"of": turn.identity, "count": count})
        if any(each.kind is InputKind.PROMPT for each in turn.inputs):
            if count % 2:
                turn.request("oracle", "what next?")
            if count % 3 == 0:
                turn.after(3.0, "once", name="once")
        return f"{count}"

    async def drain(self, turn: Turn) -> None:
        """Take many at a time, and fail at some of them at first."""
        await trio.sleep(0.3)
        if turn.inputs[0].input_id[-1] in "01234" and self.ledger.raised[turn.inputs[0].input_id] < 1:
            self._raise(turn)

    async def answer(self, turn: Turn) -> str:
        """Answer each request with the text of its turn."""
        await trio.sleep(0.4)
        if turn.inputs[0].input_id[-1] in "01" and self.ledger.raised[turn.inputs[0].input_id] < LIMITS.attempts_max:
            self._raise(turn)
        return "this"

    def _fail_if_told(self, turn: Turn) -> None:
        for each in turn.inputs:
            told = each.content if isinstance(each.content, str) else ""
            times = {"flaky": 1, "hopeless": HOPELESS}.get(told, 0)
            if self.ledger.raised[each.input_id] < times:
                self._raise(turn)

    def _raise(self, turn: Turn) -> None:
        self.ledger.raised.update(each.input_id for each in turn.inputs)
        raise RuntimeError

    async def _have_an_effect(self, turn: Turn) -> None:
        run, ledger = turn.run_id, self.ledger

        async def effect() -> int:
            await trio.sleep(0.02)
            if run in ledger.recorded:
                ledger.repeated.add(run)
            return 1

        await turn.step("effect", effect)
        ledger.recorded.add(run)
        await trio.sleep(0.05)


async def _drive(world: World) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(_ask, world, number)
        nursery.start_soon(_send, world)
        nursery.start_soon(_send_keyed, world)
        nursery.start_soon(_post_events, world)
    # What the last ones set off: timers, answers.
    await trio.sleep(20)


async def _ask(world: World, number: int) -> None:
    client, random = world.client(f"asker {number}"), world.random(f"asker {number}")
    if number == 0:
        await client.send("sink", "begin", kind="sink")
        await client.send("oracle", "begin", kind="oracle")
    while world.is_open:
        content = random.choice(("hello", "hello", "hello", "flaky", "hopeless"))
        await client.ask(random.choice(AGENTS), content, kind="worker")
        await trio.sleep(random.expovariate(2))


async def _send(world: World) -> None:
    """Bursts, beyond what a backlog holds."""
    random = world.random("bursts")
    while world.is_open:
        agent = random.choice(AGENTS)
        async with trio.open_nursery() as nursery:
            # Known since the first burst: it is refused beside what is new, in one unit.
            keeper = world.client("keeper of bursts")
            nursery.start_soon(partial(keeper.do, agent, partial(_post_keyed, "burst"), kind="worker"))
            for number in range(LIMITS.backlog_max + 2):
                sender = world.client(f"sender {number}")
                nursery.start_soon(partial(sender.send, agent, random.choice(("hello", "flaky")), kind="worker"))
        await trio.sleep(random.expovariate(0.4))


async def _send_keyed(world: World) -> None:
    """The same key again and again, for some time."""
    await world.serving()  # what it sends is in no client's history
    client, random, number = world.client("keeper"), world.random("keys"), 0
    while world.is_open:
        number += 1
        for _ in range(3):
            await client.do(AGENTS[number % 3], partial(_post_keyed, f"key {number}"), kind="worker")
            await trio.sleep(random.expovariate(3))


async def _post_events(world: World) -> None:
    """What a turn works on several at a time, and waits in a lane while it does."""
    client, random, number = world.client("poster"), world.random("events"), 0
    while world.is_open:
        number += 1
        await client.do("sink", partial(_post_event, f"event {number}"), kind="sink")
        await trio.sleep(random.expovariate(10))


async def _post_event(key: str, agent: AgentHandle) -> Admission:
    return await agent.send("event", kind=InputKind.EXTERNAL_EVENT, idempotency_key=key)


async def _post_keyed(key: str, agent: AgentHandle) -> Admission:
    return await agent.send("keyed", idempotency_key=key)


def _mob(name: str, *, is_durable: bool = False, processes: int = 1, seconds: float = 20.0) -> Scenario:
    mob = Mob()
    return Scenario(
        name=name,
        agents={"worker": mob.work, "sink": mob.drain, "oracle": mob.answer},
        drive=_drive,
        checks=(check_of(mob.ledger),),
        seconds=seconds,
        limits=LIMITS,
        is_durable=is_durable,
        processes=processes,
    )


def in_memory() -> Scenario:
    """One process at a time, on tables."""
    return _mob("in memory")


def on_disk() -> Scenario:
    """One process at a time, on a disk."""
    return _mob("on disk", is_durable=True, seconds=12.0)


def shared() -> Scenario:
    """Two processes, on the same tables."""
    return _mob("shared", processes=2, seconds=8.0)
