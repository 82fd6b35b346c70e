"""``runtime.prune``: beside agents at work, and nobody notices."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    IdempotencyConflictError,
    MeerkatError,
    StoreFailedError,
    StoreFullError,
    UsageError,
)
from meerkat_actors.facades import pruning
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.activation import Activation
from meerkat_actors.records.codec import DIGEST_ZERO, encode_entry, encode_json, extend_chain
from meerkat_actors.records.content import JSON
from meerkat_actors.records.ids import AgentIdentity, InputId
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, Consumed
from meerkat_actors.records.pruning import Forgotten, PrunePolicy, PruneReport
from meerkat_actors.runtime import Runtime, open_runtime
from meerkat_actors.store import MemoryStore, Store, open_sqlite
from tests.actors.faulty import FaultyStore, broken
from tests.actors.world import echo, passes, running

EVERY_INPUT: Final = PrunePolicy(keep_inputs=0)
AGENTS: Final = 50


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store that does not serve yet."""
    store: Store = (
        MemoryStore() if request.param == "memory" else open_sqlite(tmp_path / "team.db", synchronous="normal")
    )
    yield store
    store.close()


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "PRUNE_ROWS", 3)


async def failing(turn: Turn) -> str:
    if turn.text == "fail":
        message = "no"
        raise ValueError(message)
    return turn.text


async def listed(items: AsyncIterator[object]) -> list[object]:
    return [item async for item in items]


async def told(runtime: Runtime, name: str) -> tuple[object, ...]:
    """Whatever an agent is asked about its past, but what its inputs said."""
    agent = await runtime.agent(name)
    return await listed(agent.history()), await listed(agent.receipts()), await outcomes(agent)


async def outcomes(agent: AgentHandle) -> list[object]:
    return [(row.input_id, row.state, row.outcome, row.idempotency_key) async for row in agent.inputs()]


async def test_whatever_was_pruned_answers_as_before(store: Store) -> None:
    async with running(store, {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        first = await agent.ask("one", idempotency_key="1")
        (one,) = [row.input_id async for row in agent.inputs()]
        for text in ("two", "three"):
            await agent.ask(text)
        before = await told(runtime, "a")
        told_before = await runtime.prune(EVERY_INPUT, dry_run=True)
        assert [row.content async for row in agent.inputs()] == ["three", "two", "one"]
        report = await runtime.prune(EVERY_INPUT)
        assert report.inputs == told_before.inputs == Forgotten(rows=3, size_bytes=len('"one""two""three"'))
        assert (told_before.is_dry_run, report.is_dry_run) == (True, False)
        assert [(row.content, row.is_pruned) async for row in agent.inputs()] == [(None, True)] * 3
        assert await told(runtime, "a") == before
        outcome = await agent.wait(one)
        assert isinstance(outcome, Consumed)
        assert outcome.receipt == first.receipt
        assert await agent.ask("one", idempotency_key="1") == first
        assert (await agent.send("one", idempotency_key="1")).duplicate
        with pytest.raises(IdempotencyConflictError):
            await agent.send("another", idempotency_key="1")
        assert (await agent.ask("four")).text == "four"
        assert [(row.content, row.is_pruned) async for row in agent.inputs()][:2] == [("four", False), (None, True)]
        assert await runtime.prune(PrunePolicy(keep_inputs=1)) == PruneReport(
            is_dry_run=False, free_bytes=report.free_bytes
        )


async def test_dead_letters_stay_legible_unless_asked_for(store: Store) -> None:
    async with running(store, {"failing": failing}, limits=Limits(attempts_max=1)) as runtime:
        agent = await runtime.agent("a", kind="failing")
        with suppress(MeerkatError):
            await agent.ask("fail")
        assert (await runtime.prune(EVERY_INPUT)).rows == 0
        assert (await runtime.prune(PrunePolicy(keep_inputs=0, dead_letters=True))).inputs.rows == 1
        (row,) = [row async for row in agent.inputs()]
        assert (row.is_pruned, row.content, row.state) == (True, None, InputState.ABANDONED)
        assert isinstance(await agent.wait(row.input_id), Abandoned)


async def test_a_null_that_was_sent_is_not_taken_for_pruned(store: Store) -> None:
    async with running(store, {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        await agent.ask(None)
        assert [(row.content, row.is_pruned) async for row in agent.inputs()] == [(None, False)]
        await runtime.prune()
        assert [(row.content, row.is_pruned) async for row in agent.inputs()] == [(None, False)]


async def test_the_next_runtime_goes_on_from_what_was_pruned(tmp_path: Path) -> None:
    path = tmp_path / "team.db"
    async with open_runtime(path, agents={"echo": echo}, synchronous="normal", observers=()) as runtime:
        agent = await runtime.agent("a", kind="echo")
        answer = await agent.ask("one", idempotency_key="1")
        await runtime.prune(EVERY_INPUT)
    async with open_runtime(path, agents={"echo": echo}, synchronous="normal", observers=()) as runtime:
        agent = await runtime.agent("a")
        assert await agent.ask("one", idempotency_key="1") == answer
        with pytest.raises(IdempotencyConflictError):
            await agent.send("two", idempotency_key="1")
        assert (await agent.ask("two")).receipt.checkpoint_version == 2


@pytest.mark.usefixtures("small_chunks")
async def test_a_run_under_way_keeps_its_input_and_its_journal(store: Store) -> None:
    gate, is_under_way = trio.Event(), trio.Event()

    async def worker(turn: Turn) -> str:
        result = await turn.step("fetch", str.upper, turn.text)
        if turn.text == "wait":
            is_under_way.set()
            await gate.wait()
        return f"{result} {turn.inputs[0].content}"

    async with running(store, {"worker": worker}) as runtime:
        agent = await runtime.agent("a", kind="worker")
        await agent.ask("before")
        admission = await agent.send("wait")
        await agent.send("later")
        await is_under_way.wait()
        assert (await runtime.prune(EVERY_INPUT)).inputs.rows == 1
        found = store.activate(AgentIdentity("a"))
        assert isinstance(found, Activation)
        assert found.run is not None
        assert [entry.result for entry in found.run.journal.values()] == [b'"WAIT"']
        gate.set()
        outcome = await agent.wait(admission.input_id)
        assert isinstance(outcome, Consumed)
        assert outcome.text == "WAIT wait"
        await runtime.wait_idle()
        assert (await runtime.prune(EVERY_INPUT)).rows == 2


async def loud(text: str) -> str:
    """Not in a thread, which beside a loop that never idles waits long for its turn of the GIL."""
    return text.upper()


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["one", "two"])
async def test_beside_fifty_agents_nothing_is_lost(store: Store, monkeypatch: pytest.MonkeyPatch, seed: str) -> None:
    monkeypatch.setattr(pruning, "PRUNE_ROWS", 100)
    random = Random(seed)
    prunings = 0
    is_over = False

    async def talker(turn: Turn) -> str:
        said = await turn.step("say", loud, str(turn.text))
        if turn.inputs[0].sender is None:
            turn.send(f"a{random.randrange(AGENTS)}", f"heard {turn.text}")
        return said

    acknowledged: dict[str, dict[InputId, str]] = {f"a{number}": {} for number in range(AGENTS)}

    async def ask(agent: AgentHandle, number: int) -> None:
        for lap in range(10):
            text, key = f"{agent.identity} lap {lap} {number}", f"key {lap}"
            admission = await agent.send(text, idempotency_key=key)
            acknowledged[agent.identity][admission.input_id] = text
            outcome = await agent.wait(admission.input_id)
            assert isinstance(outcome, Consumed)
            assert outcome.text == text.upper()
            again = await agent.send(text, idempotency_key=key)
            assert (again.duplicate, again.input_id) == (True, admission.input_id)

    async def prune(runtime: Runtime) -> None:
        nonlocal prunings
        while not is_over:
            await runtime.prune(PrunePolicy(keep_inputs=random.randrange(3)))
            prunings += 1

    async with running(store, {"talker": talker}) as runtime:
        agents = [await runtime.agent(name, kind="talker") for name in acknowledged]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(prune, runtime)
            async with trio.open_nursery() as askers:
                for number, agent in enumerate(agents):
                    askers.start_soon(ask, agent, number)
            await runtime.wait_idle()
            is_over = True
        assert prunings > 2
        await runtime.prune(EVERY_INPUT)
        for agent in agents:
            await require_whole(agent, acknowledged[agent.identity])


async def require_whole(agent: AgentHandle, acknowledged: dict[InputId, str]) -> None:
    """What was acknowledged is in the transcript once, and the receipts prove the transcript."""
    messages = [message async for message in agent.history()][::-1]
    heard = [message for message in messages if message.input_id is not None]
    mine = {message.input_id: message.content for message in heard if message.sender is None}
    assert mine == acknowledged
    assert len({message.input_id for message in heard}) == len(heard)
    rows = [row async for row in agent.inputs(order="oldest")]
    assert [row.input_id for row in rows] == [message.input_id for message in heard]
    assert all(row.is_pruned and isinstance(row.outcome, Consumed) for row in rows)
    assert [row.admission_sequence for row in rows] == [*range(1, len(rows) + 1)]
    receipts = [receipt async for receipt in agent.receipts()][::-1]
    digest, at = DIGEST_ZERO, 0
    for receipt in receipts:
        entries = tuple(
            encode_entry(role=one.role, content=_encoded(one.content), input_id=one.input_id, sender=one.sender)  # pyright: ignore[reportArgumentType]
            for one in messages[at : receipt.message_count]
        )
        digest, at = extend_chain(digest, entries), receipt.message_count
        assert receipt.digest == digest.hex()
    assert at == len(messages)


def _encoded(value: JSON) -> bytes:
    return encode_json(value, what="content", bytes_max=10_000, depth_max=10)


# -- between others -----------------------------------------------------------------------


@pytest.mark.usefixtures("small_chunks")
async def test_commits_go_between_two_chunks() -> None:
    faulty = FaultyStore(MemoryStore())
    calls: list[str] = []
    async with running(faulty, {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        for number in range(30):
            await agent.ask(number)
        faulty.before_call = calls.append
        faulty.before_commit = lambda _: calls.append("commit")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runtime.prune, EVERY_INPUT)
            for number in range(5):
                await agent.ask(number)
    chunks = [place for place, call in enumerate(calls) if call == "prune"]
    assert len(chunks) > 10
    assert "commit" in calls[chunks[0] : chunks[-1]]


@pytest.mark.usefixtures("small_chunks")
async def test_cancelled_it_stops_at_a_chunk_and_the_next_does_the_rest() -> None:
    faulty = FaultyStore(MemoryStore())
    async with running(faulty, {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        for number in range(20):
            await agent.ask(number)
        chunks = 0
        with trio.CancelScope() as scope:

            def cancel(call: str) -> None:
                nonlocal chunks
                chunks += call == "prune"
                if chunks == 3:
                    scope.cancel()

            faulty.before_call = cancel
            await runtime.prune(EVERY_INPUT)
        assert scope.cancelled_caught
        assert chunks == 3
        faulty.before_call = lambda _: None
        gone = [row.is_pruned async for row in agent.inputs()].count(True)
        assert 0 < gone < 10
        assert (await runtime.prune(EVERY_INPUT)).inputs.rows == 20 - gone


async def test_who_is_cancelled_already_prunes_nothing() -> None:
    faulty = FaultyStore(MemoryStore())
    calls: list[str] = []
    async with running(faulty, {"echo": echo}) as runtime:
        faulty.before_call = calls.append
        with trio.CancelScope() as scope:
            scope.cancel()
            await runtime.prune(EVERY_INPUT)
        assert scope.cancelled_caught
        await passes(9)
        assert calls == []
        faulty.before_call = lambda _: None


async def test_a_full_disk_ends_the_pruning_and_nothing_else() -> None:
    faulty = FaultyStore(MemoryStore())

    def full(call: str) -> None:
        if call == "prune":
            raise StoreFullError(path=":faulty:", problem="the disk is full")

    async with running(faulty, {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        await agent.ask("one")
        faulty.before_call = full
        with pytest.raises(StoreFullError):
            await runtime.prune(EVERY_INPUT)
        assert (await agent.ask("two")).text == "two"
        faulty.before_call = lambda _: None
        assert (await runtime.prune(EVERY_INPUT)).inputs.rows == 2


async def test_a_store_that_fails_while_pruning_ends_the_runtime() -> None:
    faulty = FaultyStore(MemoryStore())

    def fail(call: str) -> None:
        if call == "prune":
            raise broken()

    async def prune() -> None:
        async with running(faulty, {"echo": echo}) as runtime:
            faulty.before_call = fail
            await runtime.prune()

    with pytest.raises(StoreFailedError, match="the disk is gone"):
        await prune()


@pytest.mark.parametrize("make", [lambda: {"keep_inputs": 3}, lambda: 30])
async def test_what_is_no_policy_is_refused(make: Callable[[], PrunePolicy]) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        with pytest.raises(UsageError, match=r"policy=.*: use PrunePolicy\(...\)"):
            await runtime.prune(make())


async def test_a_runtime_that_is_closed_prunes_nothing() -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        pass
    with pytest.raises(UsageError):
        await runtime.prune()
