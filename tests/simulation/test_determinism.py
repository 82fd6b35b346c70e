"""One seed, one history: in any process, whatever its hash seed, and wherever its objects lie.

``python -m tests.simulation.test_determinism 100`` tries so many processes, and tells which of them disagree.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import apsw
import pytest
import trio
from attrs import evolve

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.limits import Limits
from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.plan import Plan
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.world import World

AGENTS: Final = 60
SEEDS: Final = ("1",)
_PROGRAM: Final = "tests.simulation.test_determinism"


async def worker(turn: Turn) -> str:
    await trio.sleep(0.05 * turn.random.random())
    count = turn.state + 1 if isinstance(turn.state, int) else 1
    turn.set_state(count)
    if turn.text == "hello":
        turn.send(f"agent-{turn.random.randrange(AGENTS)}", "news")
        turn.after(1.0 + turn.random.random(), "later")
    return str(count)


async def quiet(_: Turn) -> None:
    return None


async def drive(world: World) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(ask, world, number)


async def ask(world: World, number: int) -> None:
    client, random = world.client(f"client-{number}"), world.random(f"client-{number}")
    while world.is_open:
        agent = random.randrange(AGENTS)
        await client.ask(f"agent-{agent}", "hello", kind="quiet" if agent % 3 == 0 else "worker")
        await trio.sleep(random.expovariate(4))


def scenario(name: str) -> Scenario:
    return Scenario(
        name=name,
        agents={"worker": worker, "quiet": quiet},
        drive=drive,
        seconds=5,
        limits=Limits(live_max=20, lease_seconds=2),  # short: who shares comes to rest after some of them
        is_durable="memory" not in name,
        processes=2 if "two" in name else 1,
    )


SCENARIOS: Final = ("disk", "memory", "two on a disk", "two in memory")


def digests() -> Mapping[str, str]:
    """The hash of each history, by its name."""
    found: dict[str, str] = {}
    for name in SCENARIOS:
        it = scenario(name)
        for seed in SEEDS:
            plan = Faults.all(20).plan(seed, it.seconds, is_durable=it.is_durable)
            found[f"{name}/{seed}"] = run(it, seed, plan).trace
    return found


def told_by_processes(count: int, *, at_once: int = 2) -> dict[str, list[int]]:
    """What so many processes tell, each with a hash seed and an environment of its own, and which of them tell it."""

    def tell(number: int) -> str:
        # Its size moves the stack, and the order of names the dicts of the interpreter.
        environment = {**os.environ, "PYTHONHASHSEED": str(number), "BALLAST": "x" * (number * 37)}
        command = [sys.executable, "-m", _PROGRAM]
        return subprocess.run(
            command, env=environment, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True
        ).stdout

    found: dict[str, list[int]] = {}
    with ThreadPoolExecutor(at_once) as pool:
        for number, told in enumerate(pool.map(tell, range(count))):
            found.setdefault(told, []).append(number)
    return found


@pytest.mark.slow
def test_the_same_seed_is_the_same_history_in_any_process() -> None:
    found = told_by_processes(2)
    assert len(found) == 1, f"processes by what they told: {found}"
    (told,) = found
    here = digests()
    assert told.splitlines() == [f"{name} {digest}" for name, digest in here.items()], "as in this process"
    assert len(set(here.values())) == len(SCENARIOS) * len(SEEDS)


@pytest.mark.slow
def test_a_hundred_seeds_are_at_least_95_orders_of_tasks() -> None:
    quick = Scenario(name="quick", agents={"quiet": quiet}, drive=drive_once, seconds=5, is_durable=False)
    lived = [run(quick, str(seed), Plan()) for seed in range(100)]
    assert all(not each.violations for each in lived), next(each.violations for each in lived if each.violations)
    assert len({each.trace for each in lived}) >= 95


async def drive_once(world: World) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(ask_once, world, number)


async def ask_once(world: World, number: int) -> None:
    await world.client(f"client-{number}").ask(f"agent-{number}", "hello", kind="quiet")


@pytest.mark.slow
def test_what_ran_before_makes_no_difference() -> None:
    it = evolve(scenario("disk"), seconds=3)
    plan = Faults.all(24).plan("8", it.seconds, is_durable=True)
    assert len(plan.faults) > 8
    first = run(it, "7", plan)
    assert first.boots > 1
    run(it, "8", Plan())
    ballast = [object() for _ in range(100_000)]
    again = run(it, "7", plan)
    assert (again.trace, again.steps, again.seconds, again.fired) == (
        first.trace,
        first.steps,
        first.seconds,
        first.fired,
    )
    assert again.lines == first.lines
    del ballast


@pytest.mark.slow
def test_a_collection_of_garbage_at_another_time_makes_no_difference() -> None:
    it = evolve(scenario("memory"), seconds=3)
    plan = Faults.all(24).plan("8", it.seconds, is_durable=False)
    assert len(plan.faults) > 8
    expected = run(it, "7", plan).trace
    before = gc.get_threshold()
    try:
        for threshold in (0, 50, 5_000):
            gc.set_threshold(threshold)
            assert run(it, "7", plan).trace == expected
    finally:
        gc.set_threshold(*before)


@pytest.mark.slow
def test_many_runs_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meerkat_actors.simulation.running._MEMORY", tmp_path)
    it = Scenario(name="quick", agents={"quiet": quiet}, drive=drive_once, seconds=5)
    plan = Faults.all(30).plan("1", 5, is_durable=True)
    run(it, "0", plan)
    before, systems = open_files(), set(apsw.vfs_names())
    for seed in range(20):
        run(it, str(seed), plan)
    gc.collect()
    assert open_files() == before
    assert set(apsw.vfs_names()) == systems
    assert not [*tmp_path.iterdir()], "folders of disks"


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def main() -> None:
    if len(sys.argv) == 1:
        for name, digest in digests().items():
            print(name, digest)
        return
    found = told_by_processes(int(sys.argv[1]))
    for told, numbers in found.items():
        print(f"{len(numbers)} processes, PYTHONHASHSEED {numbers[0]}..{numbers[-1]}, tell:\n{told}")
    raise SystemExit(len(found) != 1)


if __name__ == "__main__":
    main()
