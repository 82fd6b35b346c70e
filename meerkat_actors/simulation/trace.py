"""Everything that happened, as one hash, and the last of it as lines."""

from __future__ import annotations

from collections import deque
from hashlib import blake2b
from typing import Final

import trio

LINES_KEPT: Final = 400


class Trace(trio.abc.Instrument):
    """Every step of every task, and what it is told besides: the same hash, the same history.

    Tasks are numbered as they begin. ``lines`` are the newest, each with its virtual time.
    """

    def __init__(self, *, lines_kept: int = LINES_KEPT) -> None:
        self.steps: int = 0
        self._hash = blake2b(digest_size=16)
        self._lines: deque[tuple[float, str]] = deque(maxlen=lines_kept)
        self._numbers: dict[trio.lowlevel.Task, int] = {}
        self._begun = 0

    @property
    def digest(self) -> str:
        """Of all that happened so far."""
        return self._hash.copy().hexdigest()

    @property
    def lines(self) -> list[str]:
        """What happened last, oldest first."""
        return [f"{seconds:14.6f}  {line}" for seconds, line in self._lines]

    def note(self, line: str, detail: str = "") -> None:
        """Something happened, in words that are the same for the same history.

        ``detail`` may be others the next time, such as the text of an error: it is shown, and is not in the hash.
        """
        now = trio.current_time()
        # A hostile name may be half a surrogate, and was refused.
        self._hash.update(f"{now!r} {line}\n".encode(errors="surrogatepass"))
        self._lines.append((now, f"{line}: {detail}" if detail else line))

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """See ``trio.abc.Instrument``."""
        self._begun += 1
        self._numbers[task] = self._begun

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        """See ``trio.abc.Instrument``."""
        self._numbers.pop(task, None)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """See ``trio.abc.Instrument``."""
        self.steps += 1
        number = self._numbers.get(task, 0)
        self._hash.update(number.to_bytes(8, "big"))
