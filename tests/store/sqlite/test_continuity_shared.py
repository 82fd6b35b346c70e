"""The reference's list of conformance tests, by number: what several processes do to one shared file (47, 56)."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

from meerkat_actors.errors import StoreFullError
from meerkat_actors.store import open_sqlite
from tests.store.continuity_calling import caller, record
from tests.store.sharers import TTL, Clock, held
from tests.store.sqlite.faults import full, nothing, open_disk
from tests.store.writing import created, insert

ROOT: Final = Path(__file__).parents[3]
THREADS: Final = 100
SAVES: Final = 20
"""Of each thread."""
SECONDS_MAX: Final = 10
TURNS_MIN: Final = 10
"""How often one process comes behind the other: about 270 on two cores."""

# A process with one store behind a lock, and many threads. The tokens of the first are odd, of the second even.
SAVER: Final = """
import random, sys, threading, time
from meerkat_actors.errors import MeerkatError
from meerkat_actors.store import open_sqlite
from tests.store.continuity_calling import caller
path, side, threads, saves = sys.argv[1], *map(int, sys.argv[2:])
store = open_sqlite(path, synchronous="normal", ownership="shared")
store.begin()
one = caller(store, 1, f"process {side}")
lock, lines = threading.Lock(), []

def run(number):
    dice = random.Random(f"{side} {number}")
    own = 0
    for _ in range(saves):
        with lock:
            token, _, version = one.head()
        # The lock is free meanwhile: what was seen is old by the time of the save, here and there.
        higher = token + 1 + (token + 1 + side) % 2
        own = dice.choice((higher, higher, own or higher, token if token % 2 == side else higher))
        wanted = version + dice.choice((1, 1, 2, 3))
        with lock:
            start = time.monotonic_ns()
            try:
                one.at(own).save(wanted, text=f"{own} {wanted}")
                told = "saved"
            except MeerkatError as error:
                told = type(error).__name__
            lines.append(f"{start} {time.monotonic_ns()} {own} {wanted} {told}")

workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
print("ready", flush=True)
sys.stdin.readline()
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
store.end(clean=True)
store.close()
print("\\n".join(lines), flush=True)
"""


@frozen
class Saving:
    """One save: when it was called and answered, what it presented, and what it was told."""

    start: int
    end: int
    token: int
    version: int
    told: str


@pytest.mark.alone
@pytest.mark.slow
def test_item_47_two_processes_of_a_hundred_threads_save_as_if_one_after_another(database: Path) -> None:
    """One store is for one thread at a time, so each process keeps its own behind a lock."""
    store = open_sqlite(database, synchronous="normal", ownership="shared")
    store.begin()
    first = caller(store, 1, "process 1")
    first.upsert(record())

    begun = time.monotonic()
    log = _run_savers(database)
    took = time.monotonic() - begun

    assert len(log) == 2 * THREADS * SAVES
    saved = sorted((saving for saving in log if saving.told == "saved"), key=lambda saving: saving.version)
    _require_order(saved)
    _require_reasons(log, saved)
    assert first.head() == (saved[-1].token, 0, saved[-1].version)
    assert first.text() == f"{saved[-1].token} {saved[-1].version}"
    assert first.text(back=1) == f"{saved[-2].token} {saved[-2].version}"
    assert sum(before.token % 2 != after.token % 2 for before, after in pairwise(saved)) >= TURNS_MIN
    assert {saving.told for saving in log} > {"saved", "StaleFencingTokenError"}
    assert took < SECONDS_MAX
    store.close()


def _run_savers(database: Path) -> list[Saving]:
    savers = [
        subprocess.Popen(
            [sys.executable, "-c", SAVER, str(database), str(side), str(THREADS), str(SAVES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for side in (0, 1)
    ]
    try:
        for saver in savers:
            assert saver.stdout is not None
            assert saver.stdout.readline() == "ready\n"
        for saver in savers:
            assert saver.stdin is not None
            saver.stdin.write("go\n")
            saver.stdin.flush()
        outputs = [saver.communicate(timeout=60)[0] for saver in savers]
        assert [saver.returncode for saver in savers] == [0, 0]
    finally:
        for saver in savers:
            saver.kill()
            saver.wait()
    lines = [line.split() for output in outputs for line in output.splitlines()]
    return [Saving(int(start), int(end), int(token), int(version), told) for start, end, token, version, told in lines]


def _require_order(saved: Sequence[Saving]) -> None:
    """The order of versions is one in which they can have happened: strictly up, tokens never down, no effect late."""
    latest_start = 0
    for before, after in pairwise(saved):
        latest_start = max(latest_start, before.start)
        assert before.version < after.version
        assert before.token <= after.token
        assert latest_start <= after.end, "one was over before one that it comes behind had begun"


def _require_reasons(log: Sequence[Saving], saved: Sequence[Saving]) -> None:
    """What was refused was overtaken by something that had begun."""
    for saving in log:
        begun = [other for other in saved if other.start <= saving.end]
        match saving.told:
            case "saved":
                pass
            case "StaleFencingTokenError":
                assert any(other.token > saving.token for other in begun), saving
            case "StaleCheckpointVersionError":
                assert any(other.version >= saving.version for other in begun), saving
            case _:
                pytest.fail(f"no reason to be told so: {saving}")


def test_item_56_a_renewal_that_fails_leaves_all_that_was_claimed(database: Path) -> None:
    clock = Clock()
    with open_disk() as disk:
        mine = open_sqlite(database, vfs=disk.vfs, ownership="shared", env=clock)
        mine.begin()
        other = open_sqlite(database, ownership="shared", env=clock)
        other.begin()
        writers = [created(mine, name) for name in ("ann", "ben", "cid")]
        clock.now += TTL // 3
        disk.before_write = full
        with pytest.raises(StoreFullError):
            mine.look_around()
        left = {held(other, writer.fence.identity).holder.expires_in for writer in writers}
        assert left == {(TTL - TTL // 3) / 1000}
        disk.before_write = nothing
        for writer in writers:
            writer.must_commit(insert(1))
        assert not mine.look_around().is_lost
        mine.close()
        other.close()
