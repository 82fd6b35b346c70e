"""What the two processes of a shared store note, each in a log of its own that outlives it: one line for each thing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from cattrs.preconf.orjson import make_converter
from cattrs.strategies import configure_tagged_union

from tests.crashes.history import Acknowledged, Consumed, GivenUp, Line


@frozen(kw_only=True)
class Serving:
    """The runtime is open."""


@frozen(kw_only=True)
class Sending:
    """A client is about to send an input for the first time: what it is in full, so that anyone may send it again."""

    identity: str
    path: str
    """The number that the input is about, which is its idempotency key, too."""
    to: str
    """Whom the agent writes to about it."""
    manner: str
    """How the agent works on it."""


@frozen(kw_only=True)
class TurnBegan:
    """An agent's turn begins in this process."""

    identity: str


@frozen(kw_only=True)
class LeaseEnded:
    """The runtime was told that it was taken over from."""

    live: int


@frozen(kw_only=True)
class Complained:
    """An observer was told what must not happen here, where no agent fails and no disk is full."""

    event: str


Noted = Serving | Sending | TurnBegan | LeaseEnded | Complained | Acknowledged | Consumed | GivenUp


@frozen(kw_only=True)
class Note:
    """One line of a log."""

    at: float
    """Seconds, by ``boot_seconds``."""
    pid: int
    noted: Noted


def boot_seconds() -> float:
    """The clock of leases, which all processes of the machine share."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Log:
    """A file that is only ever appended to, by whole lines: what was noted stays, however the process ends."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def note(self, noted: Noted) -> None:
        """Write one line, by one call."""
        line = _CONVERTER.dumps(Note(at=boot_seconds(), pid=os.getpid(), noted=noted)) + b"\n"
        os.write(self._descriptor, line)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


class LogReader:
    """What a log holds so far."""

    def __init__(self, path: Path) -> None:
        self.notes: list[Note] = []
        self._path = path
        self._place = 0

    def read(self) -> list[Note]:
        """Read what came since; everything so far. A line that is being written is left for the next time."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._place)
                whole, end, _ = file.read().rpartition(b"\n")
            self._place += len(whole) + len(end)
            self.notes += (_CONVERTER.loads(line, Note) for line in whole.split(b"\n") if line)
        return self.notes


def read_logs(folder: Path) -> list[Note]:
    """Everything that was noted in a folder, in the order of time."""
    notes = [note for path in sorted(folder.glob("*.log")) for note in LogReader(path).read()]
    return sorted(notes, key=lambda note: note.at)


def told(notes: Iterable[Note]) -> list[Line]:
    """What clients were told, as the checker of single jobs reads it."""
    return [note.noted for note in notes if isinstance(note.noted, Acknowledged | Consumed | GivenUp)]


# A union is a type to cattrs, and none to type checkers.
_NOTED: Final[Any] = Noted
_CONVERTER: Final = make_converter()
configure_tagged_union(_NOTED, _CONVERTER)
