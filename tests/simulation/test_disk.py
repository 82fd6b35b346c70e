"""The disk under SQLite: what it sees, how it fails, and what is left."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import apsw
import pytest

from meerkat_actors.simulation import FITTING, Disk, Failure, Fault, Image, Operation, seeded_sqlite

NAME = "data.db"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = Disk(folder, Random(1))
    yield disk
    disk.close()


def test_sqlite_runs_over_it_and_its_files_are_real(disk: Disk) -> None:
    with_rows(disk, 3).close()
    assert disk.shadow.visible() == {NAME: (disk.folder / NAME).read_bytes()}
    assert rows(disk.folder) == [1, 2, 3]


def test_several_connections_share_a_log(disk: Disk) -> None:
    first, second = with_rows(disk, 1), connect(disk)
    second.execute("INSERT INTO t VALUES (2)")
    assert first.execute("SELECT count(*) FROM t").fetchall() == [(2,)]
    first.close()
    second.close()


def test_it_counts_what_it_is_asked_for(disk: Disk) -> None:
    connection = with_rows(disk, 1)
    before = disk.asked.copy()
    connection.execute("INSERT INTO t VALUES (2)")
    assert disk.asked - before == {Operation.WRITE: 2, Operation.SYNC: 1}, "a frame is a header and a page"
    connection.close()


def test_its_vfs_is_there_until_it_is_closed(tmp_path: Path) -> None:
    disk = Disk(tmp_path, Random(1))
    assert disk.name in apsw.vfs_names()
    disk.close()
    assert disk.name not in apsw.vfs_names()


def test_files_elsewhere_are_not_its_own(disk: Disk, tmp_path: Path) -> None:
    elsewhere = apsw.Connection(str(tmp_path / NAME), vfs=disk.name)
    elsewhere.execute("CREATE TABLE t (x)")
    elsewhere.close()
    assert (disk.events, disk.asked) == ([], {})


@pytest.mark.parametrize(
    ("operation", "failure", "error", "code"),
    [
        (Operation.WRITE, Failure.ERROR, apsw.IOError, apsw.SQLITE_IOERR_WRITE),
        (Operation.WRITE, Failure.SHORT, apsw.IOError, apsw.SQLITE_IOERR_WRITE),
        (Operation.WRITE, Failure.FULL, apsw.FullError, None),
        (Operation.SYNC, Failure.ERROR, apsw.IOError, apsw.SQLITE_IOERR_FSYNC),
        (Operation.SYNC, Failure.FORGETTING, apsw.IOError, apsw.SQLITE_IOERR_FSYNC),
    ],
)
def test_a_commit_meets_the_error_once_and_then_goes_on(
    disk: Disk, operation: Operation, failure: Failure, error: type[apsw.Error], code: int | None
) -> None:
    connection = with_rows(disk, 1)
    disk.plan(Fault(operation=operation, failure=failure))
    with pytest.raises(error) as raised:
        connection.execute("INSERT INTO t VALUES (2)")
    assert code is None or getattr(raised.value, "extendedresult", None) == code
    connection.execute("INSERT INTO t VALUES (3)")
    connection.close()
    assert disk.fired == {(operation, failure): 1}
    assert rows(disk.folder) == [1, 3]


def test_a_fault_that_stays_stays_until_it_is_mended(disk: Disk) -> None:
    connection = with_rows(disk, 1)
    disk.plan(Fault(operation=Operation.WRITE, failure=Failure.FULL, times=None))
    for _ in range(3):
        with pytest.raises(apsw.FullError):
            connection.execute("INSERT INTO t VALUES (2)")
    disk.mend()
    connection.execute("INSERT INTO t VALUES (3)")
    connection.close()
    assert disk.fired[Operation.WRITE, Failure.FULL] >= 3


def test_the_nth_operation_of_a_file_fails(disk: Disk) -> None:
    connection = with_rows(disk, 1)
    disk.plan(Fault(operation=Operation.WRITE, failure=Failure.ERROR, nth=3, suffix="-wal"))
    connection.execute("INSERT INTO t VALUES (2)")
    with pytest.raises(apsw.IOError):
        connection.execute("INSERT INTO t VALUES (3)")
    connection.close()


@pytest.mark.parametrize("operation", [Operation.READ, Operation.OPEN])
def test_who_opens_and_reads_meets_the_error(disk: Disk, operation: Operation) -> None:
    with_rows(disk, 1).close()
    disk.plan(Fault(operation=operation, failure=Failure.ERROR))
    with pytest.raises((apsw.IOError, apsw.CantOpenError)):
        connect(disk).execute("SELECT * FROM t").fetchall()


def test_a_log_that_cannot_be_deleted_stays_and_a_lie_about_it_is_quiet(disk: Disk) -> None:
    connection = with_rows(disk, 1)
    disk.plan(Fault(operation=Operation.DELETE, failure=Failure.ERROR))
    with pytest.raises(apsw.IOError):
        connection.close()
    connection = connect(disk)
    connection.execute("INSERT INTO t VALUES (2)")
    disk.plan(Fault(operation=Operation.DELETE, failure=Failure.LIE))
    connection.close()
    assert f"{NAME}-wal" in disk.shadow.visible()
    assert rows(disk.folder) == [1, 2]


def test_a_truncation_fails_or_is_not_done(disk: Disk) -> None:
    connection = with_rows(disk, 1)
    connection.execute("VACUUM")
    disk.plan(Fault(operation=Operation.TRUNCATE, failure=Failure.LIE))
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    assert disk.fired == {(Operation.TRUNCATE, Failure.LIE): 1}
    disk.plan(Fault(operation=Operation.TRUNCATE, failure=Failure.ERROR))
    connection.execute("INSERT INTO t VALUES (2)")
    with pytest.raises(apsw.IOError):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.close()


def test_after_a_cut_nothing_works_and_what_was_synced_is_left(disk: Disk, tmp_path: Path) -> None:
    connection = with_rows(disk, 2)
    disk.plan(Fault(operation=Operation.SYNC, failure=Failure.CUT))
    with pytest.raises(apsw.IOError):
        connection.execute("INSERT INTO t VALUES (3)")
    with pytest.raises(apsw.IOError):
        connection.execute("INSERT INTO t VALUES (4)")
    disk.cut(tmp_path / "dropped", Image.DROPPED)
    disk.cut(tmp_path / "kept", Image.KEPT)
    with pytest.raises(apsw.IOError):
        connection.close()
    assert rows(tmp_path / "dropped") == [1, 2]
    assert rows(tmp_path / "kept") == [1, 2, 3], "it was written, and only not synced"


@pytest.mark.parametrize(("operation", "table"), [(Operation.WRITE, 1), (Operation.DELETE, 1)])
def test_the_power_fails_in_the_midst_of_other_operations(
    disk: Disk, tmp_path: Path, operation: Operation, table: int
) -> None:
    connection = with_rows(disk, table)
    disk.plan(Fault(operation=operation, failure=Failure.CUT))
    with pytest.raises(apsw.IOError):
        connection.close()
    assert disk.is_off
    disk.cut(tmp_path / "left", Image.KEPT)
    assert rows(tmp_path / "left") == [1]


def test_who_comes_after_a_kill_sees_what_no_sync_made_durable(disk: Disk, tmp_path: Path) -> None:
    connection = with_rows(disk, 1)
    connection.execute("PRAGMA synchronous = OFF").fetchall()
    connection.execute("INSERT INTO t VALUES (2)")
    successor = disk.kill(tmp_path / "second")
    later = connect(successor)
    assert later.execute("SELECT x FROM t").fetchall() == [(1,), (2,)]
    successor.cut(tmp_path / "third", Image.DROPPED)
    for each in (later, connection):
        with pytest.raises(apsw.IOError):
            each.close()
    successor.close()
    assert rows(tmp_path / "third") == [1]


def test_what_happened_makes_the_same_folder_again(disk: Disk) -> None:
    before = disk.shadow.copy()
    with_rows(disk, 5).close()
    for event in disk.events:
        before.apply(event)
    assert before.visible() == disk.shadow.visible()


def test_a_long_life_need_not_be_kept(tmp_path: Path) -> None:
    disk = Disk(tmp_path, Random(1), keeps_events=False)
    with_rows(disk, 3).close()
    assert (disk.events, disk.shadow.position > 0) == ([], True)
    assert disk.shadow.visible() == {NAME: (tmp_path / NAME).read_bytes()}
    disk.close()


def life(folder: Path) -> list[object]:
    """What happened on a disk, all of it of one seed."""
    folder.mkdir()
    with seeded_sqlite(Random(7)):
        disk = Disk(folder, Random(7))
        disk.plan(Fault(operation=Operation.WRITE, failure=Failure.SHORT, nth=9))
        with pytest.raises(apsw.IOError):
            with_rows(disk, 9)
        disk.close()
    return [*disk.events]


def test_the_same_seed_is_the_same_life(tmp_path: Path) -> None:
    assert life(tmp_path / "one") == life(tmp_path / "two")


def test_the_first_file_of_a_process_is_of_its_seed_too(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from tests.simulation.test_disk import life; here = pathlib.Path(sys.argv[1]);"
        "print(life(here / 'one') == life(here / 'two'))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    root = Path(__file__).parents[2]
    assert subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout == "True\n"


def test_every_failure_that_must_be_survived_belongs_to_an_operation() -> None:
    assert set(FITTING) == set(Operation)
    assert all(FITTING[operation] for operation in Operation)


def test_operations_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="nth"):
        Fault(operation=Operation.WRITE, failure=Failure.ERROR, nth=0)


def connect(disk: Disk) -> apsw.Connection:
    """A connection over the disk, as the store's are."""
    connection = apsw.Connection(str(disk.folder / NAME), vfs=disk.name)
    for pragma in ("journal_mode = wal", "synchronous = full", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def with_rows(disk: Disk, count: int) -> apsw.Connection:
    """A database with these rows, each a transaction of its own."""
    connection = connect(disk)
    connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
    for number in range(1, count + 1):
        connection.execute("INSERT INTO t VALUES (?)", (number,))
    return connection


def rows(folder: Path) -> list[object]:
    """What is there, without the disk."""
    connection = apsw.Connection(str(folder / NAME))
    found = [x for (x,) in connection.execute("SELECT x FROM t ORDER BY x")]
    connection.close()
    return found
