"""A runtime's block that is cancelled from outside ends in silence, whatever its tasks were about to ask."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import meerkat_actors as meerkat


async def sleeper(turn: meerkat.Turn) -> None:
    await trio.sleep_forever()


@pytest.mark.parametrize("call", ["send", "ask", "agent"])
async def test_a_cancelled_task_of_the_block_sees_its_cancellation_and_no_refusal(
    autojump_clock: trio.testing.MockClock, call: str
) -> None:
    """Found by Ctrl-C: between two sends a task met a runtime that was closing already, and the job failed of that."""
    is_late = False
    with trio.CancelScope() as scope:
        async with meerkat.open_runtime(agents={"sleeper": sleeper}) as runtime:
            agent = await runtime.agent("agent", kind="sleeper")
            await agent.send("work")
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            # Whoever can't be cancelled just now goes on when the turn has long been.
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            is_late = True
            match call:
                case "send":
                    await agent.send("more")
                case "ask":
                    await agent.ask("more")
                case _:
                    await runtime.agent("another", kind="sleeper")
    assert is_late
    assert scope.cancelled_caught
