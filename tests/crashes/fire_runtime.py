"""The same fires under a whole runtime: agents that take tasks, record steps, keep state and send mail.

What a client was told is checked by ``checker``, which knows neither the package nor the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import MeerkatError
from meerkat_actors.handles import arguments as runtime_module
from meerkat_actors.records.outcomes import Consumed as ConsumedOutcome
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.simulation import FITTING, Disk, Fault, Image, Operation, Shadow, image_of, watched
from meerkat_actors.simulation.disk.device import write_files
from meerkat_actors.store.sqlite.opening import open_sqlite
from tests.crashes.checker import check_ended, check_rows, read_rows
from tests.crashes.fire_history import History
from tests.crashes.fire_runs import NAME, Recording, Tally, emptied, goes_well
from tests.crashes.history import Acknowledged, Consumed, GivenUp, Line, Ready

WORKERS: Final = ("worker-1", "worker-2", "worker-3")
LEAD: Final = "lead"
TASKS: Final = 3
"""Of each worker."""
CUTS_PER_LIFE: Final = 12
NTH_MAX: Final = 80
"""Which operation of its kind fails, at most."""
IMAGES: Final = tuple(Image)

Told = list[tuple[int, Line]]
"""Each line with when it was told, in events of the disk."""


def runtime_cuts(folder: Path, seed: str, numbers: range) -> Tally:
    """Lives of a runtime, numbered: one without a fault is cut at random moments, one with a fault at its end."""
    tally = Tally()
    for number in numbers:
        random = Random(f"{seed} {number} runtime")
        fault = None if number % 2 == 0 else _fault(random)
        with emptied(folder / "life") as place:
            disk = Disk(place, random)
            told: Told = []
            before = disk.shadow.copy()
            if fault is not None:
                disk.plan(fault)
            with over(disk):
                found = _lived(place / NAME, told, partial(_position, disk), may_fail=fault is not None)
            disk.close()
        tally.saw(disk)
        events = len(disk.events)
        points = sorted(random.randint(0, events) for _ in range(CUTS_PER_LIFE)) if fault is None else [events] * 5
        for shadow in Recording(before, disk.events, History()).shadows(points):
            image = random.choice(IMAGES)
            problems = goes_well(partial(_come_back, folder / "image", shadow, image, random, told, tally))
            found += [f"cut at event {shadow.position}, {image}: {problem}" for problem in problems]
        tally.blame(f"life {number} of seed {seed}, {fault}", found)
    return tally


@contextmanager
def over(disk: Disk) -> Generator[None, None, None]:
    """Inside of the block a runtime that opens a path opens it over the disk."""
    namespace = runtime_module.__dict__
    former = namespace["open_sqlite"]
    namespace["open_sqlite"] = partial(open_sqlite, vfs=disk.name)
    try:
        with watched(disk):
            yield
    finally:
        namespace["open_sqlite"] = former


def _position(disk: Disk) -> int:
    return disk.shadow.position


def _fault(random: Random) -> Fault:
    operation = random.choice((Operation.WRITE, Operation.WRITE, Operation.SYNC, Operation.READ))
    failure = random.choice(FITTING[operation])
    return Fault(operation=operation, failure=failure, nth=random.randint(1, NTH_MAX), times=random.choice((1, None)))


def _lived(path: Path, told: Told, position: Callable[[], int], *, may_fail: bool) -> list[str]:
    def live() -> list[str]:
        try:
            trio.run(_live, path, told, position)
        except* MeerkatError:
            if not may_fail:
                raise
        return []

    return goes_well(live)


def _come_back(folder: Path, shadow: Shadow, image: Image, random: Random, told: Told, tally: Tally) -> Sequence[str]:
    """Check an image; let a runtime finish its work there; check again."""
    lines = [line for at, line in told if at <= shadow.position]
    with emptied(folder):
        write_files(folder, image_of(shadow, image, random))
        copy = folder / "copy"
        write_files(copy, {path.name: path.read_bytes() for path in folder.iterdir()})
        tally.runs += 1
        tally.images[f"runtime {image}"] += 1
        tally.acknowledged += len(lines)
        found = [f"found: {one}" for one in check_rows(read_rows(copy / NAME), lines)]
        if found:
            return found
        later: Told = []
        trio.run(_live, folder / NAME, later, lambda: 0)
        lines += [line for _, line in later]
        rows = read_rows(folder / NAME)
        return [f"after going on: {one}" for one in (*check_rows(rows, lines), *check_ended(rows, lines))]


async def _live(path: Path, told: Told, position: Callable[[], int]) -> None:
    """Give every task, wait for every outcome, and tell of both."""

    def tell(line: Line) -> None:
        told.append((position(), line))

    async with open_runtime(path, agents={"worker": _work, "lead": _lead}, observers=()) as runtime:
        await runtime.agent(LEAD, kind="lead")
        async with trio.open_nursery() as nursery:
            for name in WORKERS:
                nursery.start_soon(_give, runtime, name, tell)
        await runtime.wait_idle()


async def _give(runtime: Runtime, name: str, tell: Callable[[Line], None]) -> None:
    agent = await runtime.agent(name, kind="worker")
    tell(Ready(identity=name, version=(await agent.status()).checkpoint_version))
    for number in range(TASKS):
        path = f"{name}/{number}"
        admission = await agent.send({"path": path}, idempotency_key=path)
        tell(Acknowledged(identity=name, input_id=admission.input_id, key=path, path=path))
        outcome = await agent.wait(admission.input_id)
        if isinstance(outcome, ConsumedOutcome):
            receipt = outcome.receipt
            version = receipt.checkpoint_version
            tell(Consumed(identity=name, input_id=admission.input_id, version=version, digest=receipt.digest))
        else:
            tell(GivenUp(identity=name, input_id=admission.input_id, reason=repr(outcome)))


async def _work(turn: Turn) -> str:
    for each in turn.inputs:
        content: Any = each.content
        size = await turn.step("read", len, content["path"])
        turn.set_state(size)
        turn.send(LEAD, {"path": content["path"]})
    return "done"


async def _lead(turn: Turn) -> str:
    return orjson.dumps([each.content for each in turn.inputs]).decode()
