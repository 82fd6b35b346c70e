"""Rows 1 and 3 to 8: a disk that loses its power, fails, cuts a write short, forgets and lies. One of each.

The campaigns (``tests/crashes/fire_*.py``) do each at every operation, by the thousand.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import pytest
import trio

from meerkat_actors import Limits, StoreError, StoreFailedError, StoreInterruptedError, UnknownOutcomeError
from meerkat_actors.handles import arguments as runtime_module
from meerkat_actors.records.commits import Committed
from meerkat_actors.records.events import Event, StoreReopened
from meerkat_actors.simulation import Disk, Failure, Fault, Image, Operation
from meerkat_actors.simulation.disk.calls import watched
from meerkat_actors.store import SqliteStore, open_reader, open_sqlite
from tests.faults.elsewhere import command_of, failing_disk, live_well
from tests.faults.world import Ledger, events_of, require_told, running
from tests.store.writing import Writer, created, insert, read

ROOM_BYTES: Final = 2_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = Disk(folder, Random("rows"))
    with watched(disk):
        yield disk
    disk.mend()
    disk.close()


def served(disk: Disk) -> SqliteStore:
    store = open_sqlite(disk.folder / "team.db", vfs=disk.name)
    store.begin()
    return store


def write_until_it_fails(alice: Writer, most: int = 40) -> int:
    """How many inputs were acknowledged."""
    for number in range(1, most + 1):
        try:
            outcome = alice.commit(insert(number))
        except StoreError:
            return number - 1
        assert isinstance(outcome, Committed)
    return most


def found_in(folder: Path) -> int:
    """How many inputs Alice has after an opening; all of them, from the first."""
    with closing(open_sqlite(folder / "team.db")) as store:
        store.begin()
        return read(store, "alice").admissions


@pytest.mark.parametrize("image", list(Image))
@pytest.mark.parametrize("nth", [1, 5, 17])
def test_row_01_a_power_cut_keeps_what_was_acknowledged(tmp_path: Path, disk: Disk, image: Image, nth: int) -> None:
    store = served(disk)
    alice = created(store, "alice")
    alice.must_commit()
    disk.plan(Fault(operation=Operation.WRITE, failure=Failure.CUT, nth=3 * nth, suffix="-wal"))
    acknowledged = write_until_it_fails(alice)
    assert disk.is_off
    disk.cut(tmp_path / "after", image)
    store.close()
    assert found_in(tmp_path / "after") in {acknowledged, acknowledged + 1}


def test_row_03_what_was_told_to_be_there_after_a_kill_is_there_after_a_power_cut(tmp_path: Path, disk: Disk) -> None:
    """Visible and not yet durable: only the opening's own write makes it so."""
    store = served(disk)
    alice = created(store, "alice")
    alice.must_commit(insert(1))
    disk.plan(Fault(operation=Operation.SYNC, failure=Failure.CUT, suffix="-wal"))
    with pytest.raises(StoreError):
        alice.commit(insert(2))
    successor = disk.kill(tmp_path / "killed")
    store.close()
    with watched(successor), closing(successor), closing(served(successor)) as second:
        assert read(second, "alice").admissions == 2, "the kill left it visible"
        successor.cut(tmp_path / "cut", Image.DROPPED)
        assert found_in(tmp_path / "cut") == 2


FAULTS: Final = {
    "04 a write error": Fault(operation=Operation.WRITE, failure=Failure.ERROR, suffix="-wal"),
    "05 a short write": Fault(operation=Operation.WRITE, failure=Failure.SHORT, suffix="-wal"),
    "08 a truncate error": Fault(operation=Operation.TRUNCATE, failure=Failure.ERROR, suffix=".db"),
}


@pytest.mark.parametrize("what", FAULTS)
async def test_rows_04_05_and_08_an_error_of_the_disk_is_unknown_reopened_once_and_told(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(runtime_module, "open_sqlite", partial(open_sqlite, vfs=disk.name))
    path, ledger, events = disk.folder / "team.db", Ledger(), list[Event]()
    # With a checkpoint after each commit, which cuts the database to its size.
    async with running(path, events, Limits(wal_pages_max=1)) as runtime:
        await ledger.send(runtime, "alice", "before")
        await runtime.wait_idle()
        disk.plan(FAULTS[what])
        if what.startswith("08"):
            for number in range(20):
                with suppress(UnknownOutcomeError):
                    await ledger.send(runtime, "alice", f"beside {number}")
        else:
            with pytest.raises(UnknownOutcomeError, match="send the same"):
                await ledger.send(runtime, "alice", "unknown")
        await ledger.send(runtime, "alice", "after")
    assert sum(disk.fired.values()) == 1
    assert len(events_of(events, StoreReopened)) == 1
    disk.mend()
    await ledger.require_kept(path)


def test_row_08_a_log_that_can_not_be_deleted_at_the_end_is_no_loss(disk: Disk) -> None:
    store = served(disk)
    created(store, "alice").must_commit(insert(1))
    disk.plan(Fault(operation=Operation.DELETE, failure=Failure.ERROR, times=None, suffix="-wal"))
    store.end(clean=True)
    store.close()
    assert disk.fired[Operation.DELETE, Failure.ERROR] > 0
    assert found_in(disk.folder) == 1


def test_row_08_a_store_that_can_not_be_finished_is_not_there(disk: Disk) -> None:
    disk.plan(Fault(operation=Operation.DELETE, failure=Failure.ERROR, times=None))
    path = disk.folder / "team.db"
    with pytest.raises(StoreError) as caught:
        open_sqlite(path, vfs=disk.name)
    require_told(caught.value, path, "can't be opened")
    assert not path.exists()
    disk.mend()
    served(disk).close()


# -- rows 4 and 5, by the kernel ----------------------------------------------------------


def write_past_a_limit(folder: Path) -> None:
    """RLIMIT_FSIZE: the kernel writes what fits, and refuses the rest with EFBIG."""
    path, ledger, events = folder / "team.db", Ledger(), list[Event]()

    async def life() -> None:
        async with running(path, events) as runtime:
            await ledger.send(runtime, "alice", "before")
            resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, resource.RLIM_INFINITY))
            for number in range(1_000):
                # What little it takes to open the store anew may fit below the limit, once.
                with suppress(UnknownOutcomeError):
                    await ledger.send(runtime, "alice", f"{number} {'x' * 1_000}")

    ended: BaseException | None = None
    try:
        trio.run(life)
    except StoreError as error:
        ended = error
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert ended is not None
    require_told(ended, path, "reopen")
    assert Path(f"{path}-wal").stat().st_size == ROOM_BYTES, "cut in the middle of a page"
    assert len(ledger.acknowledged["alice"]) > 10
    trio.run(ledger.require_kept, path)


def test_rows_04_and_05_a_write_that_the_kernel_cuts_short_for_good_ends_the_runtime_and_loses_nothing(
    tmp_path: Path,
) -> None:
    live_well(command_of(write_past_a_limit, tmp_path))


# -- rows 6 and 7 -------------------------------------------------------------------------


def test_row_06_a_failed_fsync_ends_the_store_and_what_only_the_cache_had_is_forgotten(
    tmp_path: Path, disk: Disk
) -> None:
    """The kernel marks the pages clean: they are shown to everyone, and a power cut takes them."""
    store = served(disk)
    alice = created(store, "alice")
    alice.must_commit(insert(1))
    disk.plan(Fault(operation=Operation.SYNC, failure=Failure.FORGETTING, suffix="-wal"))
    with pytest.raises(StoreFailedError, match="mend the disk") as caught:
        alice.commit(insert(2))
    assert not isinstance(caught.value, StoreInterruptedError), "a runtime does not go on"
    with pytest.raises(StoreFailedError, match="failed before"):
        alice.commit(insert(2))
    store.close()
    second = served(disk)
    told = read(second, "alice").admissions
    disk.cut(tmp_path / "cut", Image.DROPPED)
    second.close()
    assert found_in(tmp_path / "cut") >= told


def outlive_a_failed_device(folder: Path) -> None:
    """The kernel's own way to fail an fsync, and what of it anybody is shown afterwards."""
    path, ledger, events = folder / "mnt" / "team.db", Ledger(), list[Event]()

    async def life() -> None:
        async with running(path, events) as runtime:
            await ledger.send(runtime, "alice", "before")
            await runtime.wait_idle()
            (folder / "filler").write_bytes(bytes(shutil.disk_usage(folder).free))
            for number in range(1_000):
                await ledger.send(runtime, "alice", f"{number} {'x' * 50_000}")

    ended: BaseException | None = None
    try:
        trio.run(life)
    except (StoreError, UnknownOutcomeError) as error:
        ended = error
    print(type(ended).__name__, ended)
    assert events_of(events, StoreReopened) == [], "it is not gone on with"
    (folder / "filler").unlink()
    subprocess.run(["umount", str(folder / "mnt")], check=True)
    subprocess.run(["mount", "-o", "loop", str(folder / "image"), str(folder / "mnt")], check=True)
    trio.run(ledger.require_kept, path)


def test_row_06_a_real_fsync_that_fails_ends_the_runtime_and_loses_nothing(tmp_path: Path) -> None:
    told = live_well([*failing_disk(tmp_path, 16384), *command_of(outlive_a_failed_device, tmp_path)])
    assert told.startswith("StoreFailedError "), told
    assert "mend the disk and reopen" in told


def test_row_07_a_disk_that_lies_loses_what_was_acknowledged_which_no_store_can_help(
    tmp_path: Path, disk: Disk
) -> None:
    """The control of all the others: this fault is seen here, and what the README says is limited to honest disks."""
    store = served(disk)
    alice = created(store, "alice")
    alice.must_commit(insert(1))
    disk.plan(Fault(operation=Operation.SYNC, failure=Failure.LIE, times=None))
    alice.must_commit(insert(2))
    disk.cut(tmp_path / "cut", Image.DROPPED)
    store.close()
    assert found_in(tmp_path / "cut") == 1
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert "whose fsync is honest" in readme


def test_row_02_what_a_killed_process_left_is_looked_at_before_anybody_opens_it(tmp_path: Path, disk: Disk) -> None:
    store = served(disk)
    created(store, "alice").must_commit(insert(1))
    disk.kill(tmp_path / "killed").close()
    store.close()
    with closing(open_reader(tmp_path / "killed" / "team.db")) as reader:
        assert len(reader.latest_inputs(limit=9)) == 1
    assert found_in(tmp_path / "killed") == 1
