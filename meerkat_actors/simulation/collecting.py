"""Fewer looks for garbage, while very many objects live and few of them die."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

_THRESHOLDS: Final = (50_000, 20, 100)
"""With Python's own, 10,000 agents and their clients spend two thirds of their time on looks at all that lives."""


@contextmanager
def seldom_collected() -> Generator[None]:
    """Inside of the block cycles are looked for some 70 times less often; afterwards as before."""
    was = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*was)
