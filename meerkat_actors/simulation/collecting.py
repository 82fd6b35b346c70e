"""Garbage of a simulation: looked for when a process ended, as most of it is what the process left, and seldom else."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

_THRESHOLDS: Final = (1_000_000, 20, 100)
"""10,000 agents that are asked at once make some 600,000 objects, and leave no cycles. With Python's own thresholds two
thirds of their time are looks at what lives."""
_MANY: Final = 50_000
"""Objects that were made since the last look, and not freed."""


@contextmanager
def seldom_collected() -> Generator[None]:
    """Inside of the block cycles are looked for some 1,000 times less often, and not in what was there before.

    Afterwards all is as before. What its caller froze stays frozen.
    """
    was, is_ours = gc.get_threshold(), gc.get_freeze_count() == 0
    if is_ours:
        gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*was)
        if is_ours:
            gc.unfreeze()


def collect() -> None:
    """Look for cycles now, if much was made since somebody did."""
    if gc.get_count()[0] > _MANY:
        gc.collect()
