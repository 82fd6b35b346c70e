"""What an attacker found, who wrote scenarios as users would: each of these hung, misled, or hid something once."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import pytest
import trio
from attrs import evolve

from meerkat_actors.actors.turn import Turn
from meerkat_actors.simulation import clock as clocks
from meerkat_actors.simulation import scheduling, settling
from meerkat_actors.simulation.outcome import Seen
from meerkat_actors.simulation.plan import Crash, DiskFull, Fault, Plan, PowerCut
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.shrinking import lived_through

if TYPE_CHECKING:
    from meerkat_actors.simulation.world import World


async def count(turn: Turn) -> str:
    """One more."""
    turn.set_state((turn.state or 0) + 1)
    return str(turn.state)


async def ask_on(world: World) -> None:
    """Again and again."""
    while world.is_open:
        await world.client("c").ask("a", "one more", kind="k")
        await trio.sleep(1)


async def send_one(world: World) -> None:
    """And look at nothing."""
    await world.client("c").send("a", "go", kind="k")
    await trio.sleep(5)


SCENARIO = Scenario(name="attacked", agents={"k": count}, drive=ask_on, seconds=30)


def test_a_plain_function_of_a_step_is_of_the_seed_alone() -> None:
    threads: set[int] = set()

    def plain(text: str) -> str:
        threads.add(threading.get_ident())
        return text.upper()

    async def steps(turn: Turn) -> str:
        return await turn.step("s", plain, turn.text)

    scenario = evolve(SCENARIO, agents={"k": steps})
    first, again = (run(scenario, "1", Plan((Crash(at=3.0),))) for _ in range(2))
    assert not first.violations
    assert first.turns > 10
    assert threads == {threading.get_ident()}
    assert first.trace == again.trace


def test_a_heart_that_beats_for_ever_is_no_violation() -> None:
    async def beat(turn: Turn) -> str:
        turn.after(1.0, "beat")
        return await count(turn)

    lived = run(evolve(SCENARIO, agents={"k": beat}, drive=send_one), "1", Plan())
    assert not lived.violations
    assert lived.seconds < 100


async def _deaf(turn: Turn) -> str:
    while True:
        with suppress(trio.Cancelled):
            await trio.sleep_forever()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a loop that was left as it was
def test_who_takes_no_notice_of_cancellation_ends_nothing_but_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "STEPS_MAX", 5_000)
    monkeypatch.setattr(scheduling, "_STEPS_OF_EACH", 100)
    told = "\n".join(run(evolve(SCENARIO, agents={"k": _deaf}, drive=send_one), "1", Plan()).violations)
    assert "takes no notice of cancellation" in told
    assert "file a bug" not in told
    gc.collect()


def test_a_stopped_clock_tells_no_time() -> None:
    clock = clocks.VirtualClock()
    clock.stop()
    with pytest.raises(clocks.StuckError, match="in circles"):
        clock.current_time()


def test_agents_that_wake_one_another_for_ever_are_told_of_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    async def again(turn: Turn) -> str:
        turn.send("a", "again")
        await trio.sleep(1)
        return await count(turn)

    monkeypatch.setattr(settling, "_COMMITS_MAX", 100)
    lived = run(evolve(SCENARIO, agents={"k": again}, drive=send_one), "1", Plan())
    assert "agents never come to rest after the faults" in lived.violations
    assert lived.seconds < 1_000


@pytest.mark.parametrize("ends", [Crash(at=6.0), PowerCut(at=6.0)], ids=["crash", "power"])
def test_a_full_disk_is_full_for_the_next_process_too(ends: Fault) -> None:
    lived = run(SCENARIO, "1", Plan((DiskFull(at=5.0, seconds=20.0), ends)))
    assert not lived.violations
    assert lived.inputs < 15  # 30 in as many seconds, if there is room


@pytest.mark.parametrize(
    ("given", "told"),
    [("all wrong", "it gave 'all wrong'"), (None, "it gave None"), ([5], "5")],
    ids=["text", "nothing", "number"],
)
def test_a_check_that_yields_no_sentences_is_told_so(given: object, told: str) -> None:
    def check(_: Seen) -> Iterator[str]:
        return cast("Iterator[str]", given)

    (violation,) = run(evolve(SCENARIO, seconds=2, checks=(check,)), "1", Plan()).violations
    assert told in violation


def test_a_check_that_ends_the_program_fails_its_seed() -> None:
    def check(seen: Seen) -> Iterator[str]:
        raise SystemExit(seen.seed)

    (told,) = lived_through(evolve(SCENARIO, seconds=2, checks=(check,)), "1", Plan()).violations
    assert "SystemExit" in told


def test_a_workload_that_ends_the_program_fails_its_seed() -> None:
    async def drive(world: World) -> None:
        raise SystemExit(world.seed)

    (told,) = lived_through(evolve(SCENARIO, drive=drive), "1", Plan()).violations
    assert "SystemExit" in told


def test_a_stuck_turn_is_no_fault_of_the_disk() -> None:
    async def stuck(turn: Turn) -> str:
        if turn.text == "stick":
            with trio.CancelScope(shield=True):
                await trio.sleep(1_000)
        return await count(turn)

    async def drive(world: World) -> None:
        for _ in range(5):
            await world.client("c").ask("a", "one more", kind="k")
            await trio.sleep(1)
        await world.client("c").send("b", "stick", kind="k")
        await trio.sleep(1)
        await world.client("c").do("b", lambda agent: agent.interrupt(), kind="k")
        await trio.sleep(100)

    scenario = evolve(SCENARIO, agents={"k": stuck}, drive=drive)
    hurt = DiskFull(at=1.5, seconds=1.0)
    for plan in (Plan(), Plan((hurt,))):
        lived = run(scenario, "1", plan)
        assert bool(plan.faults) == bool(lived.fired)
        assert any("TurnStuck" in each for each in lived.violations)
