"""A checkpoint beside another's is no failure: it is put off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from meerkat_actors.store import open_sqlite
from tests.store.writing import created, read

# As SQLite's unix VFS does it: WAL_CKPT_LOCK is byte 121 of the log's index.
CHECKPOINT: Final = """
import fcntl, sys
with open(sys.argv[1], "r+b") as index:
    fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 121)
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_checkpoint_beside_anothers_is_put_off(tmp_path: Path) -> None:
    database = tmp_path / "team.db"
    store = open_sqlite(database, ownership="shared")
    store.begin()
    alice = created(store, "alice")
    waiting = store.wal_pages
    with subprocess.Popen(
        [sys.executable, "-c", CHECKPOINT, f"{database}-shm"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        store.checkpoint()
        assert store.wal_pages == waiting
        alice.must_commit()
        other.kill()
    store.checkpoint()
    assert store.wal_pages == 0
    assert read(store, "alice").head is not None
    store.close()
