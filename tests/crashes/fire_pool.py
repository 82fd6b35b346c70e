"""Numbers of a campaign over several processes, in their order."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeAlias

from tests.crashes.fire_runs import Tally, workplace

Work: TypeAlias = Callable[[Path, str, range], Tally]
"""Does these numbers of a seed in a folder; a function of a module, for other processes import it."""


def spread(work: Work, seed: str, numbers: range, *, chunk: int, jobs: int) -> Iterator[tuple[range, Tally]]:
    """Do all of the numbers; what was found by each chunk of them, in order."""
    chunks = [range(at, min(at + chunk, numbers.stop)) for at in range(numbers.start, numbers.stop, chunk)]
    if jobs == 1:
        yield from ((one, _do(work, seed, one)) for one in chunks)
        return
    # Spawned: a copy of this process would have its open databases, too.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_settle) as pool:
        try:
            yield from zip(
                chunks, pool.map(_do, *zip(*((work, seed, one) for one in chunks), strict=True)), strict=True
            )
        finally:
            pool.shutdown(cancel_futures=True)


def all_of(work: Work, seed: str, numbers: range, *, chunk: int, jobs: int) -> Tally:
    """What was found by all of the numbers."""
    tally = Tally()
    for _, found in spread(work, seed, numbers, chunk=chunk, jobs=jobs):
        tally.add(found)
    return tally


def _settle() -> None:
    # What was imported stays: looking through it again and again cost a tenth of the time.
    gc.collect()
    gc.freeze()


def _do(work: Work, seed: str, numbers: range) -> Tally:
    with workplace() as folder:
        return work(folder, seed, numbers)
