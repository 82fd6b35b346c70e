"""What campaigns under fire found in the store.

A test is marked as failing until the store is mended: then the mark goes, and so does its line in
``tests/crashes/fire_known.py``.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from meerkat_actors.errors import StoreFailedError
from meerkat_actors.simulation import Disk, Failure, Fault, Image, Operation, image_of, watched
from meerkat_actors.simulation.disk.device import write_files
from meerkat_actors.simulation.disk.images import SECTOR_BYTES
from meerkat_actors.simulation.disk.shadow import Wrote, overwrite
from meerkat_actors.store import open_sqlite
from tests.store.writing import created, insert, read

NAME = "store.db"


def test_a_first_page_that_a_cut_amid_a_checkpoint_left_as_garbage_is_recovered_from_the_log(tmp_path: Path) -> None:
    folder = made(tmp_path / "disk")
    disk = Disk(folder, Random(1))
    with watched(disk):
        store = open_sqlite(folder / NAME, vfs=disk.name)
        store.begin()
        created(store, "ann").must_commit(insert(1, content=b'"%s"' % (b"x" * 20_000)))  # so that the file grows
        before = disk.shadow.copy()
        begin = len(disk.events)
        store.checkpoint()
        store.close()
    disk.close()
    amid = [
        place
        for place, event in enumerate(disk.events[begin:], 1)
        if isinstance(event, Wrote) and event.file == before.names[NAME] and event.offset == 0
    ]
    for event in disk.events[begin : begin + amid[0]]:
        before.apply(event)
    left = image_of(before, Image.DROPPED, Random(1))
    left[NAME] = Random(1).randbytes(SECTOR_BYTES) + left[NAME][SECTOR_BYTES:]
    write_files(tmp_path / "left", left)
    store = open_sqlite(tmp_path / "left" / NAME)
    store.begin()
    found = read(store, "ann")
    store.close()
    assert found.head is not None


def test_a_first_mark_that_a_cut_left_half_written_does_not_lock_the_store_out(tmp_path: Path) -> None:
    open_with_torn_marks(tmp_path, commits=0)


def test_marks_that_a_cut_left_half_written_do_not_lock_the_store_out(tmp_path: Path) -> None:
    open_with_torn_marks(tmp_path, commits=4)


def open_with_torn_marks(place: Path, *, commits: int) -> None:
    """Cut the power at every moment, behind the beginning if there are commits; what was not synced is garbage."""
    folder = made(place / "disk")
    disk = Disk(folder, Random(1))
    with watched(disk):
        before = disk.shadow.copy()
        store = open_sqlite(folder / NAME, vfs=disk.name)
        store.begin()
        begun = len(disk.events)
        if commits:
            writer = created(store, "ann")
            for number in range(1, commits):
                writer.must_commit(insert(number))
        store.close()
    disk.close()
    for number, event in enumerate(disk.events):
        before.apply(event)
        file = before.names.get(f"{NAME}.mark")
        if file is None or not before.contents[file].changes or (commits and number < begun):
            continue
        left = image_of(before, Image.DROPPED, Random(1))
        torn = bytearray(left.get(f"{NAME}.mark", b""))
        for _, change in before.contents[file].changes:
            assert isinstance(change, Wrote)
            overwrite(torn, change.offset, Random(number).randbytes(len(change.data)))
        write_files(place / f"left {number}", left | {f"{NAME}.mark": bytes(torn)})
        last = open_sqlite(place / f"left {number}" / NAME)
        last.begin()
        last.close()


def test_who_comes_after_a_kill_behind_a_failed_sync_loses_nothing_that_it_acknowledges(tmp_path: Path) -> None:
    folder = made(tmp_path / "disk")
    disk = Disk(folder, Random(3))
    with watched(disk):
        store = open_sqlite(folder / NAME, vfs=disk.name)
        store.begin()
        writer = created(store, "ann")
        disk.plan(Fault(operation=Operation.SYNC, failure=Failure.FORGETTING))
        with pytest.raises(StoreFailedError):
            writer.commit(insert(1))
        successor_disk = disk.kill(tmp_path / "second")
        store.close()
    with watched(successor_disk):
        successor = open_sqlite(tmp_path / "second" / NAME, vfs=successor_disk.name)
        successor.begin()
        seen = read(successor, "ann").admissions  # what is there is acknowledged to who asks again
        created(successor, "ben")
        successor_disk.cut(tmp_path / "third", Image.DROPPED)
        successor.close()
    for each in (disk, successor_disk):
        each.close()
    last = open_sqlite(tmp_path / "third" / NAME)
    last.begin()
    try:
        assert (read(last, "ann").admissions, read(last, "ben").head is not None) == (seen, True)
    finally:
        last.close()


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder
