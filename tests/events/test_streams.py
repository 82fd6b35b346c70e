"""Token streams: told at once to who listens, counted, bounded, and never durable."""

from __future__ import annotations

import threading

import pytest
import trio
import trio.testing

from meerkat_actors.actors.streams import StreamFeed, StreamHub, StreamPiece
from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import UsageError
from meerkat_actors.records.ids import AgentIdentity, RunId
from meerkat_actors.records.limits import Limits
from meerkat_actors.store import MemoryStore
from tests.actors.world import running

ALICE, BOB = AgentIdentity("alice"), AgentIdentity("bob")
FIRST, SECOND = RunId("run-1"), RunId("run-2")


def hub_of(room: int = 3) -> StreamHub:
    return StreamHub(Limits(events_buffer=room))


async def rest_of(feed: StreamFeed) -> list[tuple[str, int, int]]:
    return [(piece.text, piece.index, piece.missed) async for piece in feed]


async def test_who_listens_is_told_what_is_said_from_then_on() -> None:
    hub = hub_of()
    hub.publish(ALICE, FIRST, 1, "before")
    async with hub.subscribe(ALICE) as pieces, hub.subscribe(ALICE) as others, hub.subscribe(BOB) as of_bob:
        hub.publish(ALICE, FIRST, 1, "one")
        hub.publish(BOB, SECOND, 1, "else")
        assert await anext(pieces) == StreamPiece(run_id=FIRST, attempt=1, index=1, text="one", missed=0)
        assert (await anext(others)).text == "one"
        assert (await anext(of_bob)).text == "else"


async def test_each_attempt_and_each_run_counts_anew() -> None:
    hub = hub_of(room=10)
    async with hub.subscribe(ALICE) as pieces:
        for run, attempt in ((FIRST, 1), (FIRST, 1), (FIRST, 2), (FIRST, 2), (SECOND, 1)):
            hub.publish(ALICE, run, attempt, "x")
        told = [await anext(pieces) for _ in range(5)]
    assert [(each.run_id, each.attempt, each.index) for each in told] == [
        (FIRST, 1, 0),
        (FIRST, 1, 1),
        (FIRST, 2, 0),
        (FIRST, 2, 1),
        (SECOND, 1, 0),
    ]


async def test_what_is_not_taken_in_time_is_dropped_and_counted() -> None:
    hub = hub_of(room=2)
    async with hub.subscribe(ALICE) as pieces:
        for number in range(5):
            hub.publish(ALICE, FIRST, 1, str(number))
        hub.end()
        assert await rest_of(pieces) == [("3", 3, 3), ("4", 4, 0)]


async def test_who_waits_is_woken_by_a_piece_and_by_the_end() -> None:
    hub, told = hub_of(), list[tuple[str, int, int]]()

    async def listen() -> None:
        async with hub.subscribe(ALICE) as pieces:
            told.extend(await rest_of(pieces))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await trio.testing.wait_all_tasks_blocked()
        hub.publish(ALICE, FIRST, 1, "one")
        await trio.testing.wait_all_tasks_blocked()
        hub.end()
    assert told == [("one", 0, 0)]


async def test_cancelling_the_wait_loses_nothing() -> None:
    hub = hub_of()
    async with hub.subscribe(ALICE) as pieces:
        with trio.CancelScope() as scope:
            hub.publish(ALICE, FIRST, 1, "one")
            scope.cancel()
            await anext(pieces)
        assert (await anext(pieces)).text == "one"


async def test_closing_ends_who_waits_and_nothing_is_kept_for_it() -> None:
    hub = hub_of()
    async with hub.subscribe(ALICE) as pieces, trio.open_nursery() as nursery:
        nursery.start_soon(rest_of, pieces)
        await trio.testing.wait_all_tasks_blocked()
        await pieces.aclose()
    hub.publish(ALICE, FIRST, 1, "nobody")
    assert await rest_of(pieces) == []


async def test_a_stream_is_entered_once_and_used_inside_its_block() -> None:
    hub = hub_of()
    feed = hub.subscribe(ALICE)
    with pytest.raises(UsageError, match="listen first"):
        await anext(feed)
    async with feed:
        with pytest.raises(UsageError, match="before"):
            await feed.__aenter__()
    with pytest.raises(UsageError, match="before"):
        await feed.__aenter__()
    hub.end()
    with pytest.raises(UsageError, match="closed"):
        await hub.subscribe(ALICE).__aenter__()


async def test_a_stream_belongs_to_the_runtimes_thread() -> None:
    hub, raised = hub_of(), list[BaseException]()

    def ask() -> None:
        try:
            hub.subscribe(ALICE)
        except UsageError as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert len(raised) == 1


async def test_those_who_said_something_are_counted_up_to_a_bound() -> None:
    hub = hub_of()
    for number in range(20_001):
        hub.publish(AgentIdentity(f"a{number}"), FIRST, 1, "x")
    async with hub.subscribe(AgentIdentity("a0")) as first, hub.subscribe(AgentIdentity("a20000")) as last:
        hub.publish(AgentIdentity("a0"), FIRST, 1, "y")
        hub.publish(AgentIdentity("a20000"), FIRST, 1, "y")
        assert ((await anext(first)).index, (await anext(last)).index) == (0, 1)


async def test_what_turns_say_is_told_at_once_and_anew_with_each_attempt(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def talk(turn: Turn) -> str:
        for word in ("a", "b"):
            turn.stream(word)
        if turn.attempt == 1:
            message = "not yet"
            raise ValueError(message)
        return "ab"

    async with running(MemoryStore(), {"talk": talk}) as runtime:
        agent = await runtime.agent("alice", kind="talk")
        async with agent.stream() as pieces:
            await agent.ask("go")
            told = [await anext(pieces) for _ in range(4)]
    assert [(each.attempt, each.index, each.text) for each in told] == [
        (1, 0, "a"),
        (1, 1, "b"),
        (2, 0, "a"),
        (2, 1, "b"),
    ]
    assert len({each.run_id for each in told}) == 1
