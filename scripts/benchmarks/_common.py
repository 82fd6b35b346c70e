"""What every benchmark shares: the content of a turn, the result of a window, and a fresh process per measurement."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw
import cattrs
import orjson
from attrs import frozen

T = TypeVar("T")

ROOT: Final = Path(__file__).resolve().parents[2]
"""The repository: children import the package from here, installed or not."""

MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108 - a memory file system is what is asked for

TEXT: Final = "What does this function promise, and to whom? " * 9 + "Be brief. "
"""What a client sends: 424 bytes."""

REPLY: Final = "It promises to be durable before it answers. " * 8 + "And to tell each waiter one outcome."
"""What an agent answers."""


def payload_bytes(text: str, reply: str) -> int:
    """The content that one turn makes durable: the input once, and the two messages of its transcript."""
    messages = ({"role": "user", "text": text}, {"role": "assistant", "text": reply})
    return len(text) + sum(len(orjson.dumps(message)) for message in messages)


PAYLOAD_BYTES: Final = payload_bytes(TEXT, REPLY)
"""The content of one turn of a benchmark."""


@frozen(kw_only=True)
class Result:
    """What one measured window saw of one side."""

    turns: int
    seconds: float
    p50_seconds: float
    p99_seconds: float
    commits: int
    """Transactions that the storage owner committed inside the window."""
    grown_bytes: int
    """Pages that came into use inside the window, in bytes; the write-ahead log is not counted twice."""

    @property
    def turns_per_second(self) -> float:
        return self.turns / self.seconds

    @property
    def commits_per_turn(self) -> float:
        return self.commits / self.turns

    @property
    def bytes_per_turn(self) -> float:
        return self.grown_bytes / self.turns


@frozen(kw_only=True)
class TurnsJob:
    """One measurement of one side, done in a process of its own."""

    side: str
    """``ours`` or ``bare``."""
    path: str
    """The database; it must not exist yet."""
    agents: int
    seconds: float


def median(values: Sequence[float]) -> float:
    """The middle value; the upper one of two."""
    return sorted(values)[len(values) // 2]


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of all values lie; 0 when there are none."""
    if not values:
        return 0.0
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def raise_collector_threshold() -> None:
    """Collect rarely: called before the set-up, on both sides."""
    gc.set_threshold(200_000, 50, 1_000)


def freeze_collector() -> None:
    """Collect once, and never look at today's objects again: called after the set-up, on both sides."""
    gc.collect()
    gc.freeze()


def open_probe(path: Path) -> apsw.Connection:
    """A second connection that only reads how large the database is."""
    return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)


def used_bytes(probe: apsw.Connection) -> int:
    """The size of all pages in use, wherever they are: in the file or still in the log."""
    pages, free, size = (int(probe.pragma(name)) for name in ("page_count", "freelist_count", "page_size"))
    return (pages - free) * size


@contextmanager
def fresh_folder(parent: Path) -> Generator[Path, None, None]:
    """A new folder under ``parent``, gone with everything in it when the block ends."""
    with tempfile.TemporaryDirectory(prefix="meerkat-bench-", dir=parent) as name:
        yield Path(name)


def memory_folder() -> Path | None:
    """The memory file system, or None if this machine has none."""
    with open("/proc/mounts", encoding="utf-8") as mounts:
        kinds = {fields[1]: fields[2] for fields in map(str.split, mounts)}
    return MEMORY_FOLDER if kinds.get(str(MEMORY_FOLDER)) == "tmpfs" else None


def measure_in_child(script: str, job: Any, result_type: type[T]) -> T:  # noqa: ANN401 - any attrs record
    """Run one of our scripts in a fresh process: the job as JSON in, the result as JSON out."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name(script)), orjson.dumps(cattrs.unstructure(job)).decode()]
    child = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)  # noqa: S603 - our own script
    if child.returncode:
        sys.exit(f"the measurement failed, its error is above: {' '.join(command)}")
    return cattrs.structure(orjson.loads(child.stdout), result_type)


def read_job(job_type: type[T]) -> T:
    """The job that ``measure_in_child`` gave to this process."""
    return cattrs.structure(orjson.loads(sys.argv[1]), job_type)


def answer(result: object) -> None:
    """Give the result to the process that waits in ``measure_in_child``."""
    sys.stdout.write(orjson.dumps(cattrs.unstructure(result)).decode())
