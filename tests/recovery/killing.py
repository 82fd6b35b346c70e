"""A process that lives lives in children of its own, each of which kills itself: ``killing.py``, orders on its input.

One order a line: the life, when to die, the database, and the file for what callers were told. The answer is whether
the child died by SIGKILL. Importing everything once, and forking before any thread is there, is what makes it quick.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


class Killer:
    """The process, as tests use it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.recovery.killing"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def kill(self, life: str, when: str, database: Path) -> tuple[bool, tuple[str, ...]]:
        """Whether the life was killed at that moment, or ended before; and what its callers were told by then."""
        told = database.with_suffix(".told")
        told.write_text("", encoding="utf-8")
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\t".join((life, when, str(database), str(told))) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer in {"killed\n", "ended\n"}, answer
        return answer == "killed\n", tuple(told.read_text(encoding="utf-8").splitlines())

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def main() -> None:
    # Everything that a child needs, before the first of them.
    from meerkat_actors.store import open_sqlite
    from tests.recovery.lives import live

    for line in sys.stdin:
        life, when, database, told = line.rstrip("\n").split("\t")
        child = os.fork()
        if not child:
            book = os.open(told, os.O_WRONLY | os.O_APPEND)
            live(life, open_sqlite(database, synchronous="normal"), when, partial(_write, book), _die)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            print("killed", flush=True)
        else:
            print("ended" if status == 0 else f"failed {status}", flush=True)


def _write(book: int, text: str) -> None:
    os.write(book, f"{text}\n".encode())


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
