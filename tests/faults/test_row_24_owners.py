"""Rows 24 to 26: owners that were paused for longer than a lease, or amid a transaction; and clocks that jump."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import apsw
import pytest
import trio

from meerkat_actors import AlreadyOwnedError, InputRecord, Limits, StoreInterruptedError, Turn
from meerkat_actors.actors.turn import AgentFunction
from meerkat_actors.errors import MeerkatError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.env import SystemEnv
from meerkat_actors.records.events import Event, LeaseLost, StoreReopened
from meerkat_actors.store import open_reader
from meerkat_actors.store.sqlite import opening
from tests.faults.elsewhere import ROOT, command_of, environment
from tests.faults.world import Ledger, events_of, require_told, running

SHORT: Final = Limits(lease_seconds=0.3, look_seconds=0.02)
HOUR_MS: Final = 3_600_000
LATE: Final = {"acknowledged": {1}, "UnknownOutcomeError": {0, 1}}
"""How often there may be what a woken owner was asked, by what it answered; not at all, if it refused."""
TYPED: Final = {*LATE, "AlreadyOwnedError", "OwnerStoppedError", "OwnershipLostError"}

Child = subprocess.Popen[str]


@pytest.fixture
def children() -> Iterator[list[Child]]:
    """Processes that don't outlive their test."""
    started: list[Child] = []
    yield started
    for child in started:
        child.kill()
        child.communicate()


def started(children: list[Child], command: list[str]) -> Child:
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment()
    )
    children.append(child)
    return child


def heard(child: Child) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


# -- row 24 -------------------------------------------------------------------------------


def serve(folder: Path) -> None:
    """Serve Alice, tell what observers are told, and at each line of the input try to send to her."""

    def note(event: Event) -> None:
        if isinstance(event, LeaseLost):
            print("observers heard of a lost lease", flush=True)

    async def life() -> None:
        async with running(folder / "team.db", limits=SHORT, ownership="shared", observers=(note,)) as runtime:
            alice = await runtime.agent("alice", kind="counting")
            await alice.ask("from the first")
            print("serving", flush=True)
            while line := await trio.to_thread.run_sync(sys.stdin.readline):
                try:
                    await alice.send(line.strip())
                    print("acknowledged", flush=True)
                except MeerkatError as error:
                    print(type(error).__name__, error, flush=True)

    trio.run(life)


async def test_row_24_a_paused_owner_is_taken_over_from_and_tells_observers_when_it_wakes(
    tmp_path: Path, children: list[Child]
) -> None:
    """What it is asked then it refuses, or leaves for whoever holds the agent now: it never writes beside that one."""
    path = tmp_path / "team.db"
    child = started(children, command_of(serve, tmp_path))
    assert await trio.to_thread.run_sync(heard, child) == "serving"
    async with running(path, limits=SHORT, ownership="shared") as runtime:
        child.send_signal(signal.SIGSTOP)
        alice = await runtime.agent("alice")
        assert await answered(alice) == "2"
        assert runtime.statistics().live == 1, "it is served here"
        assert child.stdin is not None
        child.stdin.write("from the past\n")
        child.stdin.flush()
        child.send_signal(signal.SIGCONT)
        told = {await trio.to_thread.run_sync(heard, child) for _ in range(2)}
        assert "observers heard of a lost lease" in told
        (answer,) = told - {"observers heard of a lost lease"}
        assert answer == "acknowledged" or "alice" in answer
        assert answer.split()[0] in TYPED, answer
        assert (await alice.ask("and on")).text in {"3", "4"}
        rows = await settled(alice, awaited={"acknowledged": "from the past"}.get(answer))
        contents = [str(row.content) for row in rows]
        assert contents.count("from the past") in LATE.get(answer.split()[0], {0})
        assert [each for each in contents if each != "from the past"] == ["from the first", "from the second", "and on"]
        texts = {getattr(await alice.wait(row.input_id), "text", None) for row in rows}
        assert texts == {str(number) for number in range(1, len(rows) + 1)}


async def settled(agent: AgentHandle, *, awaited: str | None) -> list[InputRecord]:
    """Its inputs, with what another process sent it: acknowledged, that waits until this one has looked."""
    while True:
        rows = [row async for row in agent.inputs(order="oldest")]
        if awaited is None or awaited in [row.content for row in rows]:
            return rows


async def answered(agent: AgentHandle) -> str | None:
    """What it answers once whoever holds it is taken for dead."""
    while True:
        try:
            return (await agent.ask("from the second", idempotency_key="second")).text
        except AlreadyOwnedError as error:
            last = error.expires_in
        assert last is not None
        await trio.lowlevel.checkpoint()


# -- row 25 -------------------------------------------------------------------------------

STOP_INSIDE: Final = """
import os, signal, sys
import apsw
connection = apsw.Connection(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE meta SET clean = 1 - clean")
print("inside", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


def stopped_inside(children: list[Child], path: Path) -> Child:
    """A process that is stopped amid a transaction of the store's file."""
    child = started(children, [sys.executable, "-c", STOP_INSIDE, str(path)])
    assert heard(child) == "inside"
    assert os.waitpid(child.pid, os.WUNTRACED)[0] == child.pid
    return child


def wait_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the write lock: 20 ms, where it is a second."""
    monkeypatch.setattr(opening, "_PRAGMAS", (*vars(opening)["_PRAGMAS"], ("busy_timeout", 20)))


async def test_row_25_a_holder_that_is_stopped_amid_a_transaction_blocks_writers_until_it_is_killed(
    tmp_path: Path, children: list[Child]
) -> None:
    """Sharers wait; who looks is answered; and nothing of the dead one's transaction is ever seen."""
    path, ledger, events = tmp_path / "team.db", Ledger(), list[Event]()
    async with running(path, events, ownership="shared") as runtime, trio.open_nursery() as nursery:
        await ledger.send(runtime, "alice", "before")
        await runtime.wait_idle()
        child = await trio.to_thread.run_sync(stopped_inside, children, path)
        try:
            nursery.start_soon(ledger.send, runtime, "alice", "meanwhile")
            with closing(open_reader(path)) as reader:
                (seen,) = reader.latest_inputs(limit=9)
            assert seen[0] == "alice"
            assert ledger.acknowledged["alice"] == ["before"]
        finally:
            child.kill()
    assert ledger.acknowledged["alice"] == ["before", "meanwhile"]
    assert events_of(events, LeaseLost) == []
    await ledger.require_kept(path)


async def test_row_25_who_has_a_store_to_himself_waits_with_a_bound_and_is_told_who(
    tmp_path: Path, children: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ledger = tmp_path / "team.db", Ledger()
    wait_shorter(monkeypatch)

    async def life() -> None:
        async with running(path) as runtime:
            await ledger.send(runtime, "alice", "before")
            await runtime.wait_idle()
            await trio.to_thread.run_sync(stopped_inside, children, path)
            await ledger.send(runtime, "alice", "refused")

    with pytest.raises(StoreInterruptedError) as caught:
        await life()
    require_told(caught.value, path, "another process holds the write lock")
    children[0].kill()
    children[0].wait()
    await ledger.require_kept(path)


async def test_row_25_a_holder_that_goes_on_in_time_costs_one_reopening_and_no_acknowledgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ledger, events = tmp_path / "team.db", Ledger(), list[Event]()
    wait_shorter(monkeypatch)
    visitor: list[apsw.Connection] = []

    def let_go(_: str) -> None:
        while visitor:
            visitor.pop().close()

    async with running(path, events) as runtime:
        await ledger.send(runtime, "alice", "before")
        await runtime.wait_idle()
        visitor.append(apsw.Connection(str(path)))
        visitor[0].execute("BEGIN IMMEDIATE")
        # It ends when the store is opened anew.
        monkeypatch.setattr(opening, "_require_sqlite", let_go)
        with pytest.raises(MeerkatError, match="alice"):
            await ledger.send(runtime, "alice", "unknown")
        await ledger.send(runtime, "alice", "after")
    assert len(events_of(events, StoreReopened)) == 1
    await ledger.require_kept(path)


# -- row 26 -------------------------------------------------------------------------------


class SetClock(SystemEnv):
    """A wall clock that somebody sets."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_ms = 0

    def wall_ms(self) -> int:
        return super().wall_ms() + self.ahead_ms


@pytest.mark.parametrize("hours", [-1, 1])
async def test_row_26_a_wall_clock_that_jumps_an_hour_moves_no_owner_and_delays_no_attempt(
    tmp_path: Path, hours: int
) -> None:
    path, clock, events = tmp_path / "team.db", SetClock(), list[Event]()
    limits = Limits(lease_seconds=0.3, look_seconds=0.02, backoff_seconds=0.01, backoff_seconds_max=0.02)

    def served_by(who: str) -> Mapping[str, AgentFunction]:
        async def failing_once(turn: Turn) -> str:
            clock.ahead_ms += hours * HOUR_MS
            await trio.lowlevel.checkpoint()
            if turn.attempt == 1:
                message = "once"
                raise ValueError(message)
            return f"{who}, attempt {turn.attempt}"

        return {"failing": failing_once}

    async with (
        running(path, events, limits, ownership="shared", agents=served_by("first"), env=clock) as first,
        running(path, events, limits, ownership="shared", agents=served_by("second")) as second,
    ):
        alice = await first.agent("alice", kind="failing")
        with trio.fail_after(5):
            assert (await alice.ask("x")).text == "first, attempt 2"
        for number in range(5):
            clock.ahead_ms += hours * HOUR_MS
            # Refused, or left for the first one: in no case is it the second one's.
            with suppress(AlreadyOwnedError):
                assert (await (await second.agent("alice")).ask(f"x{number}")).text == "first, attempt 2"
    assert events_of(events, LeaseLost) == []
    async with running(path, limits=limits, agents=served_by("third"), env=clock) as runtime:
        assert (await (await runtime.agent("alice")).ask("y")).text == "third, attempt 2"
