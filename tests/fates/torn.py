"""Power cuts in the midst of commits: what was not synced is dropped, kept, torn or garbage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from random import Random

from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import Unit
from meerkat_actors.simulation import Disk, Image, image_of, watched
from meerkat_actors.simulation.disk.device import write_files
from tests.actors.faulty import FaultyStore
from tests.crashes.fire_history import History
from tests.crashes.fire_runs import Recording
from tests.fates.acts import Act
from tests.fates.beliefs import Beliefs
from tests.fates.kills import Kill, come_back
from tests.fates.world import OnDisk


def cut_in_every_commit(act: Act, folder: Path, *, seed: object = 1, cuts: int = 1) -> Iterator[Kill]:
    """Play an act undisturbed; power cuts in each of its commits, at moments and with images by the seed."""
    random = Random(f"{seed} {act}")
    life = folder / "life"
    life.mkdir()
    disk = Disk(life, random)
    before = disk.shadow.copy()
    begun: list[tuple[int, Beliefs]] = []
    ended: list[int] = []
    beliefs = Beliefs()

    def begin(_: Sequence[Unit]) -> None:
        begun.append((disk.shadow.position, deepcopy(beliefs)))

    def end(_: Sequence[Unit], __: Sequence[CommitOutcome]) -> None:
        ended.append(disk.shadow.position)

    with watched(disk):
        store = FaultyStore(OnDisk(life, vfs=disk.name).open())
        store.before_commit, store.after_commit = begin, end
        come_back(act, store, beliefs)
    disk.close()
    moments = [
        (random.randint(first, last), number)
        for number, ((first, _), last) in enumerate(zip(begun, ended, strict=True))
        for _ in range(cuts)
    ]
    moments.sort()
    shadows = Recording(before, disk.events, History()).shadows([at for at, _ in moments])
    for shadow, (at, number) in zip(shadows, moments, strict=True):
        image = random.choice(tuple(Image))
        place = OnDisk(folder, at * 1000 + number)
        write_files(place.path.parent, image_of(shadow, image, random))
        where = f"{act}, seed {seed}: cut in commit {number + 1}, at event {at}, {image}"
        yield Kill(where=where, place=place, beliefs=(begun[number][1],))
