"""Agents at work beside something that must not disturb them: phases that take turns in one process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from time import process_time
from typing import Any, Final, TypeAlias

import trio
from attrs import define, evolve

import meerkat_actors as meerkat
from _common import TEXT
from _load import Load, open_load
from _mail import Beside, MailJob, Phase
from _mail_agents import LIMITS, Recipient, create, create_senders, open_mail

Surroundings: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]
"""What goes on around one window."""

BACKLOG_MAX: Final = 64
"""Of the recipients that are to be full."""

EVENTS_BUFFER: Final = 100
STALL_SECONDS: Final = 0.1
"""After so long the buffer of who takes nothing is full."""

POISON_BACKOFF_SECONDS: Final = 0.001
"""Between attempts: it fails as often as it can."""


async def measure_subscribers(job: MailJob) -> Beside:
    """Agents that are asked again and again, beside nobody, a subscriber that takes nothing, and one that takes all."""
    told, limits = 0, evolve(LIMITS, events_buffer=EVENTS_BUFFER)
    async with open_mail(Path(job.folder) / "events.db", Recipient(), limits=limits) as runtime:
        agents = await create(runtime, "r", "read", job.agents)
        numbers = [0] * job.agents

        async def ask(number: int) -> None:
            numbers[number] += 1
            await agents[number].ask({"number": numbers[number], "text": TEXT})

        @asynccontextmanager
        async def stalled() -> AsyncGenerator[None, None]:
            async with runtime.events():
                await trio.sleep(STALL_SECONDS)
                yield

        @asynccontextmanager
        async def live() -> AsyncGenerator[None, None]:
            async def listen() -> None:
                nonlocal told
                async for _ in events:
                    told += 1

            async with runtime.events() as events, trio.open_nursery() as nursery:
                nursery.start_soon(listen)
                yield
                nursery.cancel_scope.cancel()

        async with open_load(ask, job.agents) as load:
            beside = await _take_turns(job, load, (("nobody", _nothing), ("stalled", stalled), ("live", live)))
    note = f"{told / sum(beside.phases[2].rates) / job.seconds:.1f} events a turn were told"
    alone, stuck, heard = beside.phases
    return Beside(
        phases=(alone, stuck, Phase(name="live", rates=heard.rates, cpu_seconds=heard.cpu_seconds, note=note))
    )


@define(eq=False)
class Holding:
    """Agents of this kind are in their turn until they are let go."""

    let_go: trio.Event

    async def work(self, turn: meerkat.Turn) -> str:
        """Wait."""
        await self.let_go.wait()
        return "let go"


async def measure_recipients(job: MailJob) -> Beside:
    """Senders at full speed, to one who reads, to one who is full, to one who is paused, and to nobody."""
    recipient, holding = Recipient(), Holding(trio.Event())
    kinds = {"hold": holding.work}
    path = Path(job.folder) / "recipients.db"
    async with open_mail(path, recipient, agents=kinds, limits=evolve(LIMITS, backlog_max=BACKLOG_MAX)) as runtime:
        await runtime.agent("open", kind="read")
        full = await runtime.agent("full", kind="hold")
        await full.send("hold on")
        for _ in range(BACKLOG_MAX - 1):
            # Of mail a busy agent takes none before its turn ends; what callers send waits with the agent itself.
            await full.send("wait")
        paused = await runtime.agent("paused", kind="read")
        await paused.pause()
        senders = await create_senders(runtime, job.agents)
        phases: dict[str, tuple[list[float], list[float]]] = {
            name: ([], []) for name in ("open", "full", "paused", "nobody")
        }
        for number in range(job.rounds):
            for name in _rotated(tuple(phases), number):
                rate, cpu = await _send_for(job, senders, name)
                phases[name][0].append(rate)
                phases[name][1].append(cpu)
                await recipient.wait_for(sum(sender.numbers["open"] for sender in senders))
        backlogs = {"full": (await full.status()).backlog, "paused": (await paused.status()).backlog}
        # The input of a turn in progress is not among those that wait.
        assert all(backlog >= BACKLOG_MAX - 1 for backlog in backlogs.values()), f"not full: {backlogs}"
        await full.stop()
        holding.let_go.set()
    return Beside(
        phases=tuple(
            Phase(name=name, rates=tuple(rates), cpu_seconds=tuple(cpu)) for name, (rates, cpu) in phases.items()
        )
    )


async def _send_for(job: MailJob, senders: Sequence[Any], to: str) -> tuple[float, float]:
    async def ask(number: int) -> None:
        await senders[number].send(to, job.messages)

    async with open_load(ask, len(senders)) as load:
        return await _window(load, job.seconds)


class PoisonError(Exception):
    """What the poisoned agent always raises."""


@define(eq=False)
class Poison:
    """An agent that never succeeds."""

    failures: int = 0

    async def work(self, turn: meerkat.Turn) -> str:  # noqa: ASYNC124 - it need not wait to fail
        """Fail."""
        self.failures += 1
        raise PoisonError


async def measure_poison(job: MailJob) -> Beside:
    """Agents that are asked again and again, beside one more of them, and beside one that fails as often as it can."""
    limits = evolve(LIMITS, backoff_seconds=POISON_BACKOFF_SECONDS)
    path, poison = Path(job.folder) / "poison.db", Poison()
    async with open_mail(path, Recipient(), agents={"fail": poison.work}, limits=limits) as runtime:
        siblings = await create(runtime, "r", "read", job.agents - 1)
        healthy = await runtime.agent("healthy", kind="read")
        poisoned = await runtime.agent("poisoned", kind="fail")
        numbers = [0] * job.agents

        async def ask(number: int) -> None:
            numbers[number] += 1
            await siblings[number].ask({"number": numbers[number], "text": TEXT})

        def beside(agent: meerkat.AgentHandle) -> Surroundings:
            @asynccontextmanager
            async def driven() -> AsyncGenerator[None, None]:
                is_over = False

                async def drive() -> None:
                    while not is_over:
                        numbers[-1] += 1
                        admission = await agent.send({"number": numbers[-1], "text": TEXT})
                        await agent.wait(admission.input_id)

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(drive)
                    yield
                    is_over = True  # its last input ends before the next window begins

            return driven

        async with open_load(ask, len(siblings)) as load:
            told = await _take_turns(job, load, (("healthy", beside(healthy)), ("poisoned", beside(poisoned))))
    assert poison.failures, "nothing failed"
    first, second = told.phases
    note = f"{poison.failures:,} attempts failed"
    return Beside(
        phases=(first, Phase(name=second.name, rates=second.rates, cpu_seconds=second.cpu_seconds, note=note))
    )


async def _take_turns(job: MailJob, load: Load, phases: Sequence[tuple[str, Surroundings]]) -> Beside:
    """Each round goes through all phases, and begins with another one."""
    rates: dict[str, list[float]] = {name: [] for name, _ in phases}
    cpu: dict[str, list[float]] = {name: [] for name, _ in phases}
    for number in range(job.rounds):
        for name, surroundings in _rotated(phases, number):
            async with surroundings():
                rate, spent = await _window(load, job.seconds)
            rates[name].append(rate)
            cpu[name].append(spent)
    return Beside(
        phases=tuple(Phase(name=name, rates=tuple(rates[name]), cpu_seconds=tuple(cpu[name])) for name, _ in phases)
    )


async def _window(load: Load, seconds: float) -> tuple[float, float]:
    """Turns per second, and processor time per turn."""
    before = process_time()
    window = await load.window(seconds)
    turns = max(1, len(window.latencies))
    return turns / window.seconds, (process_time() - before) / turns


def _rotated(phases: Sequence[Any], number: int) -> Sequence[Any]:
    first = number % len(phases)
    return (*phases[first:], *phases[:first])


@asynccontextmanager
async def _nothing() -> AsyncGenerator[None, None]:
    yield
