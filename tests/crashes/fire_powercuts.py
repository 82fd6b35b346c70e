"""Power cuts at random moments of a recorded life, with random images."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

from meerkat_actors.simulation import Image
from meerkat_actors.store.sqlite.opening import Synchronous
from tests.crashes.fire_judge import Judge
from tests.crashes.fire_runs import Recording, Tally, record
from tests.crashes.fire_script import script

CUTS_PER_RECORDING: Final = 250
IMAGES: Final = tuple(Image)


def powercuts(folder: Path, seed: str, cuts: range, synchronous: Synchronous = "full") -> Tally:
    """These cuts of the seed's. The same number is the same cut, but for what SQLite chooses by chance."""
    tally = Tally()
    for first in range(cuts.start - cuts.start % CUTS_PER_RECORDING, cuts.stop, CUTS_PER_RECORDING):
        random = Random(f"{seed} {first}")
        steps = script(laps=random.randint(1, 4))
        recording = record(folder / "recorded", steps, f"{seed} {first} disk", synchronous)
        numbers = range(max(first, cuts.start), min(first + CUTS_PER_RECORDING, cuts.stop))
        cut_recording(Judge(folder, steps, tally, synchronous), recording, seed, numbers)
    return tally


def cut_recording(judge: Judge, recording: Recording, seed: str, numbers: range) -> None:
    """One cut of a recording for each number."""
    chances = {number: Random(f"{seed} {number} cut") for number in numbers}
    first = recording.before.position
    last = first + len(recording.events)
    points = sorted((chances[number].randint(first, last), number) for number in numbers)
    for shadow, (point, number) in zip(recording.shadows([point for point, _ in points]), points, strict=True):
        random = chances[number]
        found = judge.images(shadow, [random.choice(IMAGES)], recording.history, random)
        judge.tally.violations += [f"cut {number} of seed {seed}, at event {point}: {problem}" for problem in found]
