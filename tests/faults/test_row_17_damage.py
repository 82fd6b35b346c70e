"""Rows 17 and 18: a page of rubbish, and one bit of a payload."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
import trio

from meerkat_actors import StoreError
from meerkat_actors.errors import IdentityBrokenError, StoreCorruptError
from meerkat_actors.records.events import Event, IdentityBroke
from meerkat_actors.store import open_reader, open_sqlite
from meerkat_actors.store.sqlite.schema import PAGE_BYTES
from tests.cli.command import here
from tests.faults.world import events_of, require_told, running
from tests.store.writing import created, identity, insert

WORD: Final = "damaged-"
Place = Callable[[bytes, bytes], int]


def left_with_work(path: Path) -> None:
    """Ann and Bob, each with open inputs, as a process leaves them that ended in good order."""
    store = open_sqlite(path)
    store.begin()
    for name in ("ann", "bob"):
        writer = created(store, name, "counting")
        for number in range(1, 60):
            content = f'"{name}-{number}-{WORD * 60}"'.encode()
            writer.must_commit(insert(number, content=content))
    store.end(clean=True)
    store.close()


def flip(path: Path, word: bytes, place: Place = bytes.rfind) -> None:
    """One bit, where the word stands."""
    content = bytearray(path.read_bytes())
    content[place(bytes(content), word) + len(word) - 1] ^= 1
    path.write_bytes(bytes(content))


def trash(path: Path, word: bytes) -> None:
    """The page in which the word stands."""
    content = bytearray(path.read_bytes())
    page = content.index(word) // PAGE_BYTES * PAGE_BYTES
    content[page : page + PAGE_BYTES] = b"\xff" * PAGE_BYTES
    path.write_bytes(bytes(content))


async def open_all(path: Path) -> None:
    async with running(path) as runtime:
        await runtime.wait_idle()
        for name in ("ann", "bob"):
            await runtime.agent(name)


async def test_row_17_a_page_of_rubbish_ends_the_runtime_that_meets_it_and_says_restore(tmp_path: Path) -> None:
    path = tmp_path / "team.db"
    left_with_work(path)
    trash(path, b"ann-30-")
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        await open_all(path)
    require_told(caught.value, path, "restore it from a backup")
    assert len(path.read_bytes()) == len(before), "nothing is repaired silently"


def test_row_17_a_page_of_rubbish_is_told_to_who_looks_and_found_by_doctor(tmp_path: Path) -> None:
    path = tmp_path / "team.db"
    left_with_work(path)
    trash(path, b"ann-30-")
    with closing(open_reader(path)) as reader, pytest.raises(StoreCorruptError) as caught:
        reader.page_inputs(identity("ann"), after=None, limit=99, newest_first=False)
    require_told(caught.value, path, "restore it from a backup")
    looked = here("inputs", path, "ann", "--limit", "99", cwd=tmp_path)
    assert looked.returncode == 2
    assert "restore it from a backup" in looked.stderr
    assert here("doctor", path, cwd=tmp_path).returncode == 1


async def test_row_18_a_bit_of_a_payload_quarantines_that_agent_and_the_others_run(tmp_path: Path) -> None:
    path, events = tmp_path / "team.db", list[Event]()
    left_with_work(path)
    flip(path, b'"ann-30-' + WORD.encode())
    async with running(path, events) as runtime:
        bob = await runtime.agent("bob")
        await runtime.wait_idle()
        assert (await bob.ask("and on")).text == "60"
        with pytest.raises(IdentityBrokenError, match=r"ann: broken .*; mend the cause"):
            await runtime.agent("ann")
        assert runtime.statistics().broken == ("ann",)
    (broke,) = events_of(events, IdentityBroke)
    assert isinstance(broke, IdentityBroke)
    assert broke.identity == "ann"


@pytest.mark.parametrize("place", [bytes.find, bytes.rfind], ids=["the first place", "the last place"])
async def test_row_18_a_bit_of_a_payload_is_found_by_doctor(tmp_path: Path, place: Place) -> None:
    """An input's content stands in its row, and in the transcript of its turn."""
    path = tmp_path / "team.db"
    async with running(path) as runtime:
        await (await runtime.agent("ann", kind="counting")).ask("a word that nobody forgets")
    assert path.read_bytes().count(b"nobody forgets") == 2
    flip(path, b"nobody forgets", place)
    ended = await trio.to_thread.run_sync(lambda: here("doctor", path, "--json", cwd=tmp_path))
    assert ended.returncode == 1
    assert "ann" in ended.stdout
