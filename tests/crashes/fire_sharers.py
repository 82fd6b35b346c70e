"""Two runtimes that share a file, each in a thread of its own, both writing all the time: neither may ever fail."""

from __future__ import annotations

from pathlib import Path
from random import Random
from threading import Thread
from typing import Final

from meerkat_actors.errors import StoreError
from meerkat_actors.records.effects import CreateIdentity
from meerkat_actors.store.sqlite.opening import open_sqlite
from tests.crashes.fire_rows import read_rows
from tests.crashes.fire_runs import NAME, Tally, emptied
from tests.store.writing import insert, new_session_id, unborn

SHARERS: Final = 2
COMMITS: Final = 60
"""Of each of them."""


def sharers(folder: Path, seed: str, rounds: range) -> Tally:
    """These rounds, each with a new file."""
    tally = Tally()
    for number in rounds:
        with emptied(folder / "shared") as place:
            tally.blame(f"round {number} of seed {seed}", _round(str(place / NAME), Random(f"{seed} {number}")))
        tally.runs += 1
        tally.acknowledged += SHARERS * COMMITS
    return tally


def _round(path: str, random: Random) -> list[str]:
    open_sqlite(path, ownership="shared").close()  # made by one of them alone
    found: list[str] = []
    threads = [Thread(target=_share, args=(path, f"sharer-{one}", found)) for one in range(SHARERS)]
    random.shuffle(threads)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = read_rows(path)
    there = len(rows.ledger.inputs)
    if not found and there != SHARERS * COMMITS:
        found.append(f"{there} of {SHARERS * COMMITS} inputs are there")
    return [*found, *rows.problems]


def _share(path: str, name: str, found: list[str]) -> None:
    try:
        store = open_sqlite(path, ownership="shared")
        try:
            store.begin()
            writer = unborn(store, name)
            writer.must_commit(CreateIdentity("worker", new_session_id()))
            for number in range(1, COMMITS + 1):
                writer.must_commit(insert(number))
            store.end(clean=True)
        finally:
            store.close()
    except (StoreError, AssertionError) as error:
        found.append(f"{name} failed: {type(error).__name__}: {error}")
