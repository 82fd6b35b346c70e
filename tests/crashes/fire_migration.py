"""Cut the power while a file of an older schema is being opened: it is the old file, or the new one."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Final

from meerkat_actors.simulation import Disk, Image, image_of, watched
from meerkat_actors.simulation.disk.device import write_files
from meerkat_actors.store.sqlite.opening import open_sqlite
from tests.crashes.fire_history import History
from tests.crashes.fire_runs import NAME, Recording, Tally, emptied, goes_well
from tests.store.sqlite.keeping import Content, content, migrated, rebuild

OLD: Final = 3
"""The schema that files are migrated from."""
IMAGES: Final = tuple(Image)


def migrations(folder: Path, random: Random, cuts: int, tally: Tally) -> list[str]:
    """Migrate once, and come back to so many cuts of it."""
    old_file, wanted = _old(folder)
    recording = _recorded(folder / "migrated", old_file, random)
    points = sorted(random.randint(0, len(recording.events)) for _ in range(cuts))
    found: list[str] = []
    for shadow in recording.shadows(points):
        image = random.choice(IMAGES)
        problems = goes_well(partial(_come_back, folder / "image", image_of(shadow, image, random), wanted))
        tally.runs += 1
        tally.images[f"migration {image}"] += 1
        found += [f"cut at event {shadow.position}, {image}: {problem}" for problem in problems]
    return found


@cache
def _old(folder: Path) -> tuple[bytes, Content]:
    """A file of the old schema, and what it must become."""
    with emptied(folder / "old") as place:
        path = rebuild(OLD, place / NAME)
        return path.read_bytes(), migrated(content(path))


def _recorded(folder: Path, old_file: bytes, random: Random) -> Recording:
    with emptied(folder):
        write_files(folder, {NAME: old_file})
        disk = Disk(folder, random)
        before = disk.shadow.copy()
        with watched(disk):
            store = open_sqlite(folder / NAME, vfs=disk.name)
            store.begin()
            store.close()
        disk.close()
        return Recording(before, disk.events, History())


def _come_back(folder: Path, files: dict[str, bytes], wanted: Content) -> list[str]:
    with emptied(folder):
        write_files(folder, files)
        store = open_sqlite(folder / NAME)
        store.begin()
        store.close()
        found = content(folder / NAME)
        for rows in (found["meta"], wanted["meta"]):  # how often it was opened since is not told here
            rows[0] = {**rows[0], "incarnation": 0, "clean": 0}
        return [
            f"table {table} is {found.get(table)} and must be {wanted.get(table)}"
            for table in sorted({*found, *wanted})
            if found.get(table) != wanted.get(table)
        ]
