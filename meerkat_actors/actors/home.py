"""The thread and the process that a runtime lives in."""

from __future__ import annotations

import os
import threading

from meerkat_actors.errors import UsageError


class Home:
    """Where a runtime was opened: nothing of it is safe to touch from anywhere else."""

    __slots__ = ("_pid", "_thread")

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._thread = threading.get_ident()

    def check(self, what: str) -> None:
        """Refuse a call from elsewhere; 0.2 us.

        Raises:
            UsageError: another thread calls, or a child that was forked while the runtime was open.
        """
        if threading.get_ident() != self._thread:
            problem = "the runtime lives in another thread; use trio.from_thread.run with the token of its loop"
        elif os.getpid() != self._pid:
            problem = "the runtime belongs to the parent of this forked process; open a database of its own here"
        else:
            return
        raise UsageError(problem=f"{what}: {problem}")
