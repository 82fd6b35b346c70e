"""What an operation in progress means for its agent's place in memory."""

from __future__ import annotations

import pytest
import trio

from meerkat_actors.records.commands import ChangeOperation, StartOperation
from meerkat_actors.records.ids import OperationId
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.operation import Operation, OperationChange
from meerkat_actors.store import MemoryStore
from tests.actors.clock_world import SetEnv, ask, clocked, listen


@pytest.mark.parametrize("is_external", [False, True])
async def test_an_operation_of_this_process_keeps_its_agent_in_memory_and_is_no_work(
    is_external: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """What somebody outside carries out goes on without its agent."""
    limits = Limits(passivate_seconds=1)
    async with clocked(MemoryStore(), {"listen": listen}, SetEnv(), limits=limits) as runtime:
        agent = await runtime.agent("a", kind="listen")
        operation_id = OperationId(runtime.new_id())
        await ask(agent, StartOperation(Operation(operation_id, "work", is_external=is_external)))
        with trio.fail_after(1):
            await runtime.wait_idle()
        await trio.sleep(10)
        assert runtime.statistics().live == (0 if is_external else 1)
        await ask(agent, ChangeOperation(operation_id, OperationChange.COMPLETE))
        await trio.sleep(10)
        assert runtime.statistics().live == 0
        if not is_external:
            assert (await agent.status()).checkpoint_version == 1  # its end woke the agent
