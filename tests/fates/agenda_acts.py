"""Acts of what agents do to each other, and of what they leave to time. See ``tests.fates.acts``."""

from __future__ import annotations

from typing import Final

import trio

from meerkat_actors.errors import DestroyedError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.status import Desired
from tests.fates.acts import Act
from tests.fates.beliefs import Client, at, begin

D = Desired


# -- messages ---------------------------------------------------------------------------------


async def tell_idle(client: Client) -> None:
    a, _ = await client.agent("a"), await client.agent("b")
    await client.send(a, "tell 1")
    await client.wait(a, "tell 1")


async def tell_busy(client: Client) -> None:
    a, b = await client.agent("a"), await client.agent("b")
    await client.send(b, "long", "next")
    await begin()
    await client.send(a, "tell 1", "tell 2")
    await client.wait(a, "tell 1", "tell 2")
    await client.wait(b, "long", "next")


async def tell_absent(client: Client) -> None:
    a = await client.agent("a")
    await client.send(a, "tell 1")
    await client.wait(a, "tell 1")
    await client.agent("b")


async def tell_full(client: Client) -> None:
    """Of what is sent, so much is taken as there is room for, again and again."""
    a, b = await client.agent("a"), await client.agent("b")
    await client.send(b, "long")
    await begin()
    await client.send(a, "tell 1")
    await client.wait(b, "long")


async def tell_listening(client: Client) -> None:
    a, b = await client.agent("a"), await client.agent("b")
    await client.send(b, "listen")
    await begin()
    await client.send(a, "tell 1")
    await client.wait(a, "tell 1")
    await client.wait(b, "listen")


# -- requests ---------------------------------------------------------------------------------


async def _ask(client: Client, what: str) -> tuple[AgentHandle, AgentHandle]:
    a, b = await client.agent("a"), await client.agent("b")
    await client.send(a, f"ask {what}")
    await client.wait(a, f"ask {what}")
    return a, b


async def request_answered_by_what_is_returned(client: Client) -> None:
    await _ask(client, "what is returned")


async def request_answered(client: Client) -> None:
    await _ask(client, "respond to this")


async def request_reported(client: Client) -> None:
    await _ask(client, "report on this")


async def request_answered_later(client: Client) -> None:
    _, b = await _ask(client, "defer this")
    await client.runtime.wait_idle()
    await client.send(b, "settle")
    await client.wait(b, "settle")


async def request_failed(client: Client) -> None:
    await _ask(client, "fail this")


async def request_cancelled(client: Client) -> None:
    a, b = await client.agent("a"), await client.agent("b")
    await client.govern(b, "pause", D.PAUSED)
    await client.send(a, "ask respond to this")
    await client.wait(a, "ask respond to this")
    await begin()
    await client.cancel_request(b)
    await client.govern(b, "resume", D.OPEN)


async def _ask_busy(client: Client, *keys: str) -> AgentHandle:
    """Requests that wait behind a turn: one was taken, the others were not, for there is no room."""
    a, b = await client.agent("a"), await client.agent("b")
    await client.send(b, "long")
    await begin()
    await client.send(a, *keys)
    await client.wait(a, *keys)
    return b


_ASKED: Final = tuple(f"ask respond to {number}" for number in range(3))


async def requests_stopped(client: Client) -> None:
    b = await client.agent("b")
    if (await b.status()).desired is D.OPEN:
        await _ask_busy(client, *_ASKED)
        await client.govern(b, "stop", D.STOPPED)


async def requests_reset(client: Client) -> None:
    b = await client.agent("b")
    if (await b.status()).generation == 0:
        await _ask_busy(client, *_ASKED)
        await client.reset(b, 1)


async def requests_destroyed(client: Client) -> None:
    try:
        b = await client.agent("b")
    except DestroyedError:
        return
    await _ask_busy(client, *_ASKED)
    await client.govern(b, "destroy", D.DESTROYED)


async def request_to_the_retired(client: Client) -> None:
    b = await client.agent("b")
    await client.govern(b, "retire", D.RETIRED)
    a = await client.agent("a")
    await client.send(a, *_ASKED)
    await client.wait(a, *_ASKED)


async def owed_and_stopped(client: Client) -> None:
    b = await client.agent("b")
    if (await b.status()).desired is D.OPEN:
        await _ask(client, "defer this")
        await client.runtime.wait_idle()
        await client.govern(b, "stop", D.STOPPED)


async def owed_and_reset(client: Client) -> None:
    b = await client.agent("b")
    if (await b.status()).generation == 0:
        await _ask(client, "defer this")
        await client.runtime.wait_idle()
        await client.reset(b, 1)


async def request_to_nobody(client: Client) -> None:
    """It comes back when it is old enough, at the courier's next walk."""
    a = await client.agent("a")
    await client.send(a, "ask nobody", "tell nobody")
    await client.wait(a, "ask nobody", "tell nobody")
    await client.until(4000)


# -- time -------------------------------------------------------------------------------------


async def timers_of_a_turn(client: Client) -> None:
    a = await client.agent("a")
    await client.send(a, "remind me")
    await client.wait(a, "remind me")
    await trio.sleep(40)


async def timer_at_a_time(client: Client) -> None:
    a = await client.agent("a")
    await client.schedule(a, "once", at=at(20))
    await client.until(22)


async def interval(client: Client) -> None:
    a = await client.agent("a")
    await client.schedule(a, "tick", every=10, at=at(10))
    await client.until(35)
    await a.unschedule("tick")


async def cron_and_a_clock_put_forward(client: Client) -> None:
    """Every whole hour: 23:00 and 0:00 by the clock, and then five hours at once, two of which are made up for."""
    a = await client.agent("a")
    await client.schedule(a, "hourly", cron="0 * * * *", timezone="Europe/Berlin", misfire=2)
    for hours in (1, 2, 7):
        client.put_forward(3600 * hours)
        await trio.sleep(2)
        await client.runtime.wait_idle()
    await a.unschedule("hourly")


async def unschedule_as_it_fires(client: Client) -> None:
    a = await client.agent("a")
    await client.schedule(a, "race", at=at(20))
    await client.until(20)
    await a.unschedule("race")


async def timer_ended_by_a_reset(client: Client) -> None:
    a = await client.agent("a")
    if (await a.status()).generation == 0:
        await client.schedule(a, "never", at=at(50))
        await begin()
        await client.reset(a, 1)
    await client.until(55)


# -- operations, steps ------------------------------------------------------------------------


async def barrier(client: Client) -> None:
    """Two operations end, one as a failure; the third, of the process, ends with it, or last of all."""
    a = await client.agent("a")
    await client.send(a, "fan out")
    await client.wait(a, "fan out")
    ends = {"x": a.operations.complete, "y": a.operations.fail, "z": a.operations.complete}
    for name, end in ends.items():
        for each in await a.operations.list():
            if each.name == name and each.public_status == "running":
                await a.operations.progress(each.operation_id, "half done")
                await end(each.operation_id, f"{name} ended")
    await client.runtime.wait_idle()


async def operations_collected(client: Client) -> None:
    a = await client.agent("a")
    await client.send(a, "fan out")
    await client.wait(a, "fan out")
    for each in sorted(await a.operations.list(), key=lambda each: each.name):
        if each.public_status == "running":
            await a.operations.cancel(each.operation_id)
    await client.runtime.wait_idle()
    await a.operations.collect()


async def half_done_steps(client: Client) -> None:
    a, _ = await client.agent("a"), await client.agent("b")
    await client.send(a, "buy 1")
    await client.wait(a, "buy 1")
    await trio.sleep(10)


_FULL: Final = Limits(attempts_max=2, backlog_max=2)
_FATE: Final = frozenset({"respond to", "the request", "request returned"})
"""Of requests that may be answered before what would end them comes."""
_ENDS: Final = frozenset({"z", "when_all"})
"""Of what ends with the process."""

AGENDA_ACTS: Final = (
    Act(tell_idle),
    Act(tell_busy, is_loose=True),
    Act(tell_absent),
    Act(tell_full, limits=_FULL, is_loose=True),
    Act(tell_listening),
    Act(request_answered_by_what_is_returned),
    Act(request_answered),
    Act(request_reported, frozenset({"progress"})),
    Act(request_answered_later),
    Act(request_failed),
    Act(request_cancelled),
    Act(requests_stopped, _FATE, limits=_FULL, is_loose=True),
    Act(requests_reset, _FATE | {"long"}, limits=_FULL, is_loose=True),
    Act(requests_destroyed, _FATE | {"long"}, limits=_FULL, is_loose=True),
    Act(request_to_the_retired, is_loose=True),
    Act(owed_and_stopped),
    Act(owed_and_reset),
    Act(request_to_nobody, limits=Limits(undeliverable_seconds=60)),
    Act(timers_of_a_turn),
    Act(timer_at_a_time),
    Act(interval),
    Act(cron_and_a_clock_put_forward),
    Act(unschedule_as_it_fires, frozenset({"race"})),
    Act(timer_ended_by_a_reset),
    Act(barrier, _ENDS),
    Act(operations_collected, _ENDS | {"None", "null"}, is_loose=True),
    Act(half_done_steps),
)
