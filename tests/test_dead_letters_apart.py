"""Dead letters in numbers, in a file, of another runtime, and of a caller that goes away."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import (
    AlreadyOwnedError,
    UsageError,
)
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Consumed
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.test_sharing import serving, shared_store
from tests.actors.world import Gate, passes, said
from tests.surgery import Surgery, letters, opened


@pytest.mark.parametrize("number", [0, 99, 100, 101, 230])
async def test_letters_of_any_number_are_listed_in_order(number: int, autojump_clock: trio.testing.MockClock) -> None:
    async with opened(MemoryStore(), Surgery()) as runtime:
        agents = [await runtime.agent(name, kind="surgery") for name in ("a", "b")]
        for each in range(number):
            await agents[each % 2].send(each)
        await runtime.wait_idle()
        assert [letter.content for letter in await letters(runtime)] == list(range(number))
        assert [letter.content for letter in await letters(runtime, "b")] == list(range(1, number, 2))
        listing = runtime.dead_letters()
        if number:
            assert (await anext(listing)).content == 0
        await listing.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(listing)


@pytest.mark.parametrize("moment", range(6))
async def test_a_caller_that_is_cancelled_withdraws_nothing(
    moment: int, autojump_clock: trio.testing.MockClock
) -> None:
    surgery = Surgery()
    async with opened(MemoryStore(), surgery) as runtime:
        agent = await runtime.agent("a", kind="surgery")
        await agent.send("leg")
        await agent.send("arm")
        await runtime.wait_idle()
        leg, arm = await letters(runtime)
        surgery.is_cured = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runtime.redrive, leg)
            nursery.start_soon(runtime.drop, arm)
            await passes(moment)
            nursery.cancel_scope.cancel()
        await passes(20)
        # Each is looked after entirely, or not at all; asked again, it is.
        await runtime.redrive(leg)
        await runtime.drop(arm)
        await runtime.wait_idle()
        assert await letters(runtime) == []
        assert await said(agent) == ["cured leg"]


async def test_whom_another_runtime_holds_looks_after_its_own_letters(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store, gate = shared_store(), Gate()

    async def picky(turn: Turn) -> str:
        if turn.text == "leg":
            message = "no"
            raise ValueError(message)
        return await gate(turn)

    agents = {"picky": picky}
    async with (
        serving(store, agents, attempts_max=1) as holder,
        serving(store.beside(), agents, attempts_max=1) as other,
    ):
        agent = await holder.agent("a", kind="picky")
        await agent.send("leg")
        await holder.wait_idle()
        await agent.send("arm")
        (letter,) = await letters(other)
        for call in (other.redrive, other.drop):
            with pytest.raises(AlreadyOwnedError, match="nothing was written"):
                await call(letter)
        await holder.drop(letter)
        assert await letters(other) == []
        gate.open()


async def test_letters_over_sqlite(tmp_path: Path) -> None:
    surgery, path, limits = Surgery(), tmp_path / "a.db", Limits(attempts_max=1)
    async with open_runtime(path, agents={"surgery": surgery}, limits=limits, observers=()) as runtime:
        agent = await runtime.agent("a", kind="surgery")
        for text in ("leg", "arm", "head"):
            await agent.send(text, correlation_id=text)
        await runtime.wait_idle()
    async with open_runtime(path, agents={"surgery": surgery}, limits=limits, observers=()) as runtime:
        leg, arm, head = await letters(runtime)
        surgery.is_cured = True
        admission = await runtime.redrive(leg)
        assert isinstance(await (await runtime.agent("a")).wait(admission.input_id), Consumed)
        await runtime.drop(arm)
        assert (await runtime.redrive(leg)).input_id == admission.input_id
        with pytest.raises(UsageError, match="was looked after already"):
            await runtime.redrive(arm)
    async with open_runtime(path, agents={"surgery": surgery}, limits=limits, observers=()) as runtime:
        assert await letters(runtime) == [head]
        assert head.header.correlation_id == "head"
