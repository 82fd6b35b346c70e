"""Prunes copies of one file, each in a process that kills itself: ``pruning_worker PATH LIMIT``.

The first one lives, and counts the writes and syncs of its disk from the first step to the last. For each of them
there is another, which is killed before it, and leaves ``killed-N.db`` beside the file. Forked: an interpreter takes
longer to start than a pruning to end.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from itertools import count
from typing import Final

from attrs import evolve

from meerkat_actors.store import open_sqlite
from tests.store import pruning_life
from tests.store.pruning_life import prune
from tests.store.sqlite.faults import open_disk

EVERYTHING: Final = evolve(pruning_life.EVERYTHING, events_older_than_seconds=0)


def main(path: str, limit: int) -> None:
    folder = os.path.dirname(path)
    receiving, sending = os.pipe()
    run(copied(path, os.path.join(folder, "counted.db")), limit, 0, sending)
    operations = int(os.read(receiving, 64))
    for last in range(1, operations + 1):
        status = run(copied(path, os.path.join(folder, f"killed-{last}.db")), limit, last, sending)
        assert os.WTERMSIG(status) == signal.SIGKILL, (last, status)
    print(operations)


def copied(path: str, copy: str) -> str:
    for suffix in ("", ".mark"):
        shutil.copyfile(path + suffix, copy + suffix)
    return copy


def run(path: str, limit: int, last: int, sending: int) -> int:
    """What became of a process that prunes."""
    child = os.fork()
    if child == 0:
        try:
            os.write(sending, str(prune_until(path, limit, last)).encode())
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


def prune_until(path: str, limit: int, last: int) -> int:
    """The number of operations, unless one of them was the last."""
    with open_disk() as disk:
        store = open_sqlite(path, vfs=disk.vfs)
        store.begin()
        numbers = count(1)
        operations = 0

        def before() -> None:
            nonlocal operations
            operations = next(numbers)
            if operations == last:
                os.kill(os.getpid(), signal.SIGKILL)

        disk.before_write = disk.before_sync = before
        prune(store, EVERYTHING, limit=limit)
        store.checkpoint()
        return operations


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
