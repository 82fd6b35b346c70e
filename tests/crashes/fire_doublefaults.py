"""Two faults: what the first one left is opened and believed, and then the power is cut.

* ``kill``: the process dies, and everything that it wrote is visible; what was visible is acknowledged to whoever
  asks again; then the cut.
* ``forgetting``: a sync fails and marks its pages clean; the process closes the store and dies; then the same.
* ``forgetting at once``: the process dies before it can close anything.
* ``recovery``: a cut, and another one while what it left is being opened.
* ``error``: a kill, an error of the disk while what it left is being opened and gone on with, and then a cut.
* ``migration``: a cut while a file of an older schema is being opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Final

from attrs import define

from meerkat_actors.simulation import FITTING, Disk, Failure, Fault, Image, Operation, Shadow, image_of, seeded_sqlite
from meerkat_actors.simulation.disk.device import write_files
from meerkat_actors.simulation.disk.shadow import Event, Synced
from tests.crashes.fire_client import ORDINARY, SHARING
from tests.crashes.fire_history import History
from tests.crashes.fire_judge import Judge
from tests.crashes.fire_migration import migrations
from tests.crashes.fire_runs import Recording, Tally, client_on, emptied, ends_typed, record, under_fire
from tests.crashes.fire_script import script

LAPS: Final = 2
CUTS: Final = 5
"""Of each first fault: every one is a run."""
STEPS_BETWEEN: Final = 2
"""How far the script goes on between the faults."""
UNSYNCED_SHARE: Final = 0.7
"""Of the kills that come when something was written and not synced."""
SYNCS_MAX: Final = 30
"""Which sync fails, at most."""
NTH_MAX: Final[Mapping[Operation, int]] = MappingProxyType({Operation.READ: 40, Operation.WRITE: 30, Operation.SYNC: 6})
"""Which operation fails while something is opened, at most."""
IMAGES: Final = tuple(Image)


class First(StrEnum):
    """The first fault."""

    KILL = "kill"
    FORGETTING = "forgetting"
    AT_ONCE = "forgetting at once"
    RECOVERY = "recovery"
    ERROR = "error"
    MIGRATION = "migration"


KINDS: Final = (First.KILL, First.FORGETTING, First.ERROR, First.RECOVERY, First.KILL, First.AT_ONCE, First.MIGRATION)


@define(eq=False)
class Between:
    """A place, and what comes between the faults there."""

    judge: Judge
    recording: Recording
    random: Random

    def kill(self, fault: Fault | None = None) -> list[str]:
        """See ``First.KILL``; with a fault, ``First.ERROR``."""
        begin, events = self.recording.before.position, self.recording.events
        points: Sequence[int] = range(begin, begin + len(events) + 1)
        if self.random.random() < UNSYNCED_SHARE:
            points = [at for at in points[:-1] if isinstance(events[at - begin], Synced)]
        shadow = next(self.recording.shadows([self.random.choice(points)]))
        return self._believed(shadow, self.recording.history.until(shadow.position), fault)

    def error(self) -> list[str]:
        """See ``First.ERROR``."""
        operation = self.random.choice((Operation.READ, Operation.WRITE, Operation.SYNC))
        failure, times = self.random.choice(FITTING[operation]), self.random.choice((1, None))
        nth = self.random.randint(1, NTH_MAX[operation])
        return self.kill(Fault(operation=operation, failure=failure, nth=nth, times=times))

    def forgetting(self, *, closes: bool) -> list[str]:
        """See ``First.FORGETTING`` and ``First.AT_ONCE``."""
        with emptied(self.judge.folder / "first") as folder:
            disk = Disk(folder, self.random)
            nth = self.random.randint(1, SYNCS_MAX)
            disk.plan(Fault(operation=Operation.SYNC, failure=Failure.FORGETTING, nth=nth))
            client = client_on(disk, self.judge.script, History(), self.judge.way)
            with under_fire(disk, client):
                found = ends_typed(client.go_on)
                if closes:
                    client.close()
                shadow = disk.shadow.copy()
                disk.is_off = True
            self.judge.tally.saw(disk)
        return found or self._believed(shadow, client.history)

    def recovery(self) -> list[str]:
        """See ``First.RECOVERY``."""
        begin, end = self.recording.before.position, self.recording.before.position + len(self.recording.events)
        shadow = next(self.recording.shadows([self.random.randint(begin, end)]))
        image = self.random.choice(IMAGES)
        left = Shadow(sorted(image_of(shadow, image, self.random).items()))
        left.position = shadow.position
        found = self._believed(left, self.recording.history.until(shadow.position))
        return [f"after {image}, {one}" for one in found]

    def _believed(self, shadow: Shadow, history: History, fault: Fault | None = None) -> list[str]:
        """Go on with what is visible, and cut the power at some moments of that."""
        before = shadow.copy()
        with emptied(self.judge.folder / "second") as folder:
            write_files(folder, shadow.visible())
            disk = Disk(folder, self.random, shadow=shadow)
            client = client_on(disk, self.judge.script, history, self.judge.way)
            with under_fire(disk, client):
                found: list[str] = []
                if fault is not None:
                    disk.plan(fault)
                    found = ends_typed(partial(client.go_on, STEPS_BETWEEN))
                    client.close()
                    disk.mend()
                found += [f"before the cut: {one}" for one in self.judge.client(client, "believed", STEPS_BETWEEN)]
                disk.is_off = True
            self.judge.tally.saw(disk)
        return found or self._cut(before, disk.events, history)

    def _cut(self, before: Shadow, events: Sequence[Event], history: History) -> list[str]:
        second = Recording(before, events, history)
        points = sorted(self.random.randint(before.position, before.position + len(events)) for _ in range(CUTS))
        found: list[str] = []
        for shadow in second.shadows(points):
            problems = self.judge.images(shadow, [self.random.choice(IMAGES)], history, self.random)
            found += [f"cut at event {shadow.position}: {problem}" for problem in problems]
        return found


def doublefaults(folder: Path, seed: str, numbers: range) -> Tally:
    """These double faults of the seed's, each with ``CUTS`` cuts; every other round shares the store."""
    tally = Tally()
    judges = [Judge(folder, script(LAPS), tally, way) for way in (ORDINARY, SHARING)]
    with seeded_sqlite(Random(seed)):
        recordings = [record(folder / "recorded", judge.script, seed, tally, judge.way) for judge in judges]
    for number in numbers:
        random, kind = Random(f"{seed} {number}"), KINDS[number % len(KINDS)]
        of_way = number // len(KINDS) % len(judges)
        between = Between(judges[of_way], recordings[of_way], random)
        works: Mapping[First, Callable[[], list[str]]] = {
            First.KILL: between.kill,
            First.FORGETTING: partial(between.forgetting, closes=True),
            First.AT_ONCE: partial(between.forgetting, closes=False),
            First.RECOVERY: between.recovery,
            First.ERROR: between.error,
            First.MIGRATION: partial(migrations, folder, random, CUTS, tally),
        }
        with seeded_sqlite(random):
            found = works[kind]()
        tally.fired[f"first {kind}"] += 1
        tally.blame(f"double fault {number} of seed {seed}, {kind}", found)
    return tally
