"""Power cuts in the midst of commits: what was not synced is dropped, kept, torn or garbage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from meerkat_actors.simulation import Disk, Image, image_of, watched
from meerkat_actors.simulation.disk.device import write_files
from tests.crashes.fire_history import History
from tests.crashes.fire_runs import Recording
from tests.fates.acts import Act
from tests.fates.kills import Kill, Moment, Player, WatchedStore, come_back
from tests.fates.world import OnDisk


def cut_in_every_commit(act: Act, folder: Path, *, seed: object = 1, cuts: int = 1, share: float = 1) -> Iterator[Kill]:
    """Play an act undisturbed; power cuts in each of its commits, at moments and with images by the seed.

    ``share``: of all these, so many are tried, chosen by the seed; the others are for a campaign.
    """
    random = Random(f"{seed} {act}")
    life = folder / "life"
    life.mkdir()
    disk = Disk(life, random)
    before = disk.shadow.copy()
    begun: list[tuple[int, Moment]] = []
    ended: list[int] = []
    player = Player()

    with watched(disk):
        store = WatchedStore(OnDisk(life, vfs=disk.name).open())
        store.before = lambda: begun.append((disk.shadow.position, player.moment()))
        store.after = lambda: ended.append(disk.shadow.position)
        come_back(act, store, player)
    disk.close()
    moments = [
        (random.randint(first, last), number)
        for number, ((first, _), last) in enumerate(zip(begun, ended, strict=True))
        for _ in range(cuts)
    ]
    moments = sorted(random.sample(moments, round(len(moments) * share)))
    shadows = Recording(before, disk.events, History()).shadows([at for at, _ in moments])
    for shadow, (at, number) in zip(shadows, moments, strict=True):
        image = random.choice(tuple(Image))
        place = OnDisk(folder, at * 1000 + number)
        write_files(place.path.parent, image_of(shadow, image, random))
        where = f"{act}, seed {seed}: cut in commit {number + 1}, at event {at}, {image}"
        yield Kill(where=where, place=place, moments=(begun[number][1],))
