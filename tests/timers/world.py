"""Runtimes whose wall clock is set while agents wait for it, one agent for each kind of timer and policy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import product
from typing import Final

import trio
from attrs import Factory, define, frozen

from meerkat_actors.actors.turn import AgentFunction, Turn
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.agenda_effects import FireTimer
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.ids import AgentIdentity
from meerkat_actors.records.limits import Limits
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import Store
from tests.actors.clock_world import SetEnv, clocked
from tests.actors.faulty import FaultyStore
from tests.timers.law import Policy, begins, require_begun

FIRST_SECOND: Final = 400
"""All timers are due then for the first time: the virtual wall clock begins 400 seconds before a tenth minute."""
EVERY_SECONDS: Final = 420
CRON_SECONDS: Final = 600
BUSY_SECONDS: Final = 905.0
"""What an agent takes for one input that is not to overlap: longer than it is to the next time."""
MISFIRES: Final[tuple[int | str, ...]] = ("skip", "once", 3, 100)
POLICIES: Final = tuple(Policy(misfire, overlap) for misfire, overlap in product(MISFIRES, ("queue", "skip")))
LIMITS: Final = Limits(passivate_seconds=100_000)
"""Nobody leaves memory, so that all are told, read and commit together."""
RULES: Final[Mapping[str, int]] = {"once": 0, "every": EVERY_SECONDS, "cron": CRON_SECONDS}
"""Kinds of timers, and the seconds between two of their times."""


@frozen(kw_only=True)
class Jumps:
    """When the wall clock is set, and by how many seconds."""

    at: tuple[tuple[int, int], ...] = ()
    blind: tuple[int, int] | None = None
    """All agents are stopped from one second to the other."""
    within: tuple[str, int] | None = None
    """As the first timers fire, it is set once more: before their owners read them, or in the commit; by how much."""
    seconds: int = 1_500
    """How long all of it takes."""

    def looks(self, start_ms: int) -> Iterator[tuple[float, int]]:
        """What the wall clock shows while agents take part, twice a second. ``start_ms``: at second 0."""
        place, jump = self.within or ("", 0)
        for half in range(2 * self.seconds):
            second = half / 2
            if self.blind is not None and self.blind[0] <= second < self.blind[1]:
                continue
            shown_ms = start_ms + round(1000 * (second + sum(ahead for at, ahead in self.at if at <= second)))
            if second == FIRST_SECOND and (place == "commit" or jump < 0):
                yield second, shown_ms  # what fired has seen it
            yield second, shown_ms + (1000 * jump if second >= FIRST_SECOND else 0)


@define(eq=False)
class Crowd:
    """Agents, one for each kind of timer and policy, and when each of them began what."""

    env: SetEnv
    begun: defaultdict[str, list[float]] = Factory(lambda: defaultdict[str, list[float]](list))
    agents: dict[str, AgentHandle] = Factory(dict[str, AgentHandle])

    @property
    def functions(self) -> dict[str, AgentFunction]:
        async def note(turn: Turn) -> None:
            self.begun[turn.identity].extend(trio.current_time() for _ in turn.inputs)
            if turn.identity.endswith(":skip"):
                await trio.sleep(BUSY_SECONDS)

        return {"note": note}

    async def set_all(self, runtime: Runtime) -> None:
        first = datetime.fromtimestamp(self.env.wall_ms() / 1000 + FIRST_SECOND - trio.current_time(), UTC)
        for kind, policy in product(RULES, POLICIES):
            name = _name(kind, policy)
            agent = self.agents[name] = await runtime.agent(name, kind="note")
            if kind == "cron":
                await agent.schedule("t", 1, cron="*/10 * * * *", misfire=policy.misfire, overlap=policy.overlap)
            else:
                every = EVERY_SECONDS if kind == "every" else None
                await agent.schedule("t", 1, at=first, every=every, misfire=policy.misfire, overlap=policy.overlap)

    def require_lawful(self, looks: Sequence[tuple[float, int]], first_ms: int) -> None:
        """Each agent began what its policy says, and when it says."""
        last_ms = max(wall_ms for _, wall_ms in looks)
        for kind, policy in product(RULES, POLICIES):
            step_ms = 1000 * RULES[kind]
            times = range(first_ms, last_ms + 1, step_ms) if step_ms else [first_ms]
            name = _name(kind, policy)
            lawful = begins(times, looks, policy, busy_seconds=BUSY_SECONDS)
            require_begun(self.begun[name], lawful, name)


async def play(store: Store, jumps: Jumps) -> None:
    """Set the clock as told, and hold every agent to the law."""
    env, faulty = SetEnv(), FaultyStore(store)
    start_ms, crowd = env.wall_ms(), Crowd(env)
    async with clocked(faulty, crowd.functions, env, limits=LIMITS, seconds_max=20_000) as runtime:
        await crowd.set_all(runtime)
        if jumps.within is not None:
            _jump_within(faulty, env, *jumps.within)
        for moment in sorted({*(at for at, _ in jumps.at), *(jumps.blind or ())}):
            await trio.sleep_until(moment)
            env.ahead_ms += sum(1000 * ahead for at, ahead in jumps.at if at == moment)
            if jumps.blind is not None and moment in jumps.blind:
                for agent in crowd.agents.values():
                    await (agent.stop() if moment == jumps.blind[0] else agent.resume())
        await trio.sleep_until(jumps.seconds - 0.25)
        crowd.require_lawful(list(jumps.looks(start_ms)), start_ms + 1000 * FIRST_SECOND)


def _jump_within(store: FaultyStore, env: SetEnv, place: str, seconds: int) -> None:
    left = [1000 * seconds]

    def jump() -> None:
        while left:
            env.ahead_ms += left.pop()

    def read(method: str, _: AgentIdentity | None) -> None:
        if method == "due_timers_of":
            jump()

    def commit(units: Sequence[Unit]) -> None:
        if any(type(effect) is FireTimer for unit in units for effect in unit.effects):
            jump()

    if place == "commit":
        store.before_commit = commit
    else:
        store.before_read = read


def _name(kind: str, policy: Policy) -> str:
    return f"{kind}:{policy.misfire}:{policy.overlap}"
