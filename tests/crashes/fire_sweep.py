"""Every operation of the script in turn, every way in which it can fail, once and for good."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

from meerkat_actors.simulation import FITTING, Disk, Fault, Image, Operation, image_of, seeded_sqlite
from tests.crashes.fire_client import Client
from tests.crashes.fire_history import History
from tests.crashes.fire_judge import Judge
from tests.crashes.fire_runs import Recording, Tally, client_on, emptied, ends_typed, record, under_fire, workplace
from tests.crashes.fire_script import script

LAPS: Final = 2
IMAGES: Final = tuple(Image)
IN_PLACE: Final = "in place"
CUT: Final = "in place, then cut"


def faults_of(folder: Path) -> list[Fault]:
    """All of them, in an order that stays."""
    with emptied(folder):
        disk = Disk(folder, Random("count"))
        client = client_on(disk, script(LAPS), History())
        with under_fire(disk, client):
            client.go_on()
    return [
        Fault(operation=operation, failure=failure, nth=nth, times=times)
        for operation in Operation
        for nth in range(1, disk.asked[operation] + 1)
        for failure in FITTING[operation]
        for times in (1, None)
    ]


def size_of_sweep() -> int:
    """How many numbers a sweep has: one for each fault, and one for each moment of a power cut."""
    with workplace() as folder:
        return len(faults_of(folder / "counted")) + len(recorded(folder, Tally()).events) + 1


def sweep(folder: Path, seed: str, numbers: range) -> Tally:
    """These numbers of the sweep: first the faults, then the power cuts."""
    faults = faults_of(folder / "counted")
    tally = strike_all(folder, seed, [(number, faults[number]) for number in numbers if number < len(faults)])
    cuts = range(max(numbers.start - len(faults), 0), numbers.stop - len(faults))
    if cuts:
        tally.add(every_cut(folder, seed, cuts))
    return tally


def strike_all(folder: Path, seed: str, faults: Sequence[tuple[int, Fault]]) -> Tally:
    """These faults, each in a life of its own; the images that a power cut then leaves; and going on in place."""
    judge = Judge(folder, script(LAPS), Tally())
    for number, fault in faults:
        # The same chance for all, so that what differs between two lives is the fault.
        with seeded_sqlite(Random(seed)):
            found = strike(judge, fault, Random(seed))
        judge.tally.blame(f"fault {number} of seed {seed}, {fault}", found)
    return judge.tally


def strike(judge: Judge, fault: Fault, random: Random) -> list[str]:
    """One fault."""
    with emptied(judge.folder / "struck") as struck:
        disk = Disk(struck, random)
        disk.plan(fault)
        client = client_on(disk, judge.script, History())
        with under_fire(disk, client):
            found = ends_typed(client.go_on)
            found += judge.images(disk.shadow, IMAGES, client.history, random)
            found += go_on_in_place(judge, disk, client)
        judge.tally.saw(disk)
        return found


def go_on_in_place(judge: Judge, disk: Disk, client: Client) -> list[str]:
    """Nothing fails any more: reopen the same files, go on, and only then cut the power."""
    client.close()
    disk.mend()
    durable = {f"durable {name}": data for name, data in image_of(disk.shadow, Image.DROPPED, disk.random).items()}
    if judge.has_seen(durable | disk.shadow.visible(), client.history):
        judge.tally.runs += 1  # the cut that follows is the same, too
        judge.tally.repeated += 1
        return []
    found = judge.client(client, IN_PLACE)
    if found:
        return [f"{IN_PLACE}: {problem}" for problem in found]
    disk.is_off = True
    files = image_of(disk.shadow, Image.DROPPED, disk.random)
    return [f"{CUT}: {problem}" for problem in judge.files(files, client.history, CUT, disk.random)]


def every_cut(folder: Path, seed: str, points: range) -> Tally:
    """The power cuts of the sweep: these operations of the recorded script, each with every image."""
    judge = Judge(folder, script(LAPS), Tally())
    recording = recorded(folder, judge.tally)
    for point, shadow in zip(points, recording.shadows(points), strict=True):
        found = judge.images(shadow, IMAGES, recording.history, Random(f"{seed} cut {point}"))
        judge.tally.blame(f"cut at event {point}, seed {seed}", found)
    judge.tally.fired["any cut"] += len(points)
    return judge.tally


def recorded(folder: Path, tally: Tally) -> Recording:
    """The script of the sweep without faults."""
    return record(folder / "recorded", script(LAPS), "sweep", tally)
