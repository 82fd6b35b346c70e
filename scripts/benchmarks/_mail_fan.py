"""Many senders to one, one sender to many, and how much waits meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

import trio
from attrs import evolve

import meerkat_actors as meerkat
from _common import freeze_collector, fresh_folder
from _load import open_load
from _mail import Crowd, Drain, FanIn, FanOut, MailJob, Stream
from _mail_agents import LIMITS, Recipient, Sender, create, create_senders, open_mail, send_all
from _mail_rows import count_rows, drain_plainly
from _process import read_memory

HUB: Final = "hub"
BATCH: Final = meerkat.Limits().run_inputs_max
"""Messages in one turn of ours at most; in one transaction of the plain loop."""

BACKLOG_MAX: Final = 1_000
"""Of the recipient of a crowd: fewer than it is sent."""

LOOK_SECONDS: Final = 0.05

PACE: Final = 12_000
"""Messages per second that paced senders offer together."""

WARM_UP_SECONDS: Final = 0.5


async def measure_fan_in(job: MailJob) -> FanIn:
    """Mail that is there already, on equal copies of one database; then mail that keeps coming."""
    folder = Path(job.folder)
    source = folder / "source.db"
    async with open_mail(source, Recipient()) as runtime:
        senders = await create_senders(runtime, job.agents)
        await send_all(senders, HUB, turns=job.turns, messages=job.messages)
    drains: list[Drain] = []
    for number in range(job.rounds):
        with fresh_folder(folder) as fresh:
            drains.append(await _drain(source, fresh, is_ours_first=number % 2 == 0))
    paced: list[Stream] = []
    flooded: list[Stream] = []
    for _ in range(job.rounds):
        for streams, is_paced in ((paced, True), (flooded, False)):
            with fresh_folder(folder) as fresh:
                streams.append(await _stream(fresh / "stream.db", job, is_paced=is_paced))
    return FanIn(drains=tuple(drains), paced=tuple(paced), flooded=tuple(flooded))


async def _drain(source: Path, folder: Path, *, is_ours_first: bool) -> Drain:
    ours, plain = folder / "ours.db", folder / "plain.db"
    shutil.copyfile(source, ours)
    shutil.copyfile(source, plain)
    messages, plain_seconds = (0, 0.0) if is_ours_first else drain_plainly(plain, HUB, BATCH)
    recipient, waiting = Recipient(), count_rows(ours)["mail"]
    async with open_mail(ours, recipient) as runtime:
        started = perf_counter()
        await runtime.agent(HUB, kind="read")
        await recipient.wait_for(waiting)
        await runtime.wait_idle()
        seconds, units = perf_counter() - started, runtime.statistics().units
    if is_ours_first:
        messages, plain_seconds = drain_plainly(plain, HUB, BATCH)
    assert messages == recipient.consumed == waiting, f"{waiting} waited, {recipient.consumed} and {messages} were read"
    assert not recipient.disordered, f"{recipient.disordered} messages out of their order"
    return Drain(messages=messages, turns=recipient.turns, units=units, seconds=seconds, plain_seconds=plain_seconds)


async def _stream(path: Path, job: MailJob, *, is_paced: bool) -> Stream:
    recipient = Recipient()
    async with open_mail(path, recipient) as runtime:
        await runtime.agent(HUB, kind="read")
        senders = await create_senders(runtime, job.agents)

        def sent() -> int:
            return sum(sender.numbers[HUB] for sender in senders)

        async with _senders_at_work(senders, job, is_paced=is_paced):
            before, asked, started = recipient.consumed, sent(), perf_counter()
            await trio.sleep(job.seconds)
            seconds = perf_counter() - started
            consumed, asked = recipient.consumed - before, sent() - asked
        left, stopped = sent() - recipient.consumed, perf_counter()
        await recipient.wait_for(sent())
        await runtime.wait_idle()
        left_seconds = perf_counter() - stopped
    assert recipient.consumed == sent(), f"{sent()} were sent, {recipient.consumed} consumed"
    assert not recipient.disordered, f"{recipient.disordered} messages out of their order"
    return Stream(seconds=seconds, sent=asked, consumed=consumed, left=left, left_seconds=left_seconds)


@asynccontextmanager
async def _senders_at_work(senders: list[Sender], job: MailJob, *, is_paced: bool) -> AsyncGenerator[None, None]:
    """Senders for as long as the block, each with one turn at a time; it begins when they are warm."""

    async def ask(number: int) -> None:
        await senders[number].send(HUB, job.messages)

    if not is_paced:
        async with open_load(ask, len(senders)):
            yield
        return
    period = len(senders) * job.messages / PACE
    started, has_ended = trio.current_time(), False

    async def ask_in_time(number: int) -> None:
        due = started + period * number / len(senders)
        while not has_ended:
            await trio.sleep_until(due)
            await ask(number)
            due += period

    async with trio.open_nursery() as nursery:
        for number in range(len(senders)):
            nursery.start_soon(ask_in_time, number)
        await trio.sleep(WARM_UP_SECONDS)
        freeze_collector()
        yield
        has_ended = True


async def measure_fan_out(job: MailJob) -> FanOut:
    """One agent writes to each of the others, turn after turn, as many as one turn may send."""
    recipient = Recipient()
    async with open_mail(Path(job.folder) / "out.db", recipient) as runtime:
        await create(runtime, "r", "read", job.agents)
        lead = await runtime.agent("lead", kind="send")
        names, started = [f"r-{number}" for number in range(job.agents)], perf_counter()
        for turn in range(job.turns):
            await lead.ask({"to": names, "after": turn, "messages": 1})
        sender_seconds = perf_counter() - started
        await recipient.wait_for(job.agents * job.turns)
        await runtime.wait_idle()
        seconds = perf_counter() - started
    assert not recipient.disordered, f"{recipient.disordered} messages out of their order"
    return FanOut(messages=recipient.consumed, seconds=seconds, sender_seconds=sender_seconds, turns=recipient.turns)


async def measure_crowd(job: MailJob) -> Crowd:
    """Far more mail than one agent may hold, from more senders than it has heard of."""
    recipient, path = Recipient(), Path(job.folder) / "crowd.db"
    backlog = 0
    async with open_mail(path, recipient, limits=evolve(LIMITS, backlog_max=BACKLOG_MAX)) as runtime:
        hub = await runtime.agent(HUB, kind="read")
        senders = await create_senders(runtime, job.agents)
        await send_all(senders, "nobody", turns=1, messages=1)  # what a sender keeps in memory, it has by now
        await hub.pause()
        before, started = read_memory().rss_trimmed, perf_counter()
        await send_all(senders, HUB, turns=job.turns, messages=job.messages)
        grown, waiting = read_memory().rss_trimmed - before, count_rows(path)["mail"] - job.agents
        sent = job.agents * job.turns * job.messages
        async with trio.open_nursery() as nursery:

            async def look() -> None:
                nonlocal backlog
                while True:
                    backlog = max(backlog, (await hub.status()).backlog)
                    await trio.sleep(LOOK_SECONDS)

            nursery.start_soon(look)
            await trio.sleep(LOOK_SECONDS)
            await hub.resume()
            await recipient.wait_for(sent)
            nursery.cancel_scope.cancel()
        await runtime.wait_idle()
        seconds = perf_counter() - started
    return Crowd(
        senders=job.agents,
        sent=sent,
        consumed=recipient.consumed,
        disordered=recipient.disordered,
        left_in_mail=count_rows(path)["mail"] - job.agents,
        backlog_max=BACKLOG_MAX,
        backlog_seen=backlog,
        waiting_seen=waiting,
        grown_bytes=grown,
        seconds=seconds,
    )
