"""How one input travels: durable before it is acknowledged, applied once, never lost, one outcome for everyone."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    InvalidValueError,
    StoreError,
    StoreFailedError,
    StoreFullError,
    TurnAbandonedError,
    UnknownInputError,
    UnknownOutcomeError,
)
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.commits import CommitOutcome, RefusalReason, Refused
from meerkat_actors.records.effects import AppendTurn, Unit
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Admission, Consumed
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, count, echo, gathered, hang, passes, running, told, until

FULL = Refused(reason=RefusalReason.STORE_FULL, effect=-1, current="full")


async def fail(_: Turn) -> str:
    message = "no"
    raise ValueError(message)


async def test_an_acknowledged_input_is_in_the_store(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"hang": hang}) as runtime:
        agent = await runtime.agent("a", kind="hang")
        for number in range(1, 6):
            admission = await agent.send(number)
            row = store.inner.find_input(agent.identity, admission.input_id)
            assert row is not None
            assert (admission.durable, admission.duplicate) == (True, False)
            assert row.admission == admission.admission_sequence == number


async def test_nothing_is_acknowledged_before_its_commit(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    acknowledged: list[Admission] = []
    seen: list[int] = []
    store.before_commit = lambda _: seen.append(len(acknowledged))
    async with running(store, {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        acknowledged.append(await agent.send("x"))
        await runtime.wait_idle()
    assert seen == [0, 0, 1]  # creation, admission, boundary


async def test_a_turn_costs_two_commits_its_admission_and_its_boundary(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="echo")
        before = runtime.statistics()
        for _ in range(5):
            await agent.ask("x")
        after = runtime.statistics()
    assert (after.commits - before.commits, after.units - before.units) == (10, 10)
    assert (after.turns, after.inputs) == (5, 5)


async def test_a_boundary_stages_the_next_run_in_the_same_commit(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    gate = Gate()
    async with running(store, {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        for number in range(5):
            await agent.send(number)
        before = runtime.statistics().units
        gate.open()
        await runtime.wait_idle()
        assert runtime.statistics().units - before == 5
        assert await told(agent) == [0, 1, 2, 3, 4]


async def test_what_waits_for_an_owner_is_folded_into_one_unit(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"hang": hang}) as runtime:
        agent = await runtime.agent("a", kind="hang")
        await agent.send("first")
        before = runtime.statistics().units
        results = await gathered(*(partial(agent.send, number) for number in range(50)))
        assert runtime.statistics().units - before == 1
        # Whoever posted first is first; who that was is Trio's choice.
        admitted = [result for result in results if isinstance(result, Admission)]
        assert sorted(admission.admission_sequence for admission in admitted) == list(range(2, 52))


async def test_an_outcome_is_the_same_for_everyone_and_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    gate = Gate()
    async with running(store, {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        input_id = runtime.new_id()
        outcomes: list[object] = []
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                answer = await agent.ask("x", input_id=input_id)
                outcomes.append(Consumed(answer.text, answer.receipt))

            async def wait(handle: AgentHandle) -> None:
                outcomes.append(await handle.wait(input_id))

            nursery.start_soon(ask)
            await until(lambda: gate.begun == 1)
            for _ in range(10):
                nursery.start_soon(ask)
                nursery.start_soon(wait, agent)
                nursery.start_soon(wait, await runtime.agent("a"))
            await passes(10)
            assert outcomes == []
            gate.open()
        outcomes.append(await agent.wait(input_id))
    async with running(store, {"gate": gate}) as runtime:
        outcomes.append(await (await runtime.agent("a")).wait(input_id))
    assert len(outcomes) == 33
    assert len({repr(outcome) for outcome in outcomes}) == 1
    assert isinstance(outcomes[0], Consumed)
    assert outcomes[0].receipt.contributors == (input_id,)


async def test_a_dead_letter_is_told_to_everyone_also_after_a_restart(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    outcomes: list[object] = []
    async with running(store, {"fail": fail}) as runtime:
        agent = await runtime.agent("a", kind="fail")
        admission = await agent.send("x")

        async def wait() -> None:
            outcomes.append(await agent.wait(admission.input_id))

        async def ask() -> None:
            with pytest.raises(TurnAbandonedError) as caught:
                await agent.ask("x", input_id=admission.input_id)
            outcomes.append(caught.value.outcome)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(wait)
                nursery.start_soon(ask)
        await wait()
    async with running(store, {"fail": fail}) as runtime:
        agent = await runtime.agent("a")
        await wait()
        await ask()
    assert outcomes == [Abandoned(AbandonReason.ATTEMPTS_EXHAUSTED, "ValueError: no")] * 13


async def test_a_waiter_of_an_unfinished_input_hears_its_outcome_after_a_restart(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = MemoryStore()
    async with running(store, {"a": hang}, limits=Limits(shutdown_seconds=0)) as runtime:
        first = await (await runtime.agent("a", kind="a")).send("x")
    async with running(store, {"a": echo}) as runtime:
        outcome = await (await runtime.agent("a")).wait(first.input_id)
        assert isinstance(outcome, Consumed)
        assert outcome.text == "x"


async def test_an_input_that_nobody_admitted_is_unknown(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent, other = await runtime.agent("a", kind="echo"), await runtime.agent("b", kind="echo")
        admission = await other.send("x")
        with pytest.raises(UnknownInputError):
            await agent.wait(runtime.new_id())
        with pytest.raises(UnknownInputError):
            await agent.wait(admission.input_id)


async def test_a_refused_admission_leaves_no_trace(autojump_clock: trio.testing.MockClock) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"hang": hang}) as runtime:
        agent = await runtime.agent("a", kind="hang")
        await agent.send("running")
        before = await agent.status()
        store.refusal = lambda _: FULL
        refused = runtime.new_id()
        for _ in range(3):
            with pytest.raises(StoreFullError):
                await agent.send("x", input_id=refused)
        assert await agent.status() == before
        with pytest.raises(UnknownInputError):
            await agent.wait(refused)
        store.refusal = lambda _: None
        admission = await agent.send("x", input_id=refused)
        assert (admission.admission_sequence, admission.duplicate) == (2, False)


async def test_a_number_that_the_store_can_not_count_is_the_senders_to_hear(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = FaultyStore(MemoryStore())
    async with running(store, {"hang": hang}) as runtime:
        agent = await runtime.agent("a", kind="hang")
        store.refusal = lambda _: Refused(reason=RefusalReason.OUT_OF_RANGE, effect=0, current="2^63")
        with pytest.raises(InvalidValueError, match=r"a: 2\^63"):
            await agent.send("x")
        store.refusal = lambda _: None
        assert (await agent.send("x")).admission_sequence == 1


@pytest.mark.parametrize("is_written", [False, True])
async def test_memory_never_runs_ahead_of_a_store_that_fails(
    is_written: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """Nobody is told of a boundary whose commit raised, whether or not it turns out to be durable."""
    inner = MemoryStore()
    store = FaultyStore(inner)
    gate = Gate()
    heard: list[object] = []

    async def ask(agent: AgentHandle) -> None:
        heard.append(await agent.ask("x"))

    async def status(agent: AgentHandle) -> None:
        heard.append(await agent.status())

    async def life() -> None:
        async with running(store, {"gate": gate}) as runtime, trio.open_nursery() as nursery:
            agent = await runtime.agent("a", kind="gate")
            nursery.start_soon(ask, agent)
            await until(lambda: gate.begun == 1)
            store.fail_next(is_written=is_written)
            gate.open()
            nursery.start_soon(status, agent)

    with pytest.raises(StoreFailedError):
        await life()
    assert all(getattr(each, "checkpoint_version", 0) == 0 for each in heard)
    async with running(inner, {"gate": gate}) as runtime:
        agent = await runtime.agent("a")
        await runtime.wait_idle()
        assert await told(agent) == ["x"]
    assert gate.begun == (1 if is_written else 2)


@pytest.mark.parametrize("is_written", [False, True])
async def test_who_was_told_of_a_failed_admission_can_ask_again(
    is_written: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """``UnknownOutcomeError`` is honest: the same key finds the input if it is durable, and makes it if not."""
    inner = MemoryStore()
    store = FaultyStore(inner)

    async def life() -> None:
        async with running(store, {"echo": echo}) as runtime:
            agent = await runtime.agent("a", kind="echo")
            store.fail_next(is_written=is_written)
            with pytest.raises((UnknownOutcomeError, StoreError)):
                await agent.send("x", idempotency_key="job")
            await trio.sleep_forever()

    with pytest.raises(StoreFailedError):
        await life()
    async with running(inner, {"echo": echo}) as runtime:
        agent = await runtime.agent("a")
        admission = await agent.send("x", idempotency_key="job")
        assert admission.duplicate is is_written
        await agent.wait(admission.input_id)
        assert await told(agent) == ["x"]


async def test_a_boundary_that_is_refused_changes_nothing_in_memory(autojump_clock: trio.testing.MockClock) -> None:
    """The store says no to one boundary: its owner begins again from the store, and the turn runs again."""
    store = FaultyStore(MemoryStore())
    refusals = 0

    def refuse(unit: Unit) -> CommitOutcome | None:
        nonlocal refusals
        if refusals == 0 and any(type(effect) is AppendTurn for effect in unit.effects):
            refusals += 1
            return Refused(reason=RefusalReason.INPUT_STATE_CONFLICT, effect=0, current="odd")
        return None

    store.refusal = refuse
    async with running(store, {"count": count}) as runtime:
        agent = await runtime.agent("a", kind="count")
        answer = await agent.ask("x")
        assert (answer.text, answer.receipt.checkpoint_version, refusals) == ("1", 1, 1)
        assert await told(agent) == ["x"]
