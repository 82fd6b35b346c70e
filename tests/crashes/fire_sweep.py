"""Every operation of the script in turn, every way in which it can fail, once and for good."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

from meerkat_actors.simulation import FITTING, Disk, Fault, Image, Operation, image_of
from tests.crashes.fire_client import Client
from tests.crashes.fire_history import History
from tests.crashes.fire_runs import (
    Recording,
    Tally,
    client_on,
    come_back,
    come_back_to,
    cut_images,
    emptied,
    ends_typed,
    record,
    under_fire,
)
from tests.crashes.fire_script import Step, script

LAPS: Final = 2
IMAGES: Final = tuple(Image)
IN_PLACE: Final = "in place"
CUT_AFTERWARDS: Final = "in place, then cut"


def faults_of(folder: Path) -> list[Fault]:
    """All of them, in an order that stays."""
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


def sweep(folder: Path, seed: str, faults: Sequence[tuple[int, Fault]]) -> Tally:
    """These faults, each in a life of its own; the images that a power cut then leaves; and going on in place."""
    tally = Tally()
    steps = script(LAPS)
    for number, fault in faults:
        found = strike(folder, fault, steps, Random(f"{seed} {number}"), tally)
        tally.violations += [f"fault {number} of seed {seed}, {fault}: {problem}" for problem in found]
    return tally


def strike(folder: Path, fault: Fault, steps: Sequence[Step], random: Random, tally: Tally) -> list[str]:
    """One fault."""
    with emptied(folder / "struck") as struck:
        disk = Disk(struck, random)
        disk.plan(fault)
        client = client_on(disk, steps, History())
        with under_fire(disk, client):
            found = ends_typed(client.go_on)
            found += cut_images(folder / "cut", disk.shadow, IMAGES, steps, client.history, tally, random)
            found += go_on_in_place(folder, disk, client, tally)
        tally.saw(disk)
        return found


def go_on_in_place(folder: Path, disk: Disk, client: Client, tally: Tally) -> list[str]:
    """Nothing fails any more: reopen the same files, go on, and only then cut the power."""
    client.close()
    disk.mend()
    tally.runs += 2
    found = [f"{IN_PLACE}: {problem}" for problem in come_back(client, tally, IN_PLACE)]
    disk.is_off = True
    if not found:
        files = image_of(disk.shadow, Image.DROPPED, disk.random)
        found = come_back_to(folder / "cut", files, client.script, client.history, tally, CUT_AFTERWARDS, disk.random)
        found = [f"{CUT_AFTERWARDS}: {problem}" for problem in found]
    return found


def every_cut(folder: Path, seed: str, points: range) -> Tally:
    """The power cuts of the sweep: these operations of the recorded script, each with every image."""
    tally = Tally()
    steps = script(LAPS)
    recording = recorded(folder)
    for point, shadow in zip(points, recording.shadows(points), strict=True):
        random = Random(f"{seed} cut {point}")
        found = cut_images(folder / "cut", shadow, IMAGES, steps, recording.history, tally, random)
        tally.violations += [f"cut at event {point}, seed {seed}: {problem}" for problem in found]
    tally.fired["any cut"] += len(points)
    return tally


def recorded(folder: Path) -> Recording:
    """The script of the sweep without faults."""
    return record(folder / "recorded", script(LAPS), "sweep")
