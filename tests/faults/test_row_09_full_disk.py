"""Rows 9 to 11: a disk that is full while fifty agents work, when a store is opened, and when its log is moved."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Final

import apsw
import pytest
import trio
import trio.testing

from meerkat_actors import Limits, Runtime, StoreFullError, Turn, UnknownOutcomeError
from meerkat_actors.handles import arguments as runtime_module
from meerkat_actors.records.commits import Committed, RefusalReason
from meerkat_actors.records.events import Event, LogGrowing
from meerkat_actors.store import open_reader, open_sqlite
from tests.faults.elsewhere import ROOT, command_of, environment, live_well, small_disk
from tests.faults.world import Ledger, counting, events_of, require_told, running
from tests.store.sqlite.faults import full, nothing, open_disk
from tests.store.writing import created, insert, read, reason

AGENTS: Final = tuple(f"agent-{number}" for number in range(50))
FILLER: Final = "filler"
HELD: Final = "a turn that ends when there is no room"


def fill(folder: Path) -> None:
    """Leave not a byte of room."""
    descriptor = os.open(folder / FILLER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for size in (65536, 4096, 1):
            with suppress(OSError):
                while os.write(descriptor, bytes(size)):
                    pass
    finally:
        os.close(descriptor)


def make_room(folder: Path) -> None:
    (folder / FILLER).unlink()


async def send_many(ledger: Ledger, runtime: Runtime, numbers: range) -> None:
    for number in numbers:
        await ledger.send(runtime, "alice", f"{number} {'x' * 3000}")


async def work_through(path: Path, fill_up: partial[None], free: partial[None]) -> float:
    """Fifty agents, a disk that is full for a while, and none of it lost; seconds until all that was held was done.

    Each has a turn under way when the disk is full, whose end is held.
    """
    ledger, refusals = Ledger(), list[StoreFullError]()
    may_end = trio.Event()

    async def counting_later(turn: Turn) -> str:
        if turn.text == HELD:
            await may_end.wait()
        return await counting(turn)

    is_full, has_room, resumed = trio.Event(), trio.Event(), list[float]()
    unsent: dict[str, str] = {}

    async def work(runtime: Runtime, name: str) -> None:
        for number in range(10_000):
            try:
                await ledger.send(runtime, name, f"{name} says {number} {'x' * 500}")
            except StoreFullError as error:
                refusals.append(error)
                unsent[name] = f"{name} says {number} {'x' * 500}"
                break
        if len(refusals) == len(AGENTS):
            is_full.set()
        await has_room.wait()
        await ledger.send(runtime, name, unsent[name])
        await runtime.wait_idle()
        resumed.append(trio.current_time())

    agents = {"counting": counting_later}
    async with running(path, agents=agents) as runtime, trio.open_nursery() as nursery:
        for name in AGENTS:
            await ledger.send(runtime, name, HELD)
        fill_up()
        for name in AGENTS:
            nursery.start_soon(work, runtime, name)
        await is_full.wait()
        may_end.set()
        await trio.testing.wait_all_tasks_blocked(0.01)
        for error in refusals:
            require_told(error, path, "make room")
        await look(runtime, path, ledger, unsent)
        freed = trio.current_time()
        free()
        has_room.set()
    assert len(resumed) == len(AGENTS)
    await ledger.require_kept(path)
    return max(resumed) - freed


async def look(runtime: Runtime, path: Path, ledger: Ledger, unsent: dict[str, str]) -> None:
    """While there is no room: what was acknowledged is readable, and of what was refused there is no trace."""
    for name in AGENTS:
        agent = await runtime.agent(name)
        contents = [row.content async for row in agent.inputs(order="oldest")]
        assert contents == ledger.acknowledged[name]
        assert unsent[name] not in contents
        assert (await agent.status()).checkpoint_version == 0, "no turn ended in memory only"
    with closing(open_reader(path)) as reader:
        assert {row.identity for row in reader.page_identities(after=None, limit=99)} == set(AGENTS)
    command = [sys.executable, "-m", "meerkat_actors", "status", str(path)]
    run = partial(subprocess.run, command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False)
    ended = await trio.to_thread.run_sync(run)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "50" in ended.stdout


def live_through_a_full_disk(folder: Path) -> None:
    path = folder / "team.db"
    print(trio.run(partial(work_through, path, partial(fill, folder), partial(make_room, folder))))


@pytest.mark.alone
def test_row_09_disk_full_under_load_refuses_stays_readable_and_resumes_by_itself(tmp_path: Path) -> None:
    """On a real file system without a byte of room; within a second of it, all that was held is done."""
    seconds = float(live_well([*small_disk(tmp_path, 8192), *command_of(live_through_a_full_disk, tmp_path)]))
    print(f"everything held was done {seconds:.2f} s after there was room")
    # What was offered just before there was room is offered again after half a second; the rest is the machine's.
    assert seconds < 1.0


async def test_row_09_disk_full_under_load_is_the_same_where_nothing_can_be_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_disk() as disk:
        monkeypatch.setattr(runtime_module, "open_sqlite", partial(open_sqlite, vfs=disk.vfs))
        try:
            await work_through(
                tmp_path / "team.db",
                partial(setattr, disk, "before_write", full),
                partial(setattr, disk, "before_write", nothing),
            )
        finally:
            disk.before_write = nothing


def test_row_09_a_database_that_may_not_grow_refuses_and_goes_on(tmp_path: Path) -> None:
    """SQLite's own bound, ``max_page_count``: met inside of a transaction, which is rolled back as a whole."""
    seen: list[apsw.Connection] = []
    apsw.connection_hooks.append(seen.append)
    try:
        store = open_sqlite(tmp_path / "team.db")
    finally:
        apsw.connection_hooks.remove(seen.append)
    store.begin()
    alice = created(store, "alice")
    pages = seen[-1].pragma("page_count")
    seen[-1].pragma("max_page_count", pages + 2)
    committed = 0
    for admission in range(1, 100):
        outcome = alice.commit(*(insert(4 * admission - each, content=b'"%s"' % (b"x" * 900)) for each in range(4)))
        if not isinstance(outcome, Committed):
            assert reason(outcome) is RefusalReason.STORE_FULL
            break
        committed += 4
    else:
        pytest.fail("it never was full")
    assert read(store, "alice").admissions == committed
    seen[-1].pragma("max_page_count", 1 << 30)
    alice.must_commit(insert(committed + 1))
    store.end(clean=True)
    store.close()
    assert apsw.Connection(str(tmp_path / "team.db")).pragma("integrity_check") == "ok"


async def leave_with_an_error(path: Path) -> None:
    with open_disk() as disk:
        try:
            async with running(open_sqlite(path, vfs=disk.vfs)) as runtime:
                await Ledger().send(runtime, "alice", "hello")
                disk.before_write = full
                message = "what went wrong in the block"
                raise ValueError(message)
        finally:
            disk.before_write = nothing


async def test_row_09_disk_full_at_the_end_hides_no_error_of_the_block(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="in the block"):
        await leave_with_an_error(tmp_path / "team.db")


def need_room_for_the_index(folder: Path) -> None:
    """The log may grow by some pages yet, and its index by none: it grows by 32 KiB at its 4,063rd page."""
    path, ledger = folder / "team.db", Ledger()
    log = f"{path}-wal"

    async def life() -> None:
        async with running(path, limits=Limits(wal_pages_max=100_000)) as runtime:
            number = 0
            while (written := os.stat(log).st_size) < 4_030 * 4_120:
                number += 1
                await ledger.send(runtime, "alice", f"{number} {'x' * 20_000 * (written < 3_900 * 4_120)}")
                await runtime.wait_idle()
            fill(folder)
            os.truncate(folder / FILLER, (folder / FILLER).stat().st_size - 30 * 4_096)
            # The commit that met it may be in the log, whole; what comes after it is refused.
            with pytest.raises(UnknownOutcomeError):
                await send_many(ledger, runtime, range(100_000, 100_100))
            with pytest.raises(StoreFullError):
                await send_many(ledger, runtime, range(100_000, 100_100))
            make_room(folder)
            with trio.fail_after(5):
                while "at last" not in ledger.acknowledged["alice"]:
                    with suppress(StoreFullError):
                        await ledger.send(runtime, "alice", "at last")

    trio.run(life)
    trio.run(ledger.require_kept, path)


def test_row_09_disk_full_for_the_index_of_the_log_refuses_and_resumes(tmp_path: Path) -> None:
    live_well([*small_disk(tmp_path, 40960), *command_of(need_room_for_the_index, tmp_path)])


# -- row 10 -------------------------------------------------------------------------------


def open_on_a_full_disk(folder: Path, state: str, ownership: str) -> None:
    path = folder / "team.db"
    fresh: dict[str, bytes] = {}
    if state != "new":
        store = open_sqlite(path)
        store.begin()
        created(store, "alice").must_commit(insert(1))
        if state == "killed":
            fresh = {each.name: each.read_bytes() for each in folder.iterdir() if not each.name.endswith("-shm")}
        store.end(clean=True)
        store.close()
    for name, content in fresh.items():
        (folder / name).write_bytes(content)
    fill(folder)
    before = {each.name: each.read_bytes() for each in folder.iterdir() if each.name != FILLER}

    async def life() -> None:
        async with running(path, ownership=ownership):
            pass

    for _ in range(2):
        with pytest.raises(StoreFullError, match="the disk is full") as caught:
            trio.run(life)
        require_told(caught.value, path, "make room")
    after = {each.name: each.read_bytes() for each in folder.iterdir() if each.name != FILLER}
    assert {name: after.get(name) for name in before if name != "team.db-shm"} == before
    # SQLite leaves what it began to make: a log without a byte in it, and no index.
    assert set(after) - set(before) <= {"team.db.lock", "team.db-wal", "team.db-shm"}
    assert len(after.get("team.db-wal", b"")) in {0, len(before.get("team.db-wal", b""))}
    make_room(folder)
    trio.run(life)
    with closing(open_reader(path)) as reader:
        assert len(reader.latest_inputs(limit=9)) == (0 if state == "new" else 1)


@pytest.mark.parametrize("ownership", ["exclusive", "shared"])
@pytest.mark.parametrize("state", ["new", "closed", "killed"])
def test_row_10_disk_full_at_open_is_told_changes_nothing_and_passes(
    tmp_path: Path, state: str, ownership: str
) -> None:
    live_well([*small_disk(tmp_path, 1024), *command_of(open_on_a_full_disk, tmp_path, state, ownership)])


def look_on_a_full_disk(folder: Path) -> None:
    path = folder / "team.db"
    store = open_sqlite(path)
    store.begin()
    created(store, "alice").must_commit(insert(1))
    killed = {each.name: each.read_bytes() for each in folder.iterdir() if not each.name.endswith("-shm")}
    store.close()
    for name, content in killed.items():
        (folder / name).write_bytes(content)
    fill(folder)
    command = [sys.executable, "-m", "meerkat_actors", "status", str(path)]
    ended = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert str(path) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "full" in ended.stderr, ended.stderr
    assert "room" in ended.stderr, ended.stderr


def test_row_10_disk_full_is_told_to_who_looks_at_what_a_kill_left(tmp_path: Path) -> None:
    """Even who reads needs room, for the index of the log."""
    live_well([*small_disk(tmp_path, 1024), *command_of(look_on_a_full_disk, tmp_path)])


# -- row 11 -------------------------------------------------------------------------------


def grow_the_log(folder: Path) -> None:
    """The log has room of its own from before; the database has none to take it in."""
    path, events, ledger = folder / "team.db", list[Event](), Ledger()

    async def life() -> None:
        async with running(path, events, Limits(wal_pages_max=100)) as runtime:
            await send_many(ledger, runtime, range(300))
            before = len(ledger.acknowledged["alice"])
            fill(folder)
            with pytest.raises(StoreFullError) as caught:
                await send_many(ledger, runtime, range(300, 3000))
            require_told(caught.value, path, "make room")
            assert len(ledger.acknowledged["alice"]) > before, "commits passed"
            grown = events_of(events, LogGrowing)
            assert grown, "a checkpoint failed while commits passed, and nobody was told"
            assert all(
                isinstance(each, LogGrowing) and each.pages > 100 and "make room" in each.error for each in grown
            )
            make_room(folder)
            await send_many(ledger, runtime, range(4000, 4200))

    trio.run(life)
    trio.run(ledger.require_kept, path)


def test_row_11_checkpoint_fails_while_commits_pass_and_observers_are_told(tmp_path: Path) -> None:
    live_well([*small_disk(tmp_path, 32768), *command_of(grow_the_log, tmp_path)])
