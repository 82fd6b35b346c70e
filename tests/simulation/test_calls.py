"""What the store does beside SQLite goes through the disk, too."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from meerkat_actors.errors import StoreError, StoreFullError
from meerkat_actors.simulation import Disk, Failure, Fault, Image, Operation, image_of
from meerkat_actors.simulation.disk.calls import Calls, watched
from meerkat_actors.store import open_sqlite
from meerkat_actors.store.sqlite import creating

NAME = "store.db"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = Disk(folder, Random(1))
    yield disk
    disk.close()


def test_a_new_store_is_durable_when_it_is_open(disk: Disk) -> None:
    with watched(disk):
        open_sqlite(disk.folder / NAME, vfs=disk.name).close()
    assert list(image_of(disk.shadow, Image.DROPPED, Random(1))) == [NAME]


def test_a_cut_amid_creation_leaves_a_whole_store_or_none(disk: Disk) -> None:
    before = disk.shadow.copy()
    with watched(disk):
        open_sqlite(disk.folder / NAME, vfs=disk.name).close()
    whole = 0
    for number, event in enumerate(disk.events):
        before.apply(event)
        for image in Image:
            files = image_of(before, image, Random(number))
            whole += NAME in files
            assert len(files.get(NAME, bytes(512))) >= 512
    assert whole > len(Image)


@pytest.mark.parametrize("operation", [Operation.RENAME, Operation.OPEN])
def test_a_failed_call_is_the_stores_own_error_and_leaves_nothing(disk: Disk, operation: Operation) -> None:
    disk.plan(Fault(operation=operation, failure=Failure.ERROR))
    with watched(disk), pytest.raises(StoreError):
        open_sqlite(disk.folder / NAME, vfs=disk.name)
    assert disk.fired == {(operation, Failure.ERROR): 1}
    assert not (disk.folder / NAME).exists()


def test_a_failed_sync_of_the_folder_is_an_error(disk: Disk) -> None:
    disk.plan(Fault(operation=Operation.SYNC, failure=Failure.ERROR, suffix="."))
    with watched(disk), pytest.raises(StoreError):
        open_sqlite(disk.folder / NAME, vfs=disk.name)


def test_the_stores_modules_get_their_calls_back(disk: Disk) -> None:
    with watched(disk):
        assert isinstance(vars(creating)["os"], Calls)
    assert vars(creating)["os"] is vars(os.path)["os"]


def test_a_file_that_is_written_beside_is_durable_with_its_sync(disk: Disk) -> None:
    calls, path = Calls(disk), str(disk.folder / "mark")
    descriptor = calls.open(path, os.O_RDWR | os.O_CREAT)
    assert calls.write(descriptor, b"one") == 3
    assert calls.pwrite(descriptor, b"two", 3) == 3
    calls.ftruncate(descriptor, 5)
    assert disk.shadow.visible() == {"mark": b"onetw"}
    folder = calls.open(str(disk.folder), os.O_RDONLY)
    calls.fsync(folder)
    assert image_of(disk.shadow, Image.DROPPED, Random(1)) == {"mark": b""}
    calls.fdatasync(descriptor)
    assert image_of(disk.shadow, Image.DROPPED, Random(1)) == {"mark": b"onetw"}
    calls.replace(path, f"{path}.old")
    calls.close(calls.open(f"{path}.old", os.O_RDWR | os.O_TRUNC))
    calls.remove(f"{path}.old")
    assert disk.shadow.visible() == {}
    with pytest.raises(FileNotFoundError):
        calls.unlink(path)
    for each in (folder, descriptor):
        calls.close(each)


def test_letting_go_of_the_cache_shows_what_a_failed_sync_lost(disk: Disk) -> None:
    calls, path = Calls(disk), disk.folder / "file"
    descriptor = calls.open(str(path), os.O_RDWR | os.O_CREAT)
    calls.write(descriptor, b"lost")
    disk.plan(Fault(operation=Operation.SYNC, failure=Failure.FORGETTING))
    with pytest.raises(OSError, match="forgetting") as raised:
        calls.fsync(descriptor)
    assert raised.value.errno == errno.EIO
    assert path.read_bytes() == b"lost"
    calls.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    assert path.read_bytes() == b""
    calls.close(descriptor)


def test_a_full_disk_says_so_and_a_lie_is_quiet(disk: Disk) -> None:
    calls, path = Calls(disk), str(disk.folder / "file")
    descriptor = calls.open(path, os.O_RDWR | os.O_CREAT)
    disk.plan(Fault(operation=Operation.WRITE, failure=Failure.FULL))
    with pytest.raises(OSError, match="full") as raised:
        calls.write(descriptor, b"data")
    assert raised.value.errno == errno.ENOSPC
    for operation in (Operation.SYNC, Operation.TRUNCATE, Operation.WRITE, Operation.RENAME, Operation.DELETE):
        disk.plan(Fault(operation=operation, failure=Failure.LIE))
    calls.write(descriptor, b"data")
    calls.ftruncate(descriptor, 9)
    calls.fsync(descriptor)
    calls.rename(path, f"{path}.other")
    calls.unlink(path)
    assert os.listdir(disk.folder) == ["file"]
    assert os.path.getsize(path) == 0
    calls.close(descriptor)


def test_other_files_and_all_other_calls_are_the_systems(disk: Disk, tmp_path: Path) -> None:
    calls = Calls(disk)
    elsewhere = str(tmp_path / "elsewhere")
    descriptor = calls.open(elsewhere, os.O_RDWR | os.O_CREAT)
    calls.write(descriptor, b"data")
    calls.fsync(descriptor)
    calls.ftruncate(descriptor, 2)
    calls.close(descriptor)
    calls.rename(elsewhere, f"{elsewhere}.new")
    assert calls.path.getsize(f"{elsewhere}.new") == 2
    calls.unlink(f"{elsewhere}.new")
    assert disk.events == []


def test_a_full_disk_at_creation_says_so(disk: Disk) -> None:
    disk.plan(Fault(operation=Operation.WRITE, failure=Failure.FULL, times=None))
    with watched(disk), pytest.raises(StoreFullError, match="make room"):
        open_sqlite(disk.folder / NAME, vfs=disk.name)
