"""A society under every fault, simulated for long: a thousand agents for an hour, or ten thousand for five minutes.

Each agent is spoken to every 20 virtual seconds, asked as often as sent, and sets a timer that speaks to it 10 seconds
later; one message in ten goes on to a neighbour. So each has an event every 10 seconds. The store is SQLite on a
simulated disk. Nothing of the history is pruned: every row is held to the invariants in the end. So memory grows with
the database, which lies in it three times (as a file, as what is synced, as what is visible); what may not grow beside
it is the process.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from time import perf_counter, process_time
from typing import Final

import trio
from attrs import define, field, frozen

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.limits import Limits
from meerkat_actors.simulation.faults import Faults
from meerkat_actors.simulation.machine import DiskMachine
from meerkat_actors.simulation.outcome import Lived, Seen
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.scenario import Scenario
from meerkat_actors.simulation.world import World
from scripts.campaigns._load import resident_bytes

SPOKEN_TO_SECONDS: Final = 20.0
TIMER_SECONDS: Final = 10.0
WORK_SECONDS: Final = 0.2
GOES_ON: Final = 0.1
LOOKS: Final = 10
"""At memory, in the time of the workload."""
TURNS_MIN: Final = 0.5
"""Of those that a society without faults takes: what is paused or destroyed is silent, and one turn takes many."""
MIB: Final = 1024 * 1024


@frozen(kw_only=True)
class Options:
    """What the command line asked for."""

    agents: int
    minutes: float
    seed: str
    per_minute: float


@define(eq=False)
class Society:
    """Who speaks to whom, and what it takes."""

    options: Options
    began: float = field(factory=perf_counter)
    turns: int = 0

    def scenario(self) -> Scenario:
        """All agents, for so long."""
        return Scenario(
            name="society",
            agents={"member": self.turn_of},
            drive=self.drive,
            checks=(self.check,),
            seconds=60 * self.options.minutes,
            limits=Limits(live_max=self.options.agents),
        )

    async def turn_of(self, turn: Turn) -> str:
        """Count, and set the timer; sometimes tell a neighbour."""
        self.turns += 1
        await trio.sleep(WORK_SECONDS)
        told = turn.text
        turn.set_state(turn.state + 1 if isinstance(turn.state, int) else 1)
        if "hello" in told:
            turn.after(TIMER_SECONDS, "time", name="again")
            if turn.random.random() < GOES_ON:
                turn.send(name_of(turn.random.randrange(self.options.agents)), "rumour")
        return "yes"

    async def drive(self, world: World) -> None:
        """Speak to everybody until the time is over."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.look, world)
            async with trio.open_nursery() as speaking:
                for number in range(self.options.agents):
                    speaking.start_soon(self.speak_to, world, number)
            nursery.cancel_scope.cancel()

    async def speak_to(self, world: World, number: int) -> None:
        """One agent's client."""
        client, random = world.client(f"client-{number}"), world.random(f"client-{number}")
        await trio.sleep(random.uniform(0, SPOKEN_TO_SECONDS))
        while world.is_open:
            due = trio.current_time() + SPOKEN_TO_SECONDS
            speak = client.ask if random.random() < 0.5 else client.send
            await speak(name_of(number), "hello", kind="member")
            await trio.sleep_until(due)

    async def look(self, world: World) -> None:
        """Print how far it is, and what it takes."""
        print(f"{'virtual s':>9} {'real s':>8} {'turns':>9} {'boots':>6} {'RSS MB':>8} {'file MB':>8}", flush=True)
        for place in range(1, LOOKS + 1):
            await trio.sleep_until(place * 60 * self.options.minutes / LOOKS)
            assert isinstance(world.machine, DiskMachine)
            size = sum(each.stat().st_size for each in world.machine.disk.folder.iterdir()) / MIB
            print(
                f"{trio.current_time():9.0f} {perf_counter() - self.began:8.0f} {self.turns:9,} {world.boots:6} "
                f"{resident_bytes() / MIB:8,.0f} {size:8,.0f}",
                flush=True,
            )

    def check(self, seen: Seen) -> Iterator[str]:
        """It has to have lived."""
        wanted = TURNS_MIN * self.options.agents * 60 * self.options.minutes / TIMER_SECONDS
        if len(seen.contents.turns) < wanted:
            yield f"{len(seen.contents.turns):,} turns, at least {wanted:,.0f} wanted"


def name_of(number: int) -> str:
    """Of an agent."""
    return f"member-{number}"


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a mistake ends the program with a message."""
    parser = argparse.ArgumentParser(
        prog="scripts/campaign society", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", type=int, default=1_000, help="default: %(default)s")
    parser.add_argument("--minutes", type=float, default=60.0, help="virtual (default: %(default)s)")
    parser.add_argument("--seed", default="1", help="default: %(default)s")
    parser.add_argument(
        "--per-minute", type=float, help="faults of each kind (default: so many that there are some 25 of each)"
    )
    given = parser.parse_args(arguments)
    if given.agents < 1 or given.minutes <= 0:
        parser.error("agents start at 1, minutes above 0")
    per_minute = 25 / given.minutes if given.per_minute is None else given.per_minute
    return Options(agents=given.agents, minutes=given.minutes, seed=given.seed, per_minute=per_minute)


def print_lived(lived: Lived, society: Society) -> None:
    """What became of it."""
    real = perf_counter() - society.began
    print(
        f"{society.options.agents:,} agents, {60 * society.options.minutes:,.0f} virtual seconds of load, "
        f"{lived.seconds:,.0f} in all: {real:,.0f} real seconds ({process_time():,.0f} of a processor), "
        f"{lived.turns:,} turns, {lived.inputs:,} inputs acknowledged, {lived.boots} boots, {lived.steps:,} steps, "
        f"RSS {resident_bytes() / MIB:,.0f} MB"
    )
    print("faults:", ", ".join(f"{name} {count:,}" for name, count in sorted(lived.fired.items())) or "none")
    print(f"trace {lived.trace}; {len(lived.violations)} violations")
    for sentence in lived.violations[:20]:
        print(f"  {sentence[-600:]}")


def main(arguments: Sequence[str]) -> int:
    """Live, and say what came of it; the exit code."""
    options = parse_options(arguments)
    society = Society(options)
    scenario = society.scenario()
    plan = Faults.all(options.per_minute).plan(options.seed, scenario.seconds, is_durable=True)
    lived = run(scenario, options.seed, plan)
    print_lived(lived, society)
    return 1 if lived.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
