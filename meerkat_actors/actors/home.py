"""The thread and the process that a runtime lives in."""

from __future__ import annotations

import os
import threading
from functools import cache

import trio

from meerkat_actors.errors import UsageError


class Home:
    """Where a runtime was opened: nothing of it is safe to touch from anywhere else."""

    __slots__ = ("_descent", "_forks", "_thread")

    def __init__(self) -> None:
        self._descent = _descent()
        self._forks = self._descent.forks
        self._thread = threading.get_ident()

    def check(self, what: str) -> None:
        """Refuse a call from elsewhere.

        Raises:
            UsageError: another thread calls; or a child that was forked while the runtime was open;
                or code of the thread that is no task of Trio's, as beside a guest run in asyncio.
        """
        if threading.get_ident() != self._thread:
            problem = "the runtime lives in another thread; use trio.from_thread.run with the token of its loop"
        elif self._descent.forks != self._forks:
            problem = "the runtime belongs to the parent of this forked process; open a database of its own here"
        elif not trio.lowlevel.in_trio_task():
            problem = 'only Trio\'s tasks can wait for an agent; see "Inside an asyncio application" in the README'
        else:
            return
        raise UsageError(problem=f"{what}: {problem}")


class _Descent:
    """How many forks lie between this process and the one that first opened a runtime."""

    def __init__(self) -> None:
        self.forks = 0
        os.register_at_fork(after_in_child=self._note)

    def _note(self) -> None:
        self.forks += 1


@cache
def _descent() -> _Descent:
    # Counted once a fork: asking for the pid is a system call, 3 us of every turn.
    return _Descent()
