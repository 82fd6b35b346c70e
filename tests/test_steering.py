"""What reaches an agent ahead of its queue: steered inputs, and an end to its run, to one input, or to its rest."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from meerkat_actors.actors.turn import Turn
from meerkat_actors.errors import InvalidValueError, TurnAbandonedError, UnknownInputError, UsageError
from meerkat_actors.records.inputs import InputKind, InputState, Lane
from meerkat_actors.records.limits import Limits
from meerkat_actors.records.outcomes import Abandoned, AbandonReason, Consumed, ReceiptOutcome
from meerkat_actors.records.status import Phase
from meerkat_actors.runtime import open_runtime
from meerkat_actors.store import MemoryStore
from tests.actors.world import Gate, echo, gathered, hang, passes, running, told


def is_cancelled(outcome: object) -> bool:
    return isinstance(outcome, Abandoned) and outcome.reason is AbandonReason.CANCELLED


async def test_what_is_steered_goes_ahead_of_the_queue(autojump_clock: trio.testing.MockClock) -> None:
    gate = Gate()
    async with running(MemoryStore(), {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        for text in ("first", "second", "third"):
            await agent.send(text)
        await agent.steer("ahead")
        await agent.steer("ahead too", kind="external_event", source="alarm")
        status = await agent.status()
        assert (status.backlog, status.steered) == (4, 2)
        gate.open()
        await runtime.wait_idle()
        assert await told(agent) == ["first", "ahead", "ahead too", "second", "third"]
        steered = [record async for record in agent.inputs() if record.lane is Lane.STEER]
        assert [(record.kind, record.header.source) for record in steered] == [
            (InputKind.EXTERNAL_EVENT, "alarm"),
            (InputKind.PROMPT, None),
        ]


async def test_a_turn_takes_up_what_steers_it_at_its_checkpoint(autojump_clock: trio.testing.MockClock) -> None:
    began = trio.Event()

    async def attentive(turn: Turn) -> str:
        began.set()
        while not await turn.rest(1):
            pass
        return "; ".join(str(each.content) for each in await turn.checkpoint())

    async with running(MemoryStore(), {"attentive": attentive}) as runtime:
        agent = await runtime.agent("a", kind="attentive")
        asked: list[object] = []

        async def ask() -> None:
            asked.append((await agent.ask("work")).text)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await began.wait()
            admission = await agent.steer("be brief")
        assert asked == ["be brief"]
        outcome = await agent.wait(admission.input_id)
        assert isinstance(outcome, Consumed)
        assert outcome.receipt.contributors[-1] == admission.input_id
        assert await told(agent) == ["work", "be brief"]


async def test_an_interrupted_turn_keeps_what_it_said_and_not_what_it_sent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def talk(turn: Turn) -> str:
        if turn.text == "begin":
            turn.append("so far")
            turn.set_state(7)
            turn.send("b", "never arrives")
            await trio.sleep_forever()
        return f"{turn.text}: {turn.state}"

    store = MemoryStore()
    async with running(store, {"talk": talk, "echo": echo}) as runtime:
        agent = await runtime.agent("a", kind="talk")
        other = await runtime.agent("b", kind="echo")
        assert not await agent.interrupt()
        admission = await agent.send("begin")
        await trio.sleep(1)
        outcome, was_ended = await gathered(lambda: agent.wait(admission.input_id), agent.interrupt)
        assert is_cancelled(outcome)
        assert was_ended is True
        assert (await agent.ask("go on")).text == "go on: None"
        assert not await agent.interrupt()
        await runtime.wait_idle()
        assert await told(other) == []
    async with running(store, {"talk": talk, "echo": echo}) as runtime:
        agent = await runtime.agent("a")
        receipts = [receipt async for receipt in agent.receipts()]
        assert [receipt.outcome for receipt in receipts] == [ReceiptOutcome.COMPLETED, ReceiptOutcome.INTERRUPTED]
        assert [receipt.checkpoint_version for receipt in receipts] == [2, 1]
        assert [message.content async for message in agent.history()] == ["go on: None", "go on", "so far", "begin"]


async def test_an_interrupted_ask_says_so(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"hang": hang}) as runtime:
        agent = await runtime.agent("a", kind="hang")

        async def interrupt() -> bool:
            await trio.sleep(1)
            return await agent.interrupt()

        asked, was_ended = await gathered(lambda: agent.ask("x"), interrupt)
        assert was_ended is True
        assert isinstance(asked, TurnAbandonedError)
        assert f"a: input {asked.input_id} ended without a result: abandoned (cancelled)" in str(asked)


async def test_the_next_run_begins_after_an_interruption(autojump_clock: trio.testing.MockClock) -> None:
    async def picky(turn: Turn) -> str:
        if turn.text == "hang":
            await trio.sleep_forever()
        return turn.text

    async with running(MemoryStore(), {"picky": picky}) as runtime:
        agent = await runtime.agent("a", kind="picky")
        first, second = await agent.send("hang"), await agent.send("next")
        assert await agent.interrupt()
        assert is_cancelled(await agent.wait(first.input_id))
        assert isinstance(await agent.wait(second.input_id), Consumed)


async def test_an_interruption_ends_a_run_between_two_attempts(autojump_clock: trio.testing.MockClock) -> None:
    async def fail(_: Turn) -> None:
        message = "no"
        raise ValueError(message)

    async with running(MemoryStore(), {"fail": fail}, limits=Limits(backoff_seconds=60)) as runtime:
        agent = await runtime.agent("a", kind="fail")
        admission = await agent.send("x")
        await trio.sleep(1)
        assert (await agent.status()).phase is Phase.WAITING
        assert await agent.interrupt()
        assert is_cancelled(await agent.wait(admission.input_id))
        assert (await agent.status()).phase is Phase.IDLE
        assert [receipt async for receipt in agent.receipts()] == []


async def test_an_interruption_may_wait_for_a_checkpoint(autojump_clock: trio.testing.MockClock) -> None:
    passed: list[int] = []

    async def careful(turn: Turn) -> str:
        for number in range(3):
            await trio.sleep(10)
            passed.append(number)
            await turn.checkpoint()
        return "done"

    async with running(MemoryStore(), {"careful": careful}) as runtime:
        agent = await runtime.agent("a", kind="careful")
        admission = await agent.send("x")
        await trio.sleep(1)
        assert await agent.interrupt(at_checkpoint=True)
        assert trio.current_time() >= 10
        assert passed == [0]
        assert is_cancelled(await agent.wait(admission.input_id))


async def test_a_turn_without_a_checkpoint_ends_by_itself(autojump_clock: trio.testing.MockClock) -> None:
    gate = Gate()
    async with running(MemoryStore(), {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        admission = await agent.send("x")

        async def open_gate() -> None:
            await trio.sleep(1)
            gate.open()

        was_ended, _ = await gathered(lambda: agent.interrupt(at_checkpoint=True), open_gate)
        assert was_ended is False
        assert isinstance(await agent.wait(admission.input_id), Consumed)


async def test_a_queued_input_is_cancelled_alone(autojump_clock: trio.testing.MockClock) -> None:
    gate, store = Gate(), MemoryStore()
    async with running(store, {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        first, second, third = [await agent.send(text) for text in ("first", "second", "third")]
        waited, cancelled = await gathered(lambda: agent.wait(second.input_id), lambda: agent.cancel(second.input_id))
        assert waited == cancelled
        assert is_cancelled(cancelled)
        assert await agent.cancel(second.input_id) == cancelled
        gate.open()
        assert isinstance(await agent.wait(third.input_id), Consumed)
        done = await agent.cancel(first.input_id)
        assert isinstance(done, Consumed)
        assert done == await agent.wait(first.input_id)
    async with running(store, {"gate": gate}) as runtime:
        agent = await runtime.agent("a")
        assert await agent.cancel(second.input_id) == cancelled
        assert await told(agent) == ["first", "third"]


async def test_the_input_of_a_turn_in_progress_is_cancelled_with_it(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"hang": hang}) as runtime:
        agent = await runtime.agent("a", kind="hang")
        admission = await agent.send("x")
        await trio.sleep(1)
        assert is_cancelled(await agent.cancel(admission.input_id))
        (record,) = [record async for record in agent.inputs()]
        assert record.state is InputState.ABANDONED
        assert (await agent.status()).phase is Phase.IDLE


async def test_what_a_checkpoint_took_up_is_not_cancelled_alone(autojump_clock: trio.testing.MockClock) -> None:
    bound = trio.Event()

    async def attentive(turn: Turn) -> None:
        while not await turn.checkpoint():
            await turn.rest(1)
        bound.set()
        await trio.sleep_forever()

    async with running(MemoryStore(), {"attentive": attentive}) as runtime:
        agent = await runtime.agent("a", kind="attentive")
        await agent.send("work")
        steered = await agent.steer("also")
        await bound.wait()
        with pytest.raises(UsageError, match="was taken up by a checkpoint; interrupt the run instead"):
            await agent.cancel(steered.input_id)
        assert await agent.interrupt()
        assert is_cancelled(await agent.wait(steered.input_id))


async def test_only_what_the_agent_admitted_can_be_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"echo": echo}) as runtime:
        agent, other = await runtime.agent("a", kind="echo"), await runtime.agent("b", kind="echo")
        admission = await other.send("x")
        for input_id in (runtime.new_id(), admission.input_id):
            with pytest.raises(UnknownInputError, match=f"a: no input {input_id}"):
                await agent.cancel(input_id)
        with pytest.raises(InvalidValueError, match="is no input id"):
            await agent.cancel("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_stirring_ends_a_rest_and_nothing_else(autojump_clock: trio.testing.MockClock) -> None:
    async def resting(turn: Turn) -> str:
        stirred = await turn.rest(3600)
        await trio.sleep(5)
        return f"{stirred} after {trio.current_time():.0f} s"

    async with running(MemoryStore(), {"resting": resting}) as runtime:
        agent = await runtime.agent("a", kind="resting")
        await agent.stir()
        admission = await agent.send("x")
        await trio.sleep(10)
        await agent.stir()
        outcome = await agent.wait(admission.input_id)
        assert isinstance(outcome, Consumed)
        assert outcome.text == "True after 15 s"


async def test_what_is_asked_of_an_agent_does_not_wait_behind_its_mail(autojump_clock: trio.testing.MockClock) -> None:
    async with running(MemoryStore(), {"hang": hang}, limits=Limits(mailbox_max=4)) as runtime:
        agent = await runtime.agent("a", kind="hang")
        await agent.send("x")
        ended: list[str] = []

        async def send(number: int) -> None:
            await agent.send(number)
            ended.append("sent")

        async def interrupt() -> None:
            assert await agent.interrupt()
            ended.append("interrupted")

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(send, number)
            nursery.start_soon(interrupt)
        assert sorted(ended) == ["interrupted", *["sent"] * 4]


@pytest.mark.parametrize("moment", range(6))
async def test_a_caller_that_is_cancelled_withdraws_nothing(
    moment: int, autojump_clock: trio.testing.MockClock
) -> None:
    gate = Gate()
    async with running(MemoryStore(), {"gate": gate}) as runtime:
        agent = await runtime.agent("a", kind="gate")
        first, second = await agent.send("first"), await agent.send("second")
        for ask in (lambda: agent.cancel(second.input_id), agent.interrupt):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask)
                    await passes(moment)
                    scope.cancel()
        # Asked again, each says what came of it.
        assert is_cancelled(await agent.cancel(second.input_id))
        await agent.interrupt()
        assert is_cancelled(await agent.wait(first.input_id))
        assert await told(agent) in (["first"], ["first", "second"])


async def test_cancelled_work_stays_so_over_sqlite(tmp_path: Path) -> None:
    gate = Gate()
    async with open_runtime(tmp_path / "a.db", agents={"gate": gate}, observers=()) as runtime:
        agent = await runtime.agent("a", kind="gate")
        first, second = await agent.send("first"), await agent.steer("second", source="s")
        assert is_cancelled(await agent.cancel(second.input_id))
        assert await agent.interrupt()
    async with open_runtime(tmp_path / "a.db", agents={"gate": gate}, observers=()) as runtime:
        agent = await runtime.agent("a")
        assert is_cancelled(await agent.wait(first.input_id))
        assert is_cancelled(await agent.wait(second.input_id))
        (receipt,) = [receipt async for receipt in agent.receipts()]
        assert receipt.outcome is ReceiptOutcome.INTERRUPTED
