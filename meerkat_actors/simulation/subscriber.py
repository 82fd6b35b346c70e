"""One who follows a runtime's events, across processes and crashes, from cursor to cursor."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import trio
from attrs import define, field

from meerkat_actors.errors import MeerkatError
from meerkat_actors.records.runtime_events import EVENTS_BEGINNING, EventCursor, EventGap, RuntimeEvent, place_of

if TYPE_CHECKING:
    from meerkat_actors.runtime import Runtime
    from meerkat_actors.simulation.world import World

_QUIET_SECONDS: Final = 5.0
"""In which all that happened before is read: agents with timers of their own are never quiet."""
_LATE_SECONDS_MAX: Final = 1_000.0
"""Until all that is there was told."""


@define(eq=False)
class Subscriber:
    """What it was told; after each process it goes on from its cursor."""

    after: EventCursor = EVENTS_BEGINNING
    told: list[bytes] = field(factory=list[bytes])
    """A digest of each event."""
    newest: tuple[int, int] = (0, 0)
    """The place of the last one, which the next ones are behind."""
    epoch: int | None = None
    """That of all of them; None: it was told of none."""

    async def follow(self, world: World) -> None:
        """Follow until it is cancelled."""
        while True:
            life, runtime = await world.process()
            try:
                async with runtime.events(after=self.after) as events:
                    async for event in events:
                        await self._stall(world)
                        self._take(world, event)
            except MeerkatError as error:
                world.trace.note(f"the subscriber: {type(error).__name__}")
                if not life.is_over and not world.machine.is_hurt:
                    world.problems.append(f"the subscriber, from {self.after}: {error!r}")
            await world.pause(life, 1.0)

    def _take(self, world: World, event: RuntimeEvent | EventGap) -> None:
        if isinstance(event, EventGap):
            place = place_of(event.after) if event.after != EVENTS_BEGINNING else None
            if place is not None and (place.sequence, place.told) < self.newest:
                world.problems.append(f"the subscriber is sent back to {place}, behind {self.newest}")
            self.after = event.after
            return
        place = place_of(event.cursor)
        if (place.sequence, place.told) <= self.newest or self.epoch not in {None, place.epoch}:
            world.problems.append(f"the subscriber is told {event} behind {self.newest} of epoch {self.epoch}")
        self.newest, self.epoch, self.after = (place.sequence, place.told), place.epoch, event.cursor
        self.told.append(_digest(event))

    async def _stall(self, world: World) -> None:
        if trio.current_time() < world.harms.stalled_until:
            world.harms.fired["Stall"] += 1
        while trio.current_time() < world.harms.stalled_until:  # noqa: ASYNC110 - the end of the faults ends it, too
            await trio.sleep(min(1.0, world.harms.stalled_until - trio.current_time()))


async def compare(subscriber: Subscriber, world: World) -> list[str]:
    """What is wrong with what it was told, beside what one is told who reads all of it now, when all is at rest."""
    fresh: list[tuple[bytes, RuntimeEvent]] = []
    commits = world.commits
    with trio.move_on_after(_LATE_SECONDS_MAX) as scope:
        while True:
            life, runtime = await world.process()
            try:
                fresh = await _read(runtime)
                break
            except MeerkatError as error:
                world.trace.note(f"nobody reads the events: {type(error).__name__}")
                await world.pause(life, 1.0)
        while len(subscriber.told) < len(fresh):  # noqa: ASYNC110 - virtual time, and no more than a second late
            await trio.sleep(1.0)
    for number, ((digest, event), told) in enumerate(zip(fresh, subscriber.told, strict=False)):
        if digest != told:
            return [f"event {number} is {event}, and the subscriber was told another one"]
    if len(subscriber.told) > len(fresh) and world.commits == commits:
        return [f"the subscriber was told {len(subscriber.told)} events, and there are {len(fresh)}"]
    if scope.cancelled_caught:
        return [f"the subscriber was told {len(subscriber.told)} of {len(fresh)} events, and waits for ever"]
    return []


async def _read(runtime: Runtime) -> list[tuple[bytes, RuntimeEvent]]:
    found: list[tuple[bytes, RuntimeEvent]] = []
    async with runtime.events(after=EVENTS_BEGINNING) as events:
        with trio.move_on_after(_QUIET_SECONDS):
            async for event in events:
                if not isinstance(event, EventGap):
                    found.append((_digest(event), event))  # noqa: PERF401 - what was read stays, when time is over
    return found


def _digest(event: RuntimeEvent) -> bytes:
    return blake2b(repr(event).encode(), digest_size=16).digest()
