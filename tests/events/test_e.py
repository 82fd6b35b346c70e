"""E1 to E4 of ``reference/runtime.md`` section 11: what observers are told, on both stores."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
import trio

from meerkat_actors.actors.events import EventFeed
from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import MeerkatError, StoreFullError, TurnAbandonedError
from meerkat_actors.errors.groups import one_error
from meerkat_actors.records.commits import CommitOutcome, RefusalReason, Refused
from meerkat_actors.records.effects import AppendTurn, Unit
from meerkat_actors.records.facts import Created, InputAbandoned, MailTaken
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import DEAD_LETTERS
from meerkat_actors.records.runtime_events import (
    EVENTS_BEGINNING,
    InputAccepted,
    MessageSent,
    RuntimeEvent,
    TurnEnded,
    events_of,
    place_of,
)
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.simulation.checks import read_tables, tables_of
from meerkat_actors.store import MemoryStore, Store, open_sqlite
from tests.actors.faulty import FaultyStore
from tests.actors.world import running
from tests.events.world import labels, taken

FULL: Final = Refused(reason=RefusalReason.STORE_FULL, effect=-1, current="full")
ONCE: Final = Limits(attempts_max=1, full_retry_seconds=0.01)


@pytest.fixture(params=["memory", "sqlite"])
def restart(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens the same state again."""
    if request.param == "sqlite":
        return lambda: open_sqlite(tmp_path / "a.db", synchronous="normal")
    memory = MemoryStore()
    return lambda: memory


async def worker(turn: Turn) -> str:
    turn.emit("began", {"text": turn.text})
    turn.send("other", turn.text)
    turn.emit("ended", None)
    if turn.text == "fail":
        message = "no such thing"
        raise ValueError(message)
    return turn.text


async def other(_: Turn) -> None:
    """Take what is sent."""


AGENTS: Final = {"worker": worker, "other": other}


@asynccontextmanager
async def told_of(
    store: Store, after: str = EVENTS_BEGINNING, *, told: list[RuntimeEvent] | None = None
) -> AsyncGenerator[tuple[Runtime, list[RuntimeEvent]], None]:
    """A runtime, and whatever a subscriber of it is told by its end."""
    found: list[RuntimeEvent] = [] if told is None else told

    async def listen(events: EventFeed) -> None:
        with suppress(MeerkatError):
            async for event in events:
                if isinstance(event, RuntimeEvent):
                    found.append(event)  # noqa: PERF401 - what was told before an error counts

    with collapsed():
        async with trio.open_nursery() as nursery, running(store, AGENTS, limits=ONCE) as runtime:
            events = await runtime.events(after).__aenter__()
            nursery.start_soon(listen, events)  # noqa: ASYNC111 - it is told that the runtime ends
            yield runtime, found


@contextmanager
def collapsed() -> Generator[None, None, None]:
    """One error out of its groups."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise one_error(group) from None


def all_of(store: Store) -> list[RuntimeEvent]:
    """What the store says that happened."""
    with closing(store):
        epoch = store.event_bounds().epoch
        return [event for row in store.page_events(after=0, limit=1_000) for event in events_of(row, epoch)]


def faulty(inner: Store) -> FaultyStore:
    return FaultyStore(inner, inline=inner.inline)


def of(events: Iterable[RuntimeEvent], identity: str) -> list[str]:
    return labels(event for event in events if event.identity == identity)


async def test_e1_events_are_told_in_the_order_of_the_transitions(restart: Callable[[], Store]) -> None:
    async with told_of(restart()) as (runtime, told):
        agent = await runtime.agent("a", kind="worker", config={"size": 1})
        await runtime.agent("other", kind="other")
        await agent.ask("one")
        with pytest.raises(TurnAbandonedError):
            await agent.ask("fail")
        await agent.pause()
        queued = await agent.send("late")
        await agent.cancel(queued.input_id)
        await agent.resume()
        await agent.reset()
        await runtime.wait_idle()
        await agent.destroy()
    assert of(told, "a") == [
        *("Created", "Configured"),
        *("InputAccepted", "TurnEnded", "began", "ended"),
        *("InputAccepted", "RunFailed", "InputAbandoned"),
        *("DesiredChanged", "InputAccepted", "InputAbandoned", "DesiredChanged"),
        "GenerationBegan",
        "Destroyed",
    ]
    assert of(told, "other") == ["Created", "MessageSent", "MailTaken", "TurnEnded"]
    assert all_of(restart()) == told


async def test_e2_what_was_not_committed_is_told_to_nobody(restart: Callable[[], Store]) -> None:
    """A turn that raised, an admission and a verb on a full disk, and a unit that was refused in a shared batch."""
    store = faulty(restart())
    async with told_of(store) as (runtime, told):
        agent = await runtime.agent("a", kind="worker")
        await agent.ask("one")
        store.refusal = lambda _: FULL
        with pytest.raises(StoreFullError):
            await agent.send("refused")
        with pytest.raises(StoreFullError):
            await agent.pause()
        store.refusal = lambda _: None
        with pytest.raises(TurnAbandonedError):
            await agent.ask("fail")
        await runtime.wait_idle()
    assert of(told, "a") == [
        "Created",
        *("InputAccepted", "TurnEnded", "began", "ended"),
        *("InputAccepted", "RunFailed", "InputAbandoned"),
    ]
    assert of(told, "other") == ["MessageSent"]


async def test_e2_a_turn_that_a_full_disk_holds_is_told_when_it_is_durable(restart: Callable[[], Store]) -> None:
    store = faulty(restart())
    refused = 0

    def refuse(unit: Unit) -> CommitOutcome | None:
        nonlocal refused
        if refused < 3 and any(type(effect) is AppendTurn for effect in unit.effects):
            refused += 1
            return FULL
        return None

    store.refusal = refuse
    async with told_of(store) as (runtime, told):
        await (await runtime.agent("a", kind="worker")).ask("one")
    assert refused == 3
    assert of(told, "a") == ["Created", "InputAccepted", "TurnEnded", "began", "ended"]


@pytest.mark.parametrize("is_written", [False, True])
async def test_e3_an_event_is_in_the_transaction_of_what_it_tells(is_written: bool) -> None:
    """The store fails at each commit in turn, having written it or not: either both are there, or neither is."""
    for count in range(8):
        memory = MemoryStore()
        store = FaultyStore(memory)
        if is_written:
            store.fail_after(count)
        else:
            store.fail_from(count)
        with pytest.raises(MeerkatError):
            async with running(store, AGENTS, limits=ONCE) as runtime:
                await work(runtime)
        check_told(memory)


@pytest.mark.parametrize("is_written", [False, True])
async def test_e3_a_subscriber_goes_on_behind_a_crash_at_any_commit(is_written: bool) -> None:
    """What it was told before is durable; what it is told afterwards is the rest."""
    for count in range(8):
        memory, told = MemoryStore(), list[RuntimeEvent]()
        store = FaultyStore(memory)
        if is_written:
            store.fail_after(count)
        else:
            store.fail_from(count)
        with pytest.raises(MeerkatError):
            async with told_of(store, told=told) as (runtime, _):
                await work(runtime)
        everything = all_of(memory)
        assert told == everything[: len(told)]
        after = told[-1].cursor if told else EVENTS_BEGINNING
        async with running(memory, AGENTS, limits=ONCE) as runtime, runtime.events(after) as events:
            assert await taken(events, len(everything) - len(told)) == everything[len(told) :]


async def test_e3_the_sequence_rises_over_restarts_and_a_cursor_outlives_them(restart: Callable[[], Store]) -> None:
    before: list[RuntimeEvent] = []
    cursor = EVENTS_BEGINNING
    for number in range(4):
        async with told_of(restart(), cursor) as (runtime, told):
            await (await runtime.agent(f"a{number}", kind="worker")).ask("one")
            await runtime.wait_idle()
        before += told
        cursor = told[-1].cursor
    places = [place_of(event.cursor) for event in before]
    assert [(place.sequence, place.told) for place in places] == sorted(
        {(place.sequence, place.told) for place in places}
    )
    assert all_of(restart()) == before


async def test_e4_work_that_is_lost_for_good_is_an_error_in_the_log_besides(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="meerkat_actors")
    async with (
        open_runtime(MemoryStore(), agents=AGENTS, limits=ONCE) as runtime,
        runtime.events(kinds=[InputAbandoned]) as events,
    ):
        agent = await runtime.agent("a", kind="worker")
        with pytest.raises(TurnAbandonedError):
            await agent.ask("fail")
        await agent.pause()
        await agent.cancel((await agent.send("late")).input_id)
        lost, cancelled = [told.detail for told in await taken(events, 2) if isinstance(told, RuntimeEvent)]
    assert isinstance(lost, InputAbandoned)
    assert isinstance(cancelled, InputAbandoned)
    assert lost.reason in DEAD_LETTERS
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error.name == "meerkat_actors"
    assert all(part in error.getMessage() for part in ("a", lost.input_id, lost.reason.value))


async def work(runtime: Runtime) -> None:
    agent = await runtime.agent("a", kind="worker")
    await runtime.agent("other", kind="other")
    for text in ("one", "fail", "two"):
        try:
            await agent.ask(text)
        except TurnAbandonedError:
            continue
    await runtime.wait_idle()


def check_told(memory: MemoryStore) -> None:
    """Each input and each boundary that is there was told once, and nothing that is not."""
    contents = read_tables(tables_of(memory))
    events = [event for row in memory.page_events(after=0, limit=1_000) for event in events_of(row, 1)]
    come, ended, abandoned, taken_up, created = (
        list[str](),
        list[tuple[str, int]](),
        list[str](),
        list[str](),
        list[str](),
    )
    for event in events:
        match event.detail:
            case InputAccepted(input_id) | MessageSent(input_id):
                come.append(input_id)
            case TurnEnded(_, version):
                ended.append((event.identity, version))
            case InputAbandoned(input_id):
                abandoned.append(input_id)
            case MailTaken(input_ids):
                taken_up += input_ids
            case Created():
                created.append(event.identity)
            case _:
                pass
    assert come == [row.input_id for row in contents.inputs]
    assert ended == [(contents.heads[row.identity].name, row.version) for row in contents.turns]
    assert sorted(abandoned) == sorted(row.input_id for row in contents.inputs if row.reason is not None)
    assert sorted(taken_up) == sorted(row.input_id for row in contents.inputs if row.sender and row.admission)
    assert sorted(created) == sorted(head.name for head in contents.heads.values())
