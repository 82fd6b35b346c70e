"""SQLite's own chance, the salts of its logs: the same again for the same seed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from random import Random
from typing import Final

import apsw

_NAME: Final = "seeding"


class _Seeding(apsw.VFS):
    def __init__(self, random: Random) -> None:
        self._random = random
        super().__init__(_NAME, "unix", makedefault=True)

    def xRandomness(self, numbytes: int) -> bytes:
        return self._random.randbytes(numbytes)


@contextmanager
def seeded_sqlite(random: Random) -> Generator[None, None, None]:
    """Inside of the block what SQLite chooses by chance, in the whole process, comes from ``random``."""
    _reseed(random)
    try:
        yield
    finally:
        apsw.randomness(0)  # the next one asks the system again


def _reseed(random: Random) -> None:
    # As a process opens its first file, SQLite throws its seed away, unless the system was asked for one before that.
    apsw.randomness(0)
    apsw.randomness(1)
    vfs = _Seeding(random)
    try:
        apsw.randomness(0)
        apsw.randomness(1)  # asks the default VFS for a seed
    finally:
        vfs.unregister()
