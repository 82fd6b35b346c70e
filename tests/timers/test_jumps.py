"""A wall clock that is set, an hour either way: each time of a timer fires once, by its policy, and within a second."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

import pytest
import trio

from meerkat_actors.store import MemoryStore, open_sqlite
from tests.timers.world import FIRST_SECOND, Jumps, play

HOUR: Final = 3_600
BACK: Final = HOUR + 1_000
"""Until a clock that was set back an hour shows again what was due then, and some more."""


@pytest.mark.parametrize(
    "jumps",
    [
        pytest.param(Jumps(), id="never"),
        pytest.param(Jumps(at=((103, HOUR),)), id="ahead-before-it-is-due"),
        pytest.param(Jumps(at=((103, -HOUR),), seconds=BACK), id="back-before-it-is-due"),
        pytest.param(Jumps(at=((403, HOUR),), blind=(393, 413)), id="ahead-while-it-is-due"),
        pytest.param(Jumps(at=((403, -HOUR),), blind=(393, 413), seconds=BACK), id="back-while-it-is-due"),
        pytest.param(Jumps(within=("read", HOUR)), id="ahead-between-the-look-and-the-fire"),
        pytest.param(Jumps(within=("read", -HOUR), seconds=BACK), id="back-between-the-look-and-the-fire"),
        pytest.param(Jumps(within=("commit", HOUR)), id="ahead-in-the-commit"),
        pytest.param(Jumps(within=("commit", -HOUR), seconds=BACK), id="back-in-the-commit"),
        pytest.param(Jumps(at=((513, HOUR),)), id="ahead-between-two-times"),
        pytest.param(Jumps(at=((513, -HOUR),), seconds=BACK + 413), id="back-between-two-times"),
        pytest.param(Jumps(at=((103, HOUR), (203, HOUR))), id="ahead-twice"),
        pytest.param(Jumps(at=((103, HOUR), (203, -HOUR)), seconds=3_900), id="ahead-and-back"),
        pytest.param(Jumps(at=((103, -HOUR), (203, HOUR))), id="back-and-ahead"),
        pytest.param(Jumps(at=((103, -HOUR), (513, 2 * HOUR), (613, -HOUR))), id="back-ahead-and-back"),
    ],
)
async def test_each_time_fires_once_by_its_policy_whenever_the_clock_jumps(
    jumps: Jumps, autojump_clock: trio.testing.MockClock
) -> None:
    await play(MemoryStore(), jumps)


@pytest.mark.parametrize("place", ["read", "commit"])
@pytest.mark.parametrize("seconds", [HOUR, -1_500])
async def test_in_a_file_the_clock_may_jump_as_timers_fire(
    place: str, seconds: int, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    await play(
        open_sqlite(tmp_path / "timers.db", synchronous="normal"),
        Jumps(within=(place, seconds), seconds=FIRST_SECOND + 100 + max(0, -seconds)),
    )


@pytest.mark.parametrize("seed", range(7))
async def test_each_time_fires_once_over_jumps_at_random(seed: int, autojump_clock: trio.testing.MockClock) -> None:
    random = Random(seed)
    # Never within seconds of a time of a timer: there both sides of the law would be right.
    moments = sorted(random.sample(range(3, 1_400, 10), 5))
    jumps = tuple((moment, random.randrange(-HOUR, HOUR, 10)) for moment in moments)
    stopped = random.choice(range(5, 1_300, 10))
    await play(MemoryStore(), Jumps(at=jumps, blind=(stopped, stopped + 10 * random.randint(1, 20))))
