"""A checkpoint that is killed between any two of its pages leaves a store that opens and has everything."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import apsw
import trio

import meerkat_actors as meerkat

PAGE: Final = 4096
KEYS: Final = tuple(f"k{number}" for number in range(20))


async def archive(turn: meerkat.Turn) -> str:
    return turn.text


async def fill(database: Path, copy: Path) -> None:
    """Copy a store as a kill would leave it: everything is in its log."""
    async with meerkat.open_runtime(database, agents={"archive": archive}) as runtime:
        agent = await runtime.agent("a", kind="archive")
        for key in KEYS:
            await agent.ask(key * 400, idempotency_key=key)
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{database}{suffix}", f"{copy}{suffix}")


async def look(database: Path) -> None:
    async with meerkat.open_runtime(database, agents={"archive": archive}) as runtime:
        agent = await runtime.agent("a")
        for key in KEYS:
            assert (await agent.ask(key * 400, idempotency_key=key)).text == key * 400
        assert len([receipt async for receipt in agent.receipts()]) == len(KEYS)


def test_a_kill_between_any_two_pages_of_a_checkpoint_loses_nothing(tmp_path: Path) -> None:
    """Found by SIGKILL: with its header written and its last pages not, the file was called damaged for ever."""
    killed, done = tmp_path / "killed", tmp_path / "done"
    killed.mkdir()
    trio.run(fill, tmp_path / "a.db", killed / "a.db")
    before = (killed / "a.db").read_bytes()
    shutil.copytree(killed, done)
    connection = apsw.Connection(str(done / "a.db"))
    # It has no log to check before it has read.
    connection.execute("SELECT count(*) FROM turn").fetchall()
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.close()
    after = (done / "a.db").read_bytes()
    assert len(before) < len(after)
    for pages in range(len(after) // PAGE + 1):
        place = tmp_path / f"after-{pages}"
        shutil.copytree(killed, place)
        # In the order of the file, as SQLite does it.
        (place / "a.db").write_bytes(after[: pages * PAGE] + before[pages * PAGE :])
        trio.run(look, place / "a.db")
