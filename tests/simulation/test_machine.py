"""The machine: what outlives its processes, and in what condition."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import apsw
import pytest

from meerkat_actors.errors import StoreError
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.simulation.disk.faults import Failure, Fault, Operation
from meerkat_actors.simulation.disk.images import Image
from meerkat_actors.simulation.machine import DiskMachine, Machine, MemoryMachine
from meerkat_actors.store import Store
from meerkat_actors.store.sqlite import locking
from meerkat_actors.testing.conformance.writing import created, read

ENV: Final = SystemEnv()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[DiskMachine]:
    machine = DiskMachine(tmp_path / "disk", Random(1), "exclusive")
    yield machine
    machine.close()
    assert machine.disk.name not in apsw.vfs_names()


def served(machine: DiskMachine) -> Store:
    store = machine.opener(ENV, 10.0)()
    store.begin()
    return store


def is_there(store: Store, name: str) -> bool:
    return read(store, name).head is not None


def test_a_killed_process_leaves_all_that_it_wrote(machine: DiskMachine) -> None:
    store = served(machine)
    created(store, "a")
    machine.die()
    store.close()
    machine.come_back(None)
    after = served(machine)
    assert is_there(after, "a")
    after.close()


@pytest.mark.parametrize("image", [*Image])
def test_a_power_cut_leaves_what_was_committed(machine: DiskMachine, image: Image) -> None:
    store = served(machine)
    for number in range(5):
        created(store, f"agent-{number}")
    machine.die()
    store.close()
    machine.come_back(image)
    after = served(machine)
    assert all(is_there(after, f"agent-{number}") for number in range(5))
    after.close()


def test_a_killed_process_takes_nothing_to_the_disk_as_a_power_cut_after_it_shows(machine: DiskMachine) -> None:
    """What a dead process wrote and had not synced is still not synced."""
    path = machine.path
    connection = apsw.Connection(str(path), vfs=machine.disk.name)
    connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (x)").fetchall()
    connection.execute("PRAGMA synchronous = OFF; INSERT INTO t VALUES (1)").fetchall()
    machine.die()
    with suppress(apsw.Error):
        connection.close(force=True)
    machine.come_back(None)
    assert rows(machine.path) == [1]
    machine.die()
    machine.come_back(Image.DROPPED)
    assert rows(machine.path) == []


def rows(path: Path) -> list[int]:
    reader = apsw.Connection(str(path))
    try:
        return [row[0] for row in reader.execute("SELECT x FROM t")]
    finally:
        reader.close()


def test_nothing_is_written_after_death(machine: DiskMachine) -> None:
    store = served(machine)
    created(store, "a")
    machine.die()
    before = {file.name: file.read_bytes() for file in machine.disk.folder.iterdir() if file.suffix != ".lock"}
    with pytest.raises(StoreError):
        created(store, "b")
    store.end(clean=True)
    store.close()
    with pytest.raises(StoreError):
        machine.opener(ENV, 10.0)()
    after = {file.name: file.read_bytes() for file in machine.disk.folder.iterdir() if file.suffix != ".lock"}
    shared = {name for name in (*before, *after) if name.endswith("-shm")}
    assert {name: data for name, data in after.items() if name not in shared} == {
        name: data for name, data in before.items() if name not in shared
    }


def test_it_does_not_come_back_from_what_was_no_death(machine: DiskMachine) -> None:
    folder = machine.disk.folder
    machine.come_back(None)
    machine.come_back(Image.DROPPED)
    assert (machine.disk.folder, machine.boots) == (folder, 0)


def test_only_one_folder_is_there_at_a_time(machine: DiskMachine, tmp_path: Path) -> None:
    for number in range(6):
        store = served(machine)
        created(store, f"agent-{number}")
        machine.die()
        store.close()
        machine.come_back(Image.KEPT if number % 2 else None)
        assert [*(tmp_path / "disk").iterdir()] == [machine.disk.folder]
    assert machine.boots == 6
    after = served(machine)
    assert all(is_there(after, f"agent-{number}") for number in range(6))
    after.close()


def test_it_is_hurt_while_the_process_is_there_that_the_disk_hurt(machine: DiskMachine) -> None:
    store = served(machine)
    machine.plan(Fault(operation=Operation.SYNC, failure=Failure.ERROR))
    assert not is_hurt(machine)
    with pytest.raises(StoreError):
        created(store, "a")
    assert is_hurt(machine)
    store.close()
    after = served(machine)
    assert not is_hurt(machine), "what hurt one process is no excuse for the next"
    after.close()
    machine.die()
    machine.come_back(None)
    assert machine.fired == {"sync error": 1}


def is_hurt(machine: Machine) -> bool:
    return machine.is_hurt


def test_where_several_share_the_disk_all_of_them_are_hurt(tmp_path: Path) -> None:
    machine = DiskMachine(tmp_path / "disk", Random(1), "shared")
    store = served(machine)
    machine.plan(Fault(operation=Operation.SYNC, failure=Failure.ERROR))
    with pytest.raises(StoreError):
        created(store, "a")
    store.close()
    other = served(machine)
    assert is_hurt(machine)
    other.close()
    machine.die()
    machine.come_back(None)
    assert not is_hurt(machine)
    machine.close()


def test_harm_is_counted_over_all_disks_once(machine: DiskMachine) -> None:
    for _ in range(3):
        store = served(machine)
        machine.plan(Fault(operation=Operation.WRITE, failure=Failure.FULL))
        assert not commits(store)
        machine.die()
        store.close()
        machine.come_back(None)
    assert machine.fired == {"write full": 3}


def commits(store: Store) -> bool:
    try:
        created(store, "b")
    except (AssertionError, StoreError):  # a full disk is refused, and that is no Committed
        return False
    return True


def test_a_mended_disk_does_no_more_harm(machine: DiskMachine) -> None:
    machine.plan(Fault(operation=Operation.WRITE, failure=Failure.FULL, times=None))
    machine.mend()
    store = served(machine)
    created(store, "a")
    store.close()
    assert not is_hurt(machine)


def test_stilled_it_takes_nothing_and_afterwards_it_does(machine: DiskMachine) -> None:
    store = served(machine)
    created(store, "a")
    with machine.stilled():
        assert not commits(store), "it is off"
    store.close()
    store = served(machine)
    created(store, "c")
    machine.die()
    with machine.stilled():
        pass
    assert machine.disk.is_off, "dead is dead"
    store.close()


def test_the_stores_own_os_is_given_back(tmp_path: Path) -> None:
    names = vars(locking)
    before = names["os"]
    machine = DiskMachine(tmp_path / "disk", Random(1), "exclusive")
    assert names["os"] is not before
    machine.die()
    machine.come_back(None)
    assert names["os"] is not before
    machine.close()
    assert names["os"] is before


def test_memory_outlives_its_processes_as_it_is() -> None:
    machine = MemoryMachine("exclusive")
    store = machine.opener(ENV, 10.0)
    store.begin()
    created(store, "a")
    machine.die()
    store.close()
    machine.come_back(None)
    after = machine.opener(ENV, 10.0)
    assert not after.begin().was_clean
    assert is_there(after, "a")
    assert not is_hurt(machine)
    assert not machine.fired


def test_memory_is_shared_by_those_who_share() -> None:
    machine = MemoryMachine("shared")
    first, second = machine.opener(ENV, 10.0), machine.opener(ENV, 10.0)
    assert first is not second
    first.begin()
    second.begin()
    created(first, "a")
    assert is_there(second, "a")
    assert machine.store is first
    first.close()
    second.close()
