"""The disk itself: one folder of real files, under a VFS of its own, with what may fail and what would survive."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Final

from meerkat_actors.simulation.disk.faults import Failure, Fault, Operation, Planned
from meerkat_actors.simulation.disk.images import Image, image_of
from meerkat_actors.simulation.disk.shadow import Event, Shadow, Uncached
from meerkat_actors.simulation.disk.vfs import DiskVfs

UNSEEN: Final = ("-shm", ".lock")
"""What needs no durability: SQLite makes its shared memory anew, and a lock ends with its process."""


class Disk:
    """The files in ``folder``, through SQLite's unix VFS: real, shared between connections, and watched.

    ``open_sqlite(path, vfs=disk.name)`` runs over it unchanged. What the store does beside SQLite is
    seen inside ``calls.watched``. Everything that it chooses comes from ``random``. Use from one
    thread at a time.

    As long as it is not closed, its VFS is registered under ``name``. A fault is raised where SQLite reports it, and
    also where SQLite would ignore it (truncating or deleting a log): see ``Failure.LIE``.
    """

    def __init__(
        self, folder: Path, random: Random, *, shadow: Shadow | None = None, keeps_events: bool = True
    ) -> None:
        self.folder: Path = folder.resolve()
        self.name: str = f"disk of {self.folder}"
        self.random: Random = random
        self.shadow: Shadow = _shadow_of(self.folder) if shadow is None else shadow
        self.events: list[Event] = []
        """What happened since it was made, oldest first: applied to a copy of what its shadow was, any moment of it.

        With all bytes that were written; empty where it ``keeps_events`` not.
        """
        self.asked: Counter[Operation] = Counter()
        """How often each operation was asked for."""
        self.fired: Counter[tuple[Operation, Failure]] = Counter()
        """How often each failure came to pass."""
        self.is_off: bool = False
        """Whether its power was cut, or its process killed. Nothing works any more."""
        self._keeps_events = keeps_events
        self._planned: list[Planned] = []
        self._vfs = DiskVfs(self)

    def close(self) -> None:
        """Take its VFS back. Connections over it must be closed."""
        self._vfs.unregister()

    def plan(self, *faults: Fault) -> None:
        """Let these come to pass, too; they count operations from now on."""
        self._planned.extend(map(Planned, faults))

    def mend(self, fault: Fault | None = None) -> None:
        """That fault, or all of them, goes wrong no more than it did."""
        self._planned = [] if fault is None else [each for each in self._planned if each.fault is not fault]

    def fail_as(self, before: Disk) -> None:
        """What is planned for the one before it, and has not come to pass, is planned for this one."""
        self._planned = before._planned

    def cut(self, folder: Path, image: Image) -> None:
        """Cut the power, unless it is; and leave in ``folder``, which must be empty, what survived."""
        self.is_off = True
        write_files(folder, image_of(self.shadow, image, self.random))

    def kill(self, folder: Path) -> Disk:
        """The same disk, in the hands of whoever comes after this process died, in another folder.

        Everything that was written is visible there; nothing was synced by dying.
        """
        self.is_off = True
        write_files(folder, self.shadow.visible())
        return Disk(folder, self.random, shadow=self.shadow.copy(), keeps_events=self._keeps_events)

    # -- for the VFS, and for the calls beside it -----------------------------------------

    def sees(self, path: str) -> str | None:
        """The name of a file in the folder whose durability matters; None for all others."""
        folder, name = os.path.split(path)
        return name if folder == str(self.folder) and not name.endswith(UNSEEN) else None

    def ask(self, operation: Operation, name: str) -> Failure | None:
        """How an operation fails; None: it does not."""
        if self.is_off:
            return Failure.ERROR
        self.asked[operation] += 1
        found = None
        for planned in self._planned:
            if planned.meets(operation, name) and found is None:
                found = planned.fault.failure
        if found is not None:
            self.fired[operation, found] += 1
            self.is_off = found is Failure.CUT
        return found

    def happened(self, event: Event) -> None:
        """Keep in mind what was done."""
        self.shadow.apply(event)
        if self._keeps_events:
            self.events.append(event)

    def part_of(self, size: int) -> int:
        """How much of so much is done by an operation that ends early: less than all of it."""
        return self.random.randrange(size) if size else 0

    def uncache(self, name: str) -> None:
        """Forget what the page cache alone has of a file that nobody has open."""
        file = self.shadow.names[name]
        contents = self.shadow.contents[file]
        if contents.has_forgotten and not self.is_off:
            self.happened(Uncached(file))
            (self.folder / name).write_bytes(contents.visible)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put files into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def _shadow_of(folder: Path) -> Shadow:
    return Shadow(_seen(sorted(folder.iterdir())))


def _seen(paths: Iterable[Path]) -> Iterable[tuple[str, bytes]]:
    return ((path.name, path.read_bytes()) for path in paths if not path.name.endswith(UNSEEN))
