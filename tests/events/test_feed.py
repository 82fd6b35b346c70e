"""A feed: replay, then live; each event once and in order; behind, and back again; ends and refusals."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from meerkat_actors.actors.events import EventFeed
from meerkat_actors.errors import InvalidValueError, StoreCorruptError, UsageError
from meerkat_actors.records.facts import Emitted
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.runtime_events import (
    EventGap,
    InputAccepted,
    RuntimeEvent,
)
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import passes
from tests.events.world import labels, opened, taken


async def rest_of(feed: EventFeed) -> list[RuntimeEvent | EventGap]:
    return [told async for told in feed]


async def test_without_a_cursor_only_what_is_committed_from_now_on_is_told() -> None:
    async with opened(MemoryStore()) as world:
        await world.tell("before")
        async with world.feed(None) as events:
            await world.tell("after", "and this")
            assert labels(await taken(events, 2)) == ["after", "and this"]


async def test_what_is_kept_is_replayed_and_what_comes_follows() -> None:
    async with opened(MemoryStore()) as world:
        await world.tell("one", "two")
        await world.admit()
        async with world.feed() as events:
            assert labels(await taken(events, 3)) == ["one", "two", "InputAccepted"]
            await world.tell("three")
            assert labels(await taken(events, 1)) == ["three"]


async def test_every_cursor_leads_to_what_comes_behind_its_event() -> None:
    async with opened(MemoryStore()) as world:
        await world.tell("one", "two", "three")
        await world.admit()
        await world.tell("four", "five")
        everything = world.everything()
        assert len({event.cursor for event in everything}) == len(everything) == 6
        for number, event in enumerate(everything, 1):
            async with world.feed(event.cursor) as events:
                assert await taken(events, len(everything) - number) == everything[number:]


async def test_a_subscriber_wakes_as_soon_as_something_is_committed(autojump_clock: trio.testing.MockClock) -> None:
    async with opened(MemoryStore()) as world, world.feed(None) as events, trio.open_nursery() as nursery:
        nursery.start_soon(world.tell, "now")
        began = trio.current_time()
        assert labels(await taken(events, 1)) == ["now"]
        assert trio.current_time() == began


async def test_the_hub_pauses_between_two_looks_and_tells_all_of_a_pause_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = FaultyStore(MemoryStore())
    pages: list[str] = []
    async with opened(store, pause_seconds=1) as world, world.feed(None) as events:
        await trio.testing.wait_all_tasks_blocked()
        store.before_read = lambda method, _: pages.append(method)
        began = trio.current_time()
        for number in range(50):
            await world.tell(str(number))
        assert labels(await taken(events, 50)) == [str(number) for number in range(50)]
        assert 0 < trio.current_time() - began <= 1
        # The first at once, and the rest in one.
        assert pages.count("page_events") <= 2


async def test_a_pause_keeps_nobody_from_leaving(autojump_clock: trio.testing.MockClock) -> None:
    told: list[str] = []
    async with trio.open_nursery() as nursery:

        async def listen(events: EventFeed) -> None:
            told.extend(labels(await rest_of(events)))

        async with opened(MemoryStore(), Limits(drain_seconds=5), pause_seconds=1_000) as world:
            events = await world.feed(None).__aenter__()
            nursery.start_soon(listen, events)  # noqa: ASYNC111 - it is told that the runtime ends
            await passes(10)
            await world.tell("last")
            began = trio.current_time()
    assert (told, trio.current_time()) == (["last"], began)


async def test_identities_and_kinds_are_what_was_asked_for(autojump_clock: trio.testing.MockClock) -> None:
    async with opened(MemoryStore(), names=("alice", "bob")) as world:
        for name in ("alice", "bob"):
            await world.admit(name)
            await world.tell(f"by {name}", name=name)
        async with (
            world.feed(identities=["bob"]) as of_bob,
            world.feed(kinds={"InputAccepted"}) as inputs,
            world.feed(kinds=[Emitted, InputAccepted], identities={"alice"}) as of_alice,
            world.feed(identities=()) as nobody,
        ):
            assert labels(await taken(of_bob, 2)) == ["InputAccepted", "by bob"]
            assert {told.identity for told in await taken(inputs, 2) if isinstance(told, RuntimeEvent)} == {
                "alice",
                "bob",
            }
            assert labels(await taken(of_alice, 2)) == ["InputAccepted", "by alice"]
            await world.tell("live", name="bob")
            assert labels(await taken(of_bob, 1)) == ["live"]
            with trio.move_on_after(1) as scope:
                await anext(nobody)
            assert scope.cancelled_caught


async def test_a_slow_subscriber_is_told_of_its_gap_once_and_misses_nothing() -> None:
    async with opened(MemoryStore(), Limits(events_buffer=3)) as world, world.feed(None) as events:
        for number in range(10):
            await world.tell(str(number))
        told = await taken(events, 11)
        assert labels(told) == ["0", "1", "2", "gap", *map(str, range(3, 10))]
        before, gap = told[2:4]
        assert isinstance(gap, EventGap)
        assert isinstance(before, RuntimeEvent)
        assert gap.after == before.cursor
        await world.tell("live again")
        assert labels(await taken(events, 1)) == ["live again"]


async def test_a_row_of_more_events_than_a_buffer_holds_is_told_whole_and_is_no_gap() -> None:
    async with opened(MemoryStore(), Limits(events_buffer=2)) as world, world.feed(None) as events:
        await world.tell("a", "b", "c", "d")
        assert labels(await taken(events, 4)) == ["a", "b", "c", "d"]


async def test_a_stalled_subscriber_reads_nothing_and_others_go_on() -> None:
    store = FaultyStore(MemoryStore())
    pages: list[str] = []
    store.before_read = lambda method, _: pages.append(method) if method == "page_events" else None
    async with opened(store, Limits(events_buffer=5)) as world, world.feed(None):
        for number in range(6):
            await world.tell(str(number))
        await passes(20)
        pages.clear()
        for number in range(100):
            await world.tell(str(number))
        await passes(20)
        assert pages == []
        async with world.feed(None) as other:
            await world.tell("told")
            assert labels(await taken(other, 1)) == ["told"]


async def test_nobody_reads_for_nobody() -> None:
    store = FaultyStore(MemoryStore())
    pages: list[str] = []
    store.before_read = lambda method, _: pages.append(method) if method == "page_events" else None
    async with opened(store) as world:
        async with world.feed(None) as events:
            await world.tell("one")
            await taken(events, 1)
        await passes(20)
        pages.clear()
        await world.tell("two")
        await passes(20)
        assert pages == []


@pytest.mark.parametrize("at", range(12))
async def test_cancelling_the_wait_loses_nothing(at: int) -> None:
    async with opened(MemoryStore(), Limits(events_buffer=2)) as world, world.feed() as events:
        for number in range(3):
            await world.tell(str(number))
        told: list[RuntimeEvent | EventGap] = []

        async def take_all() -> None:
            while True:
                told.append(await anext(events))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_all)
            await passes(at)
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_all)
            for number in range(3, 6):
                await world.tell(str(number))
                await passes(at)
            await passes(50)
            nursery.cancel_scope.cancel()
        assert [label for label in labels(told) if label != "gap"] == list("012345")


async def test_two_tasks_may_share_a_feed() -> None:
    async with opened(MemoryStore()) as world, world.feed(None) as events:
        told: list[str] = []

        async def take(count: int) -> None:
            for _ in range(count):
                told.extend(labels([await anext(events)]))
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take, 5)
            nursery.start_soon(take, 5)
            for number in range(10):
                await passes(3)
                await world.tell(str(number))
        assert sorted(told) == [str(number) for number in range(10)]


async def test_a_feed_ends_with_the_runtime_after_what_was_committed() -> None:
    told: list[str] = []
    async with trio.open_nursery() as nursery:

        async def listen(events: EventFeed) -> None:
            told.extend(labels(await rest_of(events)))

        async with opened(MemoryStore()) as world:
            events = await world.feed(None).__aenter__()
            nursery.start_soon(listen, events)  # noqa: ASYNC111 - it is told that the runtime ends
            await world.tell("last", "words")
    assert told == ["last", "words"]


async def test_what_a_feed_could_not_tell_before_the_end_is_a_gap_that_says_where_to_go_on() -> None:
    store = MemoryStore()
    async with opened(store, Limits(events_buffer=2)) as world:
        slow, late = world.feed(None), world.feed()
        await slow.__aenter__()
        await late.__aenter__()
        for number in range(5):
            await world.tell(str(number))
    told = await rest_of(slow)
    assert labels(told) == ["0", "1", "gap"]
    assert await rest_of(slow) == []
    assert labels(await rest_of(late)) == ["gap"]
    gap = told[-1]
    assert isinstance(gap, EventGap)
    async with opened(store, names=()) as world, world.feed(gap.after) as events:
        assert labels(await taken(events, 3)) == ["2", "3", "4"]


async def test_a_closed_feed_is_over() -> None:
    async with opened(MemoryStore()) as world:
        await world.tell("one")
        async with world.feed() as events:
            assert labels(await taken(events, 1)) == ["one"]
            await world.tell("two")
            await events.aclose()
            assert await rest_of(events) == []
        assert await rest_of(events) == []
        await events.aclose()


async def test_closing_a_feed_ends_who_waits_for_it() -> None:
    async with opened(MemoryStore()) as world, world.feed(None) as events, trio.open_nursery() as nursery:
        nursery.start_soon(rest_of, events)
        await trio.testing.wait_all_tasks_blocked()
        await events.aclose()


async def test_a_feed_is_entered_once_and_used_inside_its_block() -> None:
    async with opened(MemoryStore()) as world:
        feed = world.feed(None)
        with pytest.raises(UsageError, match="subscribe first"):
            await anext(feed)
        async with feed:
            with pytest.raises(UsageError, match="before"):
                await feed.__aenter__()
        with pytest.raises(UsageError, match="before"):
            await feed.__aenter__()
    with pytest.raises(UsageError, match="closed"):
        await world.feed(None).__aenter__()


@pytest.mark.parametrize(
    "wanted",
    [
        {"identities": "alice"},
        {"identities": ["no/such/name"]},
        {"identities": 7},
        {"kinds": "Emitted"},
        {"kinds": ["Nothing"]},
        {"kinds": [str]},
        {"kinds": [7]},
        {"after": "nonsense"},
        {"after": 7},
        {"after": b"x"},
    ],
)
async def test_what_can_not_be_wanted_is_refused_at_the_call(wanted: dict[str, object]) -> None:
    async with opened(MemoryStore()) as world:
        with pytest.raises(InvalidValueError):
            EventFeed(world.hub, world.storage, **{"after": None, **wanted})  # type: ignore[arg-type]


async def test_a_store_that_fails_under_a_feed_is_told_to_its_subscriber() -> None:
    store = FaultyStore(MemoryStore())

    look = store.before_read

    def fail(method: str, _: object) -> None:
        if method == "page_events":
            raise rotten()

    async with opened(store) as world, world.feed(None) as events:
        store.before_read = fail
        await world.tell("one")
        for _ in range(2):
            with pytest.raises(StoreCorruptError):
                await anext(events)
        store.before_read = look
        assert labels(await taken(events, 1)) == ["one"]


async def test_others_that_share_the_store_are_heard_at_the_next_look(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore(ownership="shared")
    limits = Limits(look_seconds=0.25)
    async with (
        opened(store, limits) as ours,
        opened(store.beside(), limits, names=("bob",)) as theirs,
        ours.feed(None) as events,
    ):
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        await theirs.tell("elsewhere", name="bob")
        assert labels(await taken(events, 1)) == ["elsewhere"]
        assert 0 < trio.current_time() - began <= 0.25


def rotten() -> StoreCorruptError:
    return StoreCorruptError(path=":faulty:", problem="holds a row that can't be read")
