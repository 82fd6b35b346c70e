"""What random cancellations and kills found in the runtime."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio

from meerkat_actors.errors import NotReadyError, StoreFailedError
from meerkat_actors.records.effects import Bury, Unit
from meerkat_actors.records.status import Desired
from meerkat_actors.store import MemoryStore
from tests.actors.faulty import FaultyStore, broken
from tests.actors.world import Gate, echo, running


async def test_what_a_kill_left_destroyed_and_not_yet_buried_begins_anew_at_the_first_call(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The turn that was in progress had ended, nothing was open, and so nothing woke the agent to be buried."""
    inner = MemoryStore()
    store = FaultyStore(inner)
    gate = Gate()

    def kill(units: Sequence[Unit]) -> None:
        if any(type(effect) is Bury for unit in units for effect in unit.effects):
            raise broken()

    async def live() -> None:
        async with running(store, {"gate": gate}) as runtime:
            agent = await runtime.agent("a", kind="gate")
            await agent.send("x")
            await agent.destroy()
            gate.open()
            await trio.sleep(1)

    store.before_commit = kill
    with pytest.raises(StoreFailedError):
        await live()
    async with running(inner, {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate", recreate=True)
        status = await agent.status()
        assert (status.generation, status.desired) == (1, Desired.OPEN)


async def test_an_agent_whose_last_turn_is_in_progress_can_begin_anew_later(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It was told that it was destroyed, and to do what it did."""
    gate = Gate()
    async with running(MemoryStore(), {"gate": gate, "echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        await agent.send("x")
        await agent.destroy()
        with pytest.raises(NotReadyError, match="wait for its end, then try again"):
            await runtime.agent("a", kind="echo", recreate=True)
        gate.open()
        await runtime.wait_idle()
        agent = await runtime.agent("a", kind="echo", recreate=True)
        assert (await agent.ask("y")).text == "y"
