"""A barrier across kill -9, before and after every commit of its life."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio.testing

from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.store import open_sqlite
from tests.actors.faulty import FaultyStore
from tests.actors.world import running, said
from tests.operations.barrier_life import Killer, fan_out, live

COMMITS_MAX = 40


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    process = Killer()
    yield process
    process.close()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_barrier_survives_a_kill_at_every_commit(
    when: str, killer: Killer, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    for commit in range(1, COMMITS_MAX):
        database = tmp_path / f"{commit}.db"
        if not killer.kill(when, commit, database):
            # Create, admit, the boundary, an end each, the boundary of the turn that they woke.
            assert commit > 6
            return
        await lived_on(database)
    message = "a life of so many commits"
    raise AssertionError(message)


async def lived_on(database: Path) -> None:
    """Live on from wherever it was left: each operation ended once, and woke, with the barrier, once."""
    store = FaultyStore(open_sqlite(database, synchronous="normal"))
    async with running(store, {"fan_out": fan_out}) as runtime:
        agent = await live(runtime)
        ends = {each.name: each for each in await agent.operations.feed()}
        assert sorted(ends) == ["when_all", "x", "y", "z"]
        assert sorted(each.sequence for each in ends.values()) == [1, 2, 3, 4]
        assert (ends["x"].content, ends["y"].content) == ("x", "y")
        barrier = ends["when_all"]
        assert barrier.sequence == 4
        assert barrier.content == ["completed", "completed", ends["z"].status]
        assert ends["z"].status in {"completed", "terminated"}
        wake_ups = [each async for each in agent.inputs() if each.kind is InputKind.CONTINUATION]
        assert [each.state for each in wake_ups] == [InputState.CONSUMED]
        assert await said(agent) == ["waits", "when_all x y z"]
        cursors = await agent.operations.cursors()
        assert (cursors.applied, cursors.injected, cursors.observed) == (4, 4, 4)
