"""A store that failed once is opened anew under its runtime; one that lost something, or fails again, ends it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import apsw
import pytest
import trio

from meerkat_actors import (
    Limits,
    Runtime,
    StoreFailedError,
    StoreFullError,
    StoreInterruptedError,
    StoreInUseError,
    Turn,
    UnknownOutcomeError,
    open_runtime,
)
from meerkat_actors.handles import arguments as runtime_module
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import SendMail, Unit
from meerkat_actors.records.events import Event, LogGrowing, OwnerCrashed, StoreReopened
from meerkat_actors.store import SqliteStore, open_sqlite
from tests.store.sqlite.faults import Disk, failing, full, nothing, open_disk

WRITE: Final = apsw.SQLITE_IOERR_WRITE


async def counting(turn: Turn) -> str:
    count = int(str(turn.state or 0)) + 1
    turn.set_state(count)
    return str(count)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with open_disk() as disk:
        monkeypatch.setattr(runtime_module, "open_sqlite", partial(open_sqlite, vfs=disk.vfs))
        yield disk
        disk.before_write = disk.before_sync = nothing


@asynccontextmanager
async def running(
    path: Path,
    events: list[Event],
    limits: Limits | None = None,
    **arguments: Any,  # noqa: ANN401 - whatever open_runtime takes
) -> AsyncGenerator[Runtime, None]:
    with trio.fail_after(30):
        async with open_runtime(
            path, agents={"counting": counting}, observers=(events.append,), limits=limits, **arguments
        ) as opened:
            yield opened


def once(disk: Disk, error: Callable[[], None]) -> None:
    """The next write fails, and no other."""

    def fail() -> None:
        disk.before_write = nothing
        error()

    disk.before_write = fail


async def test_a_failed_write_is_unknown_to_its_caller_and_everyone_goes_on(tmp_path: Path, disk: Disk) -> None:
    events: list[Event] = []
    async with running(tmp_path / "a.db", events) as runtime:
        first, second = [await runtime.agent(name, kind="counting") for name in ("a", "b")]
        assert (await first.ask("x")).text == "1"
        assert (await second.ask("x")).text == "1"
        once(disk, failing(WRITE))
        with pytest.raises(UnknownOutcomeError):
            await first.send("y", idempotency_key="y")
        admission = await first.send("y", idempotency_key="y")
        assert getattr(await first.wait(admission.input_id), "text", None) == "2"
        assert (await second.ask("x")).text == "2"
        assert [row.content async for row in first.inputs()] == ["y", "x"]
    assert [type(event) for event in events if not isinstance(event, StoreReopened)] == [OwnerCrashed]
    assert len([event for event in events if isinstance(event, StoreReopened)]) == 1
    async with running(tmp_path / "a.db", []) as runtime:
        assert (await (await runtime.agent("a")).ask("z")).text == "3"


async def test_a_turn_whose_end_was_lost_runs_again_by_itself(tmp_path: Path, disk: Disk) -> None:
    events, attempts = list[Event](), list[int]()

    async def breaking(turn: Turn) -> str:
        attempts.append(turn.attempt)
        if len(attempts) == 1:
            once(disk, failing(WRITE))
        return "done"

    with trio.fail_after(30):
        async with open_runtime(
            tmp_path / "a.db", agents={"breaking": breaking}, observers=(events.append,)
        ) as runtime:
            agent = await runtime.agent("a", kind="breaking")
            admission = await agent.send("x")
            await runtime.wait_idle()
            assert getattr(await agent.wait(admission.input_id), "text", None) == "done"
    assert attempts == [1, 1], "a failing disk is no failure of the turn"


async def test_mail_of_a_commit_whose_outcome_was_lost_reaches_who_idles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be durable all the same: then nobody else would tell the recipient, who is in memory and idle."""
    commit, lost = SqliteStore.commit, list[int]()

    def lose(store: SqliteStore, units: Sequence[Unit]) -> list[CommitOutcome]:
        outcomes = commit(store, units)
        if not lost and any(type(effect) is SendMail for unit in units for effect in unit.effects):
            lost.append(1)
            raise StoreInterruptedError(path=store.location, problem="the answer is lost")
        return outcomes

    async def telling(turn: Turn) -> None:
        turn.send("b", "news")

    monkeypatch.setattr(SqliteStore, "commit", lose)
    with trio.fail_after(30):
        async with open_runtime(tmp_path / "a.db", agents={"counting": counting, "telling": telling}) as runtime:
            b = await runtime.agent("b", kind="counting")
            assert (await b.ask("x")).text == "1"
            a = await runtime.agent("a", kind="telling")
            await a.ask("tell")
            await runtime.wait_idle()
            assert (await b.ask("y")).text == "3"
    assert lost == [1]


async def test_who_waits_for_storage_meanwhile_keeps_waiting(tmp_path: Path, disk: Disk) -> None:
    async with running(tmp_path / "a.db", []) as runtime:
        agents = [await runtime.agent(f"a-{number}", kind="counting") for number in range(20)]
        answers: list[str | None] = []
        unknown: list[int] = []

        async def ask(number: int) -> None:
            for _ in range(20):
                try:
                    answers.append((await agents[number].ask("x", idempotency_key="k")).text)
                except UnknownOutcomeError:
                    unknown.append(number)
                else:
                    return

        once(disk, failing(WRITE))
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(ask, number)
        assert answers == ["1"] * 20
        assert unknown != []


async def test_a_second_failure_so_soon_ends_the_runtime(tmp_path: Path, disk: Disk) -> None:
    events: list[Event] = []

    async def fail_twice() -> None:
        async with running(tmp_path / "a.db", events) as runtime:
            agent = await runtime.agent("a", kind="counting")
            once(disk, failing(WRITE))
            with pytest.raises(UnknownOutcomeError):
                await agent.send("x")
            await agent.ask("y")
            once(disk, failing(WRITE))
            await agent.ask("z")

    with pytest.raises(StoreInterruptedError):
        await fail_twice()
    assert len([event for event in events if isinstance(event, StoreReopened)]) == 1


async def test_a_second_failure_later_does_not(tmp_path: Path, disk: Disk) -> None:
    events: list[Event] = []
    async with running(tmp_path / "a.db", events, Limits(reopen_quiet_seconds=0)) as runtime:
        agent = await runtime.agent("a", kind="counting")
        for _ in range(3):
            once(disk, failing(WRITE))
            with pytest.raises(UnknownOutcomeError):
                await agent.send("x")
            assert int((await agent.ask("y")).text or 0) > 0
    assert len([event for event in events if isinstance(event, StoreReopened)]) == 3


async def test_a_failed_fsync_ends_the_runtime_at_once(tmp_path: Path, disk: Disk) -> None:
    events: list[Event] = []

    async def fail() -> None:
        async with running(tmp_path / "a.db", events) as runtime:
            agent = await runtime.agent("a", kind="counting")
            disk.before_sync = failing(apsw.SQLITE_IOERR_FSYNC)
            await agent.ask("x")

    with pytest.raises(StoreFailedError, match="mend the disk"):
        await fail()
    assert not any(isinstance(event, StoreReopened) for event in events)


async def test_what_can_not_be_opened_anew_ends_the_runtime_with_that(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    openings: list[object] = []

    def open_once(*arguments: Any, **options: Any) -> SqliteStore:  # noqa: ANN401 - whatever open_sqlite takes
        openings.append(arguments)
        if len(openings) > 1:
            raise StoreInUseError(path="a.db", holder="somebody")
        return open_sqlite(*arguments, **options, vfs=disk.vfs)

    monkeypatch.setattr(runtime_module, "open_sqlite", open_once)

    async def fail() -> None:
        async with running(tmp_path / "a.db", []) as opened:
            agent = await opened.agent("a", kind="counting")
            once(disk, failing(WRITE))
            await agent.ask("x")

    with pytest.raises(StoreFailedError, match="somebody"):
        await fail()
    assert len(openings) == 2


@pytest.mark.parametrize("case", ["a store object", "shared"])
async def test_where_reopening_gains_nothing_the_runtime_ends(tmp_path: Path, disk: Disk, case: str) -> None:
    path = tmp_path / "a.db"

    async def fail() -> None:
        async with (
            open_runtime(open_sqlite(path, vfs=disk.vfs), agents={"counting": counting}, observers=())
            if case == "a store object"
            else open_runtime(path, agents={"counting": counting}, observers=(), ownership="shared")
        ) as runtime:
            agent = await runtime.agent("a", kind="counting")
            once(disk, failing(WRITE))
            await agent.ask("x")

    with pytest.raises(StoreInterruptedError):
        await fail()


async def test_a_log_that_can_not_be_moved_is_told(tmp_path: Path, disk: Disk) -> None:
    told = trio.Event()
    events: list[Event] = []

    def note(event: Event) -> None:
        events.append(event)
        disk.before_write = disk.before_sync = nothing
        told.set()

    def fill() -> None:  # the commit is written, and what is written next is the database
        disk.before_write = full

    with trio.fail_after(30):
        async with open_runtime(
            tmp_path / "a.db", agents={"counting": counting}, observers=(note,), limits=Limits(wal_pages_max=1)
        ) as opened:
            agent = await opened.agent("a", kind="counting")
            disk.before_sync = fill
            with suppress(StoreFullError):
                await agent.send("x")
            await told.wait()
            assert (await agent.ask("y")).text in {"1", "2"}
    assert isinstance(events[0], LogGrowing)
    assert events[0].pages > 1
    assert "the disk is full" in events[0].error
