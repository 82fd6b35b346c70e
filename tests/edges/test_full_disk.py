"""Edge 60 on a full disk: a turn that is over and not durable was there before whoever would end it."""

from __future__ import annotations

from typing import Final

import pytest
import trio
import trio.testing

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import MeerkatError, StoreFailedError, StoreFullError, UnknownOutcomeError
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.commits import RefusalReason, Refused
from meerkat_actors.records.effects import RecordStep
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import Gate, gathered, running, until

FULL: Final = Refused(reason=RefusalReason.STORE_FULL, effect=-1, current="full")
SOON: Final = Limits(full_retry_seconds=1)


async def ended(agent: AgentHandle, how: str, input_id: InputId) -> object:
    """Ask for the end of a turn; what is answered."""
    match how:
        case "interrupt":
            return await agent.interrupt()
        case "cancel":
            return await agent.cancel(input_id)
        case _:
            await agent.reset()
            return None


@pytest.mark.parametrize("how", ["interrupt", "cancel", "reset"])
async def test_edge_60_who_would_end_a_turn_that_is_over_comes_too_late(
    how: str, autojump_clock: trio.testing.MockClock
) -> None:
    store = FaultyStore(MemoryStore())
    gate = Gate()
    async with running(store, {"gate": gate}, limits=SOON) as runtime:
        agent = await runtime.agent("a", kind="gate")
        admission = await agent.send("paid for")
        await until(lambda: gate.begun == 1)
        store.refusal = lambda _: FULL
        gate.open()
        await trio.sleep(3)

        async def make_room() -> None:
            await trio.sleep(5)
            assert (await agent.status()).checkpoint_version == 0
            store.refusal = lambda _: None

        answers = await gathered(lambda: ended(agent, how, admission.input_id), make_room)
        outcome = await agent.wait(admission.input_id)
        assert isinstance(outcome, Consumed)
        assert answers[0] == {"interrupt": False, "cancel": outcome, "reset": None}[how]
        assert (await agent.status()).generation == (1 if how == "reset" else 0)
        assert gate.begun == 1


@pytest.mark.parametrize("how", ["interrupt", "cancel", "reset"])
async def test_edge_60_who_waits_with_it_is_told_when_the_store_fails_meanwhile(
    how: str, autojump_clock: trio.testing.MockClock
) -> None:
    """Found by seed 20036 of the workload "verbs": the caller of a reset waited for ever."""
    store = FaultyStore(MemoryStore())
    gate = Gate()
    errors: list[MeerkatError] = []

    async def end_it(agent: AgentHandle, input_id: InputId) -> None:
        with pytest.raises(MeerkatError) as caught:
            await ended(agent, how, input_id)
        errors.append(caught.value)

    with pytest.RaisesGroup(pytest.RaisesExc(StoreFailedError), flatten_subgroups=True):
        async with trio.open_nursery() as callers, running(store, {"gate": gate}, limits=SOON) as runtime:
            agent = await runtime.agent("a", kind="gate")
            admission = await agent.send("paid for")
            await until(lambda: gate.begun == 1)
            store.refusal = lambda _: FULL
            gate.open()
            await trio.sleep(3)
            callers.start_soon(end_it, agent, admission.input_id)
            await trio.sleep(0.1)
            store.fail_from(0)
            await trio.sleep(5)
    assert [type(error) for error in errors] == [UnknownOutcomeError]


async def test_edge_60_what_is_queued_behind_it_is_refused_at_once(autojump_clock: trio.testing.MockClock) -> None:
    """Only who asks of the turn that is over waits with it."""
    store = FaultyStore(MemoryStore())
    gate = Gate()
    async with running(store, {"gate": gate}, limits=SOON) as runtime:
        agent = await runtime.agent("a", kind="gate")
        await agent.send("paid for")
        queued = await agent.send("queued")
        await until(lambda: gate.begun == 1)
        store.refusal = lambda _: FULL
        gate.open()
        await trio.sleep(3)
        with pytest.raises(StoreFullError):
            await agent.cancel(queued.input_id)
        store.refusal = lambda _: None
        assert isinstance(await agent.wait(queued.input_id), Consumed)


async def test_edge_60_a_turn_that_still_works_is_interrupted_on_a_full_disk_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = FaultyStore(MemoryStore())
    is_cut_off = trio.Event()

    async def record(turn: Turn) -> str:
        try:
            await turn.step("record", len, "x")
        except trio.Cancelled:
            is_cut_off.set()
            raise
        return "recorded"

    async with running(store, {"record": record}, limits=SOON) as runtime:
        agent = await runtime.agent("a", kind="record")
        store.refusal = lambda unit: FULL if any(type(each) is RecordStep for each in unit.effects) else None
        admission = await agent.send("x")
        await trio.sleep(3)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agent.interrupt)
            with trio.fail_after(5):
                await is_cut_off.wait()
            store.refusal = lambda _: None
        outcome = await agent.wait(admission.input_id)
        assert isinstance(outcome, Abandoned)
        assert outcome.reason is AbandonReason.CANCELLED
