"""Tests whose lines are not counted."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def unmeasured() -> Generator[None, None, None]:
    """Stop every measurement of coverage of this thread for as long as the block.

    ``no_cover`` of pytest-cov 7.1 does not, in a worker of pytest-xdist: two measure there, and it stops one.
    """
    if "coverage" not in sys.modules:
        yield
        return
    from coverage import Coverage

    stopped: list[Coverage] = []
    while (running := Coverage.current()) is not None:
        running.stop()
        stopped.append(running)
    try:
        yield
    finally:
        for each in reversed(stopped):
            each.start()
