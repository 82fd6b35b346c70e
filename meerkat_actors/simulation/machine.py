"""The machine that simulated processes run on: what of their state outlives them, and in what condition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from random import Random
from shutil import rmtree
from typing import Final, Protocol

from attrs import define, field

from meerkat_actors.records.env import Env
from meerkat_actors.records.leases import Ownership
from meerkat_actors.simulation.disk.calls import watched
from meerkat_actors.simulation.disk.device import Disk
from meerkat_actors.simulation.disk.faults import Fault
from meerkat_actors.simulation.disk.images import Image
from meerkat_actors.store import MemoryStore, Store, open_sqlite

NAME: Final = "team.db"


class Machine(Protocol):
    """Opens the same state for one process after another, or for several at a time."""

    @property
    def fired(self) -> Counter[str]:
        """How often its disk did what kind of harm."""
        ...

    @property
    def is_hurt(self) -> bool:
        """Whether its disk did any harm to the process that has it alone; where it is shared, since it came back."""
        ...

    def opener(self, env: Env, lease_seconds: float) -> Store | Callable[[], Store]:
        """What the next process serves."""
        ...

    def die(self) -> None:
        """All processes are dead from this moment: nothing is written any more."""
        ...

    def stilled(self) -> AbstractContextManager[object]:
        """Inside of the block it takes nothing: what one dead process does beside living ones has no effect."""
        ...

    def come_back(self, image: Image | None) -> None:
        """Let the next process find what dead ones left; with ``image`` after a power cut. Their stores are closed."""
        ...

    def plan(self, fault: Fault) -> None:
        """Let an operation of the disk fail."""
        ...

    def mend(self, fault: Fault | None = None) -> None:
        """That fault, or all of them, goes wrong no more than it did."""
        ...

    def close(self) -> None:
        """Nobody uses it any more."""
        ...

    def unplaced(self, text: str) -> str:
        """The text without the names of folders, which are others each time."""
        ...


@define(eq=False)
class MemoryMachine:
    """Tables in memory outlive every process as they are."""

    ownership: Ownership
    fired: Counter[str] = field(factory=Counter[str])
    is_hurt: bool = False
    _store: MemoryStore | None = None

    def opener(self, env: Env, lease_seconds: float) -> Store:
        """See ``Machine.opener``."""
        if self._store is None:
            self._store = MemoryStore(env=env, ownership=self.ownership, lease_seconds=lease_seconds)
            return self._store
        return self._store.beside(lease_seconds=lease_seconds) if self.ownership == "shared" else self._store

    def die(self) -> None:
        """See ``Machine.die``: a dead process is stopped by its own store."""

    def stilled(self) -> AbstractContextManager[object]:
        """See ``Machine.stilled``: closing writes nothing here."""
        return nullcontext()

    def come_back(self, image: Image | None) -> None:
        """See ``Machine.come_back``."""

    def plan(self, fault: Fault) -> None:
        """See ``Machine.plan``: there is no disk."""

    def mend(self, fault: Fault | None = None) -> None:
        """See ``Machine.mend``."""

    def close(self) -> None:
        """See ``Machine.close``."""

    def unplaced(self, text: str) -> str:
        """See ``Machine.unplaced``: it has none."""
        return text

    @property
    def store(self) -> MemoryStore:
        """The first one, for a look at its tables."""
        assert self._store is not None
        return self._store


@define(eq=False)
class DiskMachine:
    """A database on a simulated disk; after each crash it lies in a folder of its own."""

    folder: Path
    random: Random
    ownership: Ownership
    fired: Counter[str] = field(factory=Counter[str])
    boots: int = 0
    disk: Disk = field(init=False)
    _was_dead: bool = False
    _harms_before: int = 0
    """That its disk did to processes before."""
    _watching: ExitStack = field(factory=ExitStack)

    def __attrs_post_init__(self) -> None:
        """An empty disk."""
        place = self._place()
        place.mkdir(parents=True)
        self.disk = Disk(place, self.random, keeps_events=False)
        self._watching.enter_context(watched(self.disk))

    @property
    def is_hurt(self) -> bool:
        """See ``Machine.is_hurt``."""
        return self.disk.fired.total() > self._harms_before

    @property
    def path(self) -> Path:
        """Of the database as it is now."""
        return self.disk.folder / NAME

    def opener(self, env: Env, lease_seconds: float) -> Callable[[], Store]:
        """See ``Machine.opener``."""
        if self.ownership == "exclusive":
            # What hurt the process before it is nothing to the one that has the disk alone from now on.
            self._harms_before = self.disk.fired.total()
        path, name, ownership = self.path, self.disk.name, self.ownership

        def open_again() -> Store:
            return open_sqlite(path, vfs=name, env=env, ownership=ownership, lease_seconds=lease_seconds)

        return open_again

    def die(self) -> None:
        """See ``Machine.die``."""
        self._was_dead = True
        self.disk.is_off = True

    @contextmanager
    def stilled(self) -> Generator[None]:
        """See ``Machine.stilled``."""
        was_off, self.disk.is_off = self.disk.is_off, True
        try:
            yield
        finally:
            self.disk.is_off = was_off

    def come_back(self, image: Image | None) -> None:
        """See ``Machine.come_back``."""
        if not self._was_dead:
            return
        self._was_dead, self._harms_before = False, 0
        self.boots += 1
        old, place = self.disk, self._place()
        self._watching.close()
        if image is None:
            self.disk = old.kill(place)
        else:
            old.cut(place, image)
            self.disk = Disk(place, self.random, keeps_events=False)
        self.disk.fail_as(old)
        self._count(old)
        old.close()
        rmtree(old.folder)
        self._watching.enter_context(watched(self.disk))

    def plan(self, fault: Fault) -> None:
        """See ``Machine.plan``."""
        self.disk.plan(fault)

    def mend(self, fault: Fault | None = None) -> None:
        """See ``Machine.mend``."""
        self.disk.mend(fault)

    def close(self) -> None:
        """See ``Machine.close``."""
        self._watching.close()
        self._count(self.disk)
        self.disk.close()

    def unplaced(self, text: str) -> str:
        """See ``Machine.unplaced``."""
        return text.replace(str(self.folder), "disk")

    def _place(self) -> Path:
        return self.folder / f"boot-{self.boots}"

    def _count(self, disk: Disk) -> None:
        for (operation, failure), count in disk.fired.items():
            self.fired[f"{operation} {failure}"] += count
