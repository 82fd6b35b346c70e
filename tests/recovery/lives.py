"""Lives that end amid something: what agents do in them, what is asked of them, and when they are killed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import trio
import trio.testing

from meerkat_actors.actors.turn import AgentFunction, Turn
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import Store
from tests.actors.faulty import FaultyStore
from tests.actors.world import echo, hang, running

Tell = Callable[[str], None]
"""Says what a caller was told, where the kill does not reach it."""
Life = Callable[[Runtime, Tell], Awaitable[None]]

WORK: Final = ("one", "two", "three")


async def hand_on(turn: Turn) -> str:
    """Count, and tell another agent."""
    number = turn.state + 1 if isinstance(turn.state, int) else 1
    turn.set_state(number)
    turn.send("reader", f"{turn.text} was number {number}")
    return f"did {turn.text}"


async def fail(_: Turn) -> None:
    """Never succeed."""
    message = "no"
    raise ValueError(message)


FIRST: Final[Mapping[str, AgentFunction]] = MappingProxyType(
    {"worker": echo, "busy": hang, "failing": fail, "handing": hand_on, "reading": echo}
)
"""What the kinds do in the life that is killed."""


async def asleep(runtime: Runtime, kind: str = "worker") -> AgentHandle:
    """An agent that admits, and begins nothing."""
    agent = await runtime.agent("a", kind=kind)
    await agent.pause()
    return agent


async def accept(runtime: Runtime, tell: Tell) -> None:
    """Inputs are accepted, and none is begun."""
    agent = await asleep(runtime)
    for text in WORK:
        tell((await agent.send(text, idempotency_key=text)).input_id)


async def accept_backwards(runtime: Runtime, tell: Tell) -> None:
    """As ``accept``, under ids that fall."""
    agent = await asleep(runtime)
    for input_id, text in zip(sorted((runtime.new_id() for _ in WORK), reverse=True), WORK, strict=True):
        tell((await agent.send(text, input_id=input_id)).input_id)


async def accept_each_durability(runtime: Runtime, tell: Tell) -> None:
    """One that is durable, one that is derived, one that promises nothing."""
    agent = await asleep(runtime)
    tell((await agent.send("durable", kind="peer_message")).input_id)
    tell((await agent.send("derived", kind="continuation", durability="derived")).input_id)
    tell((await agent.send("ephemeral", kind="peer_message", durability="ephemeral")).input_id)


async def be_at_work(runtime: Runtime, tell: Tell) -> None:
    """A turn is in progress, and others are behind it."""
    agent = await runtime.agent("a", kind="busy")
    for text in WORK:
        tell((await agent.send(text, idempotency_key=text)).input_id)
    await trio.sleep(1)


async def work_once(runtime: Runtime, tell: Tell) -> None:
    """One input, from its admission to its outcome."""
    agent = await runtime.agent("a", kind="worker")
    tell((await agent.send("one", idempotency_key="one")).input_id)
    await runtime.wait_idle()


async def work_and_leave_some(runtime: Runtime, tell: Tell) -> None:
    """One is done, and another one waits."""
    agent = await runtime.agent("a", kind="worker")
    tell((await agent.ask("one", idempotency_key="one")).receipt.contributors[0])
    await agent.pause()
    tell((await agent.send("two", idempotency_key="two")).input_id)


async def fail_twice(runtime: Runtime, tell: Tell) -> None:
    """Two attempts have failed, and the third is to come."""
    agent = await runtime.agent("a", kind="failing")
    tell((await agent.send("one")).input_id)
    for _ in range(100):
        await trio.sleep(0.1)
        if (await agent.status()).attempts == 2:
            return
    message = "it did not fail twice"
    raise AssertionError(message)


async def end_two_runs(runtime: Runtime, tell: Tell) -> None:
    """Two turns end one behind the other, and whoever waits for the first is late."""
    agent = await runtime.agent("a", kind="worker")
    for text in WORK[:2]:
        tell((await agent.send(text, idempotency_key=text)).input_id)
    await runtime.wait_idle()


async def retire_with_work(runtime: Runtime, tell: Tell) -> None:
    """An agent is retired while it is at work, with a queue."""
    await be_at_work(runtime, tell)
    await (await runtime.agent("a")).retire()


async def stop_at_work(runtime: Runtime, tell: Tell) -> None:
    """An agent is stopped while it is at work, with a queue."""
    await be_at_work(runtime, tell)
    await (await runtime.agent("a")).stop()


async def two_agents(runtime: Runtime, tell: Tell) -> None:
    """Two agents with work to do."""
    for name in ("a", "b"):
        agent = await runtime.agent(name, kind="busy")
        tell((await agent.send(f"for {name}")).input_id)
    await trio.sleep(1)


async def work_together(runtime: Runtime, tell: Tell) -> None:
    """Three inputs, each of which is handed on; says what was acknowledged, and what was done."""
    reader = await runtime.agent("reader", kind="reading")
    agent = await runtime.agent("a", kind="handing")
    for text in WORK:
        tell(f"sent {text} {(await agent.send(text, idempotency_key=text)).input_id}")
    for text in WORK:
        tell(f"done {text} {(await agent.ask(text, idempotency_key=text)).text}")
    await runtime.wait_idle()
    assert (await reader.status()).checkpoint_version


LIVES: Final[Mapping[str, Life]] = MappingProxyType(
    {
        life.__name__: life
        for life in (
            accept,
            accept_backwards,
            accept_each_durability,
            be_at_work,
            work_once,
            work_and_leave_some,
            fail_twice,
            end_two_runs,
            retire_with_work,
            stop_at_work,
            two_agents,
            work_together,
        )
    }
)


def live(name: str, store: Store, kill: str, tell: Tell, die: Callable[[], None]) -> None:
    """Live one of them, and call ``die`` at its moment.

    ``kill`` is ``end``, ``commit N``, or ``before`` or ``after`` with the name of an effect, and how many commits
    with it there are by then (1).
    """
    faulty = FaultyStore(store)
    word, what, number = [*kill.split(" "), "1", "1"][:3]
    left = int(what) if word == "commit" else int(number)

    def look(units: Sequence[Unit]) -> None:
        nonlocal left
        if word == "commit" or any(type(effect).__name__ == what for unit in units for effect in unit.effects):
            left -= 1
            if not left:
                die()

    def look_behind(units: Sequence[Unit], _: Sequence[CommitOutcome]) -> None:
        look(units)

    if word == "before":
        faulty.before_commit = look
    elif word != "end":
        faulty.after_commit = look_behind

    async def life() -> None:
        # What fails waits for long, so that a life ends before it is tried again.
        async with running(faulty, FIRST, limits=Limits(backoff_seconds=1)) as runtime:
            await LIVES[name](runtime, tell)
            if word == "end":
                die()

    in_time(life)


def in_time(act: Callable[..., Awaitable[Any]], *given: object) -> Any:  # noqa: ANN401 - whatever it returns
    """Run it with a clock that jumps."""
    return trio.run(act, *given, clock=trio.testing.MockClock(autojump_threshold=0))
