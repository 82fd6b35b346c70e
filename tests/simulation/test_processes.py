"""Processes that die: what they did before stays, what they do afterwards has no effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Final, Literal

import pytest
import trio
from attrs import define, field

from meerkat_actors.errors import StoreFailedError
from meerkat_actors.records.commits import CommitOutcome
from meerkat_actors.records.effects import Unit
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.simulation.clock import VirtualClock
from meerkat_actors.simulation.machine import DiskMachine, Machine, MemoryMachine
from meerkat_actors.simulation.processes import Life, mortal
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.writing import created, identity, read, unborn

ENV: Final = SystemEnv()
Moment = Literal["before", "after", "never"]


@define(eq=False)
class Killer:
    """Kills the process around its next commit."""

    moment: Moment = "never"
    seen: list[str] = field(factory=list[str])

    def before_commit(self, life: Life, units: Sequence[Unit]) -> None:
        self._meet(life, "before", f"{len(units)} units")

    def after_commit(self, life: Life, units: Sequence[Unit], outcomes: Sequence[CommitOutcome]) -> None:
        self._meet(life, "after", f"{len(outcomes)} outcomes")

    def _meet(self, life: Life, moment: Moment, what: str) -> None:
        self.seen.append(f"{moment} {what}")
        if self.moment == moment:
            life.kill()


@pytest.fixture(params=["memory", "disk"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryMachine | DiskMachine]:
    if request.param == "memory":
        yield MemoryMachine("exclusive")
        return
    disk = DiskMachine(tmp_path / "disk", Random(1), "exclusive")
    yield disk
    disk.close()


@pytest.fixture
def begin(machine: Machine) -> Iterator[Callable[[Killer], tuple[Life, Store]]]:
    """Another process that serves the machine's store."""
    with ExitStack() as closing:

        def one(killer: Killer) -> tuple[Life, Store]:
            life = Life(1, on_death=machine.die)
            source = machine.opener(ENV, 10.0)
            store = mortal(source() if callable(source) else source, life, killer, machine.stilled)
            closing.callback(store.close)
            store.begin()
            return life, store

        yield one


Begin = Callable[[Killer], tuple[Life, Store]]


def test_a_process_that_lives_has_the_store_as_it_is(begin: Begin) -> None:
    killer = Killer()
    _, store = begin(killer)
    created(store, "a").must_commit()
    assert killer.seen == ["before 1 units", "after 1 outcomes"] * 2
    assert read(store, "a").head is not None
    store.end(clean=True)
    store.close()


@pytest.mark.parametrize(("moment", "is_there"), [("before", False), ("after", True)])
def test_it_dies_before_a_commit_or_in_it(begin: Begin, machine: Machine, moment: Moment, is_there: bool) -> None:
    life, store = begin(Killer(moment))
    with pytest.raises(StoreFailedError, match="its process is dead"):
        created(store, "a")
    assert life.is_dead
    store.close()
    machine.come_back(None)
    _, after = begin(Killer())
    assert (read(after, "a").head is not None) is is_there


def test_once_dead_it_writes_nothing_and_marks_nothing_as_ended(begin: Begin, machine: Machine) -> None:
    life, store = begin(Killer())
    writer = created(store, "a")
    version = writer.fence.version
    life.kill()
    for call in (
        lambda: writer.commit(),
        lambda: store.end(clean=True),
        lambda: store.begin(),
        lambda: store.checkpoint(),
        lambda: store.activate(identity("a")),
    ):
        with pytest.raises(StoreFailedError, match="its process is dead"):
            call()
    store.close()
    machine.come_back(None)
    life, after = Life(2, on_death=machine.die), machine.opener(ENV, 10.0)
    again = mortal(after() if callable(after) else after, life, Killer())
    try:
        assert not again.begin().was_clean
        head = read(again, "a").head
        assert head is not None
        assert head.version == version
    finally:
        again.close()


def test_what_is_left_of_a_dead_process_can_be_closed_twice(begin: Begin) -> None:
    life, store = begin(Killer())
    created(store, "a")
    life.kill()
    store.close()
    store.close()


def test_it_dies_once_and_its_death_is_told_before_its_tasks_end() -> None:
    told: list[bool] = []
    life = Life(1, on_death=lambda: told.append(life.scope.cancel_called))

    async def main() -> None:
        life.kill()
        life.kill()
        assert life.scope.cancel_called

    trio.run(main, clock=VirtualClock())
    assert told == [False]
    assert life.is_dead
    assert life.is_over


def test_who_left_in_good_order_can_not_die_afterwards() -> None:
    life = Life(1, on_death=lambda: pytest.fail("it had ended"))
    life.leave.set()
    assert life.is_over
    life.ended.set()
    life.kill()
    assert not life.is_dead


def test_all_of_its_tasks_end_in_the_moment_of_its_death() -> None:
    life = Life(1, on_death=int)
    ends: list[float] = []

    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ends.append(trio.current_time())

    async def main() -> None:
        async with trio.open_nursery() as outside:
            outside.start_soon(kill)
            with life.scope:
                async with trio.open_nursery() as nursery:
                    for _ in range(10):
                        nursery.start_soon(work)

    async def kill() -> None:
        await trio.sleep(7)
        life.kill()

    trio.run(main, clock=VirtualClock())
    assert ends == [7.0] * 10


def test_one_of_two_that_dies_leaves_the_disk_as_it_is(tmp_path: Path) -> None:
    """Closing, SQLite would copy the log and delete it: that of a process that died stays."""
    machine = DiskMachine(tmp_path / "disk", Random(1), "shared")
    life = Life(1, on_death=int)
    source = machine.opener(ENV, 10.0)
    store = mortal(source(), life, Killer(), machine.stilled)
    store.begin()
    created(store, "a")
    before = {name: data for name, data in machine.disk.shadow.visible().items() if data}
    assert f"{machine.path.name}-wal" in before
    life.kill()
    store.close()
    assert {name: data for name, data in machine.disk.shadow.visible().items() if data} == before
    assert not machine.disk.is_off, "the other one goes on"
    other = source()
    other.begin()
    assert read(other, "a").head is not None
    assert unborn(other, "b").fence.version == 0
    other.close()
    machine.close()
