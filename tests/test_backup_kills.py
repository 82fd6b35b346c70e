"""A backup killed at random instants leaves a good store, and a whole copy or none."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw
from attrs import Factory, define

from meerkat_actors.store.sqlite.backup import back_up
from meerkat_actors.store.sqlite.examining import examine
from meerkat_actors.store.sqlite.rows import first_value, typed
from tests.examples.command import environment
from tests.store.sqlite.test_backup import work
from tests.test_backup_restore import open_owner

# Says when it begins, and what it is at.
BACKUP: Final = """
import sys
from meerkat_actors.store.sqlite.backup import back_up
print("begins", flush=True)
back_up(sys.argv[1], sys.argv[2], watch=lambda what, *_: print(what, flush=True))
"""
AGENTS: Final = 20
STEPS: Final = ("copy", "fences", "pages", "sequence")
WHOLE_EVERY: Final = 10
"""So many kills, and the next backup is let live."""


@define
class Kills:
    """What kills met, and what was wrong after them."""

    met: Counter[str] = Factory(Counter[str])
    """By what the killed backup was at, and what it left."""
    violations: list[str] = Factory(list[str])

    def __str__(self) -> str:
        lines = [f"{number:5}  {what}" for what, number in sorted(self.met.items())]
        return "\n".join([*lines, f"{self.met.total()} kills, {len(self.violations)} violations"])


def kill_backups(folder: Path, *, kills: int, seed: str, told: Callable[[Kills], None] = lambda _: None) -> Kills:
    """Back up a store under load again and again, each time killed; then kill its owner, and look at all of it."""
    chance = random.Random(seed)
    found = Kills()
    database, copies = folder / "team.db", folder / "copies"
    copies.mkdir()
    # Something to copy, so that there is time to be killed in it.
    work(database, 10, agents=50)
    with open_owner(database, AGENTS) as owner:
        target = copies / "monday.db"
        seconds = _took(database, target)
        while found.met.total() < kills:
            # Copying is over in no time: every other kill comes when some step has just begun.
            step = chance.choice(STEPS) if found.met.total() % 2 else None
            _kill_one(database, target, step, chance.uniform(0, 0.002 if step else 1.1 * seconds), found)
            owner.go_on()
            if found.met.total() % WHOLE_EVERY == 0:
                seconds = _took(database, target)
                told(found)
        acknowledged = dict(owner.counts)
        _judge_source(database, found, "beside its owner")
    # Its owner was killed now, too.
    _judge_source(database, found, "after its owner was killed")
    for name, count in acknowledged.items():
        _demand(found, _turns(database, name) >= count, f"{name} lost what was acknowledged")
    return found


def _took(database: Path, target: Path) -> float:
    """Make a whole one, over what killed ones left; how long it took."""
    began = time.monotonic()
    report = back_up(database, target)
    assert report.findings == 0
    assert os.listdir(target.parent) == [target.name]
    target.unlink()
    return time.monotonic() - began


def _kill_one(database: Path, target: Path, step: str | None, seconds: float, found: Kills) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", BACKUP, str(database), str(target)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        at = ""
        while step is not None and at.rstrip() != step:
            at = process.stdout.readline()
            assert at, "it ended before that step"
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        more, complaint = process.communicate()
    _demand(found, not complaint, f"it complained: {complaint}")
    left = sorted(os.listdir(target.parent))
    was_at = ((at + more).split() or ["begins"])[-1] if process.returncode else "ended"
    found.met[f"{was_at:9} left {' '.join(left) or 'nothing'}"] += 1
    allowed = {target.name, *(f"{target.name}.copying{suffix}" for suffix in ("", "-wal", "-shm", "-journal"))}
    _demand(found, set(left) <= allowed, f"it left {left}")
    if target.exists():
        look = examine(target)
        _demand(found, look.number == 0, f"a copy is not whole: {look.findings[:3]}")
        _demand(found, look.identities >= AGENTS + 50, f"a copy has {look.identities} agents")
        target.unlink()


def _judge_source(database: Path, found: Kills, when: str) -> None:
    look = examine(database)
    _demand(found, look.number == 0, f"the store {when}: {look.findings[:3]}")


def _turns(database: Path, name: str) -> int:
    connection = apsw.Connection(f"file:{database}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        query = "SELECT version FROM head JOIN name USING (key) WHERE name = ?"
        return int(first_value(typed(connection).execute(query, (name,))) or 0)
    finally:
        connection.close()


def _demand(found: Kills, holds: bool, problem: str) -> None:
    if not holds:
        found.violations.append(problem)


def test_kills_at_random_instants_leave_a_good_store_and_a_whole_copy_or_none(tmp_path: Path) -> None:
    seed = os.environ.get("MEERKAT_SEED", "backups-1")
    assert shutil.disk_usage(tmp_path).free > 1 << 28
    found = kill_backups(tmp_path, kills=10, seed=seed)
    told = f"seed={seed}\n{found}"
    print(told)
    assert found.violations == [], told
    assert len({what.split()[0] for what in found.met}) >= 2, told
