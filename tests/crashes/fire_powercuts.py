"""Power cuts at random moments of a recorded life, with random images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

from meerkat_actors.simulation import Fault, Image, seeded_sqlite
from tests.crashes.fire_client import ORDINARY, SHARING, Way
from tests.crashes.fire_judge import Judge
from tests.crashes.fire_runs import Recording, Tally, record
from tests.crashes.fire_script import script

CUTS_PER_RECORDING: Final = 250
IMAGES: Final = tuple(Image)


def powercuts(folder: Path, seed: str, cuts: range, way: Way | None = None, faults: Sequence[Fault] = ()) -> Tally:
    """These cuts of the seed's; without a way of opening the store, some in each.

    ``faults`` are such of which nothing is noticed, as of a disk that lies.
    """
    tally = Tally()
    for first in range(cuts.start - cuts.start % CUTS_PER_RECORDING, cuts.stop, CUTS_PER_RECORDING):
        random = Random(f"{seed} {first}")
        steps = script(laps=random.randint(1, 4))
        chosen = random.choice((ORDINARY, SHARING)) if way is None else way
        with seeded_sqlite(Random(f"{seed} {first} salts")):
            recording = record(folder / "recorded", steps, f"{seed} {first} disk", tally, chosen, *faults)
        numbers = range(max(first, cuts.start), min(first + CUTS_PER_RECORDING, cuts.stop))
        cut_recording(Judge(folder, steps, tally, chosen), recording, seed, numbers)
    return tally


def cut_recording(judge: Judge, recording: Recording, seed: str, numbers: range) -> None:
    """One cut of a recording for each number."""
    chances = {number: Random(f"{seed} {number} cut") for number in numbers}
    first = recording.before.position
    last = first + len(recording.events)
    points = sorted((chances[number].randint(first, last), number) for number in numbers)
    for shadow, (point, number) in zip(recording.shadows([point for point, _ in points]), points, strict=True):
        random = chances[number]
        judge.tally.fired["cut"] += 1
        found = judge.images(shadow, [random.choice(IMAGES)], recording.history, random)
        judge.tally.blame(f"cut {number} of seed {seed}, at event {point}", found)
