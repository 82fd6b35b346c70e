"""A client that remembers what it was told, and so what may be true: no more, no less."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import trio
from attrs import define, field
from typing_extensions import Unpack

from meerkat_actors.errors import BacklogFullError, DestroyedError, RejectedError, UsageError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.handles.options import SendOptions
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.inputs import Letter
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.letters import DeadLetter
from meerkat_actors.records.outcomes import Admission
from meerkat_actors.records.runtime_events import RuntimeEvent
from meerkat_actors.records.status import Desired
from meerkat_actors.runtime import Runtime
from tests.fates.facts import Facts, told_of
from tests.fates.world import BEGINNING_MS, KIND, Surroundings

Possible = dict[str, tuple[object, ...]]
"""What each thing may be, as far as a client knows. What is not among it may be anything."""


@define(eq=False)
class Beliefs:
    """What a client believes."""

    possible: Possible = field(factory=Possible)
    heard: list[RuntimeEvent] = field(factory=list[RuntimeEvent])
    """What happened, as far as somebody told it."""

    def copy(self) -> Beliefs:
        """What is believed now, whatever is told later."""
        return Beliefs(dict(self.possible), list(self.heard))

    @asynccontextmanager
    async def asking(self, thing: str, before: object, then: object) -> AsyncGenerator[None, None]:
        """A question is under way that makes ``thing`` what it ``then`` is; ``before`` says what it is otherwise."""
        former = self.possible.get(thing, (before,))
        self.possible[thing] = (*former, then)
        try:
            yield
        except (RejectedError, UsageError) as error:
            # What was destroyed exists.
            self.possible[thing] = (then,) if isinstance(error, DestroyedError) else former
            raise
        # Whatever else it raises, and a cancellation, leaves it open.
        self.possible[thing] = (then,)

    def learn(self, thing: str, what: object) -> None:
        """Somebody said what a thing is, for ever."""
        self.possible[thing] = (what,)

    def contradicted_by(self, facts: Facts) -> list[str]:
        """Where they are wrong."""
        true = things_of(facts)
        return [
            f"{thing} is {true.get(thing)!r}, and was said to be {' or '.join(map(repr, possible))}"
            for thing, possible in self.possible.items()
            if true.get(thing) not in possible
        ]

    def lasting(self) -> Beliefs:
        """Those that nothing that comes later may change."""
        lasting: Possible = {
            thing: what for thing, what in self.possible.items() if is_lasting(thing) and len(what) == 1
        }
        return Beliefs(lasting, list(self.heard))


def is_lasting(thing: str) -> bool:
    """Whether what is known of a thing stays so."""
    return thing.startswith(("admission ", "outcome "))


def things_of(facts: Facts) -> dict[str, object]:
    """What a store says of the things that clients have beliefs of."""
    things: dict[str, object] = {}
    for name, agent in facts.items():
        things[f"existence {name}"] = agent.is_there
        things[f"desired {name}"] = agent.desired
        things[f"generation {name}"] = agent.generation
        things[f"config {name}"] = agent.config
        for number, one in enumerate(agent.inputs, 1):
            things[f"admission {name} {one.name}"] = number
            things[f"letter {name} {number}"] = one.letter
            if one.ending:
                things[f"outcome {name} {one.name}"] = one.ending
    return things


@define(eq=False)
class Client:
    """Asks a runtime, and writes down what it was told."""

    runtime: Runtime
    beliefs: Beliefs
    surroundings: Surroundings = field(factory=Surroundings)
    ids: dict[str, InputId] = field(factory=dict[str, InputId])

    async def agent(self, name: str, *, config: str | None = None) -> AgentHandle:
        """Create an agent, or open it."""
        if config is not None:
            async with self.beliefs.asking(f"config {name}", before=None, then=f'"{config}"'.encode()):
                return await self.runtime.agent(name, kind=KIND, config=config)
        async with self.beliefs.asking(f"existence {name}", before=False, then=True):
            return await self.runtime.agent(name, kind=KIND)

    async def send(
        self, agent: AgentHandle, *keys: str, kind: InputKind | str = InputKind.PROMPT, **options: Unpack[SendOptions]
    ) -> None:
        """Send inputs that say their keys."""
        for key in keys:
            admission = None
            while admission is None:
                try:
                    admission = await agent.send(key, kind=kind, idempotency_key=key, **options)
                except BacklogFullError:
                    await trio.sleep(1)
            self._learn_admission(agent, key, admission)

    async def steer(self, agent: AgentHandle, key: str) -> None:
        self._learn_admission(agent, key, await agent.steer(key, idempotency_key=key))

    async def wait(self, agent: AgentHandle, *keys: str) -> None:
        for key in keys:
            outcome = await agent.wait(self.ids[key])
            self.beliefs.learn(f"outcome {agent.identity} {key}", told_of(outcome))

    async def cancel(self, agent: AgentHandle, key: str) -> None:
        outcome = await agent.cancel(self.ids[key])
        self.beliefs.learn(f"outcome {agent.identity} {key}", told_of(outcome))

    async def govern(self, agent: AgentHandle, verb: str, desired: Desired) -> None:
        """Have the agent do what a verb without arguments says."""
        async with self.beliefs.asking(f"desired {agent.identity}", before=Desired.OPEN, then=desired):
            await getattr(agent, verb)()

    async def reset(self, agent: AgentHandle, generation: int) -> None:
        """Begin that generation, unless it was begun."""
        if (await agent.status()).generation < generation:
            async with self.beliefs.asking(f"generation {agent.identity}", before=generation - 1, then=generation):
                await agent.reset()

    async def settle(self, letter: DeadLetter, *, is_redriven: bool) -> None:
        """Drive a dead letter again, or drop it."""
        thing = f"letter {letter.identity} {letter.admission_sequence}"
        async with self.beliefs.asking(thing, before=Letter.DEAD, then=Letter.SETTLED):
            if is_redriven:
                admission = await self.runtime.redrive(letter)
                self.ids[f"redriven {letter.content}"] = admission.input_id
            else:
                await self.runtime.drop(letter)

    async def letters(self) -> list[DeadLetter]:
        return [letter async for letter in self.runtime.dead_letters()]

    async def cancel_request(self, agent: AgentHandle) -> None:
        """Cancel the requests of other agents that it has not begun."""
        for each in [each async for each in agent.inputs() if each.kind is InputKind.PEER_REQUEST]:
            await agent.cancel(each.input_id)

    async def schedule(self, agent: AgentHandle, name: str, **options: Any) -> None:  # noqa: ANN401 - those of schedule
        """Set a timer that says its name, unless that was done before: where it is, or was, can be seen."""
        source = f"timer:{name}"
        if name in [each.name async for each in agent.schedules()]:
            return
        if not [each async for each in agent.inputs() if each.header.source == source]:
            await agent.schedule(name, f"{name} rings", **options)

    async def until(self, seconds: float) -> None:
        """Wait until so many seconds after the beginning, by the wall clock."""
        await trio.sleep(max(0, BEGINNING_MS + 1000 * seconds - self.surroundings.wall_ms()) / 1000)

    def put_forward(self, seconds: float) -> None:
        """Set the wall clock to so many seconds after the beginning, unless it is later."""
        self.surroundings.ahead_ms += max(0, BEGINNING_MS + round(1000 * seconds) - self.surroundings.wall_ms())

    def _learn_admission(self, agent: AgentHandle, key: str, admission: Admission) -> None:
        self.ids[key] = admission.input_id
        self.beliefs.learn(f"admission {agent.identity} {key}", admission.admission_sequence)


def at(seconds: float) -> datetime:
    """So many seconds after the beginning."""
    return datetime.fromtimestamp(BEGINNING_MS / 1000 + seconds, UTC)


async def begin() -> None:
    """Let a turn begin."""
    await trio.sleep(1)
