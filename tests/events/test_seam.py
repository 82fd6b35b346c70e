"""Between a page and the next commit, live and behind: what a subscriber sees is what the store says."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Final

import pytest
import trio
import trio.testing
from attrs import define, field

from meerkat_actors.actors.events import EventFeed
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.runtime_events import EVENTS_BEGINNING, EventCursor, EventGap, RuntimeEvent
from meerkat_actors.store import MemoryStore
from tests.actors.world import passes
from tests.events.world import World, labels, opened

NAMES: Final = ("alice", "bob")
MOVES: Final = 40
SEEDS: Final = 15
PACES: Final = (0, 1, 10, 50)


@define(eq=False)
class Listener:
    """One that takes, stalls, leaves and comes back, and keeps what it was told."""

    world: World
    random: Random
    names: tuple[str, ...] | None
    told: list[RuntimeEvent] = field(factory=list[RuntimeEvent])
    gaps: list[EventCursor] = field(factory=list[EventCursor])
    last: EventCursor = EVENTS_BEGINNING

    async def listen(self) -> None:
        """Until the runtime ends, with breaks."""
        while True:
            async with self.world.feed(
                self.last, **({} if self.names is None else {"identities": self.names})
            ) as events:
                if not await self._take(events):
                    return

    async def _take(self, events: EventFeed) -> bool:
        for _ in range(self.random.randrange(1, 40)):
            await passes(self.random.choice((0, 0, 1, 4, 30, 100)))
            if self.random.random() < 0.2:
                with trio.CancelScope() as scope:
                    scope.cancel()
                    self._note(await anext(events))
            try:
                self._note(await anext(events))
            except StopAsyncIteration:
                return False
        return True

    def _note(self, told: RuntimeEvent | EventGap) -> None:
        if isinstance(told, EventGap):
            self.gaps.append(told.after)
            self.last = told.after
        else:
            self.told.append(told)
            self.last = told.cursor


async def write(world: World, random: Random) -> None:
    for move in range(MOVES):
        name = random.choice(NAMES)
        for _ in range(random.choice((1, 1, 5))):
            if random.random() < 0.5:
                await world.admit(name)
            else:
                await world.tell(*(f"{move}.{number}" for number in range(random.choice((1, 2, 7)))), name=name)
        await passes(random.choice((0, 5, 40, 400)))


@pytest.mark.parametrize("room", [1, 2, 5, 1_000])
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_what_subscribers_are_told_is_what_the_store_says(
    seed: int, room: int, autojump_clock: trio.testing.MockClock
) -> None:
    random, store = Random(f"{seed} {room}"), MemoryStore()
    async with (
        trio.open_nursery() as nursery,
        opened(store, Limits(events_buffer=room), names=NAMES, pace=partial(random.choice, PACES)) as world,
    ):
        listeners = [
            Listener(world, Random(f"{seed} {room} {number}"), names)
            for number, names in enumerate((None, ("alice",), None, ()))
        ]
        for listener in listeners:
            nursery.start_soon(listener.listen)
        await write(world, random)
        await trio.testing.wait_all_tasks_blocked()
        everything = world.everything()
    for listener in listeners:
        expected = [event for event in everything if listener.names is None or event.identity in listener.names]
        assert listener.told == expected[: len(listener.told)], f"seed={seed}"
        # Who was not told everything was told so last.
        assert listener.told == expected or (listener.gaps and listener.gaps[-1] == listener.last), f"seed={seed}"


async def test_the_seeds_reach_what_they_are_for(autojump_clock: trio.testing.MockClock) -> None:
    gaps = 0
    for seed in range(10):
        pace = partial(Random(seed).choice, PACES)
        async with (
            trio.open_nursery() as nursery,
            opened(MemoryStore(), Limits(events_buffer=2), names=NAMES, pace=pace) as world,
        ):
            listener = Listener(world, Random(seed), None)
            nursery.start_soon(listener.listen)
            await write(world, Random(seed))
            await trio.testing.wait_all_tasks_blocked()
            assert listener.told
            gaps += len(listener.gaps)
            nursery.cancel_scope.cancel()
    assert gaps > 5


async def test_what_is_committed_between_the_last_page_and_the_first_live_event_is_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with opened(MemoryStore(), pace=lambda: 10) as world, world.feed() as events, trio.open_nursery() as nursery:
        told: list[str] = []

        async def take() -> None:
            told.extend(labels([await anext(events)]))

        nursery.start_soon(take)
        await passes(15)  # the empty page was read, and is on its way
        await world.tell("meanwhile")
        await trio.testing.wait_all_tasks_blocked()
        assert told == ["meanwhile"]


async def test_who_comes_when_the_last_one_leaves_is_told_what_lies_between_them(
    autojump_clock: trio.testing.MockClock,
) -> None:
    paces = {"feed": 0, "hub": 0}
    async with opened(MemoryStore(), pace=lambda: paces["feed"], hub_pace=lambda: paces["hub"]) as world:
        first, second, told = world.feed(None), world.feed(), list[str]()
        await first.__aenter__()
        await second.__aenter__()
        await world.tell("one")

        async def take() -> None:
            for _ in range(3):
                told.extend(labels([await anext(second)]))

        async with trio.open_nursery() as nursery:
            await trio.testing.wait_all_tasks_blocked()
            paces["feed"] = 40
            nursery.start_soon(take)
            await passes(60)  # it read one, and is told so late
            await world.tell("two")
            await passes(6)
            paces["hub"] = 40
            await world.tell("three")
            await passes(6)  # the hub reads from behind two on
            await first.aclose()
        assert told == ["one", "two", "three"]
