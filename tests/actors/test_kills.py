"""An end at every commit, of work that agents hand on to each other: nothing is lost, nothing is done twice.

Prompts have a turn each. The messages that they cause meet in turns as chance has it, or all in one, where their
reader is there only after them; a turn of several may fail, and then each of them is tried alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import StoreFailedError
from meerkat_actors.records.effects import AppendTurn, DropJournal, EndInput, RecordStep, SendMail, Unit
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.outcomes import Abandoned, AbandonReason
from meerkat_actors.runtime import Runtime
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore
from tests.actors.world import consumed, running, said, told

WORK = tuple(f"job {number}" for number in range(4))


async def measure(text: str) -> int:
    return len(text)


async def hand_on(turn: Turn) -> str:
    """Take a step, count, and tell another agent."""
    await turn.step("look", measure, turn.text)
    number = turn.state + 1 if isinstance(turn.state, int) else 1
    turn.set_state(number)
    turn.send("b", f"{turn.text} was number {number}")
    return f"did {turn.text}"


async def number(turn: Turn) -> str:
    """Number each input, by the agent's own state."""
    before = turn.state if isinstance(turn.state, int) else 0
    after = before + len(turn.inputs)
    turn.set_state(after)
    return " ".join(str(each) for each in range(before + 1, after + 1))


async def number_apart(turn: Turn) -> str:
    """Fail where there are several, and number the single one."""
    text = await number(turn)
    await turn.step("look", measure, turn.text)
    if len(turn.inputs) > 1:
        message = "too many"
        raise ValueError(message)
    return text


READERS: Mapping[str, Callable[[Turn], Awaitable[str]]] = {"together": number, "apart": number_apart}


async def do_the_work(runtime: Runtime, acknowledged: list[InputId], *, is_late: bool) -> None:
    """Send it all; ``is_late``: the reader of what comes of it is made at the end only."""
    if not is_late:
        await runtime.agent("b", kind="b")
    agent = await runtime.agent("a", kind="a")
    for work in WORK:
        admission = await agent.send(work, idempotency_key=work)
        acknowledged.append(admission.input_id)
    await runtime.wait_idle()
    if is_late:
        await runtime.agent("b", kind="b")
        await runtime.wait_idle()


async def check_the_work(runtime: Runtime, acknowledged: list[InputId]) -> None:
    a, b = await runtime.agent("a"), await runtime.agent("b")
    records = [record async for record in a.inputs(order="oldest")]
    assert [record.content for record in records] == list(WORK)
    assert {record.state for record in records} == {InputState.CONSUMED}
    # Applied once, in order, and what was acknowledged is among it.
    assert await consumed(a) == [record.input_id for record in records]
    assert set(acknowledged) <= set(await consumed(a))
    assert await told(a) == list(WORK)
    assert await said(a) == [f"did {work}" for work in WORK]
    assert await told(b) == [f"{work} was number {number}" for number, work in enumerate(WORK, 1)]
    assert await consumed(b) == [record.input_id async for record in b.inputs(order="oldest")]
    # Each message was numbered once, however many were in its turn.
    numbers = " ".join(str(text) for text in await said(b)).split()
    assert numbers == [str(number) for number in range(1, len(WORK) + 1)]


async def turns_of_reader(runtime: Runtime) -> list[int]:
    """How many messages each of its turns had, oldest first."""
    b = await runtime.agent("b")
    return [len(receipt.contributors) async for receipt in b.receipts()][::-1]


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("reader", READERS)
async def test_a_kill_at_every_commit_loses_nothing_and_repeats_nothing(
    reader: str, is_late: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """What a kill leaves is what was committed by then: a copy of the store, taken between COMMIT and the replies."""
    begun: list[int] = []

    async def read(turn: Turn) -> str:
        begun.append(len(turn.inputs))
        return await READERS[reader](turn)

    hands = {"a": hand_on, "b": read}
    inner = MemoryStore()
    store = FaultyStore(inner)
    acknowledged: list[InputId] = []
    kills: list[tuple[MemoryStore, list[InputId]]] = []
    store.after_commit = lambda _, __: kills.append((deepcopy(inner), list(acknowledged)))
    async with running(store, hands) as runtime:
        await do_the_work(runtime, acknowledged, is_late=is_late)
        await check_the_work(runtime, acknowledged)
    if is_late:
        assert begun == ([4, 1, 1, 1, 1] if reader == "apart" else [4])
    effects = [effect for unit in store.units for effect in unit.effects]
    journaled = {effect.run_id for effect in effects if isinstance(effect, RecordStep)}
    assert journaled == {effect.run_id for effect in effects if isinstance(effect, DropJournal)}
    assert len(kills) > 2 * len(WORK) + 2
    for killed, known in kills:
        begun.clear()
        async with running(killed, hands) as runtime:
            again: list[InputId] = []
            await do_the_work(runtime, again, is_late=is_late)
            assert again[: len(known)] == known
            await check_the_work(runtime, known)
            charged = [record.attempts async for record in (await runtime.agent("b")).inputs()]
        if is_late:
            # Once for the failure of all, before the kill or after it; and what failed together stays apart.
            assert charged == [1 if reader == "apart" else 0] * len(WORK)
            assert begun.count(4) <= 1
            assert set(begun) <= {1, 4}


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("is_written", [False, True])
async def test_a_failed_commit_at_every_point_loses_nothing_and_repeats_nothing(
    is_written: bool, reader: str, is_late: bool, autojump_clock: trio.testing.MockClock
) -> None:
    hands = {"a": hand_on, "b": READERS[reader]}
    failures = 0
    while True:
        inner = MemoryStore()
        store = FaultyStore(inner)
        if is_written:
            store.fail_after(failures)
        else:
            store.fail_from(failures)
        acknowledged: list[InputId] = []
        try:
            async with running(store, hands) as runtime:
                await do_the_work(runtime, acknowledged, is_late=is_late)
        except StoreFailedError:
            assert store.ends == []  # not marked clean
        else:
            break
        async with running(inner, hands) as runtime:
            await do_the_work(runtime, [], is_late=is_late)
            await check_the_work(runtime, acknowledged)
        failures += 1
    assert failures > 2 * len(WORK) + 2


async def test_a_kill_at_every_commit_keeps_a_poisonous_message_from_its_neighbours(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """One of four fails whatever it is with: it ends alone, as a dead letter, and the others are read."""

    async def poisoned(turn: Turn) -> str:
        text = await number(turn)
        if any("job 2" in str(each.content) for each in turn.inputs):
            message = "no"
            raise ValueError(message)
        return text

    async def check(runtime: Runtime) -> None:
        b = await runtime.agent("b")
        records = [record async for record in b.inputs(order="oldest")]
        poison = Abandoned(AbandonReason.ATTEMPTS_EXHAUSTED, "ValueError: no")
        assert [record.outcome for record in records if record.state is not InputState.CONSUMED] == [poison]
        assert [str(record.content)[:5] for record in records] == list(WORK)
        assert [str(content)[:5] for content in await told(b)] == ["job 0", "job 1", "job 3"]
        assert " ".join(str(text) for text in await said(b)) == "1 2 3"

    hands = {"a": hand_on, "b": poisoned}
    inner = MemoryStore()
    store = FaultyStore(inner)
    kills: list[MemoryStore] = []
    store.after_commit = lambda _, __: kills.append(deepcopy(inner))
    async with running(store, hands) as runtime:
        await do_the_work(runtime, [], is_late=True)
        await check(runtime)
        assert await turns_of_reader(runtime) == [1, 1, 1]
    for killed in kills:
        async with running(killed, hands) as runtime:
            await do_the_work(runtime, [], is_late=True)
            await check(runtime)


async def test_a_turn_is_one_transaction(autojump_clock: trio.testing.MockClock) -> None:
    """Transcript, receipt, state, consumed input and sent mail are in one unit."""
    store = FaultyStore(MemoryStore())
    async with running(store, {"a": hand_on, "b": number}) as runtime:
        await do_the_work(runtime, [], is_late=False)
    boundaries = [unit for unit in store.units if count_of(unit, AppendTurn)]
    others = [unit for unit in store.units if not count_of(unit, AppendTurn)]
    # Prompts have a turn each, and each of those sends; messages may have met in one turn.
    handing = [unit for unit in boundaries if unit.fence.identity == "a"]
    assert [(count_of(unit, EndInput), count_of(unit, SendMail)) for unit in handing] == [(1, 1)] * len(WORK)
    reading = [unit for unit in boundaries if unit.fence.identity == "b"]
    assert sum(count_of(unit, EndInput) for unit in reading) == len(WORK)
    assert all(count_of(unit, EndInput) for unit in reading)
    assert len(handing) + len(reading) == len(boundaries)
    assert not any(count_of(unit, EndInput) or count_of(unit, SendMail) for unit in others)


def count_of(unit: Unit, kind: type[AppendTurn | EndInput | SendMail]) -> int:
    return sum(type(effect) is kind for effect in unit.effects)
