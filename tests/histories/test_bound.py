"""Steered inputs that a checkpoint took into a run, and what becomes of them with the run."""

from __future__ import annotations

import trio
import trio.testing

from meerkat_actors.actors.turn import Turn
from meerkat_actors.handles import AgentHandle
from meerkat_actors.records.content import JSON
from meerkat_actors.records.inputs import InputRecord, InputState, Lane, Letter
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed, Receipt, ReceiptOutcome
from tests.actors.world import consumed, told
from tests.histories.mortal import living
from tests.histories.processes import Opener

BOUND = ["left", "right"]


class Steered:
    """An agent that works as long as it likes, takes up what steers it, and then fails, or works on."""

    def __init__(self, *, fails: int = 0) -> None:
        self.fails = fails
        """So many of the first attempts fail."""
        self.taken: list[list[JSON]] = []
        self.may_look = trio.Event()
        self.may_end = trio.Event()

    async def __call__(self, turn: Turn) -> str:
        if turn.text != "work":
            self.taken.append([each.content for each in turn.inputs])
            return "by itself"
        await self.may_look.wait()
        self.taken.append([each.content for each in await turn.checkpoint()])
        turn.append("taken up", role="notice")
        if turn.attempt <= self.fails:
            raise ValueError(turn.text)
        await self.may_end.wait()
        return "done"


async def steer(agent: AgentHandle, steered: Steered) -> None:
    """Give it work and steer that: twice in time for the checkpoint, once too late."""
    await agent.send("work")
    for text in BOUND:
        await agent.steer(text)
    steered.may_look.set()
    await trio.sleep(0.5)
    await agent.steer("late")


async def records(agent: AgentHandle) -> dict[JSON, InputRecord]:
    """Its inputs, by what they say."""
    return {record.content: record async for record in agent.inputs(order="oldest")}


async def receipts(agent: AgentHandle) -> list[Receipt]:
    """Its receipts, oldest first."""
    return [receipt async for receipt in agent.receipts()][::-1]


async def check_in_one_run(agent: AgentHandle) -> None:
    """They wait with the run that they were bound to, uncharged; what came too late waits in its lane."""
    found = await records(agent)
    assert {found[text].state for text in ("work", *BOUND)} == {InputState.STAGED}
    assert len({found[text].run_id for text in ("work", *BOUND)}) == 1
    assert (found["late"].state, found["late"].lane) == (InputState.QUEUED, Lane.STEER)


async def check_consumed_together(agent: AgentHandle) -> None:
    """One receipt for the work and what steered it, in order; then one for what came too late."""
    found = await records(agent)
    first, second = await receipts(agent)
    assert list(first.contributors) == [found[text].input_id for text in ("work", *BOUND)]
    assert list(second.contributors) == [found["late"].input_id]
    assert await consumed(agent) == [record.input_id for record in found.values()]
    assert await told(agent) == ["work", *BOUND, "late"]
    assert all(isinstance(record.outcome, Consumed) for record in found.values())


async def test_after_a_crash_the_checkpoint_returns_what_it_had_bound(
    opener: Opener, autojump_clock: trio.testing.MockClock
) -> None:
    steered = Steered()
    async with living(opener(), {"k": steered}) as (runtime, life):
        agent = await runtime.agent("a", kind="k")
        await steer(agent, steered)
        await check_in_one_run(agent)
        life.kill()
        await trio.sleep(1)
    async with living(opener(), {"k": steered}) as (runtime, _):
        agent = await runtime.agent("a")
        await trio.sleep(0.5)
        await check_in_one_run(agent)
        steered.may_end.set()
        await runtime.wait_idle()
        assert steered.taken == [BOUND, BOUND, ["late"]]
        await check_consumed_together(agent)


async def test_over_failed_attempts_they_stay_bound(opener: Opener, autojump_clock: trio.testing.MockClock) -> None:
    steered = Steered(fails=2)
    steered.may_end.set()
    async with living(opener(), {"k": steered}) as (runtime, _):
        agent = await runtime.agent("a", kind="k")
        await steer(agent, steered)
        found = await records(agent)
        assert [(found[text].state, found[text].attempts) for text in ("work", *BOUND)] == [(InputState.STAGED, 1)] * 3
        await runtime.wait_idle()
        # What came too late for the checkpoint is not held up by the run that waits in the other lane.
        assert steered.taken == [BOUND, ["late"], BOUND, BOUND]
        found = await records(agent)
        by_itself, together = await receipts(agent)
        assert list(by_itself.contributors) == [found["late"].input_id]
        assert list(together.contributors) == [found[text].input_id for text in ("work", *BOUND)]
        assert await told(agent) == ["late", "work", *BOUND]


async def test_an_interrupt_ends_them_with_their_run(opener: Opener, autojump_clock: trio.testing.MockClock) -> None:
    steered = Steered()
    async with living(opener(), {"k": steered}) as (runtime, _):
        agent = await runtime.agent("a", kind="k")
        await steer(agent, steered)
        assert await agent.interrupt()
        await runtime.wait_idle()
        found = await records(agent)
        cancelled = Abandoned(AbandonReason.CANCELLED, "its turn was interrupted")
        assert [found[text].outcome for text in ("work", *BOUND)] == [cancelled] * 3
        interrupted, after = await receipts(agent)
        assert interrupted.outcome is ReceiptOutcome.INTERRUPTED
        assert list(interrupted.contributors) == [found[text].input_id for text in ("work", *BOUND)]
        assert list(after.contributors) == [found["late"].input_id]
        # What the turn was told and said until then is kept.
        assert await told(agent) == ["work", *BOUND, "late"]
        assert steered.taken == [BOUND, ["late"]]


async def test_from_a_dead_letter_they_go_back_uncharged_and_are_worked_on(
    opener: Opener, autojump_clock: trio.testing.MockClock
) -> None:
    steered = Steered(fails=9)
    async with living(opener(), {"k": steered}) as (runtime, _):
        agent = await runtime.agent("a", kind="k")
        await steer(agent, steered)
        await runtime.wait_idle()
        found = await records(agent)
        assert found["work"].letter is Letter.DEAD
        assert found["work"].outcome == Abandoned(AbandonReason.ATTEMPTS_EXHAUSTED, "ValueError: work")
        assert steered.taken == [BOUND, ["late"], BOUND, BOUND, BOUND]
        assert [(found[text].attempts, found[text].letter) for text in BOUND] == [(0, Letter.NONE)] * 2
        assert [receipt.contributors for receipt in await receipts(agent)] == [
            (found["late"].input_id,),
            tuple(found[text].input_id for text in BOUND),
        ]
        assert await told(agent) == ["late", *BOUND]
