"""One run under fire: the script until something fails, and what whoever comes back finds."""

from __future__ import annotations

import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from attrs import Factory, define, frozen

from meerkat_actors.errors import StoreError
from meerkat_actors.simulation import Disk, Fault, Shadow, watched
from meerkat_actors.simulation.disk.shadow import Event
from tests.crashes.fire_client import ORDINARY, Client, DiskStaysFullError, Way
from tests.crashes.fire_history import History
from tests.crashes.fire_known import known_as
from tests.crashes.fire_script import Step

NAME: Final = "store.db"
FAST: Final = Path("/dev/shm")  # noqa: S108 - only a folder that nobody else knows is made there
"""Where files cost no disk, if there is such a place."""


@define
class Tally:
    """What was done, and what was found."""

    runs: int = 0
    asked: Counter[str] = Factory(Counter[str])
    """Operations of disks that could fail, by kind."""
    fired: Counter[str] = Factory(Counter[str])
    """Failures that came to pass, by kind."""
    images: Counter[str] = Factory(Counter[str])
    """What was opened and checked, by kind."""
    repeated: int = 0
    """Images that were the same, bytes and history, as one that was checked: what was found there holds here."""
    acknowledged: int = 0
    """Units that an image had to have."""
    unknown: int = 0
    """Units that it might have."""
    known: Counter[str] = Factory(Counter[str])
    """Violations that ``fire_known`` names."""
    violations: list[str] = Factory(list[str])

    def add(self, other: Tally) -> None:
        """Take over what another one counted."""
        self.runs += other.runs
        self.asked += other.asked
        self.fired += other.fired
        self.images += other.images
        self.repeated += other.repeated
        self.acknowledged += other.acknowledged
        self.unknown += other.unknown
        self.known += other.known
        self.violations += other.violations

    def blame(self, where: str, problems: Sequence[str]) -> None:
        """Add what was found wrong at a place that can be found again."""
        for problem in problems:
            violation = f"{where}: {problem}"
            known = known_as(violation)
            if known is None:
                self.violations.append(violation)
            else:
                self.known[known] += 1

    def saw(self, disk: Disk) -> None:
        """Count what a disk counted."""
        self.asked.update({str(kind): count for kind, count in disk.asked.items()})
        self.fired.update({f"{kind} {failure}": count for (kind, failure), count in disk.fired.items()})

    def __str__(self) -> str:
        lines = [
            f"{self.runs} runs, {len(self.violations)} violations",
            f"  images opened and checked {self.images.total()}, the same as one of these {self.repeated}",
            f"  units that had to be there {self.acknowledged}, that might be {self.unknown}",
        ]
        for title, counted in (("images", self.images), ("operations", self.asked), ("failures", self.fired)):
            lines.append(f"  {title}: " + (", ".join(f"{k} {n}" for k, n in sorted(counted.items())) or "none"))
        lines += [f"  known, {count} times: {name}" for name, count in sorted(self.known.items())]
        return "\n".join(lines)


@frozen
class Recording:
    """A life without faults: from it every power cut of it is worked out, without living it again."""

    before: Shadow
    events: Sequence[Event]
    history: History

    def shadows(self, points: Sequence[int]) -> Iterator[Shadow]:
        """The folder at each of these points, which rise; valid until the next one is asked for."""
        shadow = self.before.copy()
        for point in points:
            for event in self.events[shadow.position - self.before.position : point - self.before.position]:
                shadow.apply(event)
            yield shadow


@contextmanager
def workplace() -> Generator[Path, None, None]:
    """A folder for a while, in memory if there is room."""
    with tempfile.TemporaryDirectory(prefix="meerkat-fire-", dir=FAST if FAST.is_dir() else None) as name:
        yield Path(name).resolve()


@contextmanager
def emptied(folder: Path) -> Generator[Path, None, None]:
    """A new folder, gone afterwards."""
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def under_fire(disk: Disk, client: Client) -> Generator[None, None, None]:
    """Inside of the block the client's store is on the disk; afterwards neither is."""
    try:
        with watched(disk):
            try:
                yield
            finally:
                client.close()
    finally:
        disk.close()


def client_on(disk: Disk, script: Sequence[Step], history: History, way: Way = ORDINARY) -> Client:
    """A client whose store is on the disk."""
    path = str(disk.folder / NAME)
    return Client(path, script, history, lambda: disk.shadow.position, vfs=disk.name, way=way)


def record(
    folder: Path, script: Sequence[Step], seed: str, tally: Tally, way: Way = ORDINARY, *faults: Fault
) -> Recording:
    """Live without faults, or with one that nothing notices. What goes wrong all the same is blamed, and ends it."""
    with emptied(folder):
        disk = Disk(folder, Random(seed))
        disk.plan(*faults)
        before = disk.shadow.copy()
        client = client_on(disk, script, History(), way)

        def live() -> list[str]:
            client.go_on()
            return []

        with under_fire(disk, client):
            tally.blame(f"life {seed} without a fault", goes_well(live))
        tally.saw(disk)
        return Recording(before, disk.events, client.history)


def ends_typed(work: Callable[[], object]) -> list[str]:
    """Do what may fail as a disk fails. Anything but an error that says what to do is a violation."""
    try:
        work()
    except (StoreError, DiskStaysFullError):
        return []
    except Exception:  # noqa: BLE001 - a campaign tells of every fault, and goes on
        return [_told("was under fire")]
    return []


def goes_well(work: Callable[[], Sequence[str]]) -> list[str]:
    """Do what must not fail; what it found wrong."""
    try:
        return list(work())
    except StoreError as error:
        return [f"the store refuses: {type(error).__name__}: {error}"]
    except Exception:  # noqa: BLE001 - a campaign tells of every fault, and goes on
        return [_told("came back")]


def _told(where: str) -> str:
    return f"whoever {where} met {traceback.format_exc(limit=-4).strip()}"
