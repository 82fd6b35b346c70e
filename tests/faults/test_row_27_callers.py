"""Rows 27, 30, 32 and 34: callers that give up, a bug of ours in storage, poison, and pragmas that don't hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final

import apsw
import pytest
import trio

from meerkat_actors import InvalidValueError, Runtime, StoreError, StoreFailedError, UnknownOutcomeError
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.sqlite import opening
from meerkat_actors.store.sqlite import store as store_module
from meerkat_actors.store.sqlite.grouping import commit_units
from tests.faults.world import Ledger, require_told, running
from tests.store.writing import created, insert

# -- row 27 -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
async def test_row_27_a_caller_that_was_cancelled_learns_its_fate_by_its_key(tmp_path: Path, seed: int) -> None:
    path, ledger, random = tmp_path / "team.db", Ledger(), Random(seed)
    known: list[bool] = []
    async with running(path) as runtime:
        alice = await runtime.agent("alice", kind="counting")
        for number in range(20):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(partial(alice.send, f"{number}", idempotency_key=f"{number}"))
                    for _ in range(random.randrange(12)):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()
            known.append((await alice.send(f"{number}", idempotency_key=f"{number}")).duplicate)
            ledger.acknowledged["alice"].append(f"{number}")
    assert any(known), f"of seed {seed}: nobody was cancelled whose input was durable"
    await ledger.require_kept(path)


# -- row 30 -------------------------------------------------------------------------------


@pytest.mark.alone
@pytest.mark.parametrize("is_written", [False, True], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize("bug", [RuntimeError("a bug of ours"), MemoryError(), AssertionError("a bug of ours")])
async def test_row_30_a_bug_in_storage_is_told_to_everyone_who_waits_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_written: bool, bug: Exception
) -> None:
    path, ledger = tmp_path / "team.db", Ledger()
    told, fell = list[tuple[float, BaseException]](), list[float]()

    def failing(*arguments: object) -> list[CommitOutcome]:
        fell.append(perf_counter())
        if is_written:
            commit_units(*arguments)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        raise bug

    async def hear(ask: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises((UnknownOutcomeError, StoreError)) as caught:
            await ask()
        told.append((perf_counter(), caught.value))

    async def life(outside: trio.Nursery) -> None:
        async with running(path) as runtime:
            for number in range(20):
                await ledger.send(runtime, f"agent-{number}", "before")
            await runtime.wait_idle()
            agents = [await runtime.agent(f"agent-{number}") for number in range(20)]
            monkeypatch.setattr(store_module, "commit_units", failing)
            for agent in agents:
                outside.start_soon(hear, partial(agent.send, "after", idempotency_key="after"))
            await trio.sleep_forever()

    async with trio.open_nursery() as outside:
        with pytest.raises(StoreFailedError) as caught:
            await life(outside)
    require_told(caught.value, path, "reopen")
    assert len(told) == 20
    assert max(at for at, _ in told) - fell[0] < 1
    monkeypatch.undo()
    await ledger.require_kept(path)
    async with running(path) as runtime:
        for number in range(20):
            agent = await runtime.agent(f"agent-{number}")
            assert not (await agent.send("after", idempotency_key="after")).duplicate or is_written
            assert (await agent.ask("after", idempotency_key="after")).text == "2"


# -- row 32 -------------------------------------------------------------------------------

POISON: Final = (2**64, -(2**63) - 1, "\ud800", float("nan"), {"\ud800": 1}, b"bytes", {1: 2}, object())


async def test_row_32_poison_is_refused_alone_beside_forty_that_go_through(tmp_path: Path) -> None:
    """Of the same moment, so of the same batch."""
    path, ledger, refusals = tmp_path / "team.db", Ledger(), list[str]()

    async def poison(runtime: Runtime, content: object) -> None:
        victim = await runtime.agent("victim", kind="counting")
        with pytest.raises(InvalidValueError) as caught:
            await victim.send(content)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        refusals.append(str(caught.value))

    async with running(path) as runtime:
        await ledger.send(runtime, "victim", "before")
        async with trio.open_nursery() as nursery:
            for content in POISON:
                nursery.start_soon(poison, runtime, content)
            for number in range(40):
                nursery.start_soon(ledger.send, runtime, f"agent-{number}", "beside")
        assert runtime.statistics().broken == ()
    assert len(refusals) == len(POISON)
    await ledger.require_kept(path)


# -- row 34 -------------------------------------------------------------------------------

OTHERWISE: Final = {
    "journal_mode": "delete",
    "foreign_keys": 0,
    "trusted_schema": 1,
    "wal_autocheckpoint": 1000,
    "cell_size_check": 0,
    "temp_store": 1,
    "cache_size": -2000,
    "journal_size_limit": -1,
    "busy_timeout": 5,
    "synchronous": 0,
}
"""What somebody else might have chosen for each of ours."""


def test_row_34_every_pragma_of_ours_has_another_value_here() -> None:
    names = {name for name, _ in vars(opening)["_PRAGMAS"]}
    assert {*names, "synchronous"} == set(OTHERWISE)


@pytest.mark.parametrize("pragma", sorted(OTHERWISE.keys() - {"busy_timeout"}))  # that one is set by a call, too
def test_row_34_a_pragma_that_does_not_hold_is_refused_by_name(tmp_path: Path, pragma: str) -> None:
    """SQLite itself ignores the change, as it does where a setting is compiled out: no error, and no effect."""
    path = tmp_path / "team.db"
    store = open_sqlite(path)
    store.begin()
    created(store, "alice").must_commit(insert(1))
    store.end(clean=True)
    store.close()

    def stubborn(connection: apsw.Connection) -> None:
        def refuse(action: int, name: str | None, value: str | None, *_: str | None) -> int:
            ignored = action == apsw.SQLITE_PRAGMA and name == pragma and value is not None
            return apsw.SQLITE_IGNORE if ignored else apsw.SQLITE_OK

        if connection.open_flags & apsw.SQLITE_OPEN_READWRITE:
            connection.pragma(pragma, OTHERWISE[pragma])
            connection.authorizer = refuse

    apsw.connection_hooks.append(stubborn)
    try:
        with pytest.raises(StoreError) as caught:
            open_sqlite(path)
    finally:
        apsw.connection_hooks.remove(stubborn)
    require_told(caught.value, path, f"SQLite keeps {pragma} at")
    again = open_sqlite(path)
    again.begin()
    again.close()


@pytest.mark.parametrize("number", range(2))
def test_row_34_a_setting_that_is_not_taken_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    settings = list(vars(opening)["_SETTINGS"])
    setting, wanted = settings[number]
    settings[number] = (setting, wanted + 1)  # there is on and off
    monkeypatch.setattr(opening, "_SETTINGS", tuple(settings))
    with pytest.raises(StoreError) as caught:
        open_sqlite(tmp_path / "team.db")
    require_told(caught.value, tmp_path / "team.db", f"does not take its setting {setting}")
