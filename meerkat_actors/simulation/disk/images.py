"""What a power cut leaves: a choice among the changes that no sync had made durable.

Assumed of the hardware, as SQLite assumes it: a sector of 512 bytes is written whole, not at all, or comes out
as garbage; and bytes outside of what was written are safe ("powersafe overwrite", which SQLite's unix VFS
reports). Assumed of the file system: names change in the order in which they were changed, renames whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from random import Random
from typing import Final

from meerkat_actors.simulation.disk.shadow import Change, Contents, Shadow, Wrote, overwrite, rename, resize

SECTOR_BYTES: Final = 512
GARBAGE_SHARE: Final = 0.3
"""Of the sectors that were not written whole."""


class Image(StrEnum):
    """How the un-synced changes fare."""

    KEPT = "kept"
    """All of them survive."""
    DROPPED = "dropped"
    """None does."""
    SUBSET = "subset"
    """Each sector on its own, in any order."""
    TORN = "torn"
    """They were written in order, up to a sector in the midst of one."""
    GARBAGE = "garbage"
    """Each sector on its own, and some come out as garbage."""


def image_of(shadow: Shadow, image: Image, random: Random) -> dict[str, bytes]:
    """The files of a folder after the power came back, by name."""
    if image is Image.KEPT:
        return shadow.visible()
    names = dict(shadow.durable_names)
    if image is not Image.DROPPED:
        for naming in shadow.namings[: random.randint(0, len(shadow.namings))]:
            rename(names, naming)
    end = _end_of_torn(shadow, random) if image is Image.TORN else 0
    return {name: bytes(_survivors(shadow.contents[number], image, end, random)) for name, number in names.items()}


def _end_of_torn(shadow: Shadow, random: Random) -> int:
    """The event in the midst of which the power failed."""
    positions = [position for contents in shadow.contents.values() for position, _ in contents.changes]
    return random.choice(positions) if positions else 0


def _survivors(contents: Contents, image: Image, end: int, random: Random) -> bytearray:
    if not contents.changes or image is Image.DROPPED:
        return contents.durable
    found = contents.durable.copy()
    if image is Image.TORN:
        for position, change in contents.changes:
            if position < end:
                _keep(found, change)
            elif position == end:
                _tear(found, change, random)
        return found
    share = random.choice((0.1, 0.5, 0.9, random.random()))
    for _, change in contents.changes:
        _scatter(found, change, share, random, has_garbage=image is Image.GARBAGE)
    # A size may be durable before what fills it.
    if len(found) < len(contents.visible) and random.random() < 0.5:
        resize(found, len(contents.visible))
    return found


def _keep(target: bytearray, change: Change) -> None:
    if isinstance(change, Wrote):
        overwrite(target, change.offset, change.data)
    else:
        resize(target, change.size)


def _tear(target: bytearray, change: Change, random: Random) -> None:
    if not isinstance(change, Wrote):
        return
    sectors = list(_sectors(change))
    for offset, data in sectors[: random.randrange(len(sectors))]:
        overwrite(target, offset, data)


def _scatter(target: bytearray, change: Change, share: float, random: Random, *, has_garbage: bool) -> None:
    if not isinstance(change, Wrote):
        if random.random() < share:
            resize(target, change.size)
        return
    for offset, data in _sectors(change):
        if random.random() < share:
            overwrite(target, offset, data)
        elif has_garbage and random.random() < GARBAGE_SHARE:
            overwrite(target, offset, random.randbytes(len(data)))


def _sectors(change: Wrote) -> Iterator[tuple[int, bytes]]:
    """The parts of a write that are written whole, or not."""
    begin, data = change.offset, change.data
    end = begin + len(data)
    at = begin
    while at < end:
        after = min(end, at - at % SECTOR_BYTES + SECTOR_BYTES)
        yield at, data[at - begin : after - begin]
        at = after
