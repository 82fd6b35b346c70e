"""Number 22: when all processes of a simulation have ended, nothing of them is left: tasks, threads, files, logs."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import trio
from attrs import evolve

from meerkat_actors.simulation import running, settling
from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.outcome import Seen
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.workloads import WORKLOADS
from meerkat_actors.simulation.world import World

OWN: Final = frozenset({"_simulated", "Subscriber.follow"})
"""Tasks of the simulation itself."""
NAMES: Final = ("asks", "mail-memory", "takeover-asks")


def leftover_tasks() -> Counter[str]:
    """The names of all tasks but Trio's own, and those of the simulation."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    found = Counter[str]()
    todo = [task for nursery in root.child_nurseries for task in nursery.child_tasks]
    while todo:
        task = todo.pop()
        is_trios = "trio._core" in task.name or "TrioToken" in task.name
        if not is_trios and task.name.rpartition("simulation.")[2].partition(".")[2] not in OWN:
            found[task.name] += 1
        todo += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found


def lived(scenario: Scenario, seed: str) -> None:
    plan = Faults.all(3).plan(seed, scenario.seconds, is_durable=scenario.is_durable)
    assert run(scenario, seed, plan).violations == ()


@pytest.mark.parametrize("name", NAMES)
def test_no_task_outlives_the_processes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settle, during, after = settling.settle, list[Counter[str]](), list[Counter[str]]()

    async def watched(world: World) -> None:
        during.append(leftover_tasks())
        await settle(world)
        await trio.sleep(5)  # what would begin another process sees that it is over
        after.append(leftover_tasks())

    monkeypatch.setattr(running, "settle", watched)
    lived(evolve(WORKLOADS[name], seconds=8.0), "22")
    assert sum(during[0].values()) > 3
    assert after == [Counter()]


@pytest.mark.parametrize("name", NAMES)
def test_no_file_and_no_thread_outlives_a_simulation(name: str) -> None:
    scenario = evolve(WORKLOADS[name], seconds=8.0)
    lived(scenario, "1")  # what is opened once, is
    files, threads = open_files(), threading.active_count()
    for seed in range(2, 6):
        lived(scenario, str(seed))
    # What others had open, or had running, may have ended meanwhile.
    assert open_files() - files == Counter()
    assert threading.active_count() <= threads


def open_files() -> Counter[str]:
    """What this process has open, by what it is."""
    found = Counter[str]()
    for name in os.listdir("/proc/self/fd"):
        try:
            found[os.readlink(f"/proc/self/fd/{name}")] += 1
        except FileNotFoundError:  # the listing's own
            continue
    return found


def test_no_log_is_left_beside_a_store_that_ended() -> None:
    logs: list[int] = []

    def look(seen: Seen) -> Iterator[str]:
        log = Path(f"{seen.contents.location}-wal")
        logs.append(log.stat().st_size if log.exists() else 0)
        return iter(())

    lived(evolve(WORKLOADS["asks"], seconds=8.0, checks=(look,)), "22")
    assert logs == [0]
