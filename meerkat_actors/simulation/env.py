"""Time, ids and chance of a simulated process: all of them of the clock and of a seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

import trio

EPOCH_MS: Final = 1_750_000_000_000
"""What the wall clocks of a simulation show when it begins: 2025-06-15 15:06:40 UTC."""
_MS_MAX: Final = (1 << 48) - 1
"""That an id has room for; the wall clock, however wrong, is within it."""
_VARIANT: Final = 1 << 63
_NODE_BITS: Final = 62


class SimulatedEnv:
    """An ``Env`` for each process, of a seed of its own. ``skew_ms``: by how much its wall clock is wrong now."""

    def __init__(self, seed: str, skew_ms: Callable[[], int] = int) -> None:
        self._seed = seed
        self._skew_ms = skew_ms
        self._streams: dict[str, Random] = {}
        self._ids = Random(f"{seed} ids")  # noqa: S311 - as below; apart from all streams that have names

    def wall_ms(self) -> int:
        """See ``Env.wall_ms``."""
        return min(max(0, EPOCH_MS + self._skew_ms() + self.boot_ms()), _MS_MAX)

    def boot_ms(self) -> int:
        """See ``Env.boot_ms``."""
        return round(1000 * trio.current_time())

    def new_id(self) -> str:
        """See ``Env.new_id``: it tells the wall clock's time, as wrong as it is."""
        bits, ms = self._ids.getrandbits(74), self.wall_ms()
        node = f"{bits & (1 << _NODE_BITS) - 1 | _VARIANT:016x}"
        return f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{bits >> _NODE_BITS:03x}-{node[:4]}-{node[4:]}"

    def random(self, stream: str) -> Random:
        """See ``Env.random``."""
        found = self._streams.get(stream)
        if found is None:
            found = self._streams[stream] = Random(f"{self._seed}/{stream}")  # noqa: S311 - chance of a seed
        return found
