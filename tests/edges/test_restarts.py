"""Edges of restarts: what a kill leaves is gone on with, in its order, once, and by what is wanted of the agent."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import DestroyedError, UnknownInputError
from meerkat_actors.records.commands import Govern, Look
from meerkat_actors.records.headers import Durability, Header
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.inputs import InputState
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed
from meerkat_actors.records.status import Desired, Verb
from tests.actors.world import Gate, consumed, echo, gathered, hang, told
from tests.edges.world import Place
from tests.machines.laws import decided, outcomes_of
from tests.machines.states import an_input, idle, input_id

PROMISES_NOTHING = Header(durability=Durability.EPHEMERAL)


async def test_edge_10_a_restart_repeats_nothing_that_is_over(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    begun: list[str] = []

    async def agent(turn: Turn) -> str:
        begun.append(turn.text)
        return turn.text

    for life in range(3):
        async with place.life({"agent": agent}, is_killed=True) as runtime:
            handle = await runtime.agent("a", kind="agent")
            await trio.sleep(1)
            await handle.ask(f"life {life}")
            await handle.ask("once", idempotency_key="once")
    assert begun == ["life 0", "once", "life 1", "life 2"]


async def test_edge_11_attempts_are_counted_over_kills(place: Place, autojump_clock: trio.testing.MockClock) -> None:
    attempts: list[int] = []

    async def failing(turn: Turn) -> str:
        attempts.append(turn.attempt)
        message = "no"
        raise ValueError(message)

    limits = Limits(backoff_seconds=1_000, backoff_seconds_max=1_000)
    async with place.life({"failing": failing}, limits=limits, is_killed=True) as runtime:
        admission = await (await runtime.agent("a", kind="failing")).send("x")
        await trio.sleep(1)
    async with place.life({"failing": failing}, limits=limits, is_killed=True):
        await trio.sleep(1_200)
    async with place.life({"failing": failing}, limits=limits) as runtime:
        outcome = await (await runtime.agent("a")).wait(admission.input_id)
    assert isinstance(outcome, Abandoned)
    assert outcome.reason is AbandonReason.ATTEMPTS_EXHAUSTED
    assert attempts == [1, 2, 3]


async def test_edge_23_who_retires_works_off_its_queue_also_after_a_kill(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    async with place.life({"agent": Gate()}, is_killed=True) as runtime:
        agent = await runtime.agent("a", kind="agent")
        for number in range(3):
            await agent.send(f"job {number}")
        await agent.send("quietly", kind="external_event", wakes=False)
        await agent.retire()
    async with place.life({"agent": echo}) as runtime:
        agent = await runtime.agent("a")
        await runtime.wait_idle()
        assert (await agent.status()).desired is Desired.RETIRED
        assert await told(agent) == ["job 0", "job 1", "job 2", "quietly"]


async def test_edges_25_27_who_is_destroyed_under_a_turn_is_dead_after_a_kill(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    async with place.life({"agent": hang}, is_killed=True) as runtime:
        agent = await runtime.agent("a", kind="agent")
        running, queued = await agent.send("x"), await agent.send("y")
        await trio.sleep(1)
        await agent.destroy()
    async with place.life({"agent": echo}) as runtime:
        await trio.sleep(1)
        with pytest.raises(DestroyedError):
            await runtime.agent("a", kind="agent")
        agent = await runtime.agent("a", kind="agent", recreate=True)
        assert (await agent.status()).generation == 1
        for admission in (running, queued):
            outcome = await agent.wait(admission.input_id)
            assert isinstance(outcome, Abandoned)
            assert outcome.reason is AbandonReason.DESTROYED
        assert (await agent.ask("again")).text == "again"


@pytest.mark.parametrize("verb", [Verb.DESTROY, Verb.RESET, Verb.STOP])
def test_edges_19_25_what_recovery_gives_up_ends_whatever_is_asked_first(verb: Verb) -> None:
    """An ephemeral input that recovery found ends before its identity is buried: nobody could end it afterwards."""
    lost = an_input(9, header=PROMISES_NOTHING)
    decision = decided(idle(lane=(10,), lost=(lost,)), Govern(verb))
    reasons = {
        ended: outcome.reason for ended, outcome in outcomes_of(decision).items() if isinstance(outcome, Abandoned)
    }
    assert reasons[input_id(9)] is AbandonReason.EPHEMERAL_LOST
    assert set(reasons) == {input_id(9), input_id(10)}
    assert not decided(decision.state, Look()).state.lost


async def test_edge_41_what_a_dead_process_held_is_claimed_above_it(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    tokens: list[int] = []
    for _ in range(3):
        async with place.life({"agent": echo}, is_killed=True) as runtime:
            agent = await runtime.agent("a", kind="agent")
            await agent.ask("x")
            tokens.append((await agent.status()).fencing_token)
    assert tokens == sorted(set(tokens))


async def test_defect_7_recovery_goes_by_admission_and_not_by_id(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    ids = [InputId(f"00000000-0000-7000-8000-{number:012d}") for number in (9, 3, 7, 1)]
    async with place.life({"agent": echo}, is_killed=True) as runtime:
        agent = await runtime.agent("a", kind="agent")
        await agent.pause()
        for chosen in ids:
            await agent.send(str(chosen), input_id=chosen)
    async with place.life({"agent": echo}) as runtime:
        agent = await runtime.agent("a")
        await agent.resume()
        await runtime.wait_idle()
        assert await consumed(agent) == ids


@pytest.mark.parametrize("is_killed", [False, True])
async def test_defect_15_a_stopped_agent_is_revived(
    place: Place, is_killed: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async with place.life({"agent": echo}, is_killed=is_killed) as runtime:
        agent = await runtime.agent("a", kind="agent")
        await agent.ask("before")
        await agent.stop()
    async with place.life({"agent": echo}) as runtime:
        agent = await runtime.agent("a", kind="agent")
        assert (await agent.status()).desired is Desired.STOPPED
        await agent.resume()
        assert (await agent.ask("after")).text == "after"
        assert await told(agent) == ["before", "after"]


async def test_edges_44_20_work_that_a_kill_left_begins_though_nobody_asks(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    """By what there is to do, and not by what was going on when the process died."""
    begun: list[str] = []

    async def agent(turn: Turn) -> str:
        begun.append(f"{turn.identity} {turn.text}")
        return "done"

    async with place.life({"agent": hang}, is_killed=True) as runtime:
        for name in ("running", "waking"):
            await (await runtime.agent(name, kind="agent")).send("x")
        await (await runtime.agent("sleeping", kind="agent")).send("x", kind="external_event", wakes=False)
        await trio.sleep(1)
    async with place.life({"agent": agent}):
        await trio.sleep(1)
    assert sorted(begun) == ["running x", "waking x"]


async def test_edge_45_a_turn_that_had_ended_but_was_not_committed_runs_again_and_its_steps_do_not(
    place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    """There is no tail to commit: what a turn says is durable with its boundary, and only what it recorded before."""
    paid: list[str] = []
    is_over = trio.Event()

    async def pay(text: str) -> int:
        paid.append(text)
        return len(paid)

    async def agent(turn: Turn) -> str:
        turn.append("paying")
        number = await turn.step("pay", pay, turn.text)
        if not is_over.is_set():
            is_over.set()
            await trio.sleep_forever()
        return f"paid {number}"

    async with place.life({"agent": agent}, is_killed=True) as runtime:
        admission = await (await runtime.agent("a", kind="agent")).send("bill")
        await is_over.wait()
    async with place.life({"agent": agent}) as runtime:
        handle = await runtime.agent("a")
        outcome = await handle.wait(admission.input_id)
        assert isinstance(outcome, Consumed)
        assert outcome.text == "paid 1"
        assert paid == ["bill"]
        assert [each.content async for each in handle.history()] == ["paid 1", "paying", "bill"]


async def test_edge_37_cancelling_again_tells_the_same(place: Place, autojump_clock: trio.testing.MockClock) -> None:
    async with place.life({"agent": hang}, is_killed=True) as runtime:
        agent = await runtime.agent("a", kind="agent")
        admission = await agent.send("x")
        await trio.sleep(1)
        answers = await gathered(*[lambda: agent.cancel(admission.input_id)] * 3)
        assert len({repr(answer) for answer in answers}) == 1
    async with place.life({"agent": hang}) as runtime:
        agent = await runtime.agent("a")
        assert await agent.cancel(admission.input_id) == answers[0]
        with pytest.raises(UnknownInputError):
            await agent.cancel(runtime.new_id())
        (record,) = [record async for record in agent.inputs()]
        assert record.state is InputState.ABANDONED
