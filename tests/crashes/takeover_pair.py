"""Two processes on one store, kept alive, and stopped or killed at random instants."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from attrs import Factory, define, field, frozen

from tests.crashes.takeover_lines import LogReader, Note, TurnBegan, boot_seconds
from tests.examples.command import REPOSITORY, environment

NAMES: Final = ("left", "right")
PATIENCE_SECONDS: Final = 15.0
"""What takes so long hangs."""

_WORKER: Final = Path(__file__).with_name("takeover_worker.py")
_LOOK_SECONDS: Final = 0.005
_AIM_SECONDS: Final = 0.15
"""Within it a process is stopped at any instant."""
_AIMS_MAX: Final = 100

_HELD: Final = """
SELECT name.name, EXISTS (SELECT 1 FROM input WHERE input.identity = head.key AND input.state < 3)
  FROM head JOIN owner ON owner.key = head.owner JOIN name ON name.key = head.key
 WHERE owner.holder = ?
"""


class StuckError(Exception):
    """Somebody died who was not killed, or what had to happen did not."""


@frozen(kw_only=True)
class Blow:
    """What one process is to suffer."""

    pause_seconds: float | None
    """How long it is stopped; None: it is killed."""
    restart_seconds: float = 0.0
    """How long after a kill the next one begins."""


@frozen(kw_only=True)
class Struck:
    """What came of a blow."""

    blow: Blow
    held: int
    """Agents that the process held."""
    is_blocked: bool
    """Nobody at all could commit meanwhile: it was stopped while it held SQLite's write lock."""
    takeover_seconds: float | None
    """From the blow to the first turn, elsewhere, of an agent with work that it held; None: it came back before."""


@define(eq=False)
class Worker:
    """A process, and what it noted."""

    process: subprocess.Popen[bytes]
    log: LogReader
    errors: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def notes_after(self, seconds: float) -> Iterator[Note]:
        """What it noted since."""
        for note in reversed(self.log.read()):
            if note.at <= seconds:
                return
            yield note

    def turns_after(self, seconds: float) -> list[tuple[float, str]]:
        """When whose turns began since, the first one first."""
        turns = [
            (note.at, note.noted.identity) for note in self.notes_after(seconds) if isinstance(note.noted, TurnBegan)
        ]
        return turns[::-1]


@define(eq=False)
class Pair:
    """Owns both processes, and a connection of its own that only looks."""

    folder: Path
    chance: random.Random
    wal_pages: int
    workers: dict[str, Worker] = Factory(dict[str, Worker])
    _lives: int = field(default=0, init=False)
    _eyes: sqlite3.Connection | None = field(default=None, init=False)

    @property
    def database(self) -> Path:
        return self.folder / "shared.db"

    # -- lives ----------------------------------------------------------------------------

    def start(self, name: str, *options: str) -> Worker:
        """Begin a process's next life. The logs of all lives stay."""
        self._lives += 1
        life = f"{name}-{self._lives}"
        log, errors = self.folder / f"{life}.log", self.folder / f"{life}.stderr"
        command: list[str | Path] = [sys.executable, "-P", _WORKER, self.database, log, life]
        with errors.open("wb") as error:
            process = subprocess.Popen(
                [*command, "--wal-pages", str(self.wal_pages), *options],
                cwd=REPOSITORY,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=error,
            )
        worker = self.workers[name] = Worker(process, LogReader(log), errors)
        return worker

    def wait_until_serving(self) -> None:
        """Wait until both have begun turns in their lives.

        Raises:
            StuckError: they don't.
        """
        for worker in self.workers.values():
            self._wait(lambda: len(worker.turns_after(0.0)) > 0, f"no turn of process {worker.pid}")  # noqa: B023

    def end(self) -> None:
        """End both in good order.

        Raises:
            StuckError: one of them didn't.
        """
        for worker in self.workers.values():
            worker.process.terminate()
        for worker in self.workers.values():
            self._require_ended(worker)

    def finish(self) -> None:
        """Let one more process do all that is left to do.

        Raises:
            StuckError: it can't.
        """
        self.workers.clear()
        self._require_ended(self.start("last", "--finish"))

    def close(self) -> None:
        """Kill whoever is left."""
        for worker in self.workers.values():
            worker.process.kill()
            worker.process.wait()
        if self._eyes is not None:
            self._eyes.close()

    # -- blows ----------------------------------------------------------------------------

    def strike(self, blow: Blow) -> Struck:
        """Stop or kill a process that holds agents with work, and wait until both are at work again.

        Raises:
            StuckError: they aren't.
        """
        name, victim, held = self._aim()
        (other,) = [worker for worker in self.workers.values() if worker is not victim]
        busy = {identity for identity, is_busy in held if is_busy}
        if blow.pause_seconds is None:
            return self._kill(blow, name, victim, other, busy, len(held))
        began, version = boot_seconds(), self._data_version()
        self._rest(other, blow.pause_seconds)
        is_blocked = self._data_version() == version
        ended = boot_seconds()
        victim.process.send_signal(signal.SIGCONT)
        self._wait(lambda: len(victim.turns_after(ended)) > 0, f"no turn of process {victim.pid} after its pause")
        first = next((at for at, who in other.turns_after(began) if who in busy and at < ended), None)
        return Struck(
            blow=blow,
            held=len(held),
            is_blocked=is_blocked,
            takeover_seconds=None if first is None else first - began,
        )

    def _kill(self, blow: Blow, name: str, victim: Worker, other: Worker, busy: set[str], held: int) -> Struck:
        began = boot_seconds()
        victim.process.kill()
        victim.process.wait()
        self._rest(other, blow.restart_seconds)
        heir = self.start(name)
        firsts: list[float] = []

        def is_taken_over() -> bool:
            firsts[:] = [at for worker in (other, heir) for at, who in worker.turns_after(began) if who in busy]
            return len(firsts) > 0

        self._wait(is_taken_over, f"nobody took over from process {victim.pid}, which is dead: {sorted(busy)}")
        self._wait(lambda: len(heir.turns_after(began)) > 0, f"no turn of process {heir.pid}, the next one")
        return Struck(blow=blow, held=held, is_blocked=False, takeover_seconds=min(firsts) - began)

    def _aim(self) -> tuple[str, Worker, list[tuple[str, bool]]]:
        """Stop a process that holds agents with work: which ones, and whether they have some.

        It is stopped before it is looked at, also to be killed: so it holds them still when the blow comes.
        """
        for _ in range(_AIMS_MAX):
            name = self.chance.choice(NAMES)
            victim = self.workers[name]
            self._rest(victim, self.chance.uniform(0, _AIM_SECONDS))
            victim.process.send_signal(signal.SIGSTOP)
            with suppress(ChildProcessError):  # it died; whoever waits for it will say so
                os.waitid(os.P_PID, victim.pid, os.WSTOPPED)
            held = [(str(who), bool(busy)) for who, busy in self._look(_HELD, f"process {victim.pid}")]
            if any(is_busy for _, is_busy in held):
                return name, victim, held
            victim.process.send_signal(signal.SIGCONT)
        problem = "neither process ever held an agent with work"
        raise StuckError(problem)

    # -- looking --------------------------------------------------------------------------

    def _look(self, query: str, *values: object) -> list[tuple[object, ...]]:
        if self._eyes is None:
            self._eyes = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, isolation_level=None)
        with closing(self._eyes.execute(query, values)) as rows:
            return rows.fetchall()

    def _data_version(self) -> object:
        """Changes with every commit of anybody: leases are renewed all the time."""
        return self._look("PRAGMA data_version")

    # -- waiting --------------------------------------------------------------------------

    def _wait(self, condition: Callable[[], bool], problem: str) -> None:
        deadline = boot_seconds() + PATIENCE_SECONDS
        while not condition():
            for worker in self.workers.values():
                self._rest(worker, _LOOK_SECONDS)
            if boot_seconds() > deadline:
                raise StuckError(problem)

    def _rest(self, worker: Worker, seconds: float) -> None:
        """Let time pass, in which nobody may die."""
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(max(seconds, 0.001))
            raise StuckError(_death(worker))

    def _require_ended(self, worker: Worker) -> None:
        try:
            code = worker.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as error:
            problem = f"process {worker.pid} does not end"
            raise StuckError(problem) from error
        if code != 0 or worker.errors.stat().st_size:
            raise StuckError(_death(worker))


@contextmanager
def open_pair(folder: Path, chance: random.Random, wal_pages: int) -> Generator[Pair, None, None]:
    """Two processes that begin at the same time, on a file that is not there yet; none outlives the block."""
    pair = Pair(folder, chance, wal_pages)
    try:
        for name in NAMES:
            pair.start(name)
        yield pair
    finally:
        pair.close()


def _death(worker: Worker) -> str:
    said = worker.errors.read_text(encoding="utf-8", errors="replace").strip()
    return f"process {worker.pid} ended with {worker.process.returncode}: {said[-1500:] or 'without a word'}"
