"""The only source of time, randomness and ids, so that a simulation can replace all of it."""

from __future__ import annotations

import secrets
import time
from random import Random
from typing import Final, Protocol

_VERSION_AND_VARIANT: Final = (0x7 << 76) | (0x2 << 62)
_RANDOM_A: Final = 0xFFF << 64
_RANDOM_B: Final = (1 << 62) - 1


class Env(Protocol):
    """Time, ids and randomness of one runtime."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970 UTC. Informational: never decides which of two things is newer."""
        ...

    def new_id(self) -> str:
        """The canonical text of a fresh UUIDv7."""
        ...

    def random(self, stream: str) -> Random:
        """The named random stream; the same object for the same name."""
        ...


class SystemEnv:
    """The machine's clock and its entropy."""

    def __init__(self) -> None:
        self._streams: dict[str, Random] = {}
        self._bits = Random(secrets.randbits(128)).getrandbits  # noqa: S311 - ids are names, not secrets

    def wall_ms(self) -> int:
        """See ``Env.wall_ms``."""
        return time.time_ns() // 1_000_000

    def new_id(self) -> str:
        """See ``Env.new_id``. RFC 9562 section 5.7."""
        bits = self._bits(74)
        value = (
            ((time.time_ns() // 1_000_000) << 80)
            | _VERSION_AND_VARIANT
            | ((bits << 2) & _RANDOM_A)
            | (bits & _RANDOM_B)
        )
        digits = f"{value:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def random(self, stream: str) -> Random:
        """See ``Env.random``."""
        found = self._streams.get(stream)
        if found is None:
            found = self._streams[stream] = Random(secrets.randbits(128))  # noqa: S311 - jitter, not secrets
        return found
