"""Fifty agents that write to each other, whoever governs them, and the processes that they live in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, assert_never

import trio
import trio.testing
from attrs import Factory, define

from meerkat_actors.actors.turn import AgentKind
from meerkat_actors.errors import MeerkatError
from meerkat_actors.records.commits import CommitOutcome, RefusalReason, Refused
from meerkat_actors.records.effects import AppendTurn, TakeMail, Unit
from meerkat_actors.records.events import IdentityBroke, OwnerCrashed, TurnStuck
from meerkat_actors.records.pruning import PrunePolicy
from meerkat_actors.runtime import Runtime
from meerkat_actors.simulation.scheduling import Watchdog
from tests.histories.moves import Close, Interrupt, Kill, Pass
from tests.histories.outside import Life, Outside, ViolationError
from tests.histories.processes import LONG, Opener, Processes
from tests.histories.world import SeededEnv
from tests.mailing.agents import Mood, content_of, writing
from tests.mailing.book import Book, Booked
from tests.mailing.choosing import MailHistory
from tests.mailing.moves import PRESENT, Govern, Letters, MailMove, MailStep, Prompt, Prune, Refuse

_ALL_THAT_MAY: Final = PrunePolicy(keep_inputs=0, events_older_than_seconds=0)
_TURNS_FREE: Final = 2_000
"""Turns of a history without a message: last words, answers, timers, attempts."""
_TURNS_EACH: Final = 10
"""Turns that a message may cause, itself and what answers it; beyond them agents write to each other for ever."""


@define(eq=False)
class Side:
    """One process at a time, beside those of the other side."""

    outside: Outside
    processes: Processes
    refuses: RefusalReason | None = None
    """What the next unit with mail or a boundary is refused for."""
    refusals: int = 0

    def refusal(self, unit: Unit) -> CommitOutcome | None:
        """Refuse a unit, if one is to be."""
        reason = self.refuses
        wanted = TakeMail if reason is RefusalReason.NOT_HEAD_OF_PAIR else TakeMail | AppendTurn
        for index, effect in enumerate(unit.effects if reason is not None else ()):
            if reason is not None and isinstance(effect, wanted):
                self.refuses = None
                self.refusals += 1
                return Refused(reason=reason, effect=index, current="refused on purpose")
        return None


@define(eq=False)
class MailWorld:
    """Whatever lives in one history."""

    history: MailHistory
    env: SeededEnv
    nursery: trio.Nursery
    watchdog: Watchdog
    mood: Mood
    book: Book
    sides: list[Side]
    asked: Counter[tuple[str, str]] = Factory(Counter[tuple[str, str]])
    """What operators asked for, by agent."""
    pending: list[str] = Factory(list[str])
    """Calls that have no answer yet."""

    async def live(self) -> None:
        """Do every step."""
        for side in self.sides:
            await self._begin(side)
        for name in PRESENT:
            await self.any_runtime().agent(name, kind="k")
        for step in self.history.steps:
            self.watchdog.pat()
            await self._do(step)
            self.raise_complaints()

    @property
    def kills(self) -> int:
        """Processes that were killed."""
        return sum(side.outside.kills for side in self.sides)

    @property
    def refusals(self) -> int:
        """Units that were refused on purpose."""
        return sum(side.refusals for side in self.sides)

    def any_runtime(self) -> Runtime:
        """The runtime of the first side."""
        runtime = self.sides[0].processes.runtime
        assert runtime is not None
        return runtime

    def runtimes(self) -> list[Runtime]:
        """Every runtime that is alive."""
        return [side.processes.runtime for side in self.sides if side.processes.runtime is not None]

    async def succeed(self, side: Side) -> None:
        """Let the process of a side end as it was told to, and another one begin."""
        side.outside.closings += not side.outside.life.is_dead
        await side.processes.end()
        await self._begin(side)

    def raise_complaints(self) -> None:
        """Raise what was found, the first of it."""
        for side in self.sides:
            events = side.processes.events
            crashes = sum(isinstance(event, OwnerCrashed) for event in events)
            self.book.outside.require(crashes <= side.refusals, "an agent's OwnerCrashed", events)
            for event in events:
                if isinstance(event, IdentityBroke | TurnStuck):
                    self.book.outside.complain(f"an agent's {type(event).__name__}", event)
            for complaint in (*self.book.outside.complaints, *side.outside.complaints):
                raise complaint

    async def _begin(self, side: Side) -> None:
        if await side.processes.begin():
            assert side.processes.store is not None
            side.processes.store.refusal = side.refusal

    async def _do(self, step: MailStep) -> None:
        side = self.sides[step.side % len(self.sides)]
        await self._move(side, step.move)
        if step.passes is None:
            await trio.testing.wait_all_tasks_blocked()
        for _ in range(step.passes or 0):
            await trio.lowlevel.checkpoint()
        for each in self.sides:
            if each.outside.life.is_dead:
                await self.succeed(each)

    async def _move(self, side: Side, move: MailMove) -> None:
        match move:
            case Pass(seconds=seconds):
                await trio.sleep(seconds)
            case Close():
                await self.succeed(side)
            case Kill():
                side.processes.kill(move)
            case Refuse(reason=reason):
                side.refuses = reason
            case Prompt() | Govern() | Interrupt() | Prune() | Letters():
                runtime = side.processes.runtime
                if runtime is not None and not side.outside.life.is_over:
                    self.call(move, self._asked(runtime, move))
            case _:
                assert_never(move)

    def call(self, what: object, ask: Callable[[], Awaitable[object]]) -> None:
        """Let a caller ask; what it is answered is not looked at."""
        self.pending.append(str(what))
        self.nursery.start_soon(self._call, str(what), ask)

    async def _call(self, what: str, ask: Callable[[], Awaitable[object]]) -> None:
        with suppress(MeerkatError):
            await ask()
        self.pending.remove(what)

    def _asked(
        self, runtime: Runtime, move: Prompt | Govern | Interrupt | Prune | Letters
    ) -> Callable[[], Awaitable[object]]:
        async def ask() -> None:
            match move:
                case Prompt(agent=name, label=label, budget=budget):
                    await (await runtime.agent(name)).send(content_of(label, budget))
                case Govern(agent=name, verb=None):
                    await runtime.agent(name, kind="k", recreate=True)
                case Govern(agent=name, verb=verb):
                    self.asked[name, str(verb)] += 1
                    await getattr(await runtime.agent(name), str(verb))()
                case Interrupt(agent=name, at_checkpoint=at_checkpoint):
                    self.asked[name, "interrupt"] += 1
                    await (await runtime.agent(name)).interrupt(at_checkpoint=at_checkpoint)
                case Prune():
                    await runtime.prune(_ALL_THAT_MAY)
                case Letters(drives_again=drives_again):
                    await _look_after_letters(runtime, drives_again=drives_again)
                case _:
                    assert_never(move)

        return ask


async def _look_after_letters(runtime: Runtime, *, drives_again: bool) -> None:
    letters = [letter async for letter in runtime.dead_letters()]
    for letter in letters:
        with suppress(MeerkatError):
            await (runtime.redrive(letter) if drives_again else runtime.drop(letter))


def new_world(history: MailHistory, opener: Opener, nursery: trio.Nursery, watchdog: Watchdog) -> MailWorld:
    """A world in which nothing has begun."""
    env, ground = SeededEnv(history.seed), Outside(Life(0))
    mood, book = Mood(history.seed, history.limits, history.ways), Book(ground)
    agents = {"k": AgentKind(writing(mood))}

    messages = sum(step.move.budget for step in history.steps if isinstance(step.move, Prompt))
    turns_max = _TURNS_FREE + _TURNS_EACH * messages

    def note(unit: Unit) -> None:
        is_boundary = any(isinstance(effect, AppendTurn) for effect in unit.effects)
        if is_boundary and len(book.boundaries) < turns_max:
            watchdog.pat()  # there is an end of the messages, so that is no circle

    sides: list[Side] = []
    for _ in range(2 if history.is_shared else 1):
        outside = Outside(Life(1))
        processes = Processes(
            outside, lambda: Booked(opener(), book), nursery, agents, history.limits, env, note
        )  # fmt: skip
        sides.append(Side(outside, processes))
    return MailWorld(history, env, nursery, watchdog, mood, book, sides)


async def wait_idle(world: MailWorld, kind: str) -> None:
    """Wait until nobody has anything to do.

    Raises:
        ViolationError: somebody always has.
    """
    world.watchdog.pat()
    with trio.move_on_after(LONG) as scope:
        for runtime in (*world.runtimes(), *world.runtimes()):
            await runtime.wait_idle()
    world.raise_complaints()
    if scope.cancelled_caught:
        raise ViolationError(kind=kind, detail="wait_idle does not return")
