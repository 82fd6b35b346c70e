"""Each kind of fault, played alone: it does what it says, and nobody loses anything by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import pytest
import trio
from attrs import frozen

from meerkat_actors.actors.turn import Turn
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.records.status import Verb
from meerkat_actors.simulation.disk.faults import FITTING, Failure, Operation
from meerkat_actors.simulation.disk.images import Image
from meerkat_actors.simulation.outcome import Lived, Seen
from meerkat_actors.simulation.plan import (
    KINDS,
    CallerCancelled,
    ClockJumps,
    Crash,
    Delayed,
    DiskFails,
    DiskFull,
    Fault,
    Govern,
    Moment,
    Plan,
    PowerCut,
    Restart,
    SentTwice,
    SlowCommits,
    Stall,
    TurnsHang,
    TurnsRaise,
)
from meerkat_actors.simulation.running import run
from meerkat_actors.simulation.scenario import Drive, Scenario

if TYPE_CHECKING:
    from meerkat_actors.simulation.client import Asked
    from meerkat_actors.simulation.world import World

AT: Final = 2.5
"""In the midst of ``asking``, and of no call."""
HOUR_MS: Final = 3_600_000


async def watch(turn: Turn) -> str:
    """Tell the wall clock."""
    await trio.sleep(0.1)
    return str(turn.now.timestamp())


async def asking(world: World) -> None:
    """A question a second, of one client to one agent."""
    for _ in range(8):
        await world.client("c").ask("a", "when?", kind="k")
        await trio.sleep(max(0.0, 1.0 - trio.current_time() % 1.0))


@frozen
class Played:
    """What came of it."""

    lived: Lived
    seen: Seen

    @property
    def asked(self) -> tuple[Asked, ...]:
        """What the client knows."""
        return self.seen.asked

    @property
    def tries(self) -> Counter[int]:
        """How often it asked for how many of its questions."""
        return Counter(each.tries for each in self.asked)

    @property
    def longest(self) -> float:
        """The seconds that it waited for one answer."""
        return max(each.returned - each.called for each in self.asked)

    @property
    def deaths(self) -> int:
        """Processes that did not end in good order."""
        return self.seen.deaths

    def lines_with(self, *words: str) -> list[str]:
        """Lines of the trace with one of these words, in their order."""
        return [line for line in self.lived.lines if any(word in line for word in words)]


def played(*faults: Fault, drive: Drive = asking, is_durable: bool = True, seed: str = "1") -> Played:
    found: list[Seen] = []

    def keep(seen: Seen) -> Sequence[str]:
        found.append(seen)
        return ()

    scenario = Scenario(
        name="played", agents={"k": watch}, drive=drive, checks=(keep,), seconds=12.0, is_durable=is_durable
    )
    lived = run(scenario, seed, Plan(faults))
    assert lived.violations == ()
    (seen,) = found
    return Played(lived, seen)


def pattern_of(lines: Sequence[str]) -> str:
    """Each line without its second, as its first word."""
    return " ".join(line.split()[1] for line in lines)


def test_without_a_fault_everything_is_answered_at_once() -> None:
    calm = played()
    assert (calm.lived.fired, calm.lived.boots, calm.deaths, calm.tries) == ({}, 1, 0, {1: 8})
    assert calm.longest < 0.2


@pytest.mark.parametrize("image", Image)
@pytest.mark.parametrize("moment", Moment)
def test_power_cuts(moment: Moment, image: Image) -> None:
    cut = played(PowerCut(at=AT, moment=moment, image=image))
    assert (cut.lived.fired, cut.lived.boots, cut.deaths) == ({"PowerCut": 1}, 2, 1)


@pytest.mark.parametrize("is_durable", [True, False])
@pytest.mark.parametrize("moment", Moment)
def test_crashes(moment: Moment, *, is_durable: bool) -> None:
    crashed = played(Crash(at=AT, moment=moment), is_durable=is_durable)
    assert (crashed.lived.fired, crashed.lived.boots, crashed.deaths) == ({"Crash": 1}, 2, 1)
    # Told to whoever asks, or to nobody: that is what sets the moments apart.
    assert crashed.tries == ({1: 8} if moment is Moment.NOW else {1: 7, 2: 1})


@pytest.mark.parametrize("is_durable", [True, False])
@pytest.mark.parametrize("seed", ["1", "2", "3"])
@pytest.mark.parametrize(
    ("moment", "commits", "is_told"),
    [(Moment.BEFORE_COMMIT, 0, False), (Moment.IN_COMMIT, 1, False), (Moment.AFTER_COMMIT, 1, True)],
)
def test_the_moments_of_a_commit(moment: Moment, commits: int, seed: str, *, is_told: bool, is_durable: bool) -> None:
    """Before it nothing is written, in it nobody hears of what is, and after it who asked was told."""

    async def drive(world: World) -> None:
        client = world.client("c")
        await client.ask("a", "when?", kind="k")
        await trio.sleep_until(AT + 1)
        await client.send("a", "and now?", kind="k")

    crashed = played(Crash(at=AT, moment=moment), drive=drive, is_durable=is_durable, seed=seed)
    told = crashed.lines_with("commit of", "Crash(", "process 1 dies")
    between = pattern_of(told).partition("Crash(at=2.5,")[2].partition("process")[0].split()
    assert between == ["commit"] * commits
    _, sent = crashed.asked
    assert sent.admission is not None
    assert (sent.tries, sent.is_unsure) == ((1, False) if is_told else (2, True))
    # What was written is found again, and is no second input.
    assert sent.admission.duplicate is (commits == 1 and not is_told)
    assert len(crashed.seen.contents.inputs) == 2


def test_restarts() -> None:
    restarted = played(Restart(at=AT))
    assert (restarted.lived.fired, restarted.lived.boots, restarted.deaths) == ({"Restart": 1}, 2, 0)
    assert not restarted.lines_with("dies")


@pytest.mark.parametrize(
    ("operation", "failure"),
    # Nobody renames a file in a scenario: only a backup does.
    [(operation, each) for operation in FITTING for each in FITTING[operation] if operation is not Operation.RENAME],
)
def test_disks_that_fail(operation: Operation, failure: Failure) -> None:
    # Some of these a process does only as it begins or ends.
    hurt = played(DiskFails(at=AT, operation=operation, failure=failure), Restart(at=AT + 1))
    assert hurt.lived.fired == {"Restart": 1, f"{operation} {failure}": 1}
    assert len(hurt.asked) == 8


def test_the_nth_operation_of_a_disk_that_fails() -> None:
    lines = [
        played(DiskFails(at=AT, operation=Operation.WRITE, failure=Failure.ERROR, nth=nth)).lines_with("commit of")
        for nth in (1, 9)
    ]
    assert lines[0] != lines[1]


def test_disks_that_are_full_for_a_while() -> None:
    full = played(DiskFull(at=AT, seconds=3.0))
    assert full.lived.fired["write full"] > 1
    first = next(each for each in full.asked if each.tries > 1)
    assert AT < first.called < AT + 3.0 < first.returned, "who asks then waits for room"
    assert len(full.asked) == 8


def test_commits_that_are_slow() -> None:
    slow = played(SlowCommits(at=AT, seconds=4.0, each=2.0))
    assert slow.lived.fired["SlowCommits"] > 0
    assert slow.longest > 0.5
    assert slow.tries == {1: 8}


@pytest.mark.parametrize("times", [1, 3])
def test_turns_that_raise(times: int) -> None:
    raised = played(TurnsRaise(at=AT, times=times))
    assert raised.lived.fired == {"TurnsRaise": times}
    assert raised.lived.boots == 1


def test_turns_that_hang() -> None:
    hung = played(TurnsHang(at=AT, seconds=5.0))
    assert hung.lived.fired == {"TurnsHang": 1}
    assert 5.0 < hung.longest < 5.5


def test_callers_that_are_cancelled() -> None:
    fault = CallerCancelled(at=AT, steps=2)
    cancelled = played(fault)
    assert (cancelled.lived.fired, cancelled.tries) == ({"CallerCancelled": 1}, {1: 7, 2: 1})


def test_messages_that_are_sent_twice() -> None:
    twice = played(SentTwice(at=AT))
    assert (twice.lived.fired, twice.tries) == ({"SentTwice": 1}, {1: 8})
    assert [each.is_unsure for each in twice.asked].count(True) == 1
    assert len(twice.seen.contents.inputs) == 8


def test_calls_that_come_late() -> None:
    late = played(Delayed(at=AT, seconds=3.0))
    assert (late.lived.fired, late.tries) == ({"Delayed": 1}, {1: 8})
    assert 3.0 < late.longest < 3.5


@pytest.mark.parametrize("ms", [HOUR_MS, -HOUR_MS, -900, 1])
def test_clocks_that_jump(ms: int) -> None:
    def seconds_told(each: Played) -> list[float]:
        return [float(asked.outcome.text or 0) for asked in each.asked if isinstance(asked.outcome, Consumed)]

    calm, jumped = seconds_told(played()), seconds_told(played(ClockJumps(at=AT, ms=ms)))
    assert [round(1000 * (after - before)) for before, after in zip(calm, jumped, strict=True)] == [0] * 3 + [ms] * 5


def test_subscribers_that_stall() -> None:
    told: list[tuple[int, ...]] = []

    async def drive(world: World) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking, world)
            counts: list[int] = []
            for second in (3.5, 5.9, 7.9):
                await trio.sleep_until(second)
                counts.append(len(world.subscriber.told))
            told.append(tuple(counts))

    assert played(Stall(at=AT, seconds=3.5), drive=drive).lived.fired == {"Stall": 1}
    ((during, still, afterwards),) = told
    assert during == still < afterwards


OPERATORS: Final = (
    (Verb.PAUSE, 0, 1, 0, True),
    (Verb.RESUME, 0, 1, 0, False),
    (Verb.RETIRE, 0, 1, 0, True),
    (Verb.STOP, 0, 1, 0, True),
    (Verb.RESET, 1, 1, 0, False),
    (Verb.RECYCLE, 0, 2, 0, False),
    (Verb.DESTROY, 0, 1, 5, False),
)


@pytest.mark.parametrize(("verb", "generation", "token", "refused", "waits"), OPERATORS)
def test_operators(verb: Verb, generation: int, token: int, refused: int, *, waits: bool) -> None:
    governed = played(Govern(at=AT, agent=7, verb=verb))
    assert governed.lived.fired == {"Govern": 1}
    (head,) = governed.seen.contents.heads.values()
    assert (head.generation, head.token) == (generation, token)
    assert [each.refused for each in governed.asked].count("DestroyedError") == refused
    # At the end of the workload somebody lets all of them go on.
    assert (governed.longest > 8) is waits


def test_every_verb_is_used() -> None:
    assert {verb for verb, *_ in OPERATORS} == set(Verb)


def test_the_dead_are_governed_by_nobody() -> None:
    governed = played(Govern(at=AT, agent=0, verb=Verb.DESTROY), Govern(at=AT + 1, agent=0, verb=Verb.PAUSE))
    assert governed.lived.fired == {"Govern": 1}


def test_an_operator_in_an_empty_house_does_nothing() -> None:
    async def drive(world: World) -> None:
        await trio.sleep(5)

    assert played(Govern(at=AT, agent=0, verb=Verb.PAUSE), drive=drive).lived.fired == {}


def test_what_comes_after_the_end_of_the_workload_does_not_happen() -> None:
    assert played(Crash(at=11.0)).lived.fired == {}


PLAYED: Final = {
    Crash: test_crashes,
    PowerCut: test_power_cuts,
    Restart: test_restarts,
    DiskFails: test_disks_that_fail,
    DiskFull: test_disks_that_are_full_for_a_while,
    SlowCommits: test_commits_that_are_slow,
    TurnsRaise: test_turns_that_raise,
    TurnsHang: test_turns_that_hang,
    CallerCancelled: test_callers_that_are_cancelled,
    SentTwice: test_messages_that_are_sent_twice,
    Delayed: test_calls_that_come_late,
    ClockJumps: test_clocks_that_jump,
    Stall: test_subscribers_that_stall,
    Govern: test_operators,
}


def test_every_kind_is_played() -> None:
    assert set(PLAYED) == set(KINDS.values())
