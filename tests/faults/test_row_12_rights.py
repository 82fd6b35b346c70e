"""Rows 12 to 16: what this user may not read or write, and what is no store. All of it is refused, and nothing touched.

Root may everything, so these lives are nobody's (uid 65534).
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import trio

from meerkat_actors import StoreError
from meerkat_actors.store import open_reader, open_sqlite
from meerkat_actors.store.sqlite.marking import mark_path
from tests.cli.command import refused
from tests.faults.elsewhere import NOBODY, command_of, live_well, require_root, small_disk
from tests.faults.world import Ledger, running

SHARED_FOLDER: Final = Path("/dev/shm")  # noqa: S108 - a folder that everybody may enter, unlike pytest's own


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of nobody's, with a store in it that has some work."""
    require_root()
    with tempfile.TemporaryDirectory(dir=SHARED_FOLDER) as made:
        folder = Path(made, "team")
        folder.mkdir()
        Path(made).chmod(0o755)
        trio.run(fill, folder / "team.db")
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        yield folder


async def fill(path: Path) -> None:
    async with running(path) as runtime:
        await Ledger().send(runtime, "alice", "hello")
        await runtime.wait_idle()


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mode, path.read_bytes()) for path in folder.iterdir() if path.is_file()}


def open_and_look(folder: Path) -> None:
    """Print what opening is refused with; and what looking is, or how many agents there are."""

    async def life() -> None:
        async with running(folder / "team.db") as runtime:
            await runtime.agent("alice")

    tell(partial(trio.run, life))

    def look() -> None:
        with closing(open_reader(folder / "team.db")) as reader:
            print(len(reader.page_identities(after=None, limit=9)))

    tell(look)


def tell(work: Callable[[], object]) -> None:
    try:
        work()
    except StoreError as error:
        print(f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 - what no caller should see is told, and fails the test
        print(f"not ours: {error!r}")


def of_mode(mode: int, *names: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).chmod(mode)

    return change


def of_root(*names: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in names:
            os.chown(folder / name, 0, 0)

    return change


RIGHTS: Final = [
    pytest.param(12, of_mode(0o444, "team.db"), "readable and writable for this user", "1", id="12 a read-only file"),
    pytest.param(12, of_root("team.db.lock"), "team.db.lock", "1", id="12 somebody else's lock"),
    pytest.param(12, of_root("team.db.mark"), "team.db.mark", "1", id="12 somebody else's mark"),
    pytest.param(13, of_mode(0o555, "."), "folder is not writable", "1", id="13 a read-only folder"),
    pytest.param(14, of_mode(0o000, "team.db"), "readable and writable", "not readable", id="14 a file without rights"),
    pytest.param(14, of_mode(0o666, "."), "folder is not writable", "folder", id="14 a closed folder"),
    pytest.param(14, of_mode(0o700, ".."), "may not be entered", "folder", id="14 below a closed folder"),
]


@pytest.mark.parametrize(("row", "change", "refusal", "seen"), RIGHTS)
def test_rows_12_to_14_what_this_user_may_not_do_is_refused_with_the_right_to_ask_for(
    folder: Path, row: int, change: Callable[[Path], None], refusal: str, seen: str
) -> None:
    assert row in {12, 13, 14}
    change(folder)
    before = contents(folder)
    told, looked = live_well(command_of(open_and_look, folder, user=NOBODY)).splitlines()
    assert told.startswith("Store"), told
    assert str(folder / "team.db") in told
    assert refusal in told
    assert looked == "1" if seen == "1" else seen in looked, looked
    assert "not ours" not in looked
    assert contents(folder) == before


def write_on_a_read_only_disk(folder: Path) -> None:
    trio.run(fill, folder / "team.db")
    before = contents(folder)
    remounted = subprocess.run(["mount", "-o", "remount,ro", str(folder)], capture_output=True, check=False)
    assert remounted.returncode == 0, remounted.stderr
    open_and_look(folder)
    assert contents(folder) == before


def test_row_12_a_read_only_file_system_is_refused_and_looked_at(tmp_path: Path) -> None:
    told = live_well([*small_disk(tmp_path, 2048), *command_of(write_on_a_read_only_disk, tmp_path)])
    refused, looked = told.splitlines()
    assert looked == "1"
    assert refused.startswith("StoreError: ")
    assert "not writable" in refused


# -- rows 14 to 16, whoever the user is ---------------------------------------------------


def cut_to_nothing(path: Path) -> None:
    store = open_sqlite(path)
    store.begin()
    store.close()
    os.truncate(path, 0)


def cut_to_nothing_and_no_mark(path: Path) -> None:
    cut_to_nothing(path)
    Path(mark_path(str(path))).unlink()


NO_STORE: Final[dict[str, tuple[int, Callable[[Path], object], str]]] = {
    "a folder": (14, Path.mkdir, "no file"),
    "bytes": (15, lambda path: path.write_bytes(b"not a database" * 100), "not a database"),
    "a text": (15, lambda path: path.write_text("hello"), "not a database"),
    "nothing in it": (16, Path.touch, "empty"),
    "a store that was cut to nothing": (16, cut_to_nothing, "empty"),
    "the same without its mark": (16, cut_to_nothing_and_no_mark, "empty"),
}


@pytest.mark.parametrize("what", NO_STORE)
async def test_rows_14_to_16_what_is_no_store_is_refused_by_a_runtime_a_reader_and_the_command(
    tmp_path: Path, what: str
) -> None:
    row, make, problem = NO_STORE[what]
    assert row in {14, 15, 16}
    path = tmp_path / "team.db"
    make(path)
    before = contents(tmp_path)
    for _ in range(2):
        with pytest.raises(StoreError, match=problem) as caught:
            async with running(path):
                pass
        assert str(path) in str(caught.value)
    with pytest.raises(StoreError, match=r"no file|not a database") as caught:
        open_reader(path)
    assert str(path) in str(caught.value)
    for command in ("status", "inputs", "events"):
        assert refused(command, path, cwd=tmp_path).startswith(f"error: {path}: ")
    assert contents(tmp_path) == before
