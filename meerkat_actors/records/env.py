"""The only source of time, randomness and ids, so that a simulation can replace all of it."""

from __future__ import annotations

import secrets
import time
from random import Random
from typing import Final, Protocol

_VARIANT: Final = 0x8000
_NODE: Final = (1 << 48) - 1
_BOOT_CLOCK: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Env(Protocol):
    """Time, ids and randomness of one runtime. The facades ask for ids in the writer's thread, too."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970 UTC. Informational: never decides which of two things is newer."""
        ...

    def boot_ms(self) -> int:
        """Milliseconds since the machine's boot, asleep or awake: a clock that nobody sets. For leases."""
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
        self._ms = -1
        self._prefix = ""

    def wall_ms(self) -> int:
        """See ``Env.wall_ms``."""
        return time.time_ns() // 1_000_000

    def boot_ms(self) -> int:
        """See ``Env.boot_ms``. Elsewhere than on Linux it may stop while the machine sleeps."""
        return time.clock_gettime_ns(_BOOT_CLOCK) // 1_000_000

    def new_id(self) -> str:
        """See ``Env.new_id``. RFC 9562 section 5.7."""
        ms = time.time_ns() // 1_000_000
        if ms != self._ms:
            self._ms = ms
            self._prefix = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7"
        bits = self._bits(74)
        # In one go: of 128 bits as one number, and then cut up, it took a fifth longer.
        return "%s%03x-%04x-%012x" % (  # noqa: UP031 - an f-string is slower with four numbers
            self._prefix,
            bits >> 62,
            _VARIANT | (bits >> 48 & 0x3FFF),
            bits & _NODE,
        )

    def random(self, stream: str) -> Random:
        """See ``Env.random``."""
        found = self._streams.get(stream)
        if found is None:
            found = self._streams[stream] = Random(secrets.randbits(128))  # noqa: S311 - jitter, not secrets
        return found
