"""Rows 19, 20 and 22: files that are deleted or replaced under an open store; and who comes or looks then."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import trio

from meerkat_actors import Limits, Runtime, StoreError, StoreFailedError
from meerkat_actors.errors import StoreBehindError
from meerkat_actors.records.events import Event, StoreReopened
from meerkat_actors.records.leases import Ownership
from meerkat_actors.store import open_reader, open_sqlite
from tests.cli.command import here, refused
from tests.faults.elsewhere import ROOT, environment, live_well
from tests.faults.files import delete, move, newest, replace, served
from tests.faults.world import Ledger, events_of, require_told, running
from tests.store.writing import created, insert, read

AGENTS: Final = tuple(f"agent-{number}" for number in range(10))
OFTEN: Final = Limits(wal_pages_max=20)
"""Checkpoints, so that the mark beside the file goes with the work."""


async def work_until(
    path: Path, ledger: Ledger, strike: Callable[[], None], events: list[Event], ownership: Ownership
) -> None:
    """Ten agents under load; after a hundred acknowledgements the blow; and on, until the runtime says something."""

    async def work(runtime: Runtime, name: str) -> None:
        for number in range(200):
            await ledger.send(runtime, name, f"{name} says {number}")
            if name == AGENTS[0] and number == 10:
                strike()

    async with running(path, events, OFTEN, ownership=ownership) as runtime, trio.open_nursery() as nursery:
        for name in AGENTS:
            nursery.start_soon(work, runtime, name)


@pytest.mark.parametrize("ownership", ["exclusive", "shared"])
@pytest.mark.parametrize("suffix", ["", "-wal", ".lock"])
@pytest.mark.parametrize("how", [delete, replace, move])
async def test_rows_19_and_20_what_is_taken_away_under_load_ends_the_runtime_with_its_name(
    tmp_path: Path, suffix: str, how: Callable[[Path], None], ownership: Ownership
) -> None:
    """No acknowledgement comes after it that the file of that name doesn't have; put back, everything is there."""
    path, ledger, events = tmp_path / "team.db", Ledger(), list[Event]()
    taken = Path(f"{path}{suffix}")
    with pytest.raises(StoreFailedError) as caught:
        await work_until(path, ledger, partial(how, taken), events, ownership)
    require_told(caught.value, path, "put it back and reopen")
    assert events_of(events, StoreReopened) == []
    if how is move:
        taken.with_name("moved-away").replace(taken)
        await ledger.require_kept(path)
    elif suffix == ".lock":
        await ledger.require_kept(path)
    elif suffix == "" and how is delete:
        # The log alone is not taken for all that was acknowledged.
        with pytest.raises(StoreError) as behind:
            await ledger.require_kept(path)
        require_told(behind.value, path, "restore it")


def test_row_20_a_log_that_was_lost_under_a_store_is_missed_at_the_next_opening(tmp_path: Path) -> None:
    path = tmp_path / "team.db"
    with closing(served(path)) as store:
        bob = created(store, "bob")
        bob.must_commit(insert(1))
        Path(f"{path}-wal").unlink()
        with pytest.raises(StoreFailedError, match="-wal"):
            bob.must_commit(insert(2))
    with closing(open_sqlite(path)) as again, pytest.raises(StoreBehindError, match="put the right file back"):
        again.begin()


COME: Final = """
import sys
from meerkat_actors.errors import StoreError
from meerkat_actors.store import open_sqlite
try:
    open_sqlite(sys.argv[1], ownership="shared").begin()
except StoreError as error:
    print(error)
"""


def test_row_20_a_log_that_was_deleted_under_a_sharer_is_told_to_who_comes(tmp_path: Path) -> None:
    path = tmp_path / "team.db"
    with closing(open_sqlite(path, ownership="shared")) as store:
        store.begin()
        created(store, "alice").must_commit(insert(1))
        Path(f"{path}-wal").unlink()
        told = live_well([sys.executable, "-c", COME, str(path)])
    assert str(path) in told
    assert "-wal" in told


def test_row_20_a_log_that_was_deleted_under_a_store_is_told_to_who_looks(tmp_path: Path) -> None:
    path = tmp_path / "team.db"
    with closing(open_sqlite(path)) as store:
        store.begin()
        created(store, "alice").must_commit(insert(1))
        Path(f"{path}-wal").unlink()
        ended = here("identities", path, cwd=tmp_path)
    assert "alice" in ended.stdout or ended.returncode == 2


# -- row 22, where several processes share the file ----------------------------------------

BESIDE: Final = """
import sys
from meerkat_actors.store import open_sqlite
from tests.store.writing import created, insert, new_session_id
store = open_sqlite(sys.argv[1], ownership="shared")
store.begin()
for _ in range(1_000):
    new_session_id()
bob = created(store, "bob")
for number in range(1, 30):
    bob.must_commit(insert(number))
print("acknowledged", flush=True)
sys.stdin.read()
"""


def test_row_22_an_index_that_is_deleted_under_sharers_loses_nobodys_commits(tmp_path: Path) -> None:
    path = tmp_path / "team.db"
    store = open_sqlite(path, ownership="shared")
    store.begin()
    alice = created(store, "alice")
    alice.must_commit(insert(1))
    Path(f"{path}-shm").unlink()
    beside = subprocess.Popen(
        [sys.executable, "-c", BESIDE, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(),
    )
    try:
        assert beside.stdout is not None
        assert beside.stdout.readline() == "acknowledged\n"
        done = 1
        try:
            for number in range(2, 30):
                alice.must_commit(insert(number))
                done = number
        except StoreFailedError as error:
            require_told(error, path, "reopen")
    finally:
        beside.kill()
        beside.communicate()
        store.close()
    again = open_sqlite(path)
    again.begin()
    try:
        assert read(again, "bob").admissions == 29
        assert read(again, "alice").admissions == done
    finally:
        again.close()


# -- row 19, who looks ---


@pytest.mark.parametrize("how", [delete, move])
def test_row_19_a_file_that_is_gone_is_told_to_who_looks(tmp_path: Path, how: Callable[[Path], None]) -> None:
    path = tmp_path / "team.db"
    with closing(served(path)), closing(open_reader(path)) as reader:
        assert newest(reader) == 59
        how(path)
        with pytest.raises(StoreError) as caught:
            newest(reader)
        require_told(caught.value, path, "no such file")
        assert f"error: {path}: there is no such file" in refused("inputs", path, cwd=tmp_path)
