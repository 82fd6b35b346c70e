"""Work for this process, or for several others at a time."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import Final, Protocol, TypeVar

_Done = TypeVar("_Done")
_AHEAD: Final = 2
"""Pieces of work that a process is given at a time, so that it never waits for the next."""


class WorkerKilledError(RuntimeError):
    """A process of a sweep is gone, and what it worked on with it; its message says what to do."""


class Each(Protocol):
    """Does every piece of work, and gives what came of each as it is done, in any order."""

    def __call__(self, work: Sequence[Callable[[], _Done]]) -> Iterator[_Done]:
        """What a piece raises is raised, and the rest is left."""
        ...


@contextmanager
def workers(jobs: int) -> Generator[Each]:
    """So many processes, which end with the block, and with this process; one: this process itself.

    Raises:
        WorkerKilledError: one of them was killed.
    """
    if jobs == 1:
        yield _here
        return
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin)
    try:
        yield partial(_there, pool, jobs * _AHEAD)
    except BrokenProcessPool as error:
        problem = (
            "a process of the sweep was killed, or could not begin: is there memory for so many jobs, and does a "
            'script call this only below `if __name__ == "__main__":`? A sweep that saves goes on when it is run again'
        )
        raise WorkerKilledError(problem) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _here(work: Sequence[Callable[[], _Done]]) -> Iterator[_Done]:
    for each in work:
        yield each()


def _there(pool: ProcessPoolExecutor, waiting_max: int, work: Sequence[Callable[[], _Done]]) -> Iterator[_Done]:
    todo = iter(work)
    with _uninterrupted():
        waiting = {pool.submit(each) for each in islice(todo, waiting_max)}
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        with _uninterrupted():
            waiting |= {pool.submit(each) for each in islice(todo, len(done))}
        for future in done:
            yield future.result()


@contextmanager
def _uninterrupted() -> Generator[None]:
    """Ctrl-C waits, for this thread; and for processes that begin inside of the block until ``_begin``.

    One that it meets while it imports would print a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """In each process: Ctrl-C ends it without a word, and it doesn't outlive whom it works for."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
